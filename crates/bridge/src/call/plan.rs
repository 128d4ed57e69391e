//! What is decided about a call before it is made: codec, compression, form, and how long it may take.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use http::uri::{PathAndQuery, Scheme};
use landbridge_schema::{Method, StreamKind};
use landbridge_wire::outbound::Target;
use landbridge_wire::{
    Accepted, Call, Code, Codec, Compression, End, Limits, MethodInfo, Protocol, ResponseHead,
    ResponseWriter, RpcError, Shape,
};

use super::answer::Answer;
use super::failure::without_schema;
use super::pace::{Pace, Times};
use super::ticks::Ticks;
use super::transcode::{Convert, Transcode};
use crate::cluster::{AuthorityChoice, Cluster};
use crate::config::{
    BridgeSettings, Encoding, Forward, GrpcTimeout, RouteTimeout, UpstreamCodec, UpstreamProtocol,
};
use crate::schemas::{NoSchema, SchemaCache};

/// Where an accepted call goes, and by what rules.
#[derive(Debug)]
pub(crate) struct Plan<'a> {
    pub(crate) cluster: &'a Cluster,
    pub(crate) settings: &'a BridgeSettings,
    pub(crate) schemas: &'a Arc<SchemaCache>,
    pub(crate) forward: &'a Forward,
    pub(crate) timeout: RouteTimeout,
    pub(crate) request_timeout: Option<Duration>,
    /// How long a caller gets to take the error of a call that has run out of time.
    pub(crate) parting_time: Duration,
    pub(crate) ticks: &'a Arc<Ticks>,
    /// The authority that the server is to see.
    pub(crate) authority: AuthorityChoice,
    /// The path that the server is to see.
    pub(crate) path: PathAndQuery,
    /// The method, if its schema happens to be here.
    pub(crate) known: Option<Method>,
}

/// A call as it is made to the server.
#[derive(Debug)]
pub(crate) struct Exchange {
    pub(crate) path: PathAndQuery,
    pub(crate) metadata: HeaderMap,
    pub(crate) target: Target,
    /// The caller's own deadline, counted from the head on.
    timeout: Option<Duration>,
    caller: Caller,
    method: Option<Method>,
}

/// What of the caller's head still matters for the response.
#[derive(Clone, Copy, Debug)]
struct Caller {
    codec: Codec,
    encoding: Compression,
    accepts: Accepted,
    min_bytes: usize,
    max_message_bytes: usize,
}

impl Plan<'_> {
    /// How long the call may take.
    pub(crate) fn times(&self, call: &Call) -> Times {
        // gRPC does not tell unary calls apart on the wire; the schema does, if it happens to be here.
        let unary = call.shape == Shape::Unary
            || self.known.as_ref().is_some_and(|method| method.kind() == StreamKind::Unary);
        let route = if unary { self.timeout.unary } else { self.timeout.stream };
        let (caller, route) = match (self.forward.grpc_timeout, call.timeout) {
            (Some(rule), Some(timeout)) => (Some(clamp(rule, timeout)), None),
            (_, caller) => (caller, route),
        };
        // The cluster's limit and the route's hold both.
        let most = [self.forward.max_stream_duration, self.cluster.max_stream_duration()];
        Times {
            caller,
            request: self.request_timeout,
            route,
            idle: self.forward.idle_timeout,
            most: most.into_iter().flatten().min(),
        }
    }

    /// What the server speaks, and in which codec it is called.
    fn upstream(&self, call: &Call) -> (Protocol, Codec) {
        let protocol = match self.settings.protocol {
            UpstreamProtocol::Grpc => Protocol::Grpc,
            UpstreamProtocol::Connect => Protocol::Connect,
            UpstreamProtocol::GrpcWeb => Protocol::GrpcWeb,
        };
        let codec = match (protocol, self.settings.codec) {
            // Connect servers take both.
            (Protocol::Connect, UpstreamCodec::Proto) => call.codec,
            (_, UpstreamCodec::Proto) => Codec::Proto,
            (_, UpstreamCodec::Json) => Codec::Json,
        };
        (protocol, codec)
    }

    /// Why the call cannot be made without knowing its method, if so.
    pub(crate) fn needs_method(&self, call: &Call) -> Option<String> {
        if self.known.is_some() {
            return None;
        }
        let (protocol, codec) = self.upstream(call);
        if codec != call.codec {
            Some(format!("messages have to be converted from {} to {}", call.codec.name(), codec.name()))
        } else if call.get && !self.settings.get_without_schema {
            Some("only methods without side effects can be called by GET".to_owned())
        } else if protocol == Protocol::Connect && call.protocol != Protocol::Connect {
            Some("Connect has different forms for unary calls and streams".to_owned())
        } else {
            None
        }
    }

    /// Finds out what the method is, which may take asking the server.
    ///
    /// # Errors
    /// There is no schema to be had, now or at all, or it has no such method, or one that cannot be called like that.
    pub(crate) async fn look_up(&mut self, why: &str, answer: &mut Answer<'_>) -> Result<(), RpcError> {
        match self.schemas.method(self.path.path(), self.cluster).await {
            Ok(Some(method)) => {
                let info = info(&method, self.settings);
                self.known = Some(method);
                answer.method_is(info)
            }
            Ok(None) => {
                answer.method_is_unknown();
                let message = format!("the schema of the server has no method {}", self.path.path());
                Err(RpcError::new(Code::Unimplemented, message))
            }
            Err(problem) => {
                if let NoSchema::Unreachable(unopened) = &problem {
                    answer.record().unopened(unopened);
                }
                Err(without_schema(why, &problem))
            }
        }
    }

    /// Decides how the call is made.
    pub(crate) fn exchange(&self, call: Call, pace: &Pace) -> Exchange {
        let (protocol, codec) = self.upstream(&call);
        let method = &self.known;
        let shape = match (call.shape, method) {
            (Shape::Stream, Some(method)) if call.protocol != Protocol::Connect => shape(method),
            (shape, _) => shape,
        };
        let converts = codec != call.codec;
        let upstream_takes = self.cluster.accepts();
        let encoding = if !converts && upstream_takes.contains(call.encoding) && !call.encoding.is_identity()
        {
            call.encoding
        } else {
            ours_first(&self.settings.compression.requests, &upstream_takes)
        };
        let timeout = call.timeout.map(|timeout| match self.forward.grpc_timeout {
            Some(rule) => clamp(rule, timeout),
            None => timeout,
        });
        Exchange {
            path: self.path.clone(),
            metadata: call.metadata,
            target: Target {
                protocol,
                shape,
                codec,
                scheme: if self.cluster.is_tls() { Scheme::HTTPS } else { Scheme::HTTP },
                authority: self.authority.placeholder(),
                timeout: timeout.map(|timeout| remaining(timeout, pace)),
                encoding,
                accepts: if converts { Accepted::NONE } else { call.accepts },
                get: call.get,
                limits: Limits { max_message_bytes: self.settings.max_response_bytes },
            },
            timeout,
            caller: Caller {
                codec: call.codec,
                encoding: call.encoding,
                accepts: call.accepts,
                min_bytes: self.settings.compression.min_bytes,
                max_message_bytes: self.settings.max_message_bytes,
            },
            method: method.clone(),
        }
    }

    /// The head of the caller's response and what happens to its messages, from the server's head.
    pub(super) fn response(&self, exchange: &Exchange, mut head: ResponseHead) -> (ResponseHead, Transcode) {
        if let Some(accepts) = head.accepts {
            self.cluster.learn_accepts(accepts);
        }
        let from = head.encoding;
        let output = exchange.method.as_ref().map(Method::output);
        let convert =
            output.and_then(|output| Convert::between(exchange.target.codec, exchange.caller.codec, output));
        if convert.is_some() {
            head.encoding = choose(&exchange.caller.accepts, &self.settings.compression.responses);
        }
        let transcode = Transcode {
            from,
            to: head.encoding,
            convert,
            min_bytes: exchange.caller.min_bytes,
            limit: self.settings.max_response_bytes,
            fault: Code::Internal,
        };
        (head, transcode)
    }

    /// What is known here about an error that the server gave.
    pub(super) fn before_end(&self, exchange: &Exchange, end: &End, writer: &mut ResponseWriter) {
        if end.result.as_ref().is_err_and(|error| error.code == Code::Unimplemented)
            && self.schemas.is_unknown(exchange.path.path())
        {
            writer.method_is_unknown();
        }
    }
}

