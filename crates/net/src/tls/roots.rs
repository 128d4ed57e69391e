//! Whose signature makes a certificate good, and which need none.

use std::time::Duration;

use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, Error, RootCertStore};
use x509_parser::prelude::{ASN1Time, FromDer, X509Certificate};

use super::failure::Unverified;
use super::pem::{Pem, TlsError};

/// Whose signature makes a server's certificate good.
#[derive(Clone, Debug, Default)]
pub enum TrustedRoots {
    /// The roots that the operating system trusts.
    #[default]
    System,
    /// The certificates in this PEM text. A server that shows one of them itself is trusted, too.
    Authority(Pem),
    /// Nobody's: every certificate is taken. The connection is private, but to whom is not known.
    Unchecked,
}

/// Certificates that are trusted by themselves. One that signs itself is commonly made as an authority's, which the web
/// PKI does not take for that of a server or client.
#[derive(Debug)]
pub(super) struct Pinned(Vec<CertificateDer<'static>>);

impl Pinned {
    /// Whether this is one of them, in its time; none where it is not, and somebody else has to vouch for it.
    ///
    /// # Errors
    /// It is too early or too late for it.
    pub(super) fn verify(
        &self,
        certificate: &CertificateDer<'_>,
        now: UnixTime,
    ) -> Option<Result<(), Error>> {
        self.0.contains(certificate).then(|| in_its_time(certificate, now))
    }
}

impl Pem {
    /// Its certificates as those of authorities, and for themselves.
    pub(super) fn trusted(&self) -> Result<(RootCertStore, Pinned), TlsError> {
        let certificates = self.certificates()?;
        let mut anchors = RootCertStore::empty();
        for certificate in &certificates {
            anchors.add(certificate.clone()).map_err(|problem| TlsError::BadCertificate {
                place: self.to_string(),
                problem: problem.to_string(),
            })?;
        }
        Ok((anchors, Pinned(certificates)))
    }
}

/// Loaded [`TrustedRoots`] that are checked.
#[derive(Debug)]
pub(super) struct Roots {
    anchors: RootCertStore,
    pinned: Pinned,
}

impl Roots {
    /// None where certificates are not checked.
    ///
    /// # Errors
    /// What cannot be read, and where it is.
    pub(super) fn load(roots: &TrustedRoots) -> Result<Option<Self>, TlsError> {
        match roots {
            TrustedRoots::Unchecked => Ok(None),
            TrustedRoots::Authority(pem) => {
                let (anchors, pinned) = pem.trusted()?;
                Ok(Some(Self { anchors, pinned }))
            }
            TrustedRoots::System => Ok(Some(Self { anchors: system_roots()?, pinned: Pinned(Vec::new()) })),
        }
    }

    /// Whether a server's certificate leads to one of them.
    ///
    /// # Errors
    /// Why it does not.
    pub(super) fn verify(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
        algorithms: &WebPkiSupportedAlgorithms,
    ) -> Result<(), Error> {
        if let Some(verified) = self.pinned.verify(certificate, now) {
            return verified;
        }
        let der = certificate;
        let certificate = ParsedCertificate::try_from(der)?;
        verify_server_cert_signed_by_trust_anchor(
            &certificate,
            &self.anchors,
            intermediates,
            now,
            algorithms.all,
        )
        .map_err(|error| if is_authority(der) { Unverified::Authority.into() } else { error })
    }
}

fn system_roots() -> Result<RootCertStore, TlsError> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    // A system's bundle may hold certificates that are too old to parse; the others still count.
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        let problems: Vec<String> = found.errors.iter().map(ToString::to_string).collect();
        return Err(TlsError::NoSystemRoots { problem: problems.join("; ") });
    }
    Ok(roots)
}

/// Whether it is made for signing others; servers' are not to be.
fn is_authority(certificate: &CertificateDer<'_>) -> bool {
    X509Certificate::from_der(certificate).is_ok_and(|(_, certificate)| certificate.is_ca())
}

fn in_its_time(certificate: &CertificateDer<'_>, now: UnixTime) -> Result<(), Error> {
    let (_, certificate) =
        X509Certificate::from_der(certificate).map_err(|_| CertificateError::BadEncoding)?;
    let validity = certificate.validity();
    let (not_before, not_after) = (unix_time(validity.not_before), unix_time(validity.not_after));
    if now < not_before {
        Err(CertificateError::NotValidYetContext { time: now, not_before }.into())
    } else if now > not_after {
        Err(CertificateError::ExpiredContext { time: now, not_after }.into())
    } else {
        Ok(())
    }
}

fn unix_time(time: ASN1Time) -> UnixTime {
    // What is before 1970 is as good as 1970.
    let seconds = u64::try_from(time.timestamp()).unwrap_or_default();
    UnixTime::since_unix_epoch(Duration::from_secs(seconds))
}
