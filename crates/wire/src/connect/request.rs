//! Request heads of POST: reading a caller's, writing ours.

use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::compression::{Accepted, listed, request_encoding};
use crate::metadata::once;
use crate::outbound::Target;
use crate::protocol::{ContentType, Form};
use crate::{Call, Code, Codec, RpcError, timeout};

const PROTOCOL_VERSION: HeaderName = HeaderName::from_static("connect-protocol-version");
const TIMEOUT: HeaderName = HeaderName::from_static("connect-timeout-ms");
pub(super) const STREAM_ENCODING: HeaderName = HeaderName::from_static("connect-content-encoding");
pub(crate) const STREAM_ACCEPT_ENCODING: HeaderName = HeaderName::from_static("connect-accept-encoding");

/// Reads into the call what the headers of a unary call say, whose message may be under one of `ours`.
pub(crate) fn read_unary_head(headers: &HeaderMap, call: &mut Call, ours: &Accepted) -> Result<(), RpcError> {
    read_head(headers, call, ours, &CONTENT_ENCODING, &ACCEPT_ENCODING)
}

/// Reads into the call what the headers of a stream say, whose messages may be under one of `ours`.
pub(crate) fn read_stream_head(
    headers: &HeaderMap,
    call: &mut Call,
    ours: &Accepted,
) -> Result<(), RpcError> {
    read_head(headers, call, ours, &STREAM_ENCODING, &STREAM_ACCEPT_ENCODING)
}

fn read_head(
    headers: &HeaderMap,
    call: &mut Call,
    ours: &Accepted,
    encoding: &HeaderName,
    accept_encoding: &HeaderName,
) -> Result<(), RpcError> {
    let (mut version, mut limit, mut encoded, mut accepts) = (None, None, None, false);
    // A pass over the few that there are is cheaper than looking each one up.
    for (name, value) in headers {
        if *name == PROTOCOL_VERSION {
            once(&mut version, name, value)?;
        } else if *name == TIMEOUT {
            once(&mut limit, name, value)?;
        } else if name == encoding {
            once(&mut encoded, name, value)?;
        } else if name == accept_encoding {
            accepts = true;
            call.accepts.add_listed(value);
        }
    }
    // Clients may leave the version out; another one than ours we could not serve.
    if let Some(version) = version
        && version != "1"
    {
        let message = format!("connect-protocol-version is {version:?}: only 1 is supported");
        return Err(RpcError::new(Code::InvalidArgument, message));
    }
    call.timeout = limit.map(timeout::parse_connect).transpose()?;
    call.encoding = request_encoding(encoded, ours)?;
    if !accepts {
        call.accepts.add(call.encoding);
    }
    Ok(())
}

// What is accepted is always said: left out, it would mean that the request's own compression is welcome, or whatever
// HTTP libraries in between make of it.

/// Writes the headers of a stream.
pub(crate) fn open_stream(headers: &mut HeaderMap, target: &Target) {
    make_post(headers, Form::ConnectStream, target.codec);
    write_timeout(headers, target);
    if !target.encoding.is_identity() {
        headers.insert(STREAM_ENCODING, HeaderValue::from_static(target.encoding.name()));
    }
    headers.insert(STREAM_ACCEPT_ENCODING, listed(&target.accepts));
}

/// Writes the headers of a unary call by POST; what depends on the message is the caller's to add.
pub(crate) fn open_unary(headers: &mut HeaderMap, target: &Target) {
    make_post(headers, Form::ConnectUnary, target.codec);
    open_get(headers, target);
}

/// Writes the headers of a unary call by GET, which needs fewer.
pub(crate) fn open_get(headers: &mut HeaderMap, target: &Target) {
    headers.insert(ACCEPT_ENCODING, listed(&target.accepts));
    write_timeout(headers, target);
}

/// Writes the headers that a call by POST has beyond one by GET.
pub(crate) fn make_post(headers: &mut HeaderMap, form: Form, codec: Codec) {
    headers.insert(CONTENT_TYPE, ContentType::header(form, codec));
    headers.insert(PROTOCOL_VERSION, const { HeaderValue::from_static("1") });
}

fn write_timeout(headers: &mut HeaderMap, target: &Target) {
    if let Some(timeout) = target.timeout {
        headers.insert(TIMEOUT, timeout::format_connect(timeout));
    }
}
