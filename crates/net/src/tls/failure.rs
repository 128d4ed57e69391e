//! What a failed handshake means, in words for people.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::UnixTime;
use rustls::{AlertDescription, CertificateError, Error, InvalidMessage, OtherError};

use super::identity::CertificateName;
use crate::address::Address;

/// A server that TLS cannot be spoken with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the TLS handshake with {address} failed: {problem}")]
pub struct TlsFailure {
    /// The server.
    pub address: Address,
    /// What is wrong.
    pub problem: TlsProblem,
}

/// Why a handshake failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct TlsProblem {
    /// What would have to be another.
    pub cause: TlsCause,
    text: String,
}

/// What in a handshake would have to be another for it not to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsCause {
    /// Whom the client trusts, or the server's certificate.
    Trust,
    /// The name that the server is asked by, or those in its certificate.
    Name,
    /// The server wants a client certificate, and was shown none.
    NoClientCertificate,
    /// The server does not take the client's certificate.
    ClientCertificate,
    /// There is no TLS at all there.
    Cleartext,
    /// Something else.
    Other,
}

/// What our own checks find wrong with a certificate, and the web PKI's have no word for.
#[derive(Debug)]
pub(super) enum Unverified {
    /// It is an authority's own, and not itself trusted.
    Authority,
    /// It has other names than it was to have.
    Names { wanted: Vec<String>, found: Vec<CertificateName> },
}

impl std::error::Error for Unverified {}

impl fmt::Display for Unverified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Authority => f.write_str(
                "the server's certificate is not trusted: it is an authority's own, and none of those that are \
                 trusted here",
            ),
            Self::Names { wanted, found } => {
                // The common name is no name of a server (RFC 9525 section 2).
                let found: Vec<String> = found
                    .iter()
                    .filter(|name| !matches!(name, CertificateName::CommonName(_)))
                    .map(ToString::to_string)
                    .collect();
                let found = if found.is_empty() { "nobody".to_owned() } else { found.join(", ") };
                write!(f, "the server's certificate is for {found}, and not for {}", wanted.join(" or "))
            }
        }
    }
}

impl From<Unverified> for Error {
    fn from(unverified: Unverified) -> Self {
        CertificateError::Other(OtherError(Arc::new(unverified))).into()
    }
}

impl TlsProblem {
    /// What a handshake ended with.
    pub(crate) fn of_handshake(error: &io::Error) -> Self {
        match tls_error(error) {
            Some(Error::InvalidCertificate(error)) => Self::of_certificate(error),
            Some(Error::AlertReceived(alert)) => Self::of_alert(*alert),
            Some(Error::InvalidMessage(InvalidMessage::InvalidContentType)) => {
                let text = "what answers there does not speak TLS".to_owned();
                Self { cause: TlsCause::Cleartext, text }
            }
            _ => Self { cause: TlsCause::Other, text: error.to_string() },
        }
    }

    /// What the server made of our certificate, if that is what the first read from a connection ended with. Under TLS
    /// 1.3 the client is through with the handshake by then.
    pub(crate) fn of_first_read(error: &io::Error) -> Option<Self> {
        match tls_error(error) {
            Some(Error::AlertReceived(alert)) => Some(Self::of_alert(*alert)),
            None if error.kind() == io::ErrorKind::UnexpectedEof => {
                let text = "the server closed the connection behind it without a word, as one may that does not take \
                            the client's certificate, or was shown none";
                Some(Self { cause: TlsCause::Other, text: text.to_owned() })
            }
            _ => None,
        }
    }

    fn of_certificate(error: &CertificateError) -> Self {
        let untrusted = |why: &str| {
            (TlsCause::Trust, format!("the server's certificate is not trusted: {why} ({error:?})"))
        };
        let (cause, text) = match error {
            CertificateError::UnknownIssuer => untrusted("nobody who is trusted here has signed it"),
            CertificateError::BadSignature => {
                untrusted("it names an authority that is trusted here, whose key has not signed it")
            }
            CertificateError::ExpiredContext { time, not_after } => {
                let ago = span(*not_after, *time);
                let text = format!("the server's certificate, or one above it, has expired {ago} ago");
                (TlsCause::Other, text)
            }
            CertificateError::NotValidYetContext { time, not_before } => {
                let left = span(*time, *not_before);
                let text = format!("the server's certificate, or one above it, is not valid yet for {left}");
                (TlsCause::Other, text)
            }
            CertificateError::Other(OtherError(other)) => match other.downcast_ref() {
                Some(unverified @ Unverified::Authority) => (TlsCause::Trust, unverified.to_string()),
                Some(unverified @ Unverified::Names { .. }) => (TlsCause::Name, unverified.to_string()),
                None => (TlsCause::Other, format!("the server's certificate cannot be accepted: {other}")),
            },
            error => (TlsCause::Other, format!("the server's certificate cannot be accepted: {error}")),
        };
        Self { cause, text }
    }

    fn of_alert(alert: AlertDescription) -> Self {
        let refused = |why: &str| {
            let text = format!("the server does not take the client's certificate{why} ({alert:?})");
            (TlsCause::ClientCertificate, text)
        };
        let other = |text: &str| (TlsCause::Other, format!("{text} ({alert:?})"));
        let (cause, text) = match alert {
            AlertDescription::CertificateRequired => (
                TlsCause::NoClientCertificate,
                format!("the server wants a client certificate, and was shown none ({alert:?})"),
            ),
            AlertDescription::UnknownCA => refused(": it trusts nobody who has signed it"),
            AlertDescription::CertificateExpired => refused(": it has expired, or is not valid yet"),
            AlertDescription::CertificateRevoked => refused(": it was revoked"),
            AlertDescription::DecryptError => refused(": a signature in it, or of it, is not right"),
            AlertDescription::BadCertificate
            | AlertDescription::AccessDenied
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateUnknown => refused(""),
            AlertDescription::UnrecognisedName => (
                TlsCause::Name,
                format!("the server does not go by the name that it was called by ({alert:?})"),
            ),
            AlertDescription::ProtocolVersion => {
                other("the server speaks no version of TLS that is spoken here")
            }
            AlertDescription::NoApplicationProtocol => {
                other("the server speaks no version of HTTP that was offered to it")
            }
            _ => other("the server has ended it"),
        };
        Self { cause, text }
    }
}

fn tls_error(error: &io::Error) -> Option<&Error> {
    error.get_ref()?.downcast_ref()
}

/// The time between two moments, in the largest unit of which there are at least two.
fn span(from: UnixTime, to: UnixTime) -> String {
    let between = Duration::from_secs(to.as_secs().saturating_sub(from.as_secs()));
    let minutes = between.as_secs() / 60;
    match minutes {
        2880.. => format!("{} days", minutes / 1440),
        120.. => format!("{} hours", minutes / 60),
        _ => format!("{minutes} min"),
    }
}
