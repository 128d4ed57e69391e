//! JSON -> binary, in one pass over the text.
//!
//! serde_json reads the text; visitors that know from the descriptors what must come next write it out at once.

mod any;
mod scalar;
mod value;
mod well_known;

use std::fmt;

use buffa_descriptor::{DescriptorPool, FieldDescriptor, MessageDescriptor, MessageIndex};
use bytes::Bytes;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, Visitor};

use self::any::AnyVisitor;
use self::scalar::ScalarVisitor;
use self::value::{FieldSeed, Put, Slot};
use self::well_known::{ListValueVisitor, StructVisitor, TextVisitor, ValueVisitor};
use super::well_known::WellKnown;
use super::{JsonError, JsonOptions, MAX_DEPTH, Trail, UnknownFields};
use crate::wire::{TooLarge, Writer};

pub(super) fn convert(
    pool: &DescriptorPool,
    index: MessageIndex,
    json: &[u8],
    options: &JsonOptions,
) -> Result<Bytes, JsonError> {
    let invalid = |path, position, reason| JsonError::Invalid {
        message_type: pool.message(index).full_name().to_owned(),
        path,
        position,
        reason,
    };
    let text = std::str::from_utf8(json).map_err(|error| {
        invalid(String::new(), Some(position(json, error.valid_up_to())), "not UTF-8".to_owned())
    })?;
    if text.trim_ascii().is_empty() {
        let reason = "the body is empty, and JSON never is: send {} for an empty message".to_owned();
        return Err(invalid(String::new(), None, reason));
    }
    let mut conversion = Conversion {
        pool,
        text,
        unknown_fields: options.unknown_fields,
        out: Writer::new(options.max_bytes),
        too_large: false,
        trail: Trail::default(),
        position: None,
    };
    let mut json = reader(text);
    let result = conversion
        .descend(options.max_depth.min(MAX_DEPTH))
        .and_then(|depth| conversion.message(index, depth).deserialize(&mut json))
        .and_then(|()| json.end());
    match result {
        Ok(()) => Ok(conversion.out.finish().into()),
        Err(_) if conversion.too_large => Err(JsonError::TooLarge { max_bytes: options.max_bytes }),
        Err(error) => {
            let position = conversion.position.or((error.line() > 0).then(|| (error.line(), error.column())));
            Err(invalid(conversion.trail.path(), position, reason(&error)))
        }
    }
}

/// Reads JSON of any depth: what recurses are messages, whose depth [`Conversion::descend`] counts, and what is read over
/// does not recurse.
fn reader(text: &str) -> serde_json::Deserializer<serde_json::de::StrRead<'_>> {
    let mut json = serde_json::Deserializer::from_str(text);
    json.disable_recursion_limit();
    json
}

/// Line and column, from 1, of a byte of the text.
fn position(text: &[u8], offset: usize) -> (usize, usize) {
    let before = &text[..offset];
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    let column = before.iter().rev().take_while(|byte| **byte != b'\n').count() + 1;
    (line, column)
}

/// What serde_json has to say, without the position that it puts behind it.
fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.strip_suffix(&format!(" at line {} column {}", error.line(), error.column())) {
        Some(reason) => reason.to_owned(),
        None => text,
    }
}

struct Conversion<'p> {
    pool: &'p DescriptorPool,
    text: &'p str,
    unknown_fields: UnknownFields,
    out: Writer,
    /// The error on its way up is [`TooLarge`].
    too_large: bool,
    /// Where the error on its way up happened.
    trail: Trail,
    /// Its position, where serde_json's own counts from a later start than that of the text.
    position: Option<(usize, usize)>,
}

