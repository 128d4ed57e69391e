//! What went wrong between us and a server, as errors of the call.

use std::time::Duration;

use landbridge_net::{OpenError, Reason, RecvError};
use landbridge_wire::{Code, RpcError};

/// How long before the caller's deadline a server's cancellation is taken for the deadline itself: the two clocks did not
/// start at the same moment.
const ALMOST: Duration = Duration::from_millis(20);

/// The server, or the way to it, died before its response was complete. `left` is what is left of the caller's time,
/// where it has a limit: servers give up calls that are out of time by a bare reset.
pub fn server_gone(error: &RecvError, left: Option<Duration>) -> RpcError {
    let code = match error {
        RecvError::Reset(Reason::CANCEL) if left.is_some_and(|left| left <= ALMOST) => Code::DeadlineExceeded,
        RecvError::Reset(reason) => Code::from_http2_reset(u32::from(*reason)),
        RecvError::Unprocessed(_) | RecvError::Closed(_) | RecvError::Timeout => Code::Unavailable,
        RecvError::Protocol(_) => Code::Internal,
        RecvError::Cancelled => Code::Canceled,
    };
    RpcError::new(code, format!("the server's response broke off: {error}"))
}

/// No connection could take the call.
pub(crate) fn not_opened(error: &OpenError) -> RpcError {
    let code = match error {
        OpenError::Invalid { .. } => Code::Internal,
        OpenError::Overflow { .. } => Code::ResourceExhausted,
        OpenError::Connect(_) | OpenError::BackingOff { .. } | OpenError::Closed { .. } => Code::Unavailable,
    };
    RpcError::new(code, error.to_string())
}

/// The deadline has passed.
pub(crate) fn too_late(timeout: Duration) -> RpcError {
    RpcError::new(Code::DeadlineExceeded, format!("the call was not answered within {timeout:?}"))
}
