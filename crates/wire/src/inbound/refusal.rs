//! Requests that are refused by their heads.

use http::header::CONTENT_LENGTH;
use http::{HeaderName, HeaderValue, Response, StatusCode};

use crate::call::{End, MethodInfo, Offer, ResponseHead};
use crate::inbound::writer::ResponseWriter;
use crate::message::Chunks;
use crate::output::{Finish, Output};
use crate::protocol::{Form, Protocol, accept_post};
use crate::{Code, Codec, RpcError, grpc};

/// A request that is none, or one that can be refused by its head alone.
#[derive(Debug)]
pub struct Refusal {
    /// The whole answer, in the caller's protocol where it speaks one.
    pub output: Output<Response<()>>,
    /// Why.
    pub error: RpcError,
    /// What the caller speaks, if that much was clear.
    pub protocol: Option<Protocol>,
}

/// Refuses a call by its head.
pub(super) fn refuse(mut writer: ResponseWriter, error: RpcError) -> Box<Refusal> {
    let encodings = writer.usable_encodings(&error);
    let mut output = Output::new();
    let protocol = Some(writer.protocol());
    writer.end(End::failed(error.clone()), &mut output);
    if let (Some((name, listed)), Some(head)) = (encodings, &mut output.head) {
        head.headers_mut().insert(name, listed);
    }
    Box::new(Refusal { output, error, protocol })
}

/// An answer in plain HTTP, for those that speak no protocol; the specification has no body for it.
pub(super) fn refuse_http(
    status: StatusCode,
    (name, value): (HeaderName, HeaderValue),
    message: String,
) -> Box<Refusal> {
    let mut response = Response::new(());
    *response.status_mut() = status;
    response.headers_mut().insert(name, value);
    response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
    let error = RpcError::new(Code::from_http_status(status), message);
    let output = Output { head: Some(response), body: Chunks::new(), finish: Some(Finish::Body) };
    Box::new(Refusal { output, error, protocol: None })
}

pub(super) fn refuse_type(offer: &Offer, method: Option<MethodInfo>, message: String) -> Box<Refusal> {
    let types = accept_post(offer.codecs(), method.map(|method| method.shape));
    refuse_http(StatusCode::UNSUPPORTED_MEDIA_TYPE, (ACCEPT_POST, types), message)
}

pub(super) const ACCEPT_POST: HeaderName = HeaderName::from_static("accept-post");

pub(super) fn refuse_version(codec: Codec, offer: &Offer) -> Box<Refusal> {
    let error = RpcError::new(
        Code::Internal,
        "gRPC needs HTTP/2, because it ends calls with trailers; over HTTP/1.1 use Connect or gRPC-Web",
    );
    let end = End::failed(error.clone());
    let ours = &offer.compressions();
    let mut response = grpc::trailers_only(Form::Grpc, codec, ours, ResponseHead::default(), end);
    *response.status_mut() = StatusCode::HTTP_VERSION_NOT_SUPPORTED;
    response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
    let output = Output { head: Some(response), body: Chunks::new(), finish: Some(Finish::Body) };
    Box::new(Refusal { output, error, protocol: Some(Protocol::Grpc) })
}
