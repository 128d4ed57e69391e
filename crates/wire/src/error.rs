//! A failed call's error, neutral of protocol.

use bytes::Bytes;

use crate::Code;

/// How a call failed: code, message for people, and typed details for programs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct RpcError {
    /// What kind of failure.
    pub code: Code,
    /// What happened, for people. Any Unicode text; may be empty.
    pub message: String,
    /// Protobuf messages that say more, in the order the server gave them.
    pub details: Vec<Detail>,
}

impl RpcError {
    /// An error without details.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), details: Vec::new() }
    }
}

/// One error detail: a serialized protobuf message and its type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Detail {
    /// `type.googleapis.com/google.rpc.RetryInfo`, or the bare type name.
    pub type_url: String,
    /// The message in binary.
    pub value: Bytes,
}

impl Detail {
    /// The fully-qualified message name, without the URL part.
    pub fn type_name(&self) -> &str {
        self.type_url.rsplit('/').next().unwrap_or(&self.type_url)
    }
}
