//! TLS on a listener and towards a cluster. Only data: files are loaded where they are used.

use std::str::FromStr;

use super::data_source::DataSource;
use super::reader::{At, Message, Read};
use super::string_matcher::StringMatcher;

const DOWNSTREAM: &str = "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext";
const UPSTREAM: &str = "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext";
const RAW: &str = "envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer";

/// TLS of a listener (Envoy's `DownstreamTlsContext`).
#[derive(Debug, Clone)]
pub struct DownstreamTls {
    /// The listener's certificates; at least one.
    pub certificates: Vec<Certificate>,
    /// What is asked of clients.
    pub client: ClientAuth,
    /// What ALPN offers, best first. Empty: `h2` and `http/1.1` as the listener's codec allows.
    pub alpn: Vec<Alpn>,
    /// Protocol versions.
    pub versions: TlsVersions,
}

/// TLS towards a cluster (Envoy's `UpstreamTlsContext`).
#[derive(Debug, Clone)]
pub struct UpstreamTls {
    /// The server name to ask for.
    pub sni: Option<String>,
    /// Our certificate, where the cluster asks for one.
    pub certificate: Option<Certificate>,
    /// How to judge the endpoint's certificate. `None`, as in Envoy, takes any.
    pub validation: Option<Validation>,
    /// What ALPN offers, best first. Empty: what the cluster's HTTP version says.
    pub alpn: Vec<Alpn>,
    /// Protocol versions.
    pub versions: TlsVersions,
}

/// A certificate chain and its key, both PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// The chain, leaf first.
    pub chain: DataSource,
    /// The key of the leaf.
    pub private_key: DataSource,
}

/// What a listener asks of its clients.
#[derive(Debug, Clone)]
pub enum ClientAuth {
    /// No certificate.
    None,
    /// A certificate is checked if there is one.
    Optional(Validation),
    /// No connection without a valid certificate.
    Required(Validation),
}

/// How the other side's certificate is judged.
#[derive(Debug, Clone)]
pub struct Validation {
    /// Whose signatures count.
    pub trusted: TrustedCa,
    /// One of these must match a subject alternative name. Empty: any name passes, as in Envoy.
    pub subject_alt_names: Vec<SubjectAltName>,
    /// The name of [`UpstreamTls::sni`] must be among the certificate's (`auto_sni_san_validation`).
    pub match_sni: bool,
}

/// Whose signatures count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrustedCa {
    /// The certificates in a PEM file.
    Pem(DataSource),
    /// The roots of the system.
    System,
}

/// A test of a subject alternative name.
#[derive(Debug, Clone)]
pub struct SubjectAltName {
    /// Which kind of name.
    pub kind: SanKind,
    /// The test.
    pub matcher: StringMatcher,
}

/// The kind of a subject alternative name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SanKind {
    /// A DNS name.
    Dns,
    /// A URI, such as a SPIFFE id.
    Uri,
    /// An e-mail address.
    Email,
    /// An IP address.
    Ip,
}

/// A protocol to agree on in the TLS handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alpn {
    /// HTTP/2.
    H2,
    /// HTTP/1.1.
    Http11,
}

impl FromStr for Alpn {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        match name {
            "h2" => Ok(Self::H2),
            "http/1.1" => Ok(Self::Http11),
            _ => Err(()),
        }
    }
}

/// TLS versions, from `min` to `max`, both within what is safe: 1.2 and 1.3.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TlsVersions {
    /// The oldest spoken; not newer than `max`.
    pub min: TlsVersion,
    /// The newest spoken.
    pub max: TlsVersion,
}

/// A version of TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    /// TLS 1.2.
    V1_2,
    /// TLS 1.3.
    V1_3,
}

