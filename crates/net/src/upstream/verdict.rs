//! Why nothing can come of a connection that was made, told by what the upstream sent on it.

use crate::error::RecvError;
use crate::server::HttpVersion;
use crate::tls::TlsFailure;
use crate::transport::Meter;
use crate::upstream::connect::ConnectError;
use crate::upstream::endpoint::EndpointConfig;
use crate::upstream::greeting::OtherHttp;

/// What the upstream is found not to be or not to want.
pub(crate) enum Verdict {
    OtherHttp(OtherHttp),
    Tls(TlsFailure),
}

impl Verdict {
    /// None where all that came was as it should be, so that something else has ended the connection.
    pub(super) fn of(config: &EndpointConfig, meter: &Meter, called_in: HttpVersion) -> Option<Self> {
        let address = || config.address.clone();
        if let Some(problem) = meter.tls_problem() {
            return Some(Self::Tls(TlsFailure { address: address(), problem: problem.clone() }));
        }
        let other = meter.greeting()?.rules_out(called_in);
        other.then(|| Self::OtherHttp(OtherHttp { address: address(), called_in }))
    }
}

impl From<Verdict> for ConnectError {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::OtherHttp(other) => other.into(),
            Verdict::Tls(failure) => failure.into(),
        }
    }
}

impl From<Verdict> for RecvError {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::OtherHttp(other) => other.into(),
            Verdict::Tls(failure) => failure.into(),
        }
    }
}
