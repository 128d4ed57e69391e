//! Every supported field, and what it does: `data/full.yaml` sets each of them to something else than its default.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use http::Method;
use landbridge_bridge::config::{
    AccessLogFormat, AccessLogSink, Action, Alpn, AppendAction, Bootstrap, Certificate, CircuitBreakers,
    ClientAuth, Codec, DataSource, Discovery, DnsFamily, DnsSettings, Encoding, EndpointAddress, Forward,
    GrpcTimeout, HeaderChange, HeaderTest, HostRewrite, Http2Keepalive, JsonFormat, ListenAddress,
    LoadBalancing, PathMatch, PathRewrite, Route, RouteTimeout, SanKind, SchemaSource, ServerHeader,
    TcpKeepalive, TlsVersion, TrustedCa, UpstreamCodec, UpstreamHttpVersion, UpstreamProtocol,
};
use landbridge_wire::cors::Listed;

use crate::load;

pub(crate) const FULL: &str = include_str!("../data/full.yaml");

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn routes(bootstrap: &Bootstrap) -> &[Route] {
    &bootstrap.listeners[0].http.routes.virtual_hosts()[0].routes
}

fn forward(route: &Route) -> &Forward {
    match &route.action {
        Action::Forward(forward) => forward,
        Action::Respond(_) => panic!("does not forward"),
    }
}

#[test]
fn top_level() {
    let full = load(FULL);
    assert_eq!((full.node.id.as_str(), full.node.cluster.as_str()), ("bridge-1", "edge"));
    let pipe = ListenAddress::Pipe { path: "/tmp/landbridge-admin.sock".into(), mode: Some(0o600) };
    assert_eq!(full.admin.unwrap().address, pipe);
    assert_eq!(full.listeners.len(), 2);
}

#[test]
fn listener() {
    let full = load(FULL);
    let listener = &full.listeners[0];
    assert_eq!(listener.address, ListenAddress::Tcp("127.0.0.1:0".parse().unwrap()));
    assert_eq!(listener.stat_prefix.as_deref(), Some("secure_stats"));
    assert_eq!(listener.buffer_limit_bytes, 32_768);
    assert!(!listener.reuse_port);
    assert_eq!(listener.backlog, Some(256));
    assert!(listener.inbound && !full.listeners[1].inbound);
    assert_eq!(listener.handshake_timeout, Some(secs(3)));
    let local = &full.listeners[1];
    let path = PathBuf::from("/tmp/landbridge.sock");
    assert_eq!(local.address, ListenAddress::Pipe { path, mode: None });
    assert!(!local.http.filters.connect_grpc_bridge && !local.http.filters.grpc_web);
}

#[test]
fn downstream_tls() {
    let full = load(FULL);
    let tls = full.listeners[0].tls.as_ref().unwrap();
    let certificate = Certificate {
        chain: DataSource::File("server.pem".into()),
        private_key: DataSource::Inline("-----BEGIN SECRET-----".into()),
    };
    assert_eq!(tls.certificates, [certificate]);
    assert_eq!(tls.alpn, [Alpn::H2, Alpn::Http11]);
    assert_eq!((tls.versions.min, tls.versions.max), (TlsVersion::V1_3, TlsVersion::V1_3));
    let ClientAuth::Required(validation) = &tls.client else { panic!("a client certificate is required") };
    assert_eq!(validation.trusted, TrustedCa::Pem(DataSource::File("ca.pem".into())));
    assert_eq!(validation.subject_alt_names[0].kind, SanKind::Uri);
    assert!(validation.subject_alt_names[0].matcher.matches("spiffe://example.org/a"));
    assert!(!validation.subject_alt_names[0].matcher.matches("spiffe://example.com/a"));
}

