//! The messages of the reflection protocol, as far as they are needed.

use buffa::DecodeError;
use buffa::encoding::{Tag, WireType, encode_varint};
use bytes::Bytes;

use crate::wire::{Reader, Span, Value};

/// A `ServerReflectionRequest`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Query {
    ListServices,
    FileContainingSymbol(String),
    FileByName(String),
}

impl Query {
    pub(super) fn encode(&self) -> Bytes {
        let (number, text) = match self {
            Self::FileByName(name) => (3, name.as_str()),
            Self::FileContainingSymbol(symbol) => (4, symbol.as_str()),
            // Its content is not looked at, but an empty one would not be sent by proto3's rules of presence.
            Self::ListServices => (7, "*"),
        };
        let mut message = Vec::with_capacity(text.len() + 6);
        Tag::new(number, WireType::LengthDelimited).encode(&mut message);
        encode_varint(text.len() as u64, &mut message);
        message.extend_from_slice(text.as_bytes());
        message.into()
    }
}

/// A `ServerReflectionResponse`.
#[derive(Debug, PartialEq)]
pub(super) enum Response<'a> {
    /// Serialized `FileDescriptorProto`s.
    Files(Vec<&'a [u8]>),
    /// Full names.
    Services(Vec<String>),
    Error {
        code: i32,
        message: String,
    },
    /// None of those, or one of a later version.
    Other,
}

impl<'a> Response<'a> {
    pub(super) fn decode(message: &'a [u8]) -> Result<Self, DecodeError> {
        let mut response = Self::Other;
        let mut reader = Reader::new(message, Span { start: 0, end: message.len() });
        while let Some(field) = reader.field()? {
            match (field.number, field.value) {
                (4, Value::Bytes(span)) => response = Self::files(message, span)?,
                (6, Value::Bytes(span)) => response = Self::services(message, span)?,
                (7, Value::Bytes(span)) => response = Self::error(message, span)?,
                _ => {}
            }
        }
        Ok(response)
    }

    fn files(message: &'a [u8], span: Span) -> Result<Self, DecodeError> {
        let mut files = Vec::new();
        let mut reader = Reader::new(message, span);
        while let Some(field) = reader.field()? {
            if let (1, Value::Bytes(file)) = (field.number, field.value) {
                files.push(file.of(message));
            }
        }
        Ok(Self::Files(files))
    }

    fn services(message: &'a [u8], span: Span) -> Result<Self, DecodeError> {
        let mut services = Vec::new();
        let mut reader = Reader::new(message, span);
        while let Some(field) = reader.field()? {
            let (1, Value::Bytes(service)) = (field.number, field.value) else {
                continue;
            };
            let mut service = Reader::new(message, service);
            while let Some(field) = service.field()? {
                if let (1, Value::Bytes(name)) = (field.number, field.value) {
                    services.push(text(name.of(message)));
                }
            }
        }
        Ok(Self::Services(services))
    }

    fn error(message: &'a [u8], span: Span) -> Result<Self, DecodeError> {
        let (mut code, mut reason) = (0, String::new());
        let mut reader = Reader::new(message, span);
        while let Some(field) = reader.field()? {
            match (field.number, field.value) {
                (1, Value::Varint(value)) => code = value as i32,
                (2, Value::Bytes(value)) => reason = text(value.of(message)),
                _ => {}
            }
        }
        Ok(Self::Error { code, message: reason })
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
