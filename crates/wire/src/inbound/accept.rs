//! Reads the head of a request.

use http::header::{ACCEPT_ENCODING, ALLOW, CONTENT_TYPE};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Version};

use crate::call::{Call, MethodInfo, Offer, Shape};
use crate::compression::{Accepted as AcceptedCompressions, Compression};
use crate::connect::{self, GetError};
use crate::envelope::EnvelopeReader;
use crate::grpc_web::TextDecoder;
use crate::inbound::reader::{RequestReader, Source};
use crate::inbound::refusal::{Refusal, refuse, refuse_http, refuse_type, refuse_version};
use crate::inbound::writer::ResponseWriter;
use crate::message::Chunks;
use crate::metadata::{keep_metadata, normalize, only};
use crate::protocol::{ContentType, Form};
use crate::{Codec, RpcError, grpc};

/// A request that is a call.
#[derive(Debug)]
pub struct Accepted {
    /// What it asks for.
    pub call: Call,
    /// Reads its messages.
    pub reader: RequestReader,
    /// Writes its answer.
    pub writer: ResponseWriter,
}

/// Whether a request looks like a call in any of the protocols: by its content-type, or its query for GET.
pub fn is_call(request: &Request<()>) -> bool {
    match *request.method() {
        Method::POST => content_type(request.headers()).is_some(),
        Method::GET => request.uri().query().is_some_and(connect::is_get_call),
        _ => false,
    }
}

/// What the head says that the body is; none if it says it twice, which two readers could read differently.
fn content_type(headers: &HeaderMap) -> Option<ContentType> {
    only(headers, &CONTENT_TYPE).ok().flatten().and_then(ContentType::parse)
}

/// Whether a request looks like a call in gRPC or gRPC-Web, whose content-types nothing else uses: those of Connect's
/// unary calls are also everybody else's.
pub fn is_grpc_or_web<B>(request: &Request<B>) -> bool {
    let form = content_type(request.headers()).map(|content_type| content_type.form);
    request.method() == Method::POST && matches!(form, Some(Form::Grpc | Form::GrpcWeb | Form::GrpcWebText))
}

/// Reads the head of a request, for the method that its path names where that is known; see
/// [`ResponseWriter::method_is`] for one that becomes known later.
///
/// # Errors
/// The answer to send instead: 405 for an HTTP method that the method is not called by, 415 for a content-type or codec
/// that is not ours or is not one for the method, 505 for gRPC over HTTP/1, and an error in the caller's protocol for
/// malformed timeouts, encodings, binary metadata and queries.
pub fn accept(
    request: Request<()>,
    offer: &Offer,
    method: Option<MethodInfo>,
) -> Result<Accepted, Box<Refusal>> {
    let (head, ()) = request.into_parts();
    match head.method {
        Method::POST => read_post(head, offer, method),
        Method::GET => read_get(head, offer, method),
        _ => Err(refuse_http(
            StatusCode::METHOD_NOT_ALLOWED,
            (ALLOW, allowed(method)),
            format!("{} is not a method that calls are made with", head.method),
        )),
    }
}

/// What a method can be called by; one that nothing is known of may be any.
fn allowed(method: Option<MethodInfo>) -> HeaderValue {
    HeaderValue::from_static(if method.is_none_or(MethodInfo::takes_get) { "GET, POST" } else { "POST" })
}