#[test]
fn http_connection_manager() {
    let full = load(FULL);
    let http = &full.listeners[0].http;
    assert_eq!(http.stat_prefix, "secure");
    assert_eq!(http.codec, Codec::Http2);
    assert!(http.filters.cors && http.filters.connect_grpc_bridge && http.filters.grpc_web);
    assert_eq!(http.stream_idle_timeout, Some(secs(60)));
    assert_eq!(http.request_timeout, Some(secs(30)));
    assert_eq!(http.request_headers_timeout, Some(secs(2)));
    assert_eq!(http.idle_timeout, Some(secs(120)));
    assert_eq!(http.max_connection_duration, Some(secs(600)));
    assert_eq!(http.max_requests_per_connection, Some(1000));
    assert_eq!(http.max_headers_count, 50);
    assert_eq!(http.max_request_headers_bytes, 16 << 10);
    assert!(http.use_remote_address && http.generate_request_id);
    assert_eq!(http.xff_num_trusted_hops, 1);
    assert_eq!(http.server_header, ServerHeader::AppendIfAbsent("acme".parse().unwrap()));
    assert_eq!(http.drain_timeout, secs(1));
    assert_eq!(http.delayed_close_timeout, None);
    assert_eq!(http.http2.max_concurrent_streams, Some(64));
    assert_eq!(http.http2.initial_stream_window_size, Some(65_536));
    assert_eq!(http.http2.initial_connection_window_size, Some(1 << 20));
    let keepalive = Http2Keepalive { interval: secs(30), timeout: secs(5) };
    assert_eq!(http.http2.keepalive, Some(keepalive));
}

#[test]
fn access_logs() {
    let full = load(FULL);
    let [json, text, default] = full.listeners[0].http.access_logs.as_slice() else { panic!("three logs") };
    assert_eq!(json.sink, AccessLogSink::Stdout);
    let AccessLogFormat::Json(fields) = &json.format else { panic!("JSON") };
    let names: Vec<&str> = fields.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["status", "path", "fixed", "nested"]);
    assert_eq!(fields[2].1, JsonFormat::Literal(1.into()));
    assert!(
        matches!(&fields[3].1, JsonFormat::Object(inner) if matches!(&inner[0].1, JsonFormat::List(items) if items.len() == 2))
    );
    assert_eq!(text.sink, AccessLogSink::File("/tmp/landbridge-access.log".into()));
    assert!(matches!(&text.format, AccessLogFormat::Text(format) if format.as_str() == "%PROTOCOL%\n"));
    assert_eq!(default.sink, AccessLogSink::Stderr);
    assert!(
        matches!(&default.format, AccessLogFormat::Text(format) if format.as_str().starts_with("[%START_TIME%]"))
    );
}

#[test]
fn route_match_and_direct_response() {
    let full = load(FULL);
    let health = &routes(&full)[0];
    assert_eq!(health.name, "health");
    assert!(matches!(&health.matcher.path, PathMatch::Exact(path) if path == "/healthz"));
    assert!(!health.matcher.case_sensitive);
    assert_eq!((health.matcher.headers.len(), health.matcher.query.len()), (4, 2));
    assert!(matches!(&health.matcher.headers[1].test, HeaderTest::Range(range) if *range == (1..10)));
    assert!(health.matcher.headers[2].invert && health.matcher.headers[3].missing_is_empty);
    let Action::Respond(response) = &health.action else { panic!("answers") };
    assert_eq!(response.status, 204);
    assert_eq!(response.body, Some(DataSource::Inline("".into())));
    assert!(matches!(&routes(&full)[2].matcher.path, PathMatch::SeparatedPrefix(path) if path == "/grpc"));
    assert!(
        matches!(&routes(&full)[3].matcher.path, PathMatch::Regex(regex) if regex.matches("/a.v1/x") && !regex.matches("/a.v1/x\n/"))
    );
}

