//! The well-known types, whose JSON is not an object of their fields.

use buffa_descriptor::{FieldDescriptor, FieldKind, MessageDescriptor, ScalarType, SingularKind};

use super::gather::Bodies;
use super::{Conversion, Stop, default_of, descend};
use crate::json::well_known::{self, Text, WellKnown};
use crate::wire::{Reader, Span, Value};

impl<'a> Conversion<'a> {
    /// The last value of a field of the message gathered from `start` on.
    pub(super) fn last(&self, start: usize, number: u32) -> Result<Option<Value>, Stop> {
        match self.places[start..].iter().rev().find(|place| place.number == number) {
            Some(place) => Ok(Some(Reader::value_at(self.input, place.at as usize)?)),
            None => Ok(None),
        }
    }

    /// The value of an integer field, zero when absent.
    fn integer(&self, start: usize, number: u32) -> Result<i64, Stop> {
        match self.last(start, number)? {
            Some(Value::Varint(value)) => Ok(value as i64),
            _ => Ok(0),
        }
    }

    pub(super) fn text(&mut self, kind: Text, start: usize) -> Result<(), Stop> {
        let text = match kind {
            Text::Timestamp => {
                well_known::format_timestamp(self.integer(start, 1)?, self.integer(start, 2)? as i32)?
            }
            Text::Duration => {
                well_known::format_duration(self.integer(start, 1)?, self.integer(start, 2)? as i32)?
            }
            Text::FieldMask => {
                let mut paths = String::new();
                for place in start..self.places.len() {
                    if let Value::Bytes(span) = Reader::value_at(self.input, self.places[place].at as usize)?
                    {
                        if place > start {
                            paths.push(',');
                        }
                        paths.push_str(&well_known::path_to_json(self.utf8(span)?)?);
                    }
                }
                paths
            }
        };
        Ok(self.out.json(&text)?)
    }

    pub(super) fn wrapper(&mut self, kind: ScalarType, start: usize) -> Result<(), Stop> {
        let value = self.last(start, 1)?.unwrap_or(default_of(kind));
        self.scalar(kind, value)
    }

    pub(super) fn structure(
        &mut self,
        message: &'a MessageDescriptor,
        start: usize,
        depth: u32,
    ) -> Result<(), Stop> {
        let Some((field, FieldKind::Map { key, value })) =
            message.field(1).map(|field| (field, field.kind()))
        else {
            return Err("the schema's google.protobuf.Struct is not the well-known one".into());
        };
        self.map(field, key, value, start..self.places.len(), depth)?;
        Ok(())
    }

    pub(super) fn list_value(
        &mut self,
        message: &'a MessageDescriptor,
        start: usize,
        depth: u32,
    ) -> Result<(), Stop> {
        let Some((field, FieldKind::List(kind))) = message.field(1).map(|field| (field, field.kind())) else {
            return Err("the schema's google.protobuf.ListValue is not the well-known one".into());
        };
        self.list(field, kind, start..self.places.len(), depth)?;
        Ok(())
    }

    /// Writes a `google.protobuf.Value`, whose oneof has one member left.
    pub(super) fn value(
        &mut self,
        message: &'a MessageDescriptor,
        start: usize,
        depth: u32,
    ) -> Result<(), Stop> {
        let Some(number) = self.places[start..].last().map(|place| place.number) else {
            return Ok(self.out.raw(b"null")?);
        };
        let field = message.field(number).map(FieldDescriptor::kind);
        match (field, self.last(start, number)?) {
            (Some(FieldKind::Singular(SingularKind::Message(index))), _) => {
                let occurrences = start..self.places.len();
                self.nested(index, Bodies::Occurrences(occurrences), depth)
            }
            (
                Some(FieldKind::Singular(SingularKind::Scalar(ScalarType::Double))),
                Some(Value::Fixed64(bits)),
            ) if !f64::from_bits(bits).is_finite() => {
                Err("a google.protobuf.Value that is NaN or infinite has no JSON form".into())
            }
            (Some(FieldKind::Singular(kind)), Some(value)) => self.single(kind, value, depth),
            _ => Err("the schema's google.protobuf.Value is not the well-known one".into()),
        }
    }

    pub(super) fn any(&mut self, start: usize, depth: u32) -> Result<(), Stop> {
        let url = match self.last(start, 1)? {
            Some(Value::Bytes(span)) => self.utf8(span)?,
            _ => "",
        };
        let content = match self.last(start, 2)? {
            Some(Value::Bytes(span)) => span,
            _ => Span { start: 0, end: 0 },
        };
        if url.is_empty() && content.of(self.input).is_empty() {
            return Ok(self.out.raw(b"{}")?);
        }
        let name = url.rsplit('/').next().unwrap_or_default();
        let Some(index) = self.pool.message_index(name) else {
            let reason = format!("the schema has no message `{name}`, which the Any of type {url:?} holds");
            return Err(Stop::Invalid(reason));
        };
        let content = Bodies::One(content);
        self.out.raw(b"{\"@type\":")?;
        self.out.json(url)?;
        if WellKnown::of(self.pool.message(index)).is_some() {
            self.out.raw(b",\"value\":")?;
            self.nested(index, content, depth)?;
        } else {
            let depth = descend(depth)?;
            let start = self.places.len();
            self.gather(index, content)?;
            self.members(index, start, depth, true)?;
        }
        Ok(self.out.raw(b"}")?)
    }
}
