//! The codec of a call's messages.

/// How messages are serialized.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Codec {
    /// Protobuf binary.
    Proto,
    /// Protobuf's JSON mapping, UTF-8.
    Json,
}

impl Codec {
    /// The codec of a content-type's suffix or of GET's `encoding` parameter.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "proto" => Some(Self::Proto),
            "json" => Some(Self::Json),
            _ => None,
        }
    }

    /// The name in content-types.
    pub fn name(self) -> &'static str {
        match self {
            Self::Proto => "proto",
            Self::Json => "json",
        }
    }
}
