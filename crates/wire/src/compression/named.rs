//! The compression that a message is under, as its head names it.

use http::HeaderValue;

use super::{Accepted, Compression};
use crate::{Code, RpcError};

/// The compression that a request's header names, which has to be one of `ours`; identity where it names none.
///
/// # Errors
/// `unimplemented`, as all three protocols ask for, with the list of what could be used.
pub(crate) fn request_encoding(
    value: Option<&HeaderValue>,
    ours: &Accepted,
) -> Result<Compression, RpcError> {
    known_request_encoding(value.map(|value| value.to_str().unwrap_or("?")), ours)
}

/// The same for a name out of a query.
pub(crate) fn known_request_encoding(name: Option<&str>, ours: &Accepted) -> Result<Compression, RpcError> {
    let Some(name) = name else { return Ok(Compression::Identity) };
    Compression::from_name(name.trim()).filter(|named| ours.contains(*named)).ok_or_else(|| {
        let ours: String = ours.iter().map(|ours| format!("{}, ", ours.name())).collect();
        let message = format!("the compression {name:?} is not supported: use one of {ours}identity");
        RpcError::new(Code::Unimplemented, message)
    })
}

/// The compression that a response's header names; identity where it names none.
///
/// # Errors
/// `internal` for one that was not offered.
pub(crate) fn response_encoding(
    value: Option<&HeaderValue>,
    offered: &Accepted,
) -> Result<Compression, RpcError> {
    let Some(value) = value else { return Ok(Compression::Identity) };
    value
        .to_str()
        .ok()
        .and_then(Compression::from_name)
        .filter(|compression| offered.contains(*compression))
        .ok_or_else(|| {
            let message =
                format!("the server answered with the compression {value:?}, which was not offered to it");
            RpcError::new(Code::Internal, message)
        })
}
