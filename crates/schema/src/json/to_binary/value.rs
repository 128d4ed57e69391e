//! The values of fields: one, a list, a map.

use std::fmt;

use buffa::editions::FieldPresence;
use buffa::encoding::WireType;
use buffa_descriptor::{FieldDescriptor, FieldKind, MessageIndex, ScalarType, SingularKind};
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::Conversion;
use super::scalar::{EnumVisitor, ScalarVisitor};
use crate::json::well_known::WellKnown;
use crate::wire::Open;

/// The value of a field: absent, one, a list or a map.
pub(super) struct FieldSeed<'c, 'p> {
    pub(super) conversion: &'c mut Conversion<'p>,
    pub(super) field: &'p FieldDescriptor,
    pub(super) depth: u32,
}

impl<'de> DeserializeSeed<'de> for FieldSeed<'_, '_> {
    type Value = Put;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Put, D::Error> {
        let Self { conversion, field, depth } = self;
        match field.kind() {
            FieldKind::Singular(kind) => {
                let omit_default =
                    field.presence() == FieldPresence::Implicit && field.oneof_index().is_none();
                let slot = Slot::Field { number: field.number(), omit_default };
                ValueSeed { conversion, field, kind, slot, depth }.deserialize(json)
            }
            FieldKind::List(kind) => json.deserialize_any(ListVisitor { conversion, field, kind, depth }),
            FieldKind::Map { key, value } => {
                json.deserialize_any(MapVisitor { conversion, field, key, value, depth })
            }
        }
    }
}

/// What became of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Put {
    Written,
    /// It was `null`, which stands for absence.
    Null,
    /// It was the name of an unknown enum value, which is to be ignored.
    Ignored,
}

/// Where a value is written.
#[derive(Clone, Copy)]
pub(super) enum Slot {
    /// As a field of its own.
    Field { number: u32, omit_default: bool },
    /// Behind its neighbours in a packed list.
    Packed,
}

/// One value: a singular field, an element of a list, the value of a map entry.
struct ValueSeed<'c, 'p> {
    conversion: &'c mut Conversion<'p>,
    field: &'p FieldDescriptor,
    kind: SingularKind,
    slot: Slot,
    depth: u32,
}

impl<'de> DeserializeSeed<'de> for ValueSeed<'_, '_> {
    type Value = Put;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Put, D::Error> {
        let Self { conversion, field, kind, slot, depth } = self;
        match kind {
            SingularKind::Scalar(kind) => json.deserialize_any(ScalarVisitor { conversion, kind, slot }),
            SingularKind::Enum(index) => {
                json.deserialize_any(EnumVisitor { conversion, index, enum_type: field.enum_type(), slot })
            }
            SingularKind::Message(index) => {
                // Messages are never packed.
                let number = match slot {
                    Slot::Field { number, .. } => number,
                    Slot::Packed => field.number(),
                };
                // What the declaration of a map says of delimiting is not meant for its values.
                let delimited = field.is_delimited() && !matches!(field.kind(), FieldKind::Map { .. });
                let nested = NestedVisitor { conversion, index, number, delimited, depth };
                match WellKnown::of(nested.conversion.pool.message(index)) {
                    // Its null is a value.
                    Some(WellKnown::Value) => nested.visit_some(json),
                    _ => json.deserialize_option(nested),
                }
            }
        }
    }
}

/// A message inside a message, or `null`.
struct NestedVisitor<'c, 'p> {
    conversion: &'c mut Conversion<'p>,
    index: MessageIndex,
    number: u32,
    delimited: bool,
    depth: u32,
}

impl<'de> Visitor<'de> for NestedVisitor<'_, '_> {
    type Value = Put;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} or null", self.conversion.pool.message(self.index).full_name())
    }

    fn visit_none<E: Error>(self) -> Result<Put, E> {
        Ok(Put::Null)
    }

    fn visit_unit<E: Error>(self) -> Result<Put, E> {
        Ok(Put::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, json: D) -> Result<Put, D::Error> {
        let Self { conversion, index, number, delimited, depth } = self;
        let depth = conversion.descend(depth)?;
        if delimited {
            let start = conversion.out.tag(number, WireType::StartGroup);
            conversion.wrote(start)?;
            conversion.message(index, depth).deserialize(json)?;
            let end = conversion.out.tag(number, WireType::EndGroup);
            conversion.wrote(end)?;
        } else {
            let open = conversion.out.open(number);
            let open = conversion.wrote(open)?;
            conversion.message(index, depth).deserialize(json)?;
            let closed = conversion.out.close(open);
            conversion.wrote(closed)?;
        }
        Ok(Put::Written)
    }
}

