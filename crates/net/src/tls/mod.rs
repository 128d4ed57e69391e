//! TLS both ways: certificates from PEM, ALPN, client certificates, names.

mod client;
mod identity;
mod pem;
mod server;

pub use client::{CheckName, ClientTls, ClientTlsConfig, TrustedRoots};
pub use identity::{CertificateName, TlsInfo};
pub use pem::{Identity, Pem, TlsError};
pub use server::{ClientCertificates, ServerTls, ServerTlsConfig};

/// The ALPN name of HTTP/2 (RFC 9113 section 3.2).
pub const ALPN_H2: &[u8] = b"h2";
/// The ALPN name of HTTP/1.1 (RFC 7301 section 6).
pub const ALPN_HTTP1: &[u8] = b"http/1.1";

fn provider() -> std::sync::Arc<rustls::crypto::CryptoProvider> {
    std::sync::Arc::new(rustls::crypto::ring::default_provider())
}
