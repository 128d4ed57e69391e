//! What a finished handshake says about the peer.

use std::fmt;
use std::net::IpAddr;

use rustls::pki_types::CertificateDer;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

/// What is known of a connection from its TLS handshake.
#[derive(Clone, Debug)]
pub struct TlsInfo {
    /// The application protocol that both sides settled on, if any.
    pub alpn: Option<Vec<u8>>,
    /// The server name that the client asked for, if any.
    pub server_name: Option<String>,
    /// The peer's verified certificate chain in DER, leaf first; empty where it showed none.
    pub peer_certificates: Vec<CertificateDer<'static>>,
}

/// One name in a certificate: a subject alternative name (RFC 5280 section 4.2.1.6), or the common name of its subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CertificateName {
    /// A host name, possibly with a wildcard.
    Dns(String),
    /// An IP address.
    Ip(IpAddr),
    /// A URI, such as a SPIFFE identity.
    Uri(String),
    /// An email address.
    Email(String),
    /// What the subject itself is called, which may be anything that its authority has let stand there.
    CommonName(String),
}

impl fmt::Display for CertificateName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dns(name) | Self::Uri(name) | Self::Email(name) | Self::CommonName(name) => name.fmt(f),
            Self::Ip(address) => address.fmt(f),
        }
    }
}

impl TlsInfo {
    /// The names in the peer's certificate, its common name after the others; none where it showed no certificate.
    pub fn peer_names(&self) -> Vec<CertificateName> {
        self.peer_certificates.first().map(|leaf| names_of(leaf)).unwrap_or_default()
    }

    pub(crate) fn of_client(session: &rustls::ServerConnection) -> Self {
        Self::new(session, session.server_name().map(str::to_owned))
    }

    fn new(session: &rustls::CommonState, server_name: Option<String>) -> Self {
        Self {
            alpn: session.alpn_protocol().map(<[u8]>::to_vec),
            server_name,
            peer_certificates: session
                .peer_certificates()
                .map(|chain| chain.iter().map(|der| der.clone().into_owned()).collect())
                .unwrap_or_default(),
        }
    }
}

/// The names in a certificate; kinds that nobody asks for, and names that do not parse, are left out.
pub(super) fn names_of(certificate: &CertificateDer<'_>) -> Vec<CertificateName> {
    let Ok((_, certificate)) = X509Certificate::from_der(certificate) else { return Vec::new() };
    let alternative = certificate.subject_alternative_name().ok().flatten();
    let alternative = alternative.iter().flat_map(|extension| &extension.value.general_names);
    let common = certificate.subject().iter_common_name().find_map(|name| name.as_str().ok());
    alternative
        .filter_map(name_of)
        .chain(common.map(|name| CertificateName::CommonName(name.to_owned())))
        .collect()
}

fn name_of(name: &GeneralName<'_>) -> Option<CertificateName> {
    match name {
        GeneralName::DNSName(name) => Some(CertificateName::Dns((*name).to_owned())),
        GeneralName::URI(uri) => Some(CertificateName::Uri((*uri).to_owned())),
        GeneralName::RFC822Name(address) => Some(CertificateName::Email((*address).to_owned())),
        GeneralName::IPAddress(bytes) => {
            let address = <[u8; 4]>::try_from(*bytes).map(IpAddr::from);
            address.or_else(|_| <[u8; 16]>::try_from(*bytes).map(IpAddr::from)).ok().map(CertificateName::Ip)
        }
        _ => None,
    }
}
