//! The well-known types whose JSON is not an object of their fields, but for `Any`.

use std::fmt;

use buffa::encoding::WireType;
use buffa_descriptor::ScalarType;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::Conversion;
use super::scalar::Excerpt;
use super::value::EntryKey;
use crate::json::well_known::{self, Text};
use crate::wire::{TooLarge, Writer};

/// A timestamp, duration or field mask.
pub(super) struct TextVisitor<'c, 'p> {
    pub(super) conversion: &'c mut Conversion<'p>,
    pub(super) kind: Text,
}

impl TextVisitor<'_, '_> {
    pub(super) fn write(
        out: &mut Writer,
        kind: Text,
        text: &str,
    ) -> Result<Result<(), TooLarge>, &'static str> {
        let (seconds, nanos) = match kind {
            Text::Timestamp => well_known::parse_timestamp(text)?,
            Text::Duration => well_known::parse_duration(text)?,
            Text::FieldMask => {
                for path in text.split(',').filter(|_| !text.is_empty()) {
                    let path = well_known::path_from_json(path)?;
                    if let Err(too_large) = out.bytes_field(1, path.as_bytes()) {
                        return Ok(Err(too_large));
                    }
                }
                return Ok(Ok(()));
            }
        };
        let field = |out: &mut Writer, number, value: i64| match value {
            0 => Ok(()),
            value => out.varint_field(number, value as u64),
        };
        Ok(field(out, 1, seconds).and_then(|()| field(out, 2, nanos.into())))
    }
}

impl Visitor<'_> for TextVisitor<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            Text::Timestamp => "a time in a string, such as \"2025-01-31T12:00:00Z\"",
            Text::Duration => "a duration in a string, such as \"1.5s\"",
            Text::FieldMask => "field names in a string, such as \"user.name,id\"",
        })
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        let written = Self::write(&mut self.conversion.out, self.kind, text)
            .map_err(|reason| E::custom(format_args!("{:?}: {reason}", Excerpt(text))))?;
        self.conversion.wrote(written)
    }
}

/// A `google.protobuf.Struct`.
pub(super) struct StructVisitor<'c, 'p> {
    pub(super) conversion: &'c mut Conversion<'p>,
    pub(super) depth: u32,
}

impl<'de> Visitor<'de> for StructVisitor<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<(), A::Error> {
        self.conversion.structure(self.depth, members)
    }
}

/// A `google.protobuf.ListValue`.
pub(super) struct ListValueVisitor<'c, 'p> {
    pub(super) conversion: &'c mut Conversion<'p>,
    pub(super) depth: u32,
}

impl<'de> Visitor<'de> for ListValueVisitor<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, elements: A) -> Result<(), A::Error> {
        self.conversion.list_value(self.depth, elements)
    }
}

impl Conversion<'_> {
    /// The members of a `google.protobuf.Struct`.
    fn structure<'de, A: MapAccess<'de>>(&mut self, depth: u32, mut members: A) -> Result<(), A::Error> {
        let mut key = String::new();
        loop {
            let entry = EntryKey { conversion: self, number: 1, kind: ScalarType::String, text: &mut key };
            let Some(entry) = members.next_key_seed(entry)? else {
                return Ok(());
            };
            let result = members.next_value_seed(NestedValue { conversion: self, number: 2, depth });
            if result.is_err() {
                self.trail.key(&key);
            }
            result?;
            let closed = self.out.close(entry);
            self.wrote(closed)?;
        }
    }

    /// The elements of a `google.protobuf.ListValue`.
    fn list_value<'de, A: SeqAccess<'de>>(&mut self, depth: u32, mut elements: A) -> Result<(), A::Error> {
        for index in 0.. {
            let result = elements.next_element_seed(NestedValue { conversion: self, number: 1, depth });
            if result.is_err() {
                self.trail.element(index);
            }
            if result?.is_none() {
                break;
            }
        }
        Ok(())
    }
}

/// A `google.protobuf.Value` as a field of a `Struct` entry or a `ListValue`.
struct NestedValue<'c, 'p> {
    conversion: &'c mut Conversion<'p>,
    number: u32,
    depth: u32,
}

impl<'de> DeserializeSeed<'de> for NestedValue<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        let Self { conversion, number, depth } = self;
        let depth = conversion.descend(depth)?;
        let open = conversion.out.open(number);
        let open = conversion.wrote(open)?;
        json.deserialize_any(ValueVisitor { conversion, depth })?;
        let closed = conversion.out.close(open);
        conversion.wrote(closed)
    }
}

/// The content of a `google.protobuf.Value`: any JSON.
pub(super) struct ValueVisitor<'c, 'p> {
    pub(super) conversion: &'c mut Conversion<'p>,
    pub(super) depth: u32,
}

impl<'de> Visitor<'de> for ValueVisitor<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        let written = self.conversion.out.varint_field(1, 0);
        self.conversion.wrote(written)
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        self.visit_f64(value as f64)
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        self.visit_f64(value as f64)
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        let out = &mut self.conversion.out;
        let written = out.tag(2, WireType::Fixed64).and_then(|()| out.raw(&value.to_le_bytes()));
        self.conversion.wrote(written)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        let written = self.conversion.out.bytes_field(3, text.as_bytes());
        self.conversion.wrote(written)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        let written = self.conversion.out.varint_field(4, value.into());
        self.conversion.wrote(written)
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<(), A::Error> {
        let Self { conversion, depth } = self;
        let depth = conversion.descend(depth)?;
        let open = conversion.out.open(5);
        let open = conversion.wrote(open)?;
        conversion.structure(depth, members)?;
        let closed = conversion.out.close(open);
        conversion.wrote(closed)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, elements: A) -> Result<(), A::Error> {
        let Self { conversion, depth } = self;
        let depth = conversion.descend(depth)?;
        let open = conversion.out.open(6);
        let open = conversion.wrote(open)?;
        conversion.list_value(depth, elements)?;
        let closed = conversion.out.close(open);
        conversion.wrote(closed)
    }
}
