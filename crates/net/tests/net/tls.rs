//! TLS both ways: who is trusted, what is said, what is refused.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use http::Response;
use landbridge_net::{
    ALPN_H2, ALPN_HTTP1, CertificateName, CheckName, ClientCertificates, ClientTls, ClientTlsConfig,
    ConnectError, Endpoint, Identity, OpenError, Pem, RecvError, Server, ServerSettings, ServerTls,
    ServerTlsConfig, TlsCause, TlsError, TlsProblem, TlsVersions, TrustedRoots, UpstreamHttp,
};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, SanType};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::world::*;

/// A certificate authority made for one test.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).expect("a certificate").pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    fn pem(&self) -> Pem {
        Pem::Inline(self.pem.clone().into_bytes())
    }

    /// A connection in TLS to a server that this authority vouches for, and no HTTP on it yet.
    pub(crate) async fn connect(&self, address: SocketAddr, name: &'static str) -> TlsStream<TcpStream> {
        let mut roots = RootCertStore::empty();
        let certificate = CertificateDer::from_pem_slice(self.pem.as_bytes()).expect("a certificate");
        roots.add(certificate).expect("an authority");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let socket = TcpStream::connect(address).await.expect("connected");
        let name = ServerName::try_from(name).expect("a name");
        within(TlsConnector::from(Arc::new(config)).connect(name, socket)).await.expect("a handshake")
    }

    fn issue(&self, names: &[&str]) -> Identity {
        let key = KeyPair::generate().expect("a key");
        let (others, hosts): (Vec<&str>, Vec<&str>) =
            names.iter().partition(|name| name.contains("://") || name.contains('@'));
        let hosts: Vec<String> = hosts.into_iter().map(str::to_owned).collect();
        let mut params = CertificateParams::new(hosts).expect("names");
        for name in others {
            let ascii = name.try_into().expect("ASCII");
            let kind = if name.contains('@') { SanType::Rfc822Name } else { SanType::URI };
            params.subject_alt_names.push(kind(ascii));
        }
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        Identity {
            certificates: Pem::Inline(certificate.pem().into_bytes()),
            key: Pem::Inline(key.serialize_pem().into_bytes()),
        }
    }
}

fn both_alpn() -> Vec<Vec<u8>> {
    vec![ALPN_H2.to_vec(), ALPN_HTTP1.to_vec()]
}

/// Answers with what the handshake said.
fn introspecting() -> FnHandler {
    handler(|_request, respond| async move {
        let connection = respond.connection();
        let tls = connection.tls().expect("TLS");
        let alpn = tls.alpn.as_deref().map(|alpn| String::from_utf8_lossy(alpn).into_owned());
        let text = format!("{:?} {alpn:?} {:?} {:?}", connection.http(), tls.server_name, tls.peer_names());
        respond.respond_full(Response::new(()), Bytes::from(text), None);
    })
}

fn world(config: &ServerTlsConfig) -> World {
    let tls = Some(ServerTls::load(config).expect("a configuration"));
    World::on(loopback(), Server { tls, ..Server::default() }, introspecting())
}

pub(crate) fn server_config(authority: &Authority, names: &[&str]) -> ServerTlsConfig {
    ServerTlsConfig {
        identity: authority.issue(names),
        clients: ClientCertificates::Ignored,
        alpn: both_alpn(),
        versions: TlsVersions::Both,
    }
}

fn trusting(authority: &Authority) -> ClientTlsConfig {
    ClientTlsConfig { roots: TrustedRoots::Authority(authority.pem()), ..ClientTlsConfig::default() }
}

fn endpoint(world: &World, http: UpstreamHttp, config: &ClientTlsConfig) -> Endpoint {
    let tls = ClientTls::load(config).expect("a configuration");
    world.endpoint_with(|endpoint| {
        endpoint.settings.http = http;
        endpoint.host = Some("localhost".to_owned());
        endpoint.tls = Some(tls);
    })
}

async fn says(endpoint: &Endpoint) -> String {
    let text = call(endpoint, b"").await.expect("an answer");
    String::from_utf8(text.to_vec()).expect("text")
}

