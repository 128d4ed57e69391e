//! Envoy's TLS contexts, loaded for `net`.

use landbridge_net::{
    ALPN_H2, ALPN_HTTP1, CheckName, ClientCertificates, ClientTls, ClientTlsConfig, Identity, Pem, ServerTls,
    ServerTlsConfig, TlsError, TlsVersions, TrustedRoots,
};

use crate::config::{
    self, Alpn, Certificate, ClientAuth, Codec, DataSource, DownstreamTls, TlsVersion, TrustedCa,
    UpstreamTls, Validation,
};

/// Why TLS could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsSetupError {
    /// A certificate, key or root is missing or malformed.
    #[error(transparent)]
    Load(#[from] TlsError),
    /// A source of the file could not be read.
    #[error(transparent)]
    Source(#[from] std::io::Error),
    /// Something that the file may say and that is not supported.
    #[error("{0}")]
    Unsupported(String),
}

/// Loads a listener's certificates.
///
/// # Errors
/// Names the file or variable, and what is wrong with it.
pub(crate) fn server(tls: &DownstreamTls, codec: Codec) -> Result<ServerTls, TlsSetupError> {
    let [certificate] = tls.certificates.as_slice() else {
        let message = "a listener with several tls_certificates is not supported: give it one certificate, which may \
                       have several names";
        return Err(TlsSetupError::Unsupported(message.to_owned()));
    };
    let clients = match &tls.client {
        ClientAuth::None => ClientCertificates::Ignored,
        ClientAuth::Optional(validation) => ClientCertificates::Optional(authority(validation)?),
        ClientAuth::Required(validation) => ClientCertificates::Required(authority(validation)?),
    };
    let alpn = match (tls.alpn.as_slice(), codec) {
        ([], Codec::Auto) => vec![ALPN_H2.to_vec(), ALPN_HTTP1.to_vec()],
        ([], Codec::Http1) => vec![ALPN_HTTP1.to_vec()],
        ([], Codec::Http2) => vec![ALPN_H2.to_vec()],
        (chosen, _) => chosen.iter().map(alpn_name).collect(),
    };
    let versions = versions(tls.versions);
    Ok(ServerTls::load(&ServerTlsConfig { identity: identity(certificate)?, clients, alpn, versions })?)
}

/// Loads what is needed to connect to a cluster.
///
/// # Errors
/// Names the file or variable, and what is wrong with it.
pub(crate) fn client(tls: &UpstreamTls) -> Result<ClientTls, TlsSetupError> {
    let (roots, check_name) = match &tls.validation {
        // As in Envoy: without a validation context any certificate will do.
        None => (TrustedRoots::Unchecked, CheckName::Any),
        Some(validation) => {
            let roots = match &validation.trusted {
                TrustedCa::System => TrustedRoots::System,
                TrustedCa::Pem(source) => TrustedRoots::Authority(pem(source)?),
            };
            (roots, check_name(validation)?)
        }
    };
    let identity = tls.certificate.as_ref().map(identity).transpose()?;
    let alpn = tls.alpn.iter().map(alpn_name).collect();
    let config = ClientTlsConfig {
        roots,
        check_name,
        identity,
        server_name: tls.sni.clone(),
        alpn,
        versions: versions(tls.versions),
    };
    Ok(ClientTls::load(&config)?)
}

fn check_name(validation: &Validation) -> Result<CheckName, TlsSetupError> {
    if validation.match_sni {
        return Ok(CheckName::ServerName);
    }
    let mut names = Vec::new();
    for name in &validation.subject_alt_names {
        let Some(exact) = name.matcher.exact_text() else {
            let message = "match_typed_subject_alt_names of a cluster takes only `exact` names".to_owned();
            return Err(TlsSetupError::Unsupported(message));
        };
        names.push(exact.to_owned());
    }
    // As in Envoy: without names to match, only the path to a trusted root counts.
    Ok(if names.is_empty() { CheckName::Any } else { CheckName::AnyOf(names) })
}

fn authority(validation: &Validation) -> Result<Pem, TlsSetupError> {
    if !validation.subject_alt_names.is_empty() {
        let message = "match_typed_subject_alt_names of a listener is not supported: clients are told apart by their CA";
        return Err(TlsSetupError::Unsupported(message.to_owned()));
    }
    match &validation.trusted {
        TrustedCa::Pem(source) => Ok(pem(source)?),
        TrustedCa::System => {
            let message = "the client certificates of a listener need a trusted_ca of their own".to_owned();
            Err(TlsSetupError::Unsupported(message))
        }
    }
}

fn identity(certificate: &Certificate) -> std::io::Result<Identity> {
    Ok(Identity { certificates: pem(&certificate.chain)?, key: pem(&certificate.private_key)? })
}

fn pem(source: &DataSource) -> std::io::Result<Pem> {
    Ok(match source {
        DataSource::File(path) => Pem::File(path.clone()),
        DataSource::Inline(_) | DataSource::Environment(_) => Pem::Inline(source.load()?.to_vec()),
    })
}

fn versions(versions: config::TlsVersions) -> TlsVersions {
    match (versions.min, versions.max) {
        (TlsVersion::V1_2, TlsVersion::V1_3) => TlsVersions::Both,
        // A range of two, whose ends are in order, has no third value.
        (_, TlsVersion::V1_2) => TlsVersions::Only1_2,
        (TlsVersion::V1_3, TlsVersion::V1_3) => TlsVersions::Only1_3,
    }
}

fn alpn_name(alpn: &Alpn) -> Vec<u8> {
    match alpn {
        Alpn::H2 => ALPN_H2.to_vec(),
        Alpn::Http11 => ALPN_HTTP1.to_vec(),
    }
}
