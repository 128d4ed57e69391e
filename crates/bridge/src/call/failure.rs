//! What went wrong between us and a server, as errors of the call.

use landbridge_net::RecvError;
use landbridge_wire::{Code, RpcError};

/// The server, or the way to it, died before its response was complete.
pub(crate) fn server_gone(error: &RecvError) -> RpcError {
    let code = match error {
        RecvError::Reset(reason) => Code::from_http2_reset(u32::from(*reason)),
        RecvError::Unprocessed(_) | RecvError::Closed(_) | RecvError::Timeout => Code::Unavailable,
        RecvError::Protocol(_) => Code::Internal,
        RecvError::Cancelled => Code::Canceled,
    };
    RpcError::new(code, format!("the server's response broke off: {error}"))
}

/// The caller's request broke off; what is left of the caller gets this.
pub(crate) fn request_cut(error: &RecvError) -> RpcError {
    let code = match error {
        RecvError::Protocol(_) => Code::InvalidArgument,
        RecvError::Timeout => Code::DeadlineExceeded,
        _ => Code::Canceled,
    };
    RpcError::new(code, format!("the request could not be read to its end: {error}"))
}