#[test]
fn route_action() {
    let full = load(FULL);
    let users = &routes(&full)[1];
    assert!(users.matcher.grpc);
    let action = forward(users);
    let weights: Vec<(&str, u32)> = action
        .targets
        .all()
        .iter()
        .map(|target| (full.cluster(target.cluster).name.as_str(), target.weight))
        .collect();
    assert_eq!(weights, [("users_a", 3), ("users_b", 1)]);
    let picked: Vec<&str> =
        (0..8).map(|n| full.cluster(action.targets.pick(n).cluster).name.as_str()).collect();
    let (a, b) = ("users_a", "users_b");
    assert_eq!(picked, [a, a, a, b, a, a, a, b]);
    assert_eq!(action.idle_timeout, None);
    assert_eq!(action.max_stream_duration, Some(secs(90)));
    let grpc = GrpcTimeout { max: None, offset: Duration::from_millis(100) };
    assert_eq!(action.grpc_timeout, Some(grpc));
    assert_eq!(action.host_rewrite, Some(HostRewrite::Literal("users.internal:443".parse().unwrap())));
    let rewrite = action.path_rewrite.as_ref().unwrap();
    assert_eq!(rewrite.apply(&users.matcher, "/acme.user.v1.S/M?a=1"), "/user.S/M?a=1");
    assert_eq!(rewrite.apply(&users.matcher, "/other/M"), "/other/M");

    let prefixed = &routes(&full)[2];
    let action = forward(prefixed);
    assert_eq!(action.host_rewrite, Some(HostRewrite::Endpoint));
    assert!(matches!(action.path_rewrite, Some(PathRewrite::Matched(_))));
    assert_eq!(action.path_rewrite.as_ref().unwrap().apply(&prefixed.matcher, "/grpc/s/M?x"), "//s/M?x");
    // What the route does not say, the listener does.
    assert_eq!(action.idle_timeout, Some(secs(60)));
    assert_eq!(action.max_stream_duration, Some(secs(300)));
}

#[test]
fn an_explicit_timeout_holds_for_streams_too_and_the_default_does_not() {
    let full = load(FULL);
    let timeouts = |index: usize| -> Vec<RouteTimeout> {
        forward(&routes(&full)[index]).targets.all().iter().map(|target| target.timeout).collect()
    };
    // `timeout: 2.5s`, and `stream_timeout: 0s` on the route.
    let both = RouteTimeout { unary: Some(Duration::from_millis(2500)), stream: None };
    assert_eq!(timeouts(1), [both; 2]);
    // `timeout: 0s`.
    let none = RouteTimeout { unary: None, stream: None };
    assert_eq!(timeouts(2), [none]);
    // Nothing on the route, `stream_timeout: 60s` on the cluster.
    let cluster = RouteTimeout { unary: Some(secs(15)), stream: Some(secs(60)) };
    assert_eq!(timeouts(3), [cluster]);
    let explicit = FULL.replace("timeout: 0s }", "timeout: 7s }");
    let explicit = load(&explicit);
    let seven = RouteTimeout { unary: Some(secs(7)), stream: Some(secs(7)) };
    assert_eq!(forward(&routes(&explicit)[2]).targets.all()[0].timeout, seven);
}

#[test]
fn settings_of_a_route_go_before_those_of_its_cluster() {
    let full = load(FULL);
    let users = forward(&routes(&full)[1]);
    for target in users.targets.all() {
        let settings = &target.settings;
        let schema = SchemaSource { descriptor_set: Some("users.binpb".into()), reflection: true };
        assert_eq!(settings.schema, schema);
        assert_eq!(settings.protocol, UpstreamProtocol::Connect);
        assert_eq!(settings.codec, UpstreamCodec::Json);
        assert_eq!(settings.max_message_bytes, 1 << 20);
        assert_eq!(settings.max_response_bytes, 2 << 20);
        assert_eq!(settings.compression.min_bytes, 64);
        assert_eq!(settings.compression.responses, [Encoding::Zstd, Encoding::Gzip]);
        assert_eq!(settings.compression.requests, [Encoding::Br]);
        assert!(settings.get_without_schema);
    }
    let plain = forward(&routes(&full)[3]);
    assert_eq!(plain.targets.all()[0].settings.max_message_bytes, 65_536);
    assert_eq!(plain.targets.all()[0].settings.protocol, UpstreamProtocol::Grpc);
}