impl DownstreamTls {
    /// Reads a listener's `transport_socket`; `None` for plain text.
    pub(super) fn read(at: &At<'_>) -> Read<Option<Self>> {
        read_transport_socket(at, DOWNSTREAM, |context| {
            let common = context.required("common_tls_context", |at| CommonTls::read(at, false));
            let require = context.or("require_client_certificate", false, At::bool);
            // Sessions are resumed without anything of this having to be set.
            context.refuse("session_ticket_keys", "sessions are resumed with keys made at start");
            context.refuse("require_sni", "every server name is served");
            context.refuse("ocsp_staple_policy", "OCSP stapling is not supported");
            let (common, require) = (common?, require?);
            if common.certificates.is_empty() {
                return Err(context.refuse_at("common_tls_context", "`tls_certificates` is missing"));
            }
            let client = match (common.validation, require) {
                (None, false) => ClientAuth::None,
                (Some(validation), false) => ClientAuth::Optional(validation),
                (Some(validation), true) => ClientAuth::Required(validation),
                (None, true) => {
                    let message =
                        "needs `common_tls_context.validation_context.trusted_ca` to judge certificates by";
                    return Err(context.refuse_at("require_client_certificate", message));
                }
            };
            Ok(Self {
                certificates: common.certificates,
                client,
                alpn: common.alpn,
                versions: common.versions,
            })
        })
    }
}

impl UpstreamTls {
    /// Reads a cluster's `transport_socket`; `None` for plain text.
    pub(super) fn read(at: &At<'_>) -> Read<Option<Self>> {
        read_transport_socket(at, UPSTREAM, |context| {
            let match_sni = context.or("auto_sni_san_validation", false, At::bool);
            let common = context.or("common_tls_context", CommonTls::default(), |at| {
                CommonTls::read(at, matches!(match_sni, Ok(true)))
            });
            let sni = context.optional("sni", |at| match at.name()? {
                name if is_server_name(name) => Ok(name.to_ascii_lowercase()),
                _ => Err(at.refuse("not a server name: a DNS name in ASCII, without a port")),
            });
            let host_sni = context.only("auto_host_sni", false, "give the name in `sni`");
            let renegotiation = context.only("allow_renegotiation", false, "TLS renegotiation is not safe");
            let (common, sni, match_sni) = (common?, sni?, match_sni?);
            host_sni?;
            renegotiation?;
            if match_sni && (sni.is_none() || common.validation.is_none()) {
                let message = "needs `sni` and `common_tls_context.validation_context`";
                return Err(context.refuse_at("auto_sni_san_validation", message));
            }
            let mut certificates = common.certificates.into_iter();
            let certificate = certificates.next();
            if certificates.next().is_some() {
                return Err(context
                    .refuse_at("common_tls_context", "a client shows one certificate; several are given"));
            }
            Ok(Self {
                sni,
                certificate,
                validation: common.validation,
                alpn: common.alpn,
                versions: common.versions,
            })
        })
    }
}

fn read_transport_socket<T>(
    at: &At<'_>,
    tls: &'static str,
    read: impl FnOnce(&Message<'_, '_>) -> Read<T>,
) -> Read<Option<T>> {
    at.message(|socket| {
        let name = socket.optional("name", At::text);
        let config = socket.required("typed_config", |at| {
            at.any(&[(tls, true), (RAW, false)], |context, is_tls| match is_tls {
                true => read(context).map(Some),
                false => Ok(None),
            })
        });
        name?;
        config
    })
}

/// Envoy's `CommonTlsContext`.
#[derive(Default)]
struct CommonTls {
    certificates: Vec<Certificate>,
    validation: Option<Validation>,
    alpn: Vec<Alpn>,
    versions: TlsVersions,
}

impl Default for TlsVersions {
    fn default() -> Self {
        Self { min: TlsVersion::V1_2, max: TlsVersion::V1_3 }
    }
}