/// A repeated field.
struct ListVisitor<'c, 'p> {
    conversion: &'c mut Conversion<'p>,
    field: &'p FieldDescriptor,
    kind: SingularKind,
    depth: u32,
}

impl<'de> Visitor<'de> for ListVisitor<'_, '_> {
    type Value = Put;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_unit<E: Error>(self) -> Result<Put, E> {
        Ok(Put::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Put, A::Error> {
        let Self { conversion, field, kind, depth } = self;
        let number = field.number();
        let start = conversion.out.mark();
        let packed = if field.is_packed() {
            let open = conversion.out.open(number);
            Some(conversion.wrote(open)?)
        } else {
            None
        };
        let slot = if packed.is_some() { Slot::Packed } else { Slot::Field { number, omit_default: false } };
        let mut written = 0_usize;
        for index in 0.. {
            let seed = ValueSeed { conversion, field, kind, slot, depth };
            let result = match elements.next_element_seed(seed) {
                Ok(Some(Put::Null)) => Err(A::Error::custom("null is not a value here")),
                other => other,
            };
            if result.is_err() {
                conversion.trail.element(index);
            }
            match result? {
                None => break,
                Some(Put::Written) => written += 1,
                Some(_) => {}
            }
        }
        match packed {
            None => {}
            Some(_) if written == 0 => conversion.out.rewind(&start),
            Some(open) => {
                let closed = conversion.out.close(open);
                conversion.wrote(closed)?;
            }
        }
        Ok(Put::Written)
    }
}

/// A map field.
struct MapVisitor<'c, 'p> {
    conversion: &'c mut Conversion<'p>,
    field: &'p FieldDescriptor,
    key: ScalarType,
    value: SingularKind,
    depth: u32,
}

impl<'de> Visitor<'de> for MapVisitor<'_, '_> {
    type Value = Put;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object (a map)")
    }

    fn visit_unit<E: Error>(self) -> Result<Put, E> {
        Ok(Put::Null)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Put, A::Error> {
        let Self { conversion, field, key: key_kind, value: kind, depth } = self;
        let mut key = String::new();
        loop {
            let start = conversion.out.mark();
            let entry = EntryKey { conversion, number: field.number(), kind: key_kind, text: &mut key };
            let Some(entry) = members.next_key_seed(entry)? else {
                return Ok(Put::Written);
            };
            let slot = Slot::Field { number: 2, omit_default: false };
            let result = match members.next_value_seed(ValueSeed { conversion, field, kind, slot, depth }) {
                Ok(Put::Null) => Err(A::Error::custom("null is not a value here")),
                other => other,
            };
            if result.is_err() {
                conversion.trail.key(&key);
            }
            if result? == Put::Ignored {
                conversion.out.rewind(&start);
            } else {
                let closed = conversion.out.close(entry);
                conversion.wrote(closed)?;
            }
        }
    }
}

/// The name of a map's member: begins the entry and writes its key.
pub(super) struct EntryKey<'c, 'p> {
    pub(super) conversion: &'c mut Conversion<'p>,
    pub(super) number: u32,
    pub(super) kind: ScalarType,
    /// Set to the key, for the trail.
    pub(super) text: &'c mut String,
}

impl<'de> DeserializeSeed<'de> for EntryKey<'_, '_> {
    type Value = Open;

    fn deserialize<D: Deserializer<'de>>(self, key: D) -> Result<Open, D::Error> {
        key.deserialize_str(self)
    }
}

impl Visitor<'_> for EntryKey<'_, '_> {
    type Value = Open;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map key")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Open, E> {
        let Self { conversion, number, kind, text: key } = self;
        key.clear();
        key.push_str(text);
        let open = conversion.out.open(number);
        let open = conversion.wrote(open)?;
        let slot = Slot::Field { number: 1, omit_default: false };
        let visitor = ScalarVisitor { conversion, kind, slot };
        match (kind, text) {
            (ScalarType::Bool, "true") => visitor.visit_bool(true)?,
            (ScalarType::Bool, "false") => visitor.visit_bool(false)?,
            _ => visitor.visit_str(text)?,
        };
        Ok(open)
    }
}