#[test]
fn header_changes_are_applied_from_the_route_outwards() {
    let full = load(FULL);
    let shown = |changes: &[HeaderChange]| -> Vec<String> {
        let show = |change: &HeaderChange| match change {
            HeaderChange::Remove(name) => format!("-{name}"),
            HeaderChange::Set { name, value, action, keep_empty } => {
                format!("{name}={} {action:?} {keep_empty}", value.as_str())
            }
        };
        changes.iter().map(show).collect()
    };
    let users = &routes(&full)[1].headers;
    assert_eq!(
        shown(&users.request),
        ["x-client=%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT% AddIfAbsent false", "-x-debug"]
    );
    let outwards = ["-x-powered-by", "x-host=h Overwrite true", "x-table=t Append false"];
    assert_eq!(shown(&users.response), outwards);
    let reversed = FULL
        .replace("most_specific_header_mutations_wins: false", "most_specific_header_mutations_wins: true");
    let inwards = ["x-table=t Append false", "-x-powered-by", "x-host=h Overwrite true"];
    assert_eq!(shown(&routes(&load(&reversed))[1].headers.response), inwards);
    let older = FULL.replace("append_action: OVERWRITE_IF_EXISTS_OR_ADD", "append: false");
    let HeaderChange::Set { action, .. } = routes(&load(&older))[1].headers.response[1].clone() else {
        panic!("sets")
    };
    assert_eq!(action, AppendAction::Overwrite);
}

#[test]
fn cors_comes_from_the_filter_or_from_metadata() {
    let full = load(FULL);
    let policy = routes(&full)[0].cors.as_ref().unwrap();
    assert!(policy.allows_origin("https://a.example.com") && !policy.allows_origin("https://a.example.org"));
    assert_eq!(policy.grants.methods, Listed::These(vec![Method::GET, Method::POST]));
    assert_eq!(policy.grants.request_headers, Listed::Any);
    assert_eq!(policy.grants.response_headers, Listed::These(vec!["grpc-status".parse().unwrap()]));
    assert_eq!(policy.grants.max_age, Some(secs(600)));
    assert!(policy.grants.credentials);

    let local = FULL.replace("route: { cluster: users_a } }]", "route: { cluster: users_b } }]");
    let bootstrap = load(&local);
    let route = &bootstrap.listeners[1].http.routes.virtual_hosts()[0].routes[0];
    let policy = route.cors.as_ref().unwrap();
    assert!(policy.allows_origin("https://a.example") && !policy.allows_origin("https://b.example"));
    assert_eq!(policy.grants.request_headers, Listed::These(vec!["x-a".parse().unwrap()]));
    assert_eq!(policy.grants.response_headers, Listed::Any);
    assert_eq!(policy.grants.max_age, Some(secs(5)));
    let any = load(&local.replace("[\"https://a.example\"]", "[\"*\"]"));
    let route = &any.listeners[1].http.routes.virtual_hosts()[0].routes[0];
    assert!(route.cors.as_ref().unwrap().allows_origin("https://b.example"));
}

