//! TLS both ways: certificates from PEM, ALPN, client certificates, names.

mod client;
mod failure;
mod identity;
mod pem;
mod roots;
mod server;

pub use client::{CheckName, ClientTls, ClientTlsConfig};
pub use failure::{TlsCause, TlsFailure, TlsProblem};
pub use identity::{CertificateName, TlsInfo};
pub use pem::{Identity, Pem, TlsError};
pub use roots::TrustedRoots;
pub use server::{ClientCertificates, ServerTls, ServerTlsConfig};

/// The ALPN name of HTTP/2 (RFC 9113 section 3.2).
pub const ALPN_H2: &[u8] = b"h2";
/// The ALPN name of HTTP/1.1 (RFC 7301 section 6).
pub const ALPN_HTTP1: &[u8] = b"http/1.1";

/// The versions of TLS to speak. Older ones are not safe and not spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TlsVersions {
    /// TLS 1.2 and 1.3.
    #[default]
    Both,
    /// Only TLS 1.2.
    Only1_2,
    /// Only TLS 1.3.
    Only1_3,
}

impl TlsVersions {
    fn supported(self) -> &'static [&'static rustls::SupportedProtocolVersion] {
        use rustls::version::{TLS12, TLS13};
        static BOTH: [&rustls::SupportedProtocolVersion; 2] = [&TLS13, &TLS12];
        let [newest, oldest] = [&BOTH[..1], &BOTH[1..]];
        match self {
            Self::Both => &BOTH,
            Self::Only1_2 => oldest,
            Self::Only1_3 => newest,
        }
    }
}

fn provider() -> std::sync::Arc<rustls::crypto::CryptoProvider> {
    std::sync::Arc::new(rustls::crypto::ring::default_provider())
}
