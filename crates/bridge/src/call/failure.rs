//! What went wrong between us and a caller, as errors of the call.

use landbridge_net::RecvError;
use landbridge_wire::{Code, RpcError};

/// The caller's request broke off; what is left of the caller gets this.
pub(crate) fn request_cut(error: &RecvError) -> RpcError {
    let code = match error {
        RecvError::Protocol(_) => Code::InvalidArgument,
        RecvError::Timeout => Code::DeadlineExceeded,
        _ => Code::Canceled,
    };
    RpcError::new(code, format!("the request could not be read to its end: {error}"))
}