impl<'p> Conversion<'p> {
    fn message<'c>(&'c mut self, index: MessageIndex, depth: u32) -> MessageSeed<'c, 'p> {
        MessageSeed { conversion: self, index, depth }
    }

    /// Takes one level of nesting from what is left.
    fn descend<E: Error>(&self, depth: u32) -> Result<u32, E> {
        depth.checked_sub(1).ok_or_else(|| E::custom("messages are nested too deeply"))
    }

    /// Passes on what the writer says.
    fn wrote<T, E: Error>(&mut self, result: Result<T, TooLarge>) -> Result<T, E> {
        result.map_err(|TooLarge| {
            self.too_large = true;
            E::custom("too large")
        })
    }

    /// The members of a message, written as its fields.
    fn fields<'de, A: MapAccess<'de>>(
        &mut self,
        index: MessageIndex,
        depth: u32,
        mut members: A,
    ) -> Result<(), A::Error> {
        let message = self.pool.message(index);
        let mut seen = Seen::default();
        let mut set_oneofs = Vec::new();
        loop {
            let key = FieldKey { pool: self.pool, index, unknown_fields: self.unknown_fields };
            let field = match members.next_key_seed(key)? {
                None => return Ok(()),
                Some(Some(field)) => field,
                Some(None) => {
                    members.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            let result = self.field(message, field, depth, &mut members, &mut seen, &mut set_oneofs);
            if result.is_err() {
                self.trail.field(field.json_name());
            }
            result?;
        }
    }

    fn field<'de, A: MapAccess<'de>>(
        &mut self,
        message: &MessageDescriptor,
        field: &'p FieldDescriptor,
        depth: u32,
        members: &mut A,
        seen: &mut Seen,
        set_oneofs: &mut Vec<u16>,
    ) -> Result<(), A::Error> {
        if !seen.insert(field.number()) {
            return Err(A::Error::custom("this field is given twice"));
        }
        let put = members.next_value_seed(FieldSeed { conversion: self, field, depth })?;
        let Some(oneof) = field.oneof_index().filter(|_| put != Put::Null) else {
            return Ok(());
        };
        if set_oneofs.contains(&oneof) {
            let name = message.oneofs().get(usize::from(oneof)).map_or("", |oneof| oneof.name());
            return Err(A::Error::custom(format_args!("another field of oneof `{name}` is set already")));
        }
        set_oneofs.push(oneof);
        Ok(())
    }
}

/// The numbers of the fields seen in one message, in order. Writers send fields in order, which makes this a push.
#[derive(Default)]
struct Seen(Vec<u32>);

impl Seen {
    /// Whether the number is new.
    fn insert(&mut self, number: u32) -> bool {
        if self.0.last().is_none_or(|last| *last < number) {
            self.0.push(number);
            return true;
        }
        match self.0.binary_search(&number) {
            Ok(_) => false,
            Err(place) => {
                self.0.insert(place, number);
                true
            }
        }
    }
}

/// Finds the field that a member name means; `None` for a name to ignore.
struct FieldKey<'p> {
    pool: &'p DescriptorPool,
    index: MessageIndex,
    unknown_fields: UnknownFields,
}

impl<'de, 'p> DeserializeSeed<'de> for FieldKey<'p> {
    type Value = Option<&'p FieldDescriptor>;

    fn deserialize<D: Deserializer<'de>>(self, key: D) -> Result<Self::Value, D::Error> {
        key.deserialize_str(self)
    }
}

impl<'p> Visitor<'_> for FieldKey<'p> {
    type Value = Option<&'p FieldDescriptor>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Self::Value, E> {
        let message = self.pool.message(self.index);
        let extension = || {
            let name = name.strip_prefix('[')?.strip_suffix(']')?;
            let extension = self.pool.extension_by_name(name)?;
            (extension.extendee() == self.index).then(|| extension.field())
        };
        match message.field_by_name(name).or_else(extension) {
            None if self.unknown_fields == UnknownFields::Reject => {
                Err(E::custom(format_args!("{} has no field {name:?}", message.full_name())))
            }
            found => Ok(found),
        }
    }
}

/// A message's JSON, written as the message's content.
struct MessageSeed<'c, 'p> {
    conversion: &'c mut Conversion<'p>,
    index: MessageIndex,
    /// Levels left below this message.
    depth: u32,
}

impl<'de> DeserializeSeed<'de> for MessageSeed<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        let Self { conversion, index, depth } = self;
        match WellKnown::of(conversion.pool.message(index)) {
            None => json.deserialize_map(FieldsVisitor { conversion, index, depth }),
            Some(WellKnown::Text(kind)) => json.deserialize_str(TextVisitor { conversion, kind }),
            Some(WellKnown::Wrapper(kind)) => {
                let slot = Slot::Field { number: 1, omit_default: true };
                match json.deserialize_any(ScalarVisitor { conversion, kind, slot })? {
                    Put::Written => Ok(()),
                    Put::Null | Put::Ignored => Err(D::Error::custom("null is not a value here")),
                }
            }
            Some(WellKnown::Struct) => json.deserialize_map(StructVisitor { conversion, depth }),
            Some(WellKnown::ListValue) => json.deserialize_seq(ListValueVisitor { conversion, depth }),
            Some(WellKnown::Value) => json.deserialize_any(ValueVisitor { conversion, depth }),
            Some(WellKnown::Any) => json.deserialize_map(AnyVisitor { conversion, depth }),
        }
    }
}

/// An ordinary message.
struct FieldsVisitor<'c, 'p> {
    conversion: &'c mut Conversion<'p>,
    index: MessageIndex,
    depth: u32,
}

impl<'de> Visitor<'de> for FieldsVisitor<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an object ({})", self.conversion.pool.message(self.index).full_name())
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<(), A::Error> {
        self.conversion.fields(self.index, self.depth, members)
    }
}
