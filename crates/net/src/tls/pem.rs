//! Certificates and keys out of PEM text, with errors that name the place they came from.

use std::fmt;
use std::path::PathBuf;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// Where PEM text comes from.
#[derive(Clone, PartialEq, Eq)]
pub enum Pem {
    /// A file, read when the configuration is built and again at each reload.
    File(PathBuf),
    /// The text itself.
    Inline(Vec<u8>),
}

impl fmt::Display for Pem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Inline(_) => f.write_str("the inline PEM text"),
        }
    }
}

impl fmt::Debug for Pem {
    /// Inline text may be a private key, so it stays out of logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A certificate chain, leaf first, and the private key of its leaf.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The certificate chain.
    pub certificates: Pem,
    /// The private key: PKCS#8, PKCS#1 or SEC1.
    pub key: Pem,
}

/// Why a TLS configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The file cannot be read.
    #[error("cannot read {place}: {source}; check that it exists and that this process may read it")]
    Read {
        /// The file.
        place: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The text is not PEM.
    #[error("{place} is not valid PEM: {problem}")]
    Malformed {
        /// The file, or the inline text.
        place: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The text is PEM, but has no certificate in it.
    #[error("{place} holds no certificate; a block that starts with -----BEGIN CERTIFICATE----- is needed")]
    NoCertificate {
        /// The file, or the inline text.
        place: String,
    },
    /// The text is PEM, but has no private key in it.
    #[error("{place} holds no private key; an unencrypted PKCS#8, PKCS#1 or SEC1 key is needed")]
    NoKey {
        /// The file, or the inline text.
        place: String,
    },
    /// The certificate in it cannot be used.
    #[error("the certificate in {place} cannot be used: {problem}")]
    BadCertificate {
        /// The file, or the inline text.
        place: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The key is not the key of the certificate, or of a kind that is not supported.
    #[error("the key in {key} cannot be used with the certificate in {certificates}: {problem}")]
    KeyMismatch {
        /// Where the certificate came from.
        certificates: String,
        /// Where the key came from.
        key: String,
        /// What is wrong.
        problem: String,
    },
    /// The system's root certificates cannot be found.
    #[error("no root certificates are installed on this system ({problem}); name a CA file instead")]
    NoSystemRoots {
        /// What looking for them led to.
        problem: String,
    },
    /// A server name that is neither a host name nor an IP address.
    #[error("{name:?} is not a host name or an IP address, so it cannot be a TLS server name")]
    BadServerName {
        /// The name as given.
        name: String,
    },
    /// Anything else that rustls refuses.
    #[error("the TLS settings do not fit together: {0}")]
    Settings(String),
}

impl Pem {
    fn text(&self) -> Result<std::borrow::Cow<'_, [u8]>, TlsError> {
        match self {
            Self::Inline(text) => Ok(text.into()),
            Self::File(path) => match std::fs::read(path) {
                Ok(text) => Ok(text.into()),
                Err(source) => Err(TlsError::Read { place: self.to_string(), source }),
            },
        }
    }

    pub(super) fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, TlsError> {
        let certificates = CertificateDer::pem_slice_iter(&self.text()?)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|problem| self.malformed(&problem))?;
        if certificates.is_empty() {
            return Err(TlsError::NoCertificate { place: self.to_string() });
        }
        Ok(certificates)
    }

    fn key(&self) -> Result<PrivateKeyDer<'static>, TlsError> {
        use rustls::pki_types::pem::Error;
        PrivateKeyDer::from_pem_slice(&self.text()?).map_err(|problem| match problem {
            Error::NoItemsFound => TlsError::NoKey { place: self.to_string() },
            problem => self.malformed(&problem),
        })
    }

    fn malformed(&self, problem: &rustls::pki_types::pem::Error) -> TlsError {
        TlsError::Malformed { place: self.to_string(), problem: problem.to_string() }
    }
}

impl Identity {
    pub(super) fn certified_key(&self) -> Result<rustls::sign::CertifiedKey, TlsError> {
        let certificates = self.certificates.certificates()?;
        rustls::sign::CertifiedKey::from_der(certificates, self.key.key()?, &super::provider()).map_err(
            |problem| TlsError::KeyMismatch {
                certificates: self.certificates.to_string(),
                key: self.key.to_string(),
                problem: problem.to_string(),
            },
        )
    }
}
