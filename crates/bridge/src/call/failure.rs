//! What keeps a call from being made, as errors of the call.

use landbridge_net::RecvError;
use landbridge_wire::{Code, RpcError};

use crate::schemas::NoSchema;

/// The caller's request broke off; what is left of the caller gets this.
pub(crate) fn request_cut(error: &RecvError) -> RpcError {
    let code = match error {
        RecvError::Protocol(_) => Code::InvalidArgument,
        RecvError::Timeout => Code::DeadlineExceeded,
        _ => Code::Canceled,
    };
    RpcError::new(code, format!("the request could not be read to its end: {error}"))
}

/// The method could only be served with its schema. `why` says what for, as a sentence that goes on.
pub(crate) fn without_schema(why: &str, problem: &NoSchema) -> RpcError {
    let (code, rest) = match problem {
        NoSchema::Refused(problem) => (
            Code::Unimplemented,
            format!(
                ": {problem}; let the server offer gRPC reflection, or give `descriptor_set` in \
                 `metadata.filter_metadata.landbridge` of the cluster"
            ),
        ),
        NoSchema::Unreachable(unopened) => {
            (unopened.error.code, format!(" from the server: {}", unopened.error.message))
        }
        NoSchema::Unanswered(problem) => {
            (Code::Unavailable, format!(", which the server did not tell: {problem}"))
        }
    };
    RpcError::new(code, format!("{why}, for which the bridge needs the method's schema{rest}"))
}
