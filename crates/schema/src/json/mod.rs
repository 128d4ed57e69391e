//! The proto3 JSON mapping of messages whose types are known only at run time.
//!
//! Both directions stream: JSON is written while the binary form is read and the other way round, with no tree of the
//! message between them. A tree would cost hundreds of bytes for each two-byte element of a hostile message; here memory
//! stays within a small factor of the input and of [`JsonOptions::max_bytes`].

mod from_binary;
mod number;
mod to_binary;
mod well_known;

use std::fmt;

use buffa_descriptor::{DescriptorPool, MessageIndex};
use bytes::Bytes;

/// The deepest nesting of messages that [`JsonOptions::max_depth`] can allow: what other protobuf parsers accept.
pub const MAX_DEPTH: u32 = 100;

/// How to convert between JSON and binary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonOptions {
    /// What to do with JSON members that the schema does not know. Default: ignore them, as Connect servers do.
    pub unknown_fields: UnknownFields,
    /// The most bytes the result may have. Default: 4 MiB. Protobuf's own limit of 2 GiB holds in any case.
    pub max_bytes: usize,
    /// How deep messages may nest, the outermost being one level and the content of an `Any` another. Default, and the
    /// most that is honoured: [`MAX_DEPTH`].
    pub max_depth: u32,
    /// Whether JSON gets every field that cannot tell whether it was set, also those with their default value: numbers,
    /// strings, lists and so on, but no messages and no members of a oneof. Default: it does not.
    pub write_defaults: bool,
}

impl Default for JsonOptions {
    fn default() -> Self {
        Self {
            unknown_fields: UnknownFields::Ignore,
            max_bytes: 4 << 20,
            max_depth: MAX_DEPTH,
            write_defaults: false,
        }
    }
}

/// What to do with JSON members, and names of enum values, that the schema does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnknownFields {
    /// Read on as if they were not there.
    Ignore,
    /// Refuse the message.
    Reject,
}

/// Why a message could not be converted.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum JsonError {
    /// The input is not a message of the type, or is one that the other form cannot express.
    Invalid {
        /// The full name of the message's type.
        message_type: String,
        /// The field, as in `orders[3].id`; empty for the message itself.
        path: String,
        /// Line and column in the JSON text, both from 1.
        position: Option<(usize, usize)>,
        /// What is wrong.
        reason: String,
    },
    /// The result passed [`JsonOptions::max_bytes`].
    TooLarge {
        /// The limit.
        max_bytes: usize,
    },
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid { message_type, path, position, reason } => {
                write!(f, "{message_type}: ")?;
                if !path.is_empty() {
                    write!(f, "{path}: ")?;
                }
                f.write_str(reason)?;
                match position {
                    Some((line, column)) => write!(f, " at line {line} column {column}"),
                    None => Ok(()),
                }
            }
            Self::TooLarge { max_bytes } => {
                write!(f, "the converted message is larger than {max_bytes} bytes")
            }
        }
    }
}

impl std::error::Error for JsonError {}

pub(crate) fn json_to_binary(
    pool: &DescriptorPool,
    index: MessageIndex,
    json: &[u8],
    options: &JsonOptions,
) -> Result<Bytes, JsonError> {
    to_binary::convert(pool, index, json, options)
}

pub(crate) fn binary_to_json(
    pool: &DescriptorPool,
    index: MessageIndex,
    binary: &[u8],
    options: &JsonOptions,
) -> Result<Bytes, JsonError> {
    from_binary::convert(pool, index, binary, options)
}

/// The way down to where an error happened. Steps are noted as the error passes up, so that success pays nothing.
#[derive(Default)]
struct Trail(Vec<String>);

impl Trail {
    fn field(&mut self, name: &str) {
        self.0.push(format!(".{name}"));
    }

    fn element(&mut self, index: usize) {
        self.0.push(format!("[{index}]"));
    }

    fn key(&mut self, key: &str) {
        self.0.push(format!("[{key:?}]"));
    }

    fn path(&self) -> String {
        let path: String = self.0.iter().rev().map(String::as_str).collect();
        path.strip_prefix('.').map_or(path.clone(), str::to_owned)
    }
}
