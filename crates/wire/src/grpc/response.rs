//! Response heads: writing ours, reading a server's.

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Response, StatusCode};

use super::request::{ACCEPT_ENCODING, ENCODING};
use super::status::{has_status, read_end, write_end};
use crate::compression::{Accepted, listed, response_encoding};
use crate::metadata::{append, keep_grpc_names, keep_metadata};
use crate::outbound::{http_failure, wrong_content_type};
use crate::protocol::{ContentType, Form};
use crate::{Code, Codec, End, ResponseHead, RpcError};

/// The head of a response in gRPC or gRPC-Web, of a server that takes requests under `ours`.
pub(crate) fn response_head(form: Form, codec: Codec, ours: &Accepted, head: ResponseHead) -> Response<()> {
    let mut response = Response::new(());
    let headers = response.headers_mut();
    *headers = head.metadata;
    keep_grpc_names(headers);
    headers.insert(CONTENT_TYPE, ContentType::header(form, codec));
    if !head.encoding.is_identity() {
        headers.insert(ENCODING, HeaderValue::from_static(head.encoding.name()));
    }
    headers.insert(ACCEPT_ENCODING, listed(ours));
    response
}

/// The head of a response that has nothing else.
pub(crate) fn trailers_only(
    form: Form,
    codec: Codec,
    ours: &Accepted,
    head: ResponseHead,
    end: End,
) -> Response<()> {
    let mut response = response_head(form, codec, ours, head);
    append(response.headers_mut(), write_end(end));
    response
}

/// Reads the head of a response in gRPC or gRPC-Web.
///
/// # Errors
/// The call's end, where the head already tells that it failed.
pub(crate) fn read_response_head(
    form: Form,
    codec: Codec,
    status: StatusCode,
    headers: HeaderMap,
    accepts: &Accepted,
) -> Result<ResponseHead, Box<End>> {
    if status != StatusCode::OK {
        if has_status(&headers) {
            return Err(Box::new(read_end(headers)));
        }
        return Err(failed(http_failure(status, headers.get(CONTENT_TYPE))));
    }
    let (mut content_type, mut encoding, mut takes) = (None, None, None);
    // A pass over the few that there are is cheaper than looking each one up.
    for (name, value) in &headers {
        if *name == CONTENT_TYPE {
            content_type.get_or_insert(value);
        } else if *name == ENCODING {
            encoding.get_or_insert(value);
        } else if *name == ACCEPT_ENCODING {
            takes.get_or_insert(Accepted::NONE).add_listed(value);
        }
    }
    check_content_type(form, codec, content_type).map_err(failed)?;
    let encoding = response_encoding(encoding, accepts).map_err(failed)?;
    let mut metadata = headers;
    keep_metadata(&mut metadata);
    Ok(ResponseHead { metadata, encoding, accepts: takes })
}

fn failed(error: RpcError) -> Box<End> {
    Box::new(End::failed(error))
}

fn check_content_type(form: Form, codec: Codec, value: Option<&HeaderValue>) -> Result<(), RpcError> {
    let code = match value.and_then(ContentType::parse) {
        Some(got) if got.form == form && got.codec == Some(codec) => return Ok(()),
        // The right protocol in the wrong codec.
        Some(got) if got.form == form => Code::Internal,
        _ => Code::Unknown,
    };
    Err(wrong_content_type(code, value, form, codec))
}
