//! Numbers, booleans, strings, bytes and enum values.

use buffa_descriptor::{EnumIndex, ScalarType};

use super::{Conversion, Stop};
use crate::wire::{Span, Value};

impl<'a> Conversion<'a> {
    pub(super) fn scalar(&mut self, kind: ScalarType, value: Value) -> Result<(), Stop> {
        match (kind, value) {
            (ScalarType::Bool, Value::Varint(value)) => self.out.json(&(value != 0))?,
            (ScalarType::Int32, Value::Varint(value)) => self.out.json(&(value as i32))?,
            (ScalarType::Uint32, Value::Varint(value)) => self.out.json(&(value as u32))?,
            (ScalarType::Sint32, Value::Varint(value)) => {
                self.out.json(&(unzigzag(value as u32 as u64) as i32))?
            }
            (ScalarType::Fixed32, Value::Fixed32(value)) => self.out.json(&value)?,
            (ScalarType::Sfixed32, Value::Fixed32(value)) => self.out.json(&(value as i32))?,
            // JavaScript's numbers cannot hold 64 bits.
            (ScalarType::Int64, Value::Varint(value)) => self.out.quoted(&(value as i64))?,
            (ScalarType::Uint64, Value::Varint(value)) => self.out.quoted(&value)?,
            (ScalarType::Sint64, Value::Varint(value)) => self.out.quoted(&unzigzag(value))?,
            (ScalarType::Fixed64, Value::Fixed64(value)) => self.out.quoted(&value)?,
            (ScalarType::Sfixed64, Value::Fixed64(value)) => self.out.quoted(&(value as i64))?,
            (ScalarType::Float, Value::Fixed32(bits)) => {
                let value = f32::from_bits(bits);
                if value.is_finite() {
                    self.out.json(&value)?
                } else {
                    self.out.json(not_a_number(value.into()))?
                }
            }
            (ScalarType::Double, Value::Fixed64(bits)) => {
                let value = f64::from_bits(bits);
                if value.is_finite() { self.out.json(&value)? } else { self.out.json(not_a_number(value))? }
            }
            (ScalarType::String, Value::Bytes(span)) => {
                let text = self.utf8(span)?;
                self.out.json(text)?;
            }
            (ScalarType::Bytes, Value::Bytes(span)) => self.out.base64(span.of(self.input))?,
            _ => return Err("wrong wire type".into()),
        }
        Ok(())
    }

    pub(super) fn utf8(&self, span: Span) -> Result<&'a str, Stop> {
        std::str::from_utf8(span.of(self.input))
            .map_err(|_| "a string that is not UTF-8 has no JSON form".into())
    }

    pub(super) fn enumeration(&mut self, index: EnumIndex, number: i32) -> Result<(), Stop> {
        let kind = self.pool.enumeration(index);
        if kind.full_name() == "google.protobuf.NullValue" {
            return Ok(self.out.raw(b"null")?);
        }
        match kind.value(number) {
            Some(value) => self.out.json(value.name())?,
            None => self.out.json(&number)?,
        }
        Ok(())
    }
}

pub(super) fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

/// The names of the floating-point values that JSON has no numbers for.
fn not_a_number(value: f64) -> &'static str {
    if value.is_nan() {
        "NaN"
    } else if value > 0.0 {
        "Infinity"
    } else {
        "-Infinity"
    }
}