fn read_post(
    head: http::request::Parts,
    offer: &Offer,
    method: Option<MethodInfo>,
) -> Result<Accepted, Box<Refusal>> {
    let limits = offer.limits();
    let served = match content_type(&head.headers) {
        Some(ContentType { form, codec: Some(codec) }) if offer.codecs().contains(&codec) => {
            Some((form, codec))
        }
        _ => None,
    };
    let Some((form, codec)) = served else {
        let value: Vec<_> = head.headers.get_all(CONTENT_TYPE).iter().collect();
        let message = format!("the content-type {value:?} belongs to no protocol and codec served here");
        return Err(refuse_type(offer, method, message));
    };
    if form == Form::Grpc && head.version < Version::HTTP_2 {
        return Err(refuse_version(codec, offer));
    }
    let mut writer = ResponseWriter::new(form, codec, offer);
    if let Some(Err(error)) = method.map(|method| writer.method_is(method, offer)) {
        return Err(refuse(writer, error));
    }
    let mut call = new_call(&head, form, codec);
    let ours = &offer.compressions();
    let read = match form {
        Form::ConnectUnary => connect::read_unary_head(&head.headers, &mut call, ours),
        Form::ConnectStream => connect::read_stream_head(&head.headers, &mut call, ours),
        Form::Grpc | Form::GrpcWeb | Form::GrpcWebText => grpc::read_head(&head.headers, &mut call, ours),
    };
    match read.and_then(|()| metadata(head.headers)) {
        Ok(metadata) => call.metadata = metadata,
        Err(error) => return Err(refuse(writer, error)),
    }
    let source = match form {
        Form::ConnectUnary => Source::Whole { chunks: Chunks::new(), len: 0 },
        Form::GrpcWebText => {
            Source::Text(TextDecoder::default(), EnvelopeReader::new(limits.max_message_bytes))
        }
        _ => Source::Envelopes(EnvelopeReader::new(limits.max_message_bytes)),
    };
    let reader = RequestReader::new(form, call.encoding, limits, source);
    Ok(Accepted { call, reader, writer })
}

fn read_get(
    head: http::request::Parts,
    offer: &Offer,
    method: Option<MethodInfo>,
) -> Result<Accepted, Box<Refusal>> {
    let limits = offer.limits();
    let query = head.uri.query().unwrap_or_default();
    if !connect::is_get_call(query) && !method.is_some_and(MethodInfo::takes_get) {
        return Err(refuse_http(
            StatusCode::METHOD_NOT_ALLOWED,
            (ALLOW, HeaderValue::from_static("POST")),
            "a GET request is a call only with the query parameters encoding and message".into(),
        ));
    }
    let form = Form::ConnectUnary;
    let mut writer = ResponseWriter::new(form, Codec::Json, offer);
    writer.get = true;
    if let Some(Err(error)) = method.map(|method| writer.method_is(method, offer)) {
        return Err(refuse(writer, error));
    }
    let ours = &offer.compressions();
    let get = match connect::read_get(query, ours, limits.max_message_bytes) {
        Ok(get) if offer.codecs().contains(&get.codec) => get,
        Ok(_) | Err(GetError::UnknownCodec) => {
            let message = "the query parameter encoding names a codec that is not served here";
            return Err(refuse_type(offer, method, message.into()));
        }
        Err(GetError::Rpc(error)) => return Err(refuse(writer, error)),
    };
    writer.codec = get.codec;
    let mut call = new_call(&head, form, get.codec);
    call.get = true;
    let read = connect::read_unary_head(&head.headers, &mut call, ours);
    call.encoding = get.encoding;
    if !head.headers.contains_key(ACCEPT_ENCODING) {
        call.accepts.add(get.encoding);
    }
    match read.and_then(|()| metadata(head.headers)) {
        Ok(metadata) => call.metadata = metadata,
        Err(error) => return Err(refuse(writer, error)),
    }
    let reader = RequestReader::new(form, call.encoding, limits, Source::Given(Some(get.message)));
    Ok(Accepted { call, reader, writer })
}

/// The caller's own headers, in the form that every server reads.
///
/// # Errors
/// See [`normalize`].
fn metadata(mut headers: HeaderMap) -> Result<HeaderMap, RpcError> {
    keep_metadata(&mut headers);
    normalize(&mut headers)?;
    Ok(headers)
}

fn new_call(head: &http::request::Parts, form: Form, codec: Codec) -> Call {
    Call {
        protocol: form.protocol(),
        path: method_path(&head.uri),
        shape: if form == Form::ConnectUnary { Shape::Unary } else { Shape::Stream },
        codec,
        timeout: None,
        encoding: Compression::Identity,
        accepts: AcceptedCompressions::NONE,
        get: false,
        metadata: HeaderMap::new(),
    }
}

/// The path without its query, which names no method.
fn method_path(uri: &http::Uri) -> PathAndQuery {
    match uri.path_and_query() {
        Some(path) if path.query().is_none() => path.clone(),
        _ => uri.path().parse().unwrap_or_else(|_| PathAndQuery::from_static("/")),
    }
}
