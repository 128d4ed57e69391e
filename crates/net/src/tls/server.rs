//! The server's half of TLS, with certificates that can be replaced while it runs.

use std::sync::{Arc, PoisonError, RwLock};

use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{NoClientAuth, WebPkiClientVerifier};
use rustls::sign::SingleCertAndKey;
use rustls::{DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};

use super::TlsVersions;
use super::pem::{Identity, Pem, TlsError};
use super::roots::Pinned;

/// Whether clients show certificates.
#[derive(Clone, Debug, Default)]
pub enum ClientCertificates {
    /// Clients are not asked.
    #[default]
    Ignored,
    /// Clients are asked; one that shows none is served, one that shows a bad one is not.
    Optional(Pem),
    /// Only clients with a certificate that leads to this CA, or is in this text itself, are served.
    Required(Pem),
}

/// What a server needs for TLS.
#[derive(Clone, Debug)]
pub struct ServerTlsConfig {
    /// The server's own certificate chain and key.
    pub identity: Identity,
    /// Whether clients show certificates, and the CA that they must lead to.
    pub clients: ClientCertificates,
    /// ALPN names in order of preference; see [`ALPN_H2`](super::ALPN_H2) and [`ALPN_HTTP1`](super::ALPN_HTTP1).
    pub alpn: Vec<Vec<u8>>,
    /// Which versions of TLS are spoken.
    pub versions: TlsVersions,
}

/// A loaded [`ServerTlsConfig`]. Clones share one state: a reload through one is seen by all.
#[derive(Clone, Debug)]
pub struct ServerTls {
    current: Arc<RwLock<Arc<rustls::ServerConfig>>>,
}

impl ServerTls {
    /// Reads all the files and checks that they fit together.
    ///
    /// # Errors
    /// Each names the file and what is wrong with it.
    pub fn load(config: &ServerTlsConfig) -> Result<Self, TlsError> {
        Ok(Self { current: Arc::new(RwLock::new(rustls_config(config)?)) })
    }

    /// Reads the files again, or other ones. Handshakes from now on use the result; open connections stay as they are.
    ///
    /// # Errors
    /// As [`load`](Self::load); then everything stays as it was.
    pub fn reload(&self, config: &ServerTlsConfig) -> Result<(), TlsError> {
        let fresh = rustls_config(config)?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(())
    }

    pub(crate) fn acceptor(&self) -> tokio_rustls::TlsAcceptor {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner)).into()
    }
}

fn rustls_config(config: &ServerTlsConfig) -> Result<Arc<rustls::ServerConfig>, TlsError> {
    let key = config.identity.certified_key()?;
    let mut tls = rustls::ServerConfig::builder_with_provider(super::provider())
        .with_protocol_versions(config.versions.supported())
        .map_err(|problem| TlsError::Settings(problem.to_string()))?
        .with_client_cert_verifier(client_verifier(&config.clients)?)
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(key)));
    tls.alpn_protocols = config.alpn.clone();
    Ok(Arc::new(tls))
}

fn client_verifier(clients: &ClientCertificates) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let (authority, required) = match clients {
        ClientCertificates::Ignored => return Ok(Arc::new(NoClientAuth)),
        ClientCertificates::Optional(authority) => (authority, false),
        ClientCertificates::Required(authority) => (authority, true),
    };
    let (anchors, pinned) = authority.trusted()?;
    let mut verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(anchors), super::provider());
    if !required {
        verifier = verifier.allow_unauthenticated();
    }
    let chain = verifier.build().map_err(|problem| TlsError::BadCertificate {
        place: authority.to_string(),
        problem: problem.to_string(),
    })?;
    Ok(Arc::new(ChainOrPinned { chain, pinned }))
}

/// Accepts a certificate that leads to an authority, or is trusted by itself.
#[derive(Debug)]
struct ChainOrPinned {
    chain: Arc<dyn ClientCertVerifier>,
    pinned: Pinned,
}

impl ClientCertVerifier for ChainOrPinned {
    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        match self.pinned.verify(end_entity, now) {
            Some(verified) => verified.map(|()| ClientCertVerified::assertion()),
            None => self.chain.verify_client_cert(end_entity, intermediates, now),
        }
    }

    fn offer_client_auth(&self) -> bool {
        self.chain.offer_client_auth()
    }

    fn client_auth_mandatory(&self) -> bool {
        self.chain.client_auth_mandatory()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.chain.root_hint_subjects()
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chain.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chain.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chain.supported_verify_schemes()
    }

    fn requires_raw_public_keys(&self) -> bool {
        self.chain.requires_raw_public_keys()
    }
}
