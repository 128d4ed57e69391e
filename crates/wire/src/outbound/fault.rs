//! What is wrong with an answer, where it is the server's or a proxy's fault.

use http::{HeaderValue, StatusCode};

use crate::protocol::{ContentType, Form};
use crate::{Code, Codec, RpcError};

/// The failure of a response that no protocol has written, such as a proxy's page for people.
pub(crate) fn http_failure(status: StatusCode, content_type: Option<&HeaderValue>) -> RpcError {
    let what = content_type.map(|value| format!(" and content of the type {value:?}")).unwrap_or_default();
    RpcError::new(
        Code::from_http_status(status),
        format!("the server answered with HTTP status {status}{what}"),
    )
}

/// The failure of a response in another form or codec than that of its request.
pub(crate) fn wrong_content_type(
    code: Code,
    value: Option<&HeaderValue>,
    form: Form,
    codec: Codec,
) -> RpcError {
    let expected = ContentType::header(form, codec);
    let message = match value {
        None => format!("the response has no content-type; {expected:?} is expected"),
        Some(value) => format!("the response's content-type is {value:?}; {expected:?} is expected"),
    };
    RpcError::new(code, message)
}

/// The same finding is the caller's fault in a request and the server's in a response.
pub(super) fn as_server_fault(error: RpcError) -> RpcError {
    RpcError { code: Code::Internal, ..error }
}
