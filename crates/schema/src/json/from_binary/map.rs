//! Map fields.

use std::fmt;
use std::ops::Range;

use buffa_descriptor::{FieldDescriptor, ScalarType, SingularKind};

use super::gather::{Bodies, Place};
use super::scalar::unzigzag;
use super::{Conversion, Stop, default_of, element_wire_type, wire_type};
use crate::json::number;
use crate::wire::{Reader, Span, Value};

impl<'a> Conversion<'a> {
    /// Writes a map in the order of its keys, the last entry of each; returns how many it has.
    pub(super) fn map(
        &mut self,
        field: &FieldDescriptor,
        key_kind: ScalarType,
        kind: SingularKind,
        places: Range<usize>,
        depth: u32,
    ) -> Result<usize, Stop> {
        let mut entries = Vec::with_capacity(places.len());
        for place in places {
            let Value::Bytes(span) = Reader::value_at(self.input, self.places[place].at as usize)? else {
                continue;
            };
            if let Some(key) = self.entry_key(field, key_kind, kind, span)? {
                entries.push((key, span));
            }
        }
        // Stable, so that of equal keys the last to come stays last.
        entries.sort_by_key(|(key, _)| *key);
        let mut count = 0;
        self.out.raw(b"{")?;
        for (at, (key, span)) in entries.iter().enumerate() {
            if entries.get(at + 1).is_some_and(|(next, _)| next == key) {
                continue;
            }
            if count > 0 {
                self.out.raw(b",")?;
            }
            count += 1;
            match key {
                Key::Bool(key) => self.out.quoted(key)?,
                Key::Signed(key) => self.out.quoted(key)?,
                Key::Unsigned(key) => self.out.quoted(key)?,
                Key::Text(key) => self.out.json(key)?,
            }
            self.out.raw(b":")?;
            let written = self.entry_value(kind, *span, depth);
            if written.is_err() {
                self.trail.key(&key.to_string());
            }
            written?;
        }
        self.out.raw(b"}")?;
        Ok(count)
    }

    /// The key of a map entry; `None` where the value is an unknown one of a closed enum, so that the entry is unknown.
    fn entry_key(
        &self,
        field: &FieldDescriptor,
        key_kind: ScalarType,
        kind: SingularKind,
        entry: Span,
    ) -> Result<Option<Key<'a>>, Stop> {
        let mut key = Key::default_of(key_kind);
        let mut reader = Reader::new(self.input, entry);
        while let Some(found) = reader.field()? {
            match (found.number, found.value, kind) {
                (1, value, _) if wire_type(value) == number::wire_type(key_kind) => {
                    key = match (key_kind, value) {
                        (ScalarType::Bool, Value::Varint(value)) => Key::Bool(value != 0),
                        (ScalarType::Int32, Value::Varint(value)) => Key::Signed((value as i32).into()),
                        (ScalarType::Int64, Value::Varint(value)) => Key::Signed(value as i64),
                        (ScalarType::Sint32, Value::Varint(value)) => {
                            Key::Signed(unzigzag((value as u32).into()))
                        }
                        (ScalarType::Sint64, Value::Varint(value)) => Key::Signed(unzigzag(value)),
                        (ScalarType::Uint32, Value::Varint(value)) => Key::Unsigned((value as u32).into()),
                        (ScalarType::Uint64, Value::Varint(value)) => Key::Unsigned(value),
                        (ScalarType::Fixed32, Value::Fixed32(value)) => Key::Unsigned(value.into()),
                        (ScalarType::Sfixed32, Value::Fixed32(value)) => Key::Signed((value as i32).into()),
                        (ScalarType::Fixed64, Value::Fixed64(value)) => Key::Unsigned(value),
                        (ScalarType::Sfixed64, Value::Fixed64(value)) => Key::Signed(value as i64),
                        (ScalarType::String, Value::Bytes(span)) => Key::Text(self.utf8(span)?),
                        // The descriptors of such a map do not link.
                        _ => return Err("a map key of this type is not protobuf".into()),
                    };
                }
                (2, Value::Varint(number), SingularKind::Enum(index))
                    if !self.enum_value_fits(field, index, number) =>
                {
                    return Ok(None);
                }
                _ => {}
            }
        }
        Ok(Some(key))
    }

    fn entry_value(&mut self, kind: SingularKind, entry: Span, depth: u32) -> Result<(), Stop> {
        let start = self.places.len();
        let mut last = None;
        let mut reader = Reader::new(self.input, entry);
        while let Some(found) = reader.field()? {
            if found.number == 2 && wire_type(found.value) == element_wire_type(kind) {
                last = Some(found.value);
                self.places.push(Place { number: 2, at: found.at as u32 });
            }
        }
        match (kind, last) {
            (SingularKind::Message(index), _) => {
                let occurrences = start..self.places.len();
                self.nested(index, Bodies::Occurrences(occurrences), depth)?;
            }
            (kind, Some(value)) => self.single(kind, value, depth)?,
            (SingularKind::Enum(index), None) => self.enumeration(index, 0)?,
            (SingularKind::Scalar(kind), None) => self.scalar(kind, default_of(kind))?,
        }
        self.places.truncate(start);
        Ok(())
    }
}

/// A map key, in the order in which a map is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Key<'a> {
    Bool(bool),
    Signed(i64),
    Unsigned(u64),
    Text(&'a str),
}

impl Key<'_> {
    /// The key of an entry that does not say.
    fn default_of(kind: ScalarType) -> Self {
        match kind {
            ScalarType::Bool => Self::Bool(false),
            ScalarType::String => Self::Text(""),
            ScalarType::Uint32 | ScalarType::Uint64 | ScalarType::Fixed32 | ScalarType::Fixed64 => {
                Self::Unsigned(0)
            }
            _ => Self::Signed(0),
        }
    }
}

impl fmt::Display for Key<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(key) => key.fmt(f),
            Self::Signed(key) => key.fmt(f),
            Self::Unsigned(key) => key.fmt(f),
            Self::Text(key) => key.fmt(f),
        }
    }
}