async fn tls_problem(endpoint: &Endpoint) -> TlsProblem {
    match within(endpoint.open(get("/"), true)).await {
        Err(OpenError::Connect(ConnectError::Tls(failure))) => failure.problem,
        other => panic!("expected a TLS failure, got {other:?}"),
    }
}

async fn tls_failure(endpoint: &Endpoint) -> String {
    tls_problem(endpoint).await.to_string()
}

#[tokio::test]
async fn sides_without_a_common_tls_version_do_not_connect() {
    let authority = Authority::new();
    for (server, client, meet) in [
        (TlsVersions::Only1_2, TlsVersions::Both, true),
        (TlsVersions::Only1_3, TlsVersions::Both, true),
        (TlsVersions::Only1_3, TlsVersions::Only1_2, false),
        (TlsVersions::Only1_2, TlsVersions::Only1_3, false),
    ] {
        let world = world(&ServerTlsConfig { versions: server, ..server_config(&authority, &["localhost"]) });
        let client = ClientTlsConfig { versions: client, ..trusting(&authority) };
        let opened = within(endpoint(&world, UpstreamHttp::Http2, &client).open(get("/"), true)).await;
        assert_eq!(opened.is_ok(), meet, "{server:?} {client:?} {opened:?}");
    }
}

#[tokio::test]
async fn alpn_settles_the_http_version() {
    let authority = Authority::new();
    let client = trusting(&authority);
    let world = world(&server_config(&authority, &["localhost"]));
    for (http, expected) in [
        (UpstreamHttp::Http2, "Http2 Some(\"h2\") Some(\"localhost\") []"),
        (UpstreamHttp::Http1, "Http1 Some(\"http/1.1\") Some(\"localhost\") []"),
        (UpstreamHttp::Auto, "Http2 Some(\"h2\") Some(\"localhost\") []"),
    ] {
        assert_eq!(says(&endpoint(&world, http, &client)).await, expected);
    }
    let only_http1 =
        ServerTlsConfig { alpn: vec![ALPN_HTTP1.to_vec()], ..server_config(&authority, &["localhost"]) };
    let world = self::world(&only_http1);
    let text = says(&endpoint(&world, UpstreamHttp::Auto, &client)).await;
    assert!(text.starts_with("Http1"), "{text}");
    let problem = tls_failure(&endpoint(&world, UpstreamHttp::Http2, &client)).await;
    assert!(!problem.is_empty());
    until(|| world.stats().tls_errors.value() == 1).await;
}

#[tokio::test]
async fn http2_without_alpn_is_known_by_its_preface() {
    let authority = Authority::new();
    let silent = ServerTlsConfig { alpn: Vec::new(), ..server_config(&authority, &["localhost"]) };
    let world = world(&silent);
    let text = says(&endpoint(&world, UpstreamHttp::Http2, &trusting(&authority))).await;
    assert!(text.starts_with("Http2 None"), "{text}");
}

