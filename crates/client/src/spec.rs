//! What a call is, and who makes it.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::HeaderMap;
use http::header::USER_AGENT;
use http::uri::{Authority, PathAndQuery, Scheme};
use landbridge_wire::plain::{self, Content, Packing, PlainRequestWriter, PlainResponseReader};
use landbridge_wire::{Accepted, Codec, Compression, Limits, Protocol, RpcError, Shape, outbound};

use crate::policy::Policy;

/// How all calls of one client are made.
#[derive(Clone, Debug)]
pub struct Style {
    /// What the server speaks.
    pub protocol: Protocol,
    /// How messages are serialized.
    pub codec: Codec,
    /// The compression of requests.
    pub encoding: Compression,
    /// The compressions offered for responses, the most wanted first.
    pub accepts: Accepted,
    /// Which request messages are compressed, and how hard.
    pub packing: Packing,
    /// What responses are held to.
    pub limits: Limits,
    /// The value of `user-agent` where the caller gives none.
    pub user_agent: http::HeaderValue,
}

impl Style {
    /// How a call of such a method is made to a server, of which it may take so long.
    pub fn target(
        &self,
        kind: StreamKind,
        scheme: &Scheme,
        authority: &Authority,
        timeout: Option<Duration>,
        get: bool,
    ) -> outbound::Target {
        let unary = kind.sends_one() && kind.gets_one();
        outbound::Target {
            protocol: self.protocol,
            shape: if unary { Shape::Unary } else { Shape::Stream },
            codec: self.codec,
            scheme: scheme.clone(),
            authority: authority.clone(),
            timeout,
            encoding: self.encoding,
            accepts: self.accepts,
            get,
            limits: self.limits,
        }
    }

    /// Begins a call of such a method to the target, which is [`target`](Self::target)'s: what writes its request, and
    /// what reads its response and holds that to the number of messages there have to be.
    ///
    /// # Errors
    /// As [`plain::open`].
    pub fn open(
        &self,
        kind: StreamKind,
        path: PathAndQuery,
        mut metadata: HeaderMap,
        target: &outbound::Target,
    ) -> Result<(PlainRequestWriter, PlainResponseReader), RpcError> {
        if !metadata.contains_key(USER_AGENT) {
            metadata.insert(USER_AGENT, self.user_agent.clone());
        }
        let (writer, mut reader) = plain::open(path, metadata, target, self.packing)?;
        if kind.gets_one() {
            reader.expect_one();
        }
        Ok((writer, reader))
    }
}

/// How many messages flow each way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamKind {
    /// One request, one response.
    Unary,
    /// A stream of requests, one response.
    ClientStream,
    /// One request, a stream of responses.
    ServerStream,
    /// A stream each way.
    BidiStream,
}

impl StreamKind {
    /// Whether there is exactly one request message.
    pub fn sends_one(self) -> bool {
        matches!(self, Self::Unary | Self::ServerStream)
    }

    /// Whether there is exactly one response message.
    pub fn gets_one(self) -> bool {
        matches!(self, Self::Unary | Self::ClientStream)
    }
}

/// One method of a server.
#[derive(Clone, Debug)]
pub struct Method {
    /// `/package.Service/Method`, after the target's prefix.
    pub path: PathAndQuery,
    /// How many messages flow.
    pub kind: StreamKind,
    /// Whether calling it twice leaves things as calling it once (RFC 9110 section 9.2.2), as its schema says.
    pub idempotent: bool,
    /// When a call of it is tried again, and how long it may take.
    pub policy: Policy,
}

/// One call.
#[derive(Clone, Debug)]
pub struct Spec {
    /// What is called.
    pub method: Arc<Method>,
    /// How.
    pub style: Arc<Style>,
    /// The caller's own headers; those that belong to HTTP or a protocol are left out.
    pub metadata: HeaderMap,
    /// How long the call may take in all.
    pub timeout: Option<Duration>,
    /// Whether to call by GET (Connect, unary), where the message is short enough for a URL.
    pub get: bool,
    /// Whether to wait for a server that cannot be reached, up to the deadline; else the call fails at once.
    pub wait_for_ready: bool,
}

/// The head of a response.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// The HTTP status.
    pub status: u16,
    /// The server's own headers.
    pub metadata: HeaderMap,
    /// The compression of those messages that are compressed.
    pub encoding: Compression,
}

/// What a caller gives to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outgoing {
    /// A message.
    Message(Content),
    /// No message follows.
    HalfClose,
}

/// Who makes a call: gives its request and takes its response. Its methods never wait.
pub trait Caller: Send + Sync {
    /// Everything that is to be sent now, and how much that counts; to be reported by [`sent`](Self::sent).
    fn poll_outgoing(&self, cx: &mut Context<'_>) -> Poll<(Vec<Outgoing>, usize)>;

    /// So much has left, and makes room for more.
    fn sent(&self, counted: usize);

    /// An attempt is made, with this head.
    fn request(&self, _head: &http::Request<()>) {}

    /// The response has started. Comes at most once, and before any message.
    fn head(&self, head: Head);

    /// Ready when another message may be delivered.
    fn poll_room(&self, cx: &mut Context<'_>) -> Poll<()>;

    /// A message has come.
    fn message(&self, message: Content);

    /// The call ends because its time is over: the [`carry`](crate::carry) that says so returns next.
    fn late(&self) {}
}
