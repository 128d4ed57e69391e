//! How long a call may take.

use std::time::Duration;

use crate::config::reader::{At, Read};

/// The time from the end of the request to the end of the response (Envoy's route `timeout`).
///
/// Envoy gives a route without a `timeout` 15 s, and kills streams with it. Here that default holds for unary calls
/// only; a `timeout` that the file gives holds for both, as in Envoy, and `stream_timeout` in
/// `metadata.filter_metadata.landbridge` sets another one for streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RouteTimeout {
    /// For unary calls. `None`: no limit.
    pub unary: Option<Duration>,
    /// For streams. `None`: no limit.
    pub stream: Option<Duration>,
}

impl RouteTimeout {
    /// What a route without a `timeout` gets.
    pub const DEFAULT: Self = Self { unary: Some(Duration::from_secs(15)), stream: None };

    /// The same for both kinds.
    pub(super) fn both(timeout: Option<Duration>) -> Self {
        Self { unary: timeout, stream: timeout }
    }
}

/// How the client's own deadline (`grpc-timeout`, `connect-timeout-ms`) becomes the route's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GrpcTimeout {
    /// The client's deadline is cut to this. `None`: taken as it is.
    pub max: Option<Duration>,
    /// Taken off the client's deadline, unless that would leave nothing.
    pub offset: Duration,
}

/// Envoy's `MaxStreamDuration` of a route.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct MaxStreamDuration {
    /// `Some(None)`: explicitly without a limit.
    pub(super) limit: Option<Option<Duration>>,
    pub(super) grpc: Option<GrpcTimeout>,
}

impl MaxStreamDuration {
    pub(super) fn read(at: &At<'_>) -> Read<Self> {
        at.message(|duration| {
            let limit = duration.optional("max_stream_duration", At::duration_or_off);
            let max = duration.optional("grpc_timeout_header_max", At::duration_or_off);
            let offset = duration.optional("grpc_timeout_header_offset", At::duration);
            let (limit, max, offset) = (limit?, max?, offset?);
            let grpc = max.map(|max| GrpcTimeout { max, offset: offset.unwrap_or_default() });
            if grpc.is_none() && offset.is_some() {
                return Err(
                    duration.refuse_at("grpc_timeout_header_offset", "needs `grpc_timeout_header_max`")
                );
            }
            Ok(Self { limit, grpc })
        })
    }
}
