//! What went wrong between us and a server, as errors of the call.

use std::time::Duration;

use landbridge_net::{
    ConnectError, HttpVersion, OpenError, OtherHttp, Reason, RecvError, TlsCause, TlsFailure,
};
use landbridge_wire::{Code, RpcError};

/// How long before the caller's deadline a server's cancellation is taken for the deadline itself: the two clocks did not
/// start at the same moment.
const ALMOST: Duration = Duration::from_millis(20);

/// The server, or the way to it, died before its response was complete. `left` is what is left of the caller's time,
/// where it has a limit: servers give up calls that are out of time by a bare reset.
pub fn server_gone(error: &RecvError, left: Option<Duration>) -> RpcError {
    let code = match error {
        RecvError::OtherHttp(_) | RecvError::Tls(_) => {
            return RpcError::new(Code::Unavailable, error.to_string());
        }
        RecvError::Reset(Reason::CANCEL) if left.is_some_and(|left| left <= ALMOST) => Code::DeadlineExceeded,
        RecvError::Reset(reason) => Code::from_http2_reset(u32::from(*reason)),
        RecvError::Unprocessed(_) | RecvError::Closed(_) | RecvError::Timeout => Code::Unavailable,
        RecvError::Protocol(_) => Code::Internal,
        RecvError::Cancelled => Code::Canceled,
    };
    RpcError::new(code, format!("the server's response broke off: {error}"))
}

/// No connection could take the call.
fn not_opened(error: &OpenError) -> RpcError {
    let code = match error {
        OpenError::Invalid { .. } => Code::Internal,
        OpenError::Overflow { .. } => Code::ResourceExhausted,
        OpenError::Connect(_) | OpenError::BackingOff { .. } | OpenError::Closed { .. } => Code::Unavailable,
    };
    RpcError::new(code, error.to_string())
}

/// What may help where there is a server that cannot be called like that: clauses in the words of whoever calls, who
/// has set what would have to be another.
#[derive(Clone, Copy, Debug)]
pub struct Advice {
    /// The server speaks HTTP/2, and was called in HTTP/1.1.
    pub speaks_http2: &'static str,
    /// The server was called in HTTP/2, and does not speak it.
    pub lacks_http2: &'static str,
    /// Nobody who is trusted vouches for the server's certificate.
    pub is_not_trusted: &'static str,
    /// The server's certificate is for another name.
    pub has_other_name: &'static str,
    /// The server wants a client certificate.
    pub wants_certificate: &'static str,
}

impl Default for Advice {
    fn default() -> Self {
        Self {
            speaks_http2: "call it in gRPC if it is a gRPC server, or else over HTTP/2",
            lacks_http2: "call it in Connect or gRPC-Web, over HTTP/1.1",
            is_not_trusted: "trust its authority, or the certificate itself",
            has_other_name: "call it by a name that its certificate has",
            wants_certificate: "give the client a certificate",
        }
    }
}

impl Advice {
    /// [`server_gone`], and what may help.
    pub(crate) fn server_gone(&self, error: &RecvError, left: Option<Duration>) -> RpcError {
        let advice = match error {
            RecvError::OtherHttp(other) => Some(self.on_http(other)),
            RecvError::Tls(failure) => self.on_tls(failure),
            _ => None,
        };
        with_advice(server_gone(error, left), advice)
    }

    /// No connection could take the call, and what may help.
    pub(crate) fn not_opened(&self, error: &OpenError) -> RpcError {
        let advice = match error {
            OpenError::Connect(error) | OpenError::BackingOff { after: error, .. } => {
                self.on_connecting(error)
            }
            _ => None,
        };
        with_advice(not_opened(error), advice)
    }

    fn on_connecting(&self, error: &ConnectError) -> Option<&'static str> {
        match error {
            ConnectError::OtherHttp(other) => Some(self.on_http(other)),
            ConnectError::Tls(failure) => self.on_tls(failure),
            _ => None,
        }
    }

    fn on_tls(&self, failure: &TlsFailure) -> Option<&'static str> {
        match failure.problem.cause {
            TlsCause::Trust => Some(self.is_not_trusted),
            TlsCause::Name => Some(self.has_other_name),
            TlsCause::NoClientCertificate => Some(self.wants_certificate),
            TlsCause::Cleartext => Some("http:// in place of https:// calls a server without TLS"),
            TlsCause::ClientCertificate | TlsCause::Other => None,
        }
    }

    fn on_http(&self, other: &OtherHttp) -> &'static str {
        match other.called_in {
            HttpVersion::Http1 => self.speaks_http2,
            HttpVersion::Http2 => self.lacks_http2,
        }
    }
}

fn with_advice(mut error: RpcError, advice: Option<&str>) -> RpcError {
    if let Some(advice) = advice {
        error.message.push_str("; ");
        error.message.push_str(advice);
    }
    error
}

/// The deadline has passed.
pub(crate) fn too_late(timeout: Duration) -> RpcError {
    RpcError::new(Code::DeadlineExceeded, format!("the call was not answered within {timeout:?}"))
}
