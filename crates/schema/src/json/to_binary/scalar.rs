//! Numbers, booleans, strings, bytes and enum values.

use std::fmt;

use base64::Engine;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use buffa::editions::EnumType;
use buffa_descriptor::{EnumIndex, ScalarType};
use serde::de::{Error, Visitor};

use super::Conversion;
use super::value::{Put, Slot};
use crate::json::UnknownFields;
use crate::json::number::{self, Misfit, Scalar};

/// A number, boolean, string or bytes.
pub(super) struct ScalarVisitor<'c, 'p> {
    pub(super) conversion: &'c mut Conversion<'p>,
    pub(super) kind: ScalarType,
    pub(super) slot: Slot,
}

impl ScalarVisitor<'_, '_> {
    fn put<E: Error>(self, value: Result<Scalar, Misfit>, found: fmt::Arguments<'_>) -> Result<Put, E> {
        let Ok(value) = value else {
            return Err(E::custom(format_args!("expected {}, found {found}", describe(self.kind))));
        };
        let out = &mut self.conversion.out;
        let result = match self.slot {
            Slot::Field { omit_default: true, .. } if value.is_default() => Ok(()),
            Slot::Field { number, .. } => {
                out.tag(number, number::wire_type(self.kind)).and_then(|()| value.write(out))
            }
            Slot::Packed => value.write(out),
        };
        self.conversion.wrote(result)?;
        Ok(Put::Written)
    }

    fn put_bytes<E: Error>(self, bytes: &[u8]) -> Result<Put, E> {
        let result = match self.slot {
            Slot::Field { omit_default: true, .. } if bytes.is_empty() => Ok(()),
            Slot::Field { number, .. } => self.conversion.out.bytes_field(number, bytes),
            // Strings and bytes are never packed: the descriptor says so of every list of them.
            Slot::Packed => Ok(()),
        };
        self.conversion.wrote(result)?;
        Ok(Put::Written)
    }
}

impl Visitor<'_> for ScalarVisitor<'_, '_> {
    type Value = Put;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(describe(self.kind))
    }

    fn visit_unit<E: Error>(self) -> Result<Put, E> {
        Ok(Put::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Put, E> {
        let scalar = number::from_bool(self.kind, value);
        self.put(scalar, format_args!("{value}"))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Put, E> {
        let scalar = number::from_integer(self.kind, value.into());
        self.put(scalar, format_args!("{value}"))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Put, E> {
        let scalar = number::from_integer(self.kind, value.into());
        self.put(scalar, format_args!("{value}"))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Put, E> {
        let scalar = number::from_float(self.kind, value);
        self.put(scalar, format_args!("{value}"))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Put, E> {
        match self.kind {
            ScalarType::String => self.put_bytes(text.as_bytes()),
            ScalarType::Bytes => {
                let bytes =
                    decode_base64(text).map_err(|error| E::custom(format_args!("not base64: {error}")))?;
                self.put_bytes(&bytes)
            }
            kind => self.put(number::from_text(kind, text), format_args!("the string {:?}", Excerpt(text))),
        }
    }
}

fn describe(kind: ScalarType) -> &'static str {
    match kind {
        ScalarType::Bool => "true or false",
        ScalarType::String => "a string",
        ScalarType::Bytes => "a string in base64",
        ScalarType::Float => "a 32-bit floating-point number",
        ScalarType::Double => "a 64-bit floating-point number",
        ScalarType::Int32 | ScalarType::Sint32 | ScalarType::Sfixed32 => "a signed 32-bit integer",
        ScalarType::Int64 | ScalarType::Sint64 | ScalarType::Sfixed64 => "a signed 64-bit integer",
        ScalarType::Uint32 | ScalarType::Fixed32 => "an unsigned 32-bit integer",
        ScalarType::Uint64 | ScalarType::Fixed64 => "an unsigned 64-bit integer",
    }
}

/// Text of the caller's, short enough for an error message.
pub(super) struct Excerpt<'a>(pub(super) &'a str);

impl fmt::Debug for Excerpt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MOST: usize = 60;
        match self.0.char_indices().nth(MOST) {
            None => fmt::Debug::fmt(self.0, f),
            Some((end, _)) => write!(f, "{:?}...", &self.0[..end]),
        }
    }
}

/// Either alphabet, with or without padding.
fn decode_base64(text: &str) -> Result<Vec<u8>, base64::DecodeError> {
    const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let alphabet = if text.contains(['-', '_']) { &URL_SAFE } else { &STANDARD };
    GeneralPurpose::new(alphabet, LENIENT).decode(text)
}

/// An enum value, by name or number.
pub(super) struct EnumVisitor<'c, 'p> {
    pub(super) conversion: &'c mut Conversion<'p>,
    pub(super) index: EnumIndex,
    pub(super) enum_type: Option<EnumType>,
    pub(super) slot: Slot,
}

impl EnumVisitor<'_, '_> {
    fn put<E: Error>(self, number: i32) -> Result<Put, E> {
        let Self { conversion, slot, .. } = self;
        // An enum is an int32 on the wire.
        let scalar = number::from_integer(ScalarType::Int32, number.into());
        ScalarVisitor { conversion, kind: ScalarType::Int32, slot }.put(scalar, format_args!("{number}"))
    }

    fn put_number<E: Error>(self, number: Option<i32>) -> Result<Put, E> {
        let kind = self.conversion.pool.enumeration(self.index);
        let closed = self.enum_type.unwrap_or_else(|| kind.enum_type()) == EnumType::Closed;
        match number {
            Some(number) if !closed || kind.value(number).is_some() => self.put(number),
            Some(number) => Err(E::custom(format_args!("{} has no value {number}", kind.full_name()))),
            None => Err(E::custom(format_args!("expected a value of {}", kind.full_name()))),
        }
    }
}

impl Visitor<'_> for EnumVisitor<'_, '_> {
    type Value = Put;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a value of {}", self.conversion.pool.enumeration(self.index).full_name())
    }

    fn visit_unit<E: Error>(self) -> Result<Put, E> {
        match self.conversion.pool.enumeration(self.index).full_name() {
            "google.protobuf.NullValue" => self.put(0),
            _ => Ok(Put::Null),
        }
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Put, E> {
        self.put_number(i32::try_from(value).ok())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Put, E> {
        self.put_number(i32::try_from(value).ok())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Put, E> {
        self.put_number((value.fract() == 0.0 && value.abs() <= f64::from(i32::MAX)).then_some(value as i32))
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Put, E> {
        let kind = self.conversion.pool.enumeration(self.index);
        match kind.value_by_name(name) {
            Some(value) => self.put(value.number()),
            None if self.conversion.unknown_fields == UnknownFields::Ignore => Ok(Put::Ignored),
            None => Err(E::custom(format_args!("{} has no value {:?}", kind.full_name(), Excerpt(name)))),
        }
    }
}