impl Exchange {
    /// What is left of the caller's time, if it has a limit.
    pub(super) fn time_left(&self, pace: &Pace) -> Option<Duration> {
        Some(self.timeout?.saturating_sub(pace.elapsed()))
    }

    /// Whether the method is known to take exactly one message.
    pub(crate) fn takes_one(&self) -> bool {
        let kind = self.method.as_ref().map(Method::kind);
        matches!(kind, Some(StreamKind::Unary | StreamKind::ServerStream))
    }

    /// What happens to the messages of the request.
    pub(crate) fn request_transcode(&self) -> Transcode {
        let input = self.method.as_ref().map(Method::input);
        Transcode {
            from: self.caller.encoding,
            to: self.target.encoding,
            convert: input.and_then(|input| Convert::between(self.caller.codec, self.target.codec, input)),
            min_bytes: self.caller.min_bytes,
            limit: self.caller.max_message_bytes,
            fault: Code::InvalidArgument,
        }
    }
}

/// What the callers of a method are held to.
pub(crate) fn info(method: &Method, settings: &BridgeSettings) -> MethodInfo {
    MethodInfo {
        shape: shape(method),
        no_side_effects: method.no_side_effects() || settings.get_without_schema,
    }
}

fn shape(method: &Method) -> Shape {
    match method.kind() {
        StreamKind::Unary => Shape::Unary,
        StreamKind::ClientStream | StreamKind::ServerStream | StreamKind::BidiStream => Shape::Stream,
    }
}

/// The first of the caller's that is among ours.
fn choose(accepts: &Accepted, ours: &[Encoding]) -> Compression {
    accepts
        .iter()
        .find(|accepted| ours.iter().any(|ours| compression(*ours) == *accepted))
        .unwrap_or_default()
}

pub(crate) fn compression(encoding: Encoding) -> Compression {
    match encoding {
        Encoding::Gzip => Compression::Gzip,
        Encoding::Br => Compression::Brotli,
        Encoding::Zstd => Compression::Zstd,
        Encoding::Deflate => Compression::Deflate,
    }
}

/// The caller's own deadline in the place of the route's (`max_stream_duration.grpc_timeout_header_*`).
fn clamp(rule: GrpcTimeout, timeout: Duration) -> Duration {
    let timeout = rule.max.map_or(timeout, |max| timeout.min(max));
    match timeout.checked_sub(rule.offset) {
        Some(left) if !left.is_zero() => left,
        _ => timeout,
    }
}

/// What is left of the caller's time. Time that went by unnoticeably is not taken off, so that servers see the round
/// number that the caller gave.
fn remaining(timeout: Duration, pace: &Pace) -> Duration {
    match pace.elapsed() {
        short if short < Duration::from_millis(1) => timeout,
        gone => timeout.saturating_sub(gone),
    }
}

/// The first of ours that the server takes.
fn ours_first(ours: &[Encoding], accepts: &Accepted) -> Compression {
    ours.iter().map(|ours| compression(*ours)).find(|ours| accepts.contains(*ours)).unwrap_or_default()
}
