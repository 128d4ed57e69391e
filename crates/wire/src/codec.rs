//! The codec of a call's messages.

use crate::name::{Name, Names};

/// How messages are serialized.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Codec {
    /// Protobuf binary.
    Proto,
    /// Protobuf's JSON mapping, UTF-8.
    Json,
    /// A format that an application has itself, by its name.
    Custom(CodecName),
}

/// The name of an application's codec. Only [`Codec`] makes it, of what was registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CodecName(Name);

static CUSTOM: Names = Names::new();

impl Codec {
    /// The codecs that every application may offer without more.
    pub const STANDARD: [Self; 2] = [Self::Proto, Self::Json];

    /// The codec of a content-type's suffix or of GET's `encoding` parameter; custom ones where they were registered.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "proto" => Some(Self::Proto),
            "json" => Some(Self::Json),
            _ => CUSTOM.find(name).map(CodecName).map(Self::Custom),
        }
    }

    /// The codec of this name, which is known from now on. None for a name that cannot stand in a content-type.
    pub fn register(name: &str) -> Option<Self> {
        Self::from_name(name).or_else(|| CUSTOM.register(name).map(CodecName).map(Self::Custom))
    }

    /// The name in content-types.
    pub fn name(self) -> &'static str {
        match self {
            Self::Proto => "proto",
            Self::Json => "json",
            Self::Custom(CodecName(name)) => CUSTOM.text(name),
        }
    }
}
