//! Request heads: reading a caller's, writing ours.

use http::header::{CONTENT_TYPE, TE};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::compression::{Accepted, offered, request_encoding};
use crate::metadata::once;
use crate::outbound::Target;
use crate::protocol::{ContentType, Form};
use crate::{Call, RpcError, timeout};

pub(crate) const TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");
pub(crate) const ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");
pub(crate) const ACCEPT_ENCODING: HeaderName = HeaderName::from_static("grpc-accept-encoding");

/// Reads into the call what gRPC's and gRPC-Web's headers say. Messages may be under one of `ours`.
pub(crate) fn read_head(headers: &HeaderMap, call: &mut Call, ours: &Accepted) -> Result<(), RpcError> {
    let (mut limit, mut encoding) = (None, None);
    // A pass over the few that there are is cheaper than looking each one up.
    for (name, value) in headers {
        if *name == TIMEOUT {
            once(&mut limit, name, value)?;
        } else if *name == ENCODING {
            once(&mut encoding, name, value)?;
        } else if *name == ACCEPT_ENCODING {
            call.accepts.add_listed(value);
        }
    }
    call.timeout = limit.map(timeout::parse_grpc).transpose()?;
    call.encoding = request_encoding(encoding, ours)?;
    Ok(())
}

/// Writes the headers of a call in gRPC or gRPC-Web.
pub(crate) fn open(headers: &mut HeaderMap, form: Form, target: &Target) {
    headers.insert(CONTENT_TYPE, ContentType::header(form, target.codec));
    if form == Form::Grpc {
        // Tells proxies that trailers matter; some servers refuse calls without it.
        headers.insert(TE, const { HeaderValue::from_static("trailers") });
    }
    if let Some(timeout) = target.timeout {
        headers.insert(TIMEOUT, timeout::format_grpc(timeout));
    }
    if !target.encoding.is_identity() {
        headers.insert(ENCODING, HeaderValue::from_static(target.encoding.name()));
    }
    if let Some(value) = offered(&target.accepts) {
        headers.insert(ACCEPT_ENCODING, value);
    }
}
