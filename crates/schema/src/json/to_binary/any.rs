//! `google.protobuf.Any`: a message whose type is known from one of its members.

use std::fmt;

use buffa_descriptor::MessageIndex;
use serde::de::{DeserializeSeed, Error, IgnoredAny, IntoDeserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::{Conversion, position, reader, reason};
use crate::json::UnknownFields;
use crate::json::well_known::WellKnown;

/// A `google.protobuf.Any`.
///
/// Its members mean nothing before `@type` is known. Writers put that first, and then nothing is kept; otherwise the
/// members before and after it are kept as the stretches of text they are, and read when all are found.
pub(super) struct AnyVisitor<'c, 'p> {
    pub(super) conversion: &'c mut Conversion<'p>,
    pub(super) depth: u32,
}

const TYPE_MEMBER: &str = "@type";

impl<'de> Visitor<'de> for AnyVisitor<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with the member `@type`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let Self { conversion, depth } = self;
        let Some(first) = members.next_key::<String>()? else {
            return Ok(());
        };
        if first == TYPE_MEMBER {
            let url = members.next_value::<String>()?;
            return conversion.any_content(&url, depth, members);
        }
        let mut url = None;
        let mut kept = vec![(first, members.next_value::<&'de RawValue>()?)];
        while let Some(key) = members.next_key::<String>()? {
            if key == TYPE_MEMBER && url.is_none() {
                url = Some(members.next_value::<String>()?);
            } else {
                kept.push((key, members.next_value()?));
            }
        }
        let Some(url) = url else {
            return Err(A::Error::custom("an Any needs the member `@type`"));
        };
        let mut kept = Kept { members: kept.into_iter(), value: None };
        conversion.any_content(&url, depth, &mut kept).map_err(|error| {
            if conversion.position.is_none()
                && let Some(value) = kept.value
                && error.line() > 0
            {
                conversion.position = Some(conversion.position_inside(value, &error));
            }
            A::Error::custom(reason(&error))
        })
    }
}

impl Conversion<'_> {
    /// What an `Any` holds, once its type is known and its URL is written.
    fn any_content<'de, A: MapAccess<'de>>(
        &mut self,
        url: &str,
        depth: u32,
        members: A,
    ) -> Result<(), A::Error> {
        let name = url.rsplit('/').next().unwrap_or_default();
        let index = self.pool.message_index(name).ok_or_else(|| {
            A::Error::custom(format_args!(
                "the schema has no message `{name}`, which the Any of type {url:?} holds"
            ))
        })?;
        let depth = self.descend(depth)?;
        let url = self.out.bytes_field(1, url.as_bytes());
        self.wrote(url)?;
        let content = self.out.open(2);
        let content = self.wrote(content)?;
        match WellKnown::of(self.pool.message(index)) {
            Some(_) => self.any_value(index, depth, members)?,
            None => self.fields(index, depth, members)?,
        }
        let closed = self.out.close(content);
        self.wrote(closed)
    }

    /// The member `value` of an `Any` whose content has a JSON form of its own.
    fn any_value<'de, A: MapAccess<'de>>(
        &mut self,
        index: MessageIndex,
        depth: u32,
        mut members: A,
    ) -> Result<(), A::Error> {
        let mut found = false;
        while let Some(key) = members.next_key::<String>()? {
            if key == "value" && !found {
                found = true;
                let result = members.next_value_seed(self.message(index, depth));
                if result.is_err() {
                    self.trail.field("value");
                }
                result?;
            } else if self.unknown_fields == UnknownFields::Ignore {
                members.next_value::<IgnoredAny>()?;
            } else {
                return Err(A::Error::custom(format_args!(
                    "unexpected member {key:?} beside `@type` and `value`"
                )));
            }
        }
        if found { Ok(()) } else { Err(A::Error::custom("an Any of this type needs the member `value`")) }
    }

    /// The position in the whole text of an error found while reading a part of it.
    fn position_inside(&self, part: &RawValue, error: &serde_json::Error) -> (usize, usize) {
        // The part is borrowed from the text; were it not, its own position would be the best there is.
        let offset = (part.get().as_ptr() as usize).wrapping_sub(self.text.as_ptr() as usize);
        if offset > self.text.len() {
            return (error.line(), error.column());
        }
        let (line, column) = position(self.text.as_bytes(), offset);
        match error.line() {
            1 => (line, column + error.column().saturating_sub(1)),
            further => (line + further - 1, error.column()),
        }
    }
}

/// The members of an `Any` that were kept until its type was known.
struct Kept<'de> {
    members: std::vec::IntoIter<(String, &'de RawValue)>,
    /// The member being read.
    value: Option<&'de RawValue>,
}

impl<'de> MapAccess<'de> for Kept<'de> {
    type Error = serde_json::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Self::Error> {
        self.value = None;
        let Some((key, value)) = self.members.next() else {
            return Ok(None);
        };
        let key = seed.deserialize(key.as_str().into_deserializer())?;
        self.value = Some(value);
        Ok(Some(key))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Self::Error> {
        let text = self.value.map_or("null", RawValue::get);
        seed.deserialize(&mut reader(text))
    }
}