#[test]
fn cluster() {
    let full = load(FULL);
    let [a, b] = full.clusters() else { panic!("two clusters") };
    assert_eq!((a.name.as_str(), a.stat_name.as_str()), ("users_a", "users"));
    assert_eq!(a.connect_timeout, secs(1));
    let dns = DnsSettings { refresh_rate: secs(1), family: DnsFamily::V4Only };
    assert_eq!(a.discovery, Discovery::LogicalDns(dns));
    let choices = NonZeroU32::new(3).unwrap();
    assert_eq!(a.load_balancing, LoadBalancing::LeastRequest { choices });
    assert_eq!(a.buffer_limit_bytes, 65_536);
    let [endpoint] = a.endpoints.as_slice() else { panic!("one endpoint") };
    let address = EndpointAddress::Dns { host: "users.example.com".into(), port: 443 };
    assert_eq!(endpoint.address, address);
    assert_eq!(endpoint.weight.get(), 5);
    assert_eq!(endpoint.hostname.as_deref(), Some("users.example.com"));
    let breakers =
        CircuitBreakers { max_connections: 10, max_pending_requests: 20, max_requests: 30, max_retries: 4 };
    assert_eq!(a.circuit_breakers, breakers);
    let keepalive = TcpKeepalive { probes: Some(3), time: Some(secs(60)), interval: Some(secs(10)) };
    assert_eq!(a.tcp_keepalive, Some(keepalive));

    assert_eq!(b.discovery, Discovery::Static);
    assert_eq!(b.load_balancing, LoadBalancing::Random);
    assert!(matches!(b.http.version, UpstreamHttpVersion::Http2(_)));
    assert_eq!(b.endpoints[0].address, EndpointAddress::Pipe("/tmp/users.sock".into()));
    assert_eq!(b.endpoints[1].address, EndpointAddress::Ip("[::1]:8081".parse().unwrap()));
    assert_eq!((b.endpoints[0].healthy, b.endpoints[1].healthy), (true, false));
}

#[test]
fn upstream_tls_and_http() {
    let full = load(FULL);
    let a = &full.clusters()[0];
    let tls = a.tls.as_ref().unwrap();
    assert_eq!(tls.sni.as_deref(), Some("users.example.com"));
    let certificate = tls.certificate.as_ref().unwrap();
    assert_eq!(certificate.chain, DataSource::Inline("cert".into()));
    assert_eq!(certificate.private_key, DataSource::Environment("CLIENT_KEY".into()));
    assert_eq!(tls.alpn, [Alpn::H2]);
    let validation = tls.validation.as_ref().unwrap();
    assert!(validation.match_sni);
    assert_eq!(validation.trusted, TrustedCa::Pem(DataSource::File("ca.pem".into())));
    assert!(
        matches!(&a.http.version, UpstreamHttpVersion::Alpn(http2) if http2.max_concurrent_streams == Some(7))
    );
    assert_eq!(a.http.idle_timeout, Some(secs(30)));
    assert_eq!(a.http.max_connection_duration, Some(secs(60)));
    assert_eq!(a.http.max_stream_duration, Some(secs(20)));
    assert_eq!(a.http.max_requests_per_connection, Some(10));
    let roots = FULL.replace("{ trusted_ca: { filename: ca.pem } }", "{ system_root_certs: {} }");
    let roots = load(&roots);
    let validation = roots.clusters()[0].tls.as_ref().unwrap().validation.as_ref().unwrap();
    assert_eq!(validation.trusted, TrustedCa::System);
}

#[test]
fn a_dump_holds_no_private_key() {
    let full = load(FULL);
    let dump = full.to_json().to_string();
    assert!(!dump.contains("BEGIN SECRET"), "{dump}");
    assert!(dump.contains(r#""private_key":{"inline_string":"[redacted]"}"#), "{dump}");
    // Where a key is kept is no secret.
    assert!(dump.contains("CLIENT_KEY"));
    assert!(!format!("{full:?}").contains("BEGIN SECRET"));
    let aliased = FULL
        .replace("node: {", "node: { cluster: &key \"-----BEGIN SECRET-----\", id: x }\n#")
        .replace("{ inline_string: \"-----BEGIN SECRET-----\" }", "{ inlineString: *key }")
        .replace("private_key", "privateKey");
    let dump = load(&aliased).to_json()["static_resources"].to_string();
    assert!(!dump.contains("BEGIN SECRET"), "{dump}");
}
