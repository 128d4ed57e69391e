//! The neutral call: what a request asks for, and what answers it.

use std::borrow::Cow;
use std::time::Duration;

use http::HeaderMap;
use http::uri::PathAndQuery;

use crate::message::Message;
use crate::{Accepted, Codec, Compression, Protocol, RpcError};

/// The head of a call, neutral of protocol.
#[derive(Clone, Debug)]
pub struct Call {
    /// What the caller speaks.
    pub protocol: Protocol,
    /// `/package.Service/Method`, as it was sent, without a query.
    pub path: PathAndQuery,
    /// How many messages the protocol lets flow.
    pub shape: Shape,
    /// How messages are serialized.
    pub codec: Codec,
    /// How long the caller waits; counts from the head's arrival.
    pub timeout: Option<Duration>,
    /// The compression of those request messages that say they are compressed.
    pub encoding: Compression,
    /// The compressions that the caller takes in responses.
    pub accepts: Accepted,
    /// Whether it came as a GET request, which only methods without side effects may be called by.
    pub get: bool,
    /// The caller's own headers: nothing of HTTP's or the protocol's. Binary ones (`-bin`) hold valid base64.
    pub metadata: HeaderMap,
}

/// How many messages a call's protocol form lets flow each way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// One message each way: Connect's unary form.
    Unary,
    /// Any number each way. gRPC and gRPC-Web do not tell unary calls apart on the wire.
    Stream,
}

/// What is known of the method that a call asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MethodInfo {
    /// How many messages it lets flow: one each way, or a stream in at least one direction.
    pub shape: Shape,
    /// Whether it is declared to be without side effects.
    pub no_side_effects: bool,
}

impl MethodInfo {
    /// Whether it may be called by GET.
    pub fn takes_get(self) -> bool {
        self.shape == Shape::Unary && self.no_side_effects
    }
}

/// Limits that a reader holds its peer to.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The most bytes of one message, on the wire and, where it is decompressed, after that.
    pub max_message_bytes: usize,
}

impl Limits {
    /// gRPC's default for received messages, in bytes.
    pub const DEFAULT_MAX_MESSAGE_BYTES: usize = 4 << 20;
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_message_bytes: Self::DEFAULT_MAX_MESSAGE_BYTES }
    }
}

/// What a server takes.
#[derive(Clone, Debug)]
pub struct Offer {
    codecs: Cow<'static, [Codec]>,
    compressions: Accepted,
    limits: Limits,
}

impl Offer {
    /// Everything that this crate knows by itself.
    pub fn all(limits: Limits) -> Self {
        Self { codecs: Cow::Borrowed(&Codec::STANDARD), compressions: Accepted::ALL, limits }
    }

    /// These codecs and compressions; no compression can always be used.
    pub fn of(codecs: Vec<Codec>, compressions: Accepted, limits: Limits) -> Self {
        Self { codecs: Cow::Owned(codecs), compressions, limits }
    }

    /// The codecs of messages.
    pub fn codecs(&self) -> &[Codec] {
        &self.codecs
    }

    /// The compressions of messages, in both directions.
    pub fn compressions(&self) -> Accepted {
        self.compressions
    }

    /// What requests are held to.
    pub fn limits(&self) -> Limits {
        self.limits
    }
}

/// The head of a response, neutral of protocol.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResponseHead {
    /// The server's own headers.
    pub metadata: HeaderMap,
    /// The compression of those response messages that say they are compressed.
    pub encoding: Compression,
    /// The compressions that the server takes in requests, if it said so. Only for those who read it: who writes says
    /// what its own reader takes.
    pub accepts: Option<Accepted>,
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    /// Success, or the error.
    pub result: Result<(), RpcError>,
    /// The server's own trailers.
    pub trailers: HeaderMap,
}

impl End {
    /// A failure that this side found itself, without trailers.
    pub fn failed(error: RpcError) -> Self {
        Self { result: Err(error), trailers: HeaderMap::new() }
    }

    /// Success without trailers.
    pub fn success() -> Self {
        Self { result: Ok(()), trailers: HeaderMap::new() }
    }
}

/// What a response consists of, in order: at most one head, messages, exactly one end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResponseEvent {
    /// The response started. Left out where the server ended the call at once.
    Head(ResponseHead),
    /// One message.
    Message(Message),
    /// The end; nothing follows.
    End(End),
}