impl CommonTls {
    fn read(at: &At<'_>, match_sni: bool) -> Read<Self> {
        at.message(|common| {
            let versions = common.or("tls_params", TlsVersions::default(), TlsVersions::read);
            let certificates = common.list("tls_certificates", Certificate::read);
            let validation = common.optional("validation_context", |at| Validation::read(at, match_sni));
            let alpn = common.list("alpn_protocols", |at| {
                at.text()?.parse().map_err(|()| at.refuse("not supported; supported: h2, http/1.1"))
            });
            let secrets =
                "secrets come from `tls_certificates` and `validation_context`, not from a discovery service";
            common.refuse("tls_certificate_sds_secret_configs", secrets);
            common.refuse("validation_context_sds_secret_config", secrets);
            common.refuse("combined_validation_context", secrets);
            Ok(Self {
                certificates: certificates?,
                validation: validation?,
                alpn: alpn?,
                versions: versions?,
            })
        })
    }
}

impl Certificate {
    fn read(at: &At<'_>) -> Read<Self> {
        at.message(|certificate| {
            let chain = certificate.required("certificate_chain", DataSource::read);
            let private_key = certificate.required("private_key", DataSource::read);
            certificate.refuse("password", "decrypt the private key first");
            certificate.refuse("pkcs12", "give `certificate_chain` and `private_key` as PEM");
            Ok(Self { chain: chain?, private_key: private_key? })
        })
    }
}

impl Validation {
    fn read(at: &At<'_>, match_sni: bool) -> Read<Self> {
        at.message(|validation| {
            let source = validation.exactly_one(&["trusted_ca", "system_root_certs"]);
            let pem = validation.optional("trusted_ca", DataSource::read);
            let system = validation.optional("system_root_certs", |at| at.message(|_| Ok(())));
            let subject_alt_names = validation.list("match_typed_subject_alt_names", SubjectAltName::read);
            validation.refuse("match_subject_alt_names", "use `match_typed_subject_alt_names`");
            validation.refuse("verify_certificate_spki", "use `trusted_ca`");
            validation.refuse("verify_certificate_hash", "use `trusted_ca`");
            validation.refuse("crl", "revocation lists are not supported");
            source?;
            system?;
            Ok(Self {
                trusted: pem?.map_or(TrustedCa::System, TrustedCa::Pem),
                subject_alt_names: subject_alt_names?,
                match_sni,
            })
        })
    }
}

impl SubjectAltName {
    fn read(at: &At<'_>) -> Read<Self> {
        at.message(|name| {
            let kind = name.required("san_type", |at| {
                at.choice(&[
                    ("EMAIL", 1, SanKind::Email),
                    ("DNS", 2, SanKind::Dns),
                    ("URI", 3, SanKind::Uri),
                    ("IP_ADDRESS", 4, SanKind::Ip),
                ])
            });
            let matcher = name.required("matcher", StringMatcher::read);
            Ok(Self { kind: kind?, matcher: matcher? })
        })
    }
}

impl TlsVersions {
    fn read(at: &At<'_>) -> Read<Self> {
        at.message(|params| {
            // Envoy's own default is 1.2 to 1.3 on a listener and 1.2 towards a cluster, where 1.3 is no loss.
            let version = |name, automatic| {
                params.or(name, automatic, |at| {
                    at.choice(&[
                        ("TLS_AUTO", 0, automatic),
                        ("TLSv1_2", 3, TlsVersion::V1_2),
                        ("TLSv1_3", 4, TlsVersion::V1_3),
                    ])
                })
            };
            let min = version("tls_minimum_protocol_version", TlsVersion::V1_2);
            let max = version("tls_maximum_protocol_version", TlsVersion::V1_3);
            let safe = "the safe suites of TLS 1.2 and 1.3 are offered";
            params.refuse("cipher_suites", safe);
            params.refuse("ecdh_curves", safe);
            params.refuse("signature_algorithms", safe);
            let (min, max) = (min?, max?);
            if min > max {
                return Err(params.refuse_at("tls_minimum_protocol_version", "newer than the maximum"));
            }
            Ok(Self { min, max })
        })
    }
}

fn is_server_name(name: &str) -> bool {
    name.len() <= 253
        && name.split('.').all(|label| {
            !label.is_empty()
                && label.len() <= 63
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
        })
}
