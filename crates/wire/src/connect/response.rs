//! Response heads and the bodies of unary responses: writing ours, reading a server's.

use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};

use super::error_json::{read_error, write_error};
use super::request::{STREAM_ACCEPT_ENCODING, STREAM_ENCODING};
use crate::compression::{Accepted, Compression, response_encoding};
use crate::message::{Chunks, Message};
use crate::metadata::keep_metadata;
use crate::outbound::{http_failure, wrong_content_type};
use crate::output::{Finish, Output};
use crate::protocol::{ContentType, Form};
use crate::{Code, Codec, ResponseHead, RpcError};

/// What the names of a unary response's trailers start with.
const TRAILER: &str = "trailer-";

/// A whole unary response with a message.
pub(crate) fn unary_success(
    codec: Codec,
    head: ResponseHead,
    message: Message,
    trailers: &HeaderMap,
    out: &mut Output<Response<()>>,
) {
    let mut response = unary_response(StatusCode::OK, head.metadata, trailers);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, ContentType::header(Form::ConnectUnary, codec));
    if message.compressed {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static(head.encoding.name()));
    }
    headers.insert(CONTENT_LENGTH, message.payload.len().into());
    out.head = Some(response);
    out.body.extend(message.payload.into_chunks());
    out.finish = Some(Finish::Body);
}

/// A whole unary response with an error, under this status.
pub(crate) fn unary_failure(
    status: StatusCode,
    metadata: HeaderMap,
    error: &RpcError,
    trailers: &HeaderMap,
    out: &mut Output<Response<()>>,
) {
    let body = write_error(error);
    let mut response = unary_response(status, metadata, trailers);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, ContentType::header(Form::ConnectUnary, Codec::Json));
    headers.insert(CONTENT_LENGTH, body.len().into());
    out.head = Some(response);
    out.body = Chunks::new();
    out.push(body.into());
    out.finish = Some(Finish::Body);
}

fn unary_response(status: StatusCode, metadata: HeaderMap, trailers: &HeaderMap) -> Response<()> {
    let mut response = Response::new(());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    *headers = metadata;
    drop_prefixed(headers);
    for (name, value) in trailers {
        // A legal name behind a legal prefix is a legal name, unless it grows past the limit of `http`.
        if let Ok(name) = HeaderName::from_bytes([TRAILER, name.as_str()].concat().as_bytes()) {
            headers.append(name, value.clone());
        }
    }
    response
}

/// Removes headers that a client would take for trailers.
fn drop_prefixed(headers: &mut HeaderMap) {
    let names: Vec<HeaderName> =
        headers.keys().filter(|name| name.as_str().starts_with(TRAILER)).cloned().collect();
    for name in names {
        headers.remove(name);
    }
}

/// The head of a stream's response.
pub(crate) fn stream_head(codec: Codec, head: ResponseHead) -> Response<()> {
    let mut response = Response::new(());
    let headers = response.headers_mut();
    *headers = head.metadata;
    headers.insert(CONTENT_TYPE, ContentType::header(Form::ConnectStream, codec));
    if !head.encoding.is_identity() {
        headers.insert(STREAM_ENCODING, HeaderValue::from_static(head.encoding.name()));
    }
    response
}

/// Reads the head of a unary response: the server's headers, and its trailers.
///
/// # Errors
/// For a success whose content-type or encoding is not what was asked for.
pub(crate) fn read_unary_head(
    codec: Codec,
    status: StatusCode,
    headers: HeaderMap,
    accepts: &Accepted,
) -> Result<(ResponseHead, HeaderMap), RpcError> {
    if status == StatusCode::OK {
        check_content_type(Form::ConnectUnary, codec, &headers)?;
    }
    let encoding = match response_encoding(headers.get(CONTENT_ENCODING), accepts) {
        // What cannot be read of an error, its HTTP status makes up for.
        Err(_) if status != StatusCode::OK => Compression::Identity,
        encoding => encoding?,
    };
    let accepts = headers
        .contains_key(http::header::ACCEPT_ENCODING)
        .then(|| Accepted::from_headers(&headers, &http::header::ACCEPT_ENCODING));
    let mut trailers = HeaderMap::new();
    for (name, value) in &headers {
        if let Some(bare) = name.as_str().strip_prefix(TRAILER)
            && let Ok(bare) = HeaderName::from_bytes(bare.as_bytes())
        {
            trailers.append(bare, value.clone());
        }
    }
    keep_metadata(&mut trailers);
    let mut metadata = headers;
    keep_metadata(&mut metadata);
    drop_prefixed(&mut metadata);
    Ok((ResponseHead { metadata, encoding, accepts }, trailers))
}

/// Reads the body of a unary response that is not 200. Where it is not Connect's JSON, the HTTP status tells the code.
pub(crate) fn read_unary_error(
    status: StatusCode,
    content_type: Option<&HeaderValue>,
    body: &[u8],
) -> RpcError {
    let json = ContentType { form: Form::ConnectUnary, codec: Some(Codec::Json) };
    (content_type.and_then(ContentType::parse) == Some(json))
        .then(|| read_error(body, Code::from_http_status(status)))
        .flatten()
        .unwrap_or_else(|| http_failure(status, content_type))
}

/// Reads the head of a stream's response.
///
/// # Errors
/// For any status but 200, and a content-type or encoding that is not what was asked for.
pub(crate) fn read_stream_head(
    codec: Codec,
    status: StatusCode,
    headers: HeaderMap,
    accepts: &Accepted,
) -> Result<ResponseHead, RpcError> {
    if status != StatusCode::OK {
        return Err(http_failure(status, headers.get(CONTENT_TYPE)));
    }
    check_content_type(Form::ConnectStream, codec, &headers)?;
    let encoding = response_encoding(headers.get(STREAM_ENCODING), accepts)?;
    let accepts = headers
        .contains_key(STREAM_ACCEPT_ENCODING)
        .then(|| Accepted::from_headers(&headers, &STREAM_ACCEPT_ENCODING));
    let mut metadata = headers;
    keep_metadata(&mut metadata);
    Ok(ResponseHead { metadata, encoding, accepts })
}

fn check_content_type(form: Form, codec: Codec, headers: &HeaderMap) -> Result<(), RpcError> {
    let value = headers.get(CONTENT_TYPE);
    let code = match value.and_then(ContentType::parse) {
        Some(got) if got.form == form && got.codec == Some(codec) => return Ok(()),
        // The right protocol in the wrong codec.
        Some(got) if got.form == form && got.codec.is_some() => Code::Internal,
        _ => Code::Unknown,
    };
    Err(wrong_content_type(code, value, form, codec))
}
