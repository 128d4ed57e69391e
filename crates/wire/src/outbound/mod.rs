//! The outbound half: a [`Call`](crate::Call) and its messages are written as a request; the answer is read from the
//! same protocol.

mod fault;
mod reader;
mod writer;

use std::time::Duration;

use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, Method, Request, Uri};

use crate::call::{Limits, Shape};
use crate::compression::{Accepted, Compression};
use crate::protocol::{Form, Protocol};
use crate::{Codec, connect, grpc};

pub(crate) use fault::{http_failure, wrong_content_type};
pub use reader::ResponseReader;
pub use writer::RequestWriter;

/// How a call is made to a server.
#[derive(Clone, Debug)]
pub struct Target {
    /// What the server speaks.
    pub protocol: Protocol,
    /// Whether the method takes and gives exactly one message; decides the form of a Connect call.
    pub shape: Shape,
    /// The codec of messages both ways.
    pub codec: Codec,
    /// `http` or `https`.
    pub scheme: Scheme,
    /// The value of `:authority` or `host`.
    pub authority: Authority,
    /// How long the server may take.
    pub timeout: Option<Duration>,
    /// The compression of those request messages that say they are compressed.
    pub encoding: Compression,
    /// The compressions offered to the server for its responses.
    pub accepts: Accepted,
    /// Whether to call by GET, where the message is not too long for it; only for methods without side effects.
    pub get: bool,
    /// What the answer is held to.
    pub limits: Limits,
}

/// The two machines of an opened call.
#[derive(Debug)]
pub struct OpenedCall {
    /// Writes the request.
    pub writer: RequestWriter,
    /// Reads the answer.
    pub reader: ResponseReader,
}

/// Prepares a call to this target. `metadata` is the caller's own, checked.
pub fn open(path: PathAndQuery, metadata: HeaderMap, target: &Target) -> OpenedCall {
    let form = match (target.protocol, target.shape) {
        (Protocol::Connect, Shape::Unary) => Form::ConnectUnary,
        (Protocol::Connect, Shape::Stream) => Form::ConnectStream,
        (Protocol::Grpc, _) => Form::Grpc,
        (Protocol::GrpcWeb, _) => Form::GrpcWeb,
    };
    let mut request = Request::new(());
    *request.method_mut() = Method::POST;
    *request.uri_mut() = uri(target, path);
    let headers = request.headers_mut();
    *headers = metadata;
    match form {
        Form::ConnectUnary if target.get => connect::open_get(headers, target),
        Form::ConnectUnary => connect::open_unary(headers, target),
        Form::ConnectStream => connect::open_stream(headers, target),
        Form::Grpc | Form::GrpcWeb | Form::GrpcWebText => grpc::open(headers, form, target),
    }
    OpenedCall {
        writer: RequestWriter::new(form, target, request),
        reader: ResponseReader::new(form, target),
    }
}

fn uri(target: &Target, path: PathAndQuery) -> Uri {
    let mut parts = http::uri::Parts::default();
    parts.scheme = Some(target.scheme.clone());
    parts.authority = Some(target.authority.clone());
    parts.path_and_query = Some(path);
    // All three parts are there, which is all that `from_parts` asks for.
    Uri::from_parts(parts).unwrap_or_default()
}
