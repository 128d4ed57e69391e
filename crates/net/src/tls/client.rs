//! The client's half of TLS: whom it trusts, which names it accepts, who it says it is.

use std::sync::{Arc, PoisonError, RwLock};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_name;
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{DigitallySignedStruct, SignatureScheme};

use super::TlsVersions;
use super::failure::Unverified;
use super::identity::{CertificateName, names_of};
use super::pem::{Identity, TlsError};
use super::roots::{Roots, TrustedRoots};

/// Which names a server's certificate must carry, beside leading to a trusted root.
#[derive(Clone, Debug, Default)]
pub enum CheckName {
    /// The name that the client connects to (its SNI).
    #[default]
    ServerName,
    /// Any one of these subject alternative names: a host name, an IP address or a URI.
    AnyOf(Vec<String>),
    /// Any name: only the path to a trusted root counts.
    Any,
}

/// What a client needs for TLS.
#[derive(Clone, Debug, Default)]
pub struct ClientTlsConfig {
    /// Whose signature makes a server's certificate good.
    pub roots: TrustedRoots,
    /// Which names the server's certificate must carry.
    pub check_name: CheckName,
    /// The certificate to show to the server, if any.
    pub identity: Option<Identity>,
    /// The server name to send and to check, in place of the address's host name.
    pub server_name: Option<String>,
    /// ALPN names in order of preference. Empty: what the endpoint's HTTP version calls for.
    pub alpn: Vec<Vec<u8>>,
    /// Which versions of TLS are spoken.
    pub versions: TlsVersions,
}

/// A loaded [`ClientTlsConfig`]. Clones share one state: a reload through one is seen by all.
#[derive(Clone, Debug)]
pub struct ClientTls {
    current: Arc<RwLock<Loaded>>,
}

#[derive(Clone, Debug)]
struct Loaded {
    config: Arc<rustls::ClientConfig>,
    server_name: Option<ServerName<'static>>,
}

impl ClientTls {
    /// Reads all the files and checks that they fit together.
    ///
    /// # Errors
    /// Each names the file and what is wrong with it.
    pub fn load(config: &ClientTlsConfig) -> Result<Self, TlsError> {
        Ok(Self { current: Arc::new(RwLock::new(Loaded::from_config(config)?)) })
    }

    /// Reads the files again, or other ones. Connections from now on use the result.
    ///
    /// # Errors
    /// As [`load`](Self::load); then everything stays as it was.
    pub fn reload(&self, config: &ClientTlsConfig) -> Result<(), TlsError> {
        let fresh = Loaded::from_config(config)?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(())
    }

    /// What to connect with: `host` is named to the server unless the configuration names another,
    /// `alpn` is offered unless the configuration has a list.
    pub(crate) fn connector(
        &self,
        host: &str,
        alpn: &[&[u8]],
    ) -> Result<(tokio_rustls::TlsConnector, ServerName<'static>), TlsError> {
        let Loaded { mut config, server_name } =
            self.current.read().unwrap_or_else(PoisonError::into_inner).clone();
        let server_name = match server_name {
            Some(name) => name,
            None => parse_server_name(host)?,
        };
        if config.alpn_protocols.is_empty() && !alpn.is_empty() {
            Arc::make_mut(&mut config).alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
        }
        Ok((config.into(), server_name))
    }
}

impl Loaded {
    fn from_config(config: &ClientTlsConfig) -> Result<Self, TlsError> {
        let provider = super::provider();
        let verifier = ChainAndName {
            roots: Roots::load(&config.roots)?,
            check_name: config.check_name.clone(),
            algorithms: provider.signature_verification_algorithms,
        };
        let builder = rustls::ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(config.versions.supported())
            .map_err(|problem| TlsError::Settings(problem.to_string()))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier));
        let mut tls = match &config.identity {
            None => builder.with_no_client_auth(),
            Some(identity) => {
                let key = rustls::sign::SingleCertAndKey::from(identity.certified_key()?);
                builder.with_client_cert_resolver(Arc::new(key))
            }
        };
        tls.alpn_protocols = config.alpn.clone();
        let server_name = config.server_name.as_deref().map(parse_server_name).transpose()?;
        Ok(Self { config: Arc::new(tls), server_name })
    }
}

fn parse_server_name(name: &str) -> Result<ServerName<'static>, TlsError> {
    ServerName::try_from(name.to_owned()).map_err(|_| TlsError::BadServerName { name: name.to_owned() })
}

/// Accepts a certificate that leads to a root and carries a wanted name.
#[derive(Debug)]
struct ChainAndName {
    /// None: every chain is accepted.
    roots: Option<Roots>,
    check_name: CheckName,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for ChainAndName {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if let Some(roots) = &self.roots {
            roots.verify(end_entity, intermediates, now, &self.algorithms)?;
        }
        let certificate = ParsedCertificate::try_from(end_entity)?;
        match &self.check_name {
            CheckName::Any => {}
            CheckName::ServerName => {
                if verify_server_name(&certificate, server_name).is_err() {
                    let wanted = vec![server_name.to_str().into_owned()];
                    return Err(Unverified::Names { wanted, found: names_of(end_entity) }.into());
                }
            }
            CheckName::AnyOf(wanted) => {
                let found = names_of(end_entity);
                if !wanted.iter().any(|wanted| carries_name(&certificate, &found, wanted)) {
                    return Err(Unverified::Names { wanted: wanted.clone(), found }.into());
                }
            }
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// Host names and addresses by the rules of the web PKI (wildcards included), anything else literally.
fn carries_name(certificate: &ParsedCertificate<'_>, names: &[CertificateName], wanted: &str) -> bool {
    let by_rules =
        ServerName::try_from(wanted).is_ok_and(|name| verify_server_name(certificate, &name).is_ok());
    by_rules || names.iter().any(|name| matches!(name, CertificateName::Uri(uri) if uri == wanted))
}
