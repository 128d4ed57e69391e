//! The file of the guide: what it means, and that nothing can be added to it unnoticed.

use std::time::Duration;

use landbridge_bridge::config::{
    Action, BridgeSettings, Codec, Discovery, DnsFamily, DnsSettings, EndpointAddress, HttpFilters,
    ListenAddress, LoadBalancing, PathMatch, RouteTimeout, SchemaSource, UpstreamHttpVersion,
    UpstreamProtocol,
};
use serde_json::Value;

use crate::{load, refused};

/// The seed file; it lies beside the checkout.
pub(crate) fn text() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/seed/envoy.yaml");
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn tcp(address: &str) -> ListenAddress {
    ListenAddress::Tcp(address.parse().expect("an address"))
}

#[test]
fn the_seed_file_means_what_it_means_to_envoy() {
    let bootstrap = load(&text());
    assert_eq!(bootstrap.admin.as_ref().unwrap().address, tcp("0.0.0.0:9090"));

    let [listener] = bootstrap.listeners.as_slice() else { panic!("one listener") };
    assert_eq!(listener.name, "listener_0");
    assert_eq!(listener.address, tcp("0.0.0.0:8080"));
    assert!(listener.tls.is_none());
    let http = &listener.http;
    assert_eq!((http.stat_prefix.as_str(), http.codec), ("ingress_http", Codec::Auto));
    let filters = HttpFilters { connect_grpc_bridge: true, grpc_web: true, cors: false };
    assert_eq!(http.filters, filters);
    assert_eq!(http.stream_idle_timeout, Some(Duration::from_secs(300)));
    assert_eq!(http.idle_timeout, Some(Duration::from_secs(3600)));
    assert_eq!(http.max_request_headers_bytes, 61_440);
    assert_eq!(http.routes.name(), "local_route");
    let [host] = http.routes.virtual_hosts() else { panic!("one virtual host") };
    assert_eq!((host.name.as_str(), host.domains.as_slice()), ("local_service", ["*".to_owned()].as_slice()));
    let [route] = host.routes.as_slice() else { panic!("one route") };
    assert!(matches!(&route.matcher.path, PathMatch::Prefix(prefix) if prefix == "/"));
    let Action::Forward(forward) = &route.action else { panic!("forwards") };
    let [target] = forward.targets.all() else { panic!("one target") };
    let timeout = RouteTimeout { unary: Some(Duration::from_secs(15)), stream: None };
    assert_eq!(target.timeout, timeout);
    assert_eq!(*target.settings, BridgeSettings::default());
    assert_eq!(target.settings.protocol, UpstreamProtocol::Grpc);
    let schema = SchemaSource { descriptor_set: None, reflection: true };
    assert_eq!(target.settings.schema, schema);
    assert_eq!(target.settings.max_message_bytes, 4 << 20);

    let cluster = bootstrap.cluster(target.cluster);
    assert_eq!(cluster.name, "service_0");
    assert_eq!(cluster.connect_timeout, Duration::from_millis(250));
    let dns = DnsSettings { refresh_rate: Duration::from_secs(5), family: DnsFamily::V6Preferred };
    assert_eq!(cluster.discovery, Discovery::StrictDns(dns));
    assert_eq!(cluster.load_balancing, LoadBalancing::RoundRobin);
    let [endpoint] = cluster.endpoints.as_slice() else { panic!("one endpoint") };
    assert_eq!(endpoint.address, EndpointAddress::Ip("127.0.0.1:8081".parse().unwrap()));
    let UpstreamHttpVersion::Http2(http2) = &cluster.http.version else { panic!("HTTP/2") };
    assert_eq!(http2.max_concurrent_streams, Some(100));
    assert_eq!(cluster.circuit_breakers.max_requests, 1024);
}

/// An unknown field at any place of the file stops the start and is named by its full path.
#[test]
fn an_unknown_field_anywhere_is_named_by_its_path() {
    let original = load(&text()).to_json().clone();
    let mut places = Vec::new();
    maps_of(&original, String::new(), String::new(), &mut places);
    assert!(places.len() > 30, "the walk found {} maps", places.len());
    for (pointer, path) in places {
        let mut changed = original.clone();
        let map = changed.pointer_mut(&pointer).and_then(Value::as_object_mut).unwrap();
        map.insert("no_such_field".to_owned(), Value::from(1));
        let said = refused(&changed.to_string());
        let dot = if path.is_empty() { "" } else { "." };
        let expected = format!(": {path}{dot}no_such_field: ");
        assert!(said.contains(&expected), "expected {expected:?} in:\n{said}");
        assert_eq!(said.lines().count(), 1, "one fault, one line:\n{said}");
    }
}

/// Every map of the file, as a JSON pointer and as the path that errors show.
fn maps_of(value: &Value, pointer: String, path: String, found: &mut Vec<(String, String)>) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                let shown = match name.contains('.') {
                    true => format!("{path}[{name:?}]"),
                    false if path.is_empty() => name.clone(),
                    false => format!("{path}.{name}"),
                };
                maps_of(field, format!("{pointer}/{name}"), shown, found);
            }
            found.push((pointer, path));
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                maps_of(item, format!("{pointer}/{index}"), format!("{path}[{index}]"), found);
            }
        }
        _ => {}
    }
}

#[test]
fn json_and_camel_case_load_as_well() {
    let json = load(&text()).to_json().to_string();
    let camel = json
        .replace("static_resources", "staticResources")
        .replace("socket_address", "socketAddress")
        .replace("port_value", "portValue")
        .replace("\"typed_extension_protocol_options\"", "\"typedExtensionProtocolOptions\"");
    assert_ne!(json, camel);
    let bootstrap = load(&camel);
    assert_eq!(bootstrap.listeners[0].address, tcp("0.0.0.0:8080"));
}

#[test]
fn without_a_file_one_listener_leads_to_one_upstream() {
    use landbridge_bridge::config::{Bootstrap, RouteRequest};
    let upstream = EndpointAddress::Ip("127.0.0.1:8081".parse().unwrap());
    let bootstrap = Bootstrap::simple(tcp("127.0.0.1:8080"), upstream.clone());
    assert_eq!(bootstrap.listeners[0].address, tcp("127.0.0.1:8080"));
    assert_eq!(bootstrap.clusters()[0].endpoints[0].address, upstream);
    let request = RouteRequest {
        method: &http::Method::POST,
        host: "localhost:8080",
        path: "/acme.v1.S/M",
        headers: &http::HeaderMap::new(),
        grpc: &|| false,
    };
    let route = bootstrap.listeners[0].http.routes.find(&request).unwrap();
    let Action::Forward(forward) = &route.action else { panic!("forwards") };
    let cluster = bootstrap.cluster(forward.targets.pick(7).cluster);
    assert!(matches!(cluster.http.version, UpstreamHttpVersion::Http2(_)));
}
