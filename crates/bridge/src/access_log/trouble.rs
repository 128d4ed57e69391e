//! What went wrong with a request that the server did not answer by itself, in the words of Envoy's access logs.

use landbridge_net::RecvError;

/// Why a request was not answered, or not to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// No route leads on.
    NoRoute,
    /// The cluster has no endpoint that gets calls.
    NoEndpoint,
    /// No connection to an endpoint could be made.
    Unreachable,
    /// A circuit breaker of the cluster is open.
    Overflow,
    /// The server reset the stream.
    ServerReset,
    /// The connection to the server was lost.
    ServerLost,
    /// The server broke HTTP.
    ServerBroke,
    /// The caller's or the route's time was up.
    Timeout,
    /// Nothing was sent either way for too long.
    Idle,
    /// The stream lived for too long.
    TooLong,
    /// The request took too long to arrive.
    SlowRequest,
    /// The caller went away.
    CallerGone,
    /// The request broke its protocol.
    CallerBroke,
}

impl Trouble {
    /// `%RESPONSE_FLAGS%`. Envoy has none for a slow request.
    pub(crate) fn flag(self) -> Option<&'static str> {
        Some(match self {
            Self::NoRoute => "NR",
            Self::NoEndpoint => "UH",
            Self::Unreachable => "UF",
            Self::Overflow => "UO",
            Self::ServerReset => "UR",
            Self::ServerLost => "UC",
            Self::ServerBroke => "UPE",
            Self::Timeout => "UT",
            Self::Idle => "SI",
            Self::TooLong => "DT",
            Self::SlowRequest => return None,
            Self::CallerGone => "DC",
            Self::CallerBroke => "DPE",
        })
    }

    /// `%RESPONSE_CODE_DETAILS%`. `served`: the server had begun to answer.
    pub(crate) fn details(self, served: bool) -> &'static str {
        match self {
            Self::NoRoute => "route_not_found",
            Self::NoEndpoint => "no_healthy_upstream",
            Self::Unreachable => "upstream_reset_before_response_started{connection_failure}",
            Self::Overflow => "upstream_reset_before_response_started{overflow}",
            Self::ServerReset if served => "upstream_reset_after_response_started{remote_reset}",
            Self::ServerReset => "upstream_reset_before_response_started{remote_reset}",
            Self::ServerLost if served => "upstream_reset_after_response_started{connection_termination}",
            Self::ServerLost => "upstream_reset_before_response_started{connection_termination}",
            Self::ServerBroke if served => "upstream_reset_after_response_started{protocol_error}",
            Self::ServerBroke => "upstream_reset_before_response_started{protocol_error}",
            Self::Timeout => "response_timeout",
            Self::Idle => "stream_idle_timeout",
            Self::TooLong => "max_duration_timeout",
            Self::SlowRequest => "request_overall_timeout",
            Self::CallerGone => "downstream_remote_disconnect",
            Self::CallerBroke => "request_refused",
        }
    }

    /// What it means that the server's response broke off.
    pub(crate) fn of_server(error: &RecvError) -> Self {
        match error {
            RecvError::Reset(_) | RecvError::Unprocessed(_) => Self::ServerReset,
            RecvError::Protocol(_) | RecvError::OtherHttp(_) => Self::ServerBroke,
            RecvError::Closed(_) | RecvError::Tls(_) | RecvError::Timeout | RecvError::Cancelled => {
                Self::ServerLost
            }
        }
    }
}