#[tokio::test]
async fn mutual_tls_tells_the_handler_who_calls() {
    let authority = Authority::new();
    let config = ServerTlsConfig {
        clients: ClientCertificates::Required(authority.pem()),
        ..server_config(&authority, &["localhost"])
    };
    let world = world(&config);
    for http in BOTH {
        let identity = authority.issue(&["client.test", "spiffe://test/client", "client@test.example"]);
        let client = ClientTlsConfig { identity: Some(identity), ..trusting(&authority) };
        let text = says(&endpoint(&world, http, &client)).await;
        assert!(text.contains(r#"Dns("client.test")"#), "{text}");
        assert!(text.contains(r#"Uri("spiffe://test/client")"#), "{text}");
        assert!(text.contains(r#"Email("client@test.example")"#), "{text}");
    }
    assert_ne!(CertificateName::Dns(String::new()), CertificateName::Uri(String::new()));
}

/// What the server has against our certificate. Under TLS 1.3 that may be told by the first request only.
async fn refusal(endpoint: &Endpoint) -> TlsCause {
    let failure = match within(endpoint.open(get("/"), true)).await {
        Err(OpenError::Connect(ConnectError::Tls(failure))) => failure,
        Err(other) => panic!("{other:?}"),
        Ok((response, _body)) => match within(response).await {
            Err(RecvError::Tls(failure)) => failure,
            other => panic!("{other:?}"),
        },
    };
    failure.problem.cause
}

#[tokio::test]
async fn a_client_without_the_required_certificate_is_not_served() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let config = ServerTlsConfig {
        clients: ClientCertificates::Required(authority.pem()),
        ..server_config(&authority, &["localhost"])
    };
    let world = world(&config);
    let strange =
        ClientTlsConfig { identity: Some(stranger.issue(&["client.test"])), ..trusting(&authority) };
    for http in BOTH {
        for (client, cause) in [
            (trusting(&authority), TlsCause::NoClientCertificate),
            (strange.clone(), TlsCause::ClientCertificate),
        ] {
            assert_eq!(refusal(&endpoint(&world, http, &client)).await, cause, "{http:?}");
        }
    }
    until(|| world.stats().tls_errors.value() >= 4).await;
    assert_eq!(world.stats().requests_total.value(), 0);
}

#[tokio::test]
async fn an_optional_certificate_may_be_missing_but_not_bad() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let config = ServerTlsConfig {
        clients: ClientCertificates::Optional(authority.pem()),
        ..server_config(&authority, &["localhost"])
    };
    let world = world(&config);
    says(&endpoint(&world, UpstreamHttp::Http2, &trusting(&authority))).await;
    let strange =
        ClientTlsConfig { identity: Some(stranger.issue(&["client.test"])), ..trusting(&authority) };
    let endpoint = endpoint(&world, UpstreamHttp::Http2, &strange);
    assert_eq!(refusal(&endpoint).await, TlsCause::ClientCertificate);
}

#[tokio::test]
async fn a_server_that_is_not_trusted_is_not_talked_to() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let world = world(&server_config(&stranger, &["localhost"]));
    let problem = tls_problem(&endpoint(&world, UpstreamHttp::Http2, &trusting(&authority))).await;
    assert_eq!(problem.cause, TlsCause::Trust);
    assert!(problem.to_string().starts_with("the server's certificate is not trusted: "), "{problem}");
}

/// A certificate that signs itself, as `openssl req -x509` makes it: an authority's by its extensions.
fn self_signed(years: std::ops::Range<i32>) -> Identity {
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).expect("names");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.not_before = rcgen::date_time_ymd(years.start, 1, 1);
    params.not_after = rcgen::date_time_ymd(years.end, 1, 1);
    signed_by_itself(&params)
}

fn signed_by_itself(params: &CertificateParams) -> Identity {
    let key = KeyPair::generate().expect("a key");
    let certificate = params.self_signed(&key).expect("a certificate");
    Identity {
        certificates: Pem::Inline(certificate.pem().into_bytes()),
        key: Pem::Inline(key.serialize_pem().into_bytes()),
    }
}

/// A server that shows `shown`, and an endpoint that trusts `trusted`.
fn between(shown: &Identity, trusted: &Identity) -> (World, Endpoint) {
    let world = world(&ServerTlsConfig {
        identity: shown.clone(),
        clients: ClientCertificates::Ignored,
        alpn: both_alpn(),
        versions: TlsVersions::Both,
    });
    let roots = TrustedRoots::Authority(trusted.certificates.clone());
    let endpoint =
        endpoint(&world, UpstreamHttp::Http2, &ClientTlsConfig { roots, ..ClientTlsConfig::default() });
    (world, endpoint)
}

#[tokio::test]
async fn a_server_is_trusted_by_its_own_certificate() {
    let own = self_signed(2020..2100);
    let (_world, endpoint) = between(&own, &own);
    says(&endpoint).await;
    let (_world, endpoint) = between(&own, &self_signed(2020..2100));
    let problem = tls_problem(&endpoint).await;
    assert_eq!(problem.cause, TlsCause::Trust);
    assert!(problem.to_string().contains("it is an authority's own"), "{problem}");
}

#[tokio::test]
async fn a_servers_own_certificate_counts_only_in_its_time_and_for_its_name() {
    for (years, wanted) in [(2020..2021, "expired"), (2099..2100, "not valid yet")] {
        let own = self_signed(years);
        let (_world, endpoint) = between(&own, &own);
        let problem = tls_failure(&endpoint).await;
        assert!(problem.contains(wanted), "{problem}");
    }
    let mut params = CertificateParams::new(vec!["elsewhere".to_owned()]).expect("names");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let elsewhere = signed_by_itself(&params);
    let (_world, endpoint) = between(&elsewhere, &elsewhere);
    let problem = tls_problem(&endpoint).await;
    assert_eq!(problem.cause, TlsCause::Name);
    assert_eq!(problem.to_string(), "the server's certificate is for elsewhere, and not for localhost");
}

#[tokio::test]
async fn a_client_is_trusted_by_its_own_certificate_in_its_time() {
    let authority = Authority::new();
    for (years, trusted) in [(2020..2100, true), (2020..2021, false), (2099..2100, false)] {
        let own = self_signed(years.clone());
        let asks: [fn(Pem) -> ClientCertificates; 2] =
            [ClientCertificates::Required, ClientCertificates::Optional];
        for ask in asks {
            let clients = ask(own.certificates.clone());
            for versions in [TlsVersions::Only1_2, TlsVersions::Only1_3] {
                let config = ServerTlsConfig {
                    clients: clients.clone(),
                    versions,
                    ..server_config(&authority, &["localhost"])
                };
                let world = world(&config);
                let showing = |identity: &Identity| {
                    let config = ClientTlsConfig { identity: Some(identity.clone()), ..trusting(&authority) };
                    endpoint(&world, UpstreamHttp::Http2, &config)
                };
                if trusted {
                    assert!(says(&showing(&own)).await.contains("localhost"));
                } else {
                    assert_eq!(refusal(&showing(&own)).await, TlsCause::ClientCertificate, "{years:?}");
                }
                let strange = showing(&self_signed(2020..2100));
                assert_eq!(refusal(&strange).await, TlsCause::ClientCertificate);
            }
        }
    }
}

#[tokio::test]
async fn names_are_checked_as_configured() {
    let authority = Authority::new();
    let world = world(&server_config(&authority, &["other.test", "*.wild.test", "spiffe://test/server"]));
    let any_of = |names: &[&str]| CheckName::AnyOf(names.iter().map(|&name| name.to_owned()).collect());
    for (check_name, good) in [
        (CheckName::ServerName, false),
        (CheckName::Any, true),
        (any_of(&["nobody.test", "other.test"]), true),
        (any_of(&["a.wild.test"]), true),
        (any_of(&["spiffe://test/server"]), true),
        (any_of(&["spiffe://test/other", "nobody.test"]), false),
    ] {
        let client = ClientTlsConfig { check_name: check_name.clone(), ..trusting(&authority) };
        let endpoint = endpoint(&world, UpstreamHttp::Http2, &client);
        if good {
            says(&endpoint).await;
        } else {
            tls_failure(&endpoint).await;
        }
    }
    let named = ClientTlsConfig { server_name: Some("other.test".to_owned()), ..trusting(&authority) };
    let text = says(&endpoint(&world, UpstreamHttp::Http2, &named)).await;
    assert!(text.contains("Some(\"other.test\")"), "{text}");
}

#[tokio::test]
async fn certificates_are_replaced_while_running() {
    let (before, after) = (Authority::new(), Authority::new());
    let tls = ServerTls::load(&server_config(&before, &["localhost"])).expect("a configuration");
    let server = Server { tls: Some(tls.clone()), ..Server::default() };
    let world = World::on(loopback(), server, introspecting());
    let old = endpoint(&world, UpstreamHttp::Http2, &trusting(&before));
    says(&old).await;
    tls.reload(&server_config(&after, &["localhost"])).expect("a configuration");
    says(&endpoint(&world, UpstreamHttp::Http2, &trusting(&after))).await;
    tls_failure(&endpoint(&world, UpstreamHttp::Http2, &trusting(&before))).await;
    // The connection that was open stays.
    says(&old).await;
    assert_eq!(old.stats().connections_total.value(), 1);
    // A reload that fails changes nothing.
    let broken = ServerTlsConfig { identity: before.issue(&[]), ..server_config(&before, &["localhost"]) };
    let broken = ServerTlsConfig {
        identity: Identity { key: Pem::Inline(Vec::new()), ..broken.identity.clone() },
        ..broken
    };
    tls.reload(&broken).expect_err("no key");
    says(&endpoint(&world, UpstreamHttp::Http2, &trusting(&after))).await;
}

#[tokio::test]
async fn a_handshake_that_does_not_come_is_closed() {
    let authority = Authority::new();
    let tls = ServerTls::load(&server_config(&authority, &["localhost"])).expect("a configuration");
    let settings = ServerSettings {
        handshake_timeout: std::time::Duration::from_millis(50),
        ..ServerSettings::default()
    };
    let world =
        World::on(loopback(), Server { settings, tls: Some(tls), ..Server::default() }, introspecting());
    let mut raw = crate::raw::Raw::connect(world.tcp()).await;
    raw.write(&[0x16, 3, 1]).await;
    assert_eq!(raw.rest().await, "");
    assert_eq!(world.stats().tls_errors.value(), 1);
}

#[tokio::test]
async fn cleartext_on_a_tls_port_is_an_error_and_no_request() {
    let authority = Authority::new();
    let world = world(&server_config(&authority, &["localhost"]));
    let mut raw = crate::raw::Raw::connect(world.tcp()).await;
    raw.write(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    raw.rest().await;
    until(|| world.stats().tls_errors.value() == 1).await;
    assert_eq!(world.stats().requests_total.value(), 0);
}

#[test]
fn errors_name_the_file_and_what_is_wrong_with_it() {
    let authority = Authority::new();
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &[u8]| -> PathBuf {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("written");
        path
    };
    let Identity { certificates: Pem::Inline(certificates), key: Pem::Inline(key) } =
        authority.issue(&["localhost"])
    else {
        unreachable!("issued inline")
    };
    let certificates = write("chain.pem", &certificates);
    let key = write("key.pem", &key);
    let Identity { key: Pem::Inline(other), .. } = authority.issue(&["localhost"]) else {
        unreachable!("issued inline")
    };
    let other = write("other.pem", &other);
    let empty = write("empty.pem", b"nothing here\n");
    let missing = folder.path().join("missing.pem");

    let load = |certificates: &PathBuf, key: &PathBuf| {
        ServerTls::load(&ServerTlsConfig {
            identity: Identity { certificates: Pem::File(certificates.clone()), key: Pem::File(key.clone()) },
            clients: ClientCertificates::Ignored,
            alpn: Vec::new(),
            versions: TlsVersions::Both,
        })
    };
    load(&certificates, &key).expect("files that fit");
    for (certificates, key, culprit, problem) in [
        (&missing, &key, "missing.pem", "cannot read"),
        (&certificates, &missing, "missing.pem", "cannot read"),
        (&empty, &key, "empty.pem", "no certificate"),
        (&key, &key, "key.pem", "no certificate"),
        (&certificates, &empty, "empty.pem", "no private key"),
        (&certificates, &other, "other.pem", "cannot be used with the certificate"),
    ] {
        let text = load(certificates, key).expect_err(problem).to_string();
        assert!(text.contains(culprit) && text.contains(problem), "{text}");
    }
    let no_authority =
        ClientTlsConfig { roots: TrustedRoots::Authority(Pem::File(empty)), ..ClientTlsConfig::default() };
    assert!(matches!(ClientTls::load(&no_authority), Err(TlsError::NoCertificate { .. })));
    let bad_name = ClientTlsConfig { server_name: Some("not a name".to_owned()), ..trusting(&authority) };
    assert!(matches!(ClientTls::load(&bad_name), Err(TlsError::BadServerName { .. })));
}

#[test]
fn inline_text_stays_out_of_logs() {
    let shown = format!("{:?}", Pem::Inline(b"secret".to_vec()));
    assert!(!shown.contains("secret") && !shown.contains("115"), "{shown}");
}
