//! Wrong files, and exactly what is said about them.

use crate::fields::FULL;
use crate::{refused, seed};

/// Two places deep in a file, and the short names the tables below use for them.
const HCM: &str = "static_resources.listeners[0].filter_chains[0].filters[0].typed_config";
const OPTIONS: &str = "static_resources.clusters[0].typed_extension_protocol_options\
     [\"envoy.extensions.upstreams.http.v3.HttpProtocolOptions\"]";

/// What is said, a line a fault, after one change of a file that loads.
fn said_of(file: &str, from: &str, to: &str) -> Vec<String> {
    assert!(file.contains(from), "the file has no {from:?}");
    let said = refused(&file.replacen(from, to, 1)).replace(HCM, "HCM").replace(OPTIONS, "OPTIONS");
    said.lines().map(str::to_owned).collect()
}

#[test]
fn each_fault_of_the_seed_file_is_told_with_line_path_and_remedy() {
    let seed = seed::text();
    for (from, to, expected) in SEED {
        assert_eq!(said_of(&seed, from, to), *expected, "{from:?} -> {to:?}");
    }
}

/// The same for the file with every field. Its lines move when it grows, so the places are not compared.
#[test]
fn each_fault_of_the_full_file_is_told_with_path_and_remedy() {
    for (from, to, expected) in EVERY_FIELD {
        let said = said_of(FULL, from, to);
        let said: Vec<&str> =
            said.iter().map(|line| line.split_once(": ").map_or("", |(_, rest)| rest)).collect();
        assert_eq!(said, *expected, "{from:?} -> {to:?}");
    }
}

#[test]
fn faults_are_listed_in_the_order_of_the_lines_and_not_without_end() {
    let seed = seed::text();
    let many: String = (0..200).map(|n| format!("fault{n}: 1\n")).collect();
    let said = refused(&format!("{many}{seed}"));
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines.len(), 65);
    assert!(lines[0].starts_with("line 1, column 1: fault0: "), "{}", lines[0]);
    assert!(lines[63].starts_with("line 64, column 1: fault63: "), "{}", lines[63]);
    assert_eq!(lines[64], "and 136 more");
}

#[test]
fn what_is_not_a_configuration_at_all_is_told_so() {
    for (text, expected) in [
        ("", "line 1, column 1: the file is empty; a configuration needs `static_resources`"),
        ("# nothing\n", "line 2, column 1: the file is empty; a configuration needs `static_resources`"),
        ("a: b: c", "line 1, column 5: not YAML: mapping values are not allowed in this context"),
        ("hello", "line 1, column 1: expected a map of fields, found text"),
        ("[]", "line 1, column 1: expected a map of fields, found a list"),
        ("a: 1\na: 2", "line 2, column 1: `a` is given twice"),
        ("a: 1\n---\nb: 2", "line 2, column 1: a second YAML document; a configuration is one document"),
        ("a: !secret b", "line 1, column 4: YAML tags are not supported, except !!str"),
        ("? [a]\n: b", "line 1, column 3: a key must be a word, not a list or a map"),
        (
            "static_resources: { listeners: [] }",
            "line 1, column 21: static_resources.listeners: there is no listener; at least one is needed",
        ),
    ] {
        assert_eq!(refused(text), expected, "{text:?}");
    }
}

/// What is changed, into what, and what is said.
type Case = (&'static str, &'static str, &'static [&'static str]);

const SEED: &[Case] = &[
    (
        "name: listener_0",
        "nmae: listener_0",
        &[
            "line 7, column 7: static_resources.listeners[0].nmae: unknown or unsupported field; did you mean `name`; supported here: address, bind_to_port, enable_reuse_port, filter_chains, listener_filters, name, per_connection_buffer_limit_bytes, reuse_port, stat_prefix, tcp_backlog_size, traffic_direction, transparent, use_original_dst",
        ],
    ),
    (
        "port_value: 8080",
        "port_value: 80800",
        &[
            "line 9, column 45: static_resources.listeners[0].address.socket_address.port_value: must be a whole number from 0 to 65535",
        ],
    ),
    (
        "port_value: 8080",
        "port_value: '8x'",
        &[
            "line 9, column 45: static_resources.listeners[0].address.socket_address.port_value: expected a whole number, found text",
        ],
    ),
    (
        "port_value: 8080",
        "",
        &["line 9, column 9: static_resources.listeners[0].address.socket_address: `port_value` is missing"],
    ),
    (
        "address: 0.0.0.0, port_value: 8080",
        "address: localhost, port_value: 8080",
        &[
            "line 9, column 9: static_resources.listeners[0].address.socket_address: the address to listen on must be an IP address, such as 127.0.0.1, 0.0.0.0 or ::",
        ],
    ),
    (
        "socket_address: { address: 0.0.0.0, port_value: 8080 }",
        "{}",
        &[
            "line 8, column 7: static_resources.listeners[0].address: one of `socket_address`, `pipe` is needed",
        ],
    ),
    (
        "0.25s",
        "250ms",
        &[
            "line 37, column 7: static_resources.clusters[0].connect_timeout: expected a duration: seconds followed by `s`, such as 15s or 0.25s, not negative",
        ],
    ),
    (
        "0.25s",
        "-1s",
        &[
            "line 37, column 7: static_resources.clusters[0].connect_timeout: expected a duration: seconds followed by `s`, such as 15s or 0.25s, not negative",
        ],
    ),
    (
        "0.25s",
        "0s",
        &["line 37, column 7: static_resources.clusters[0].connect_timeout: must be more than 0s"],
    ),
    (
        "STRICT_DNS",
        "EDS",
        &[
            "line 38, column 7: static_resources.clusters[0].type: not supported; supported: STATIC, STRICT_DNS, LOGICAL_DNS",
        ],
    ),
    (
        "STRICT_DNS",
        "STATIC\n      health_checks: []",
        &[
            "line 39, column 7: static_resources.clusters[0].health_checks: not supported: endpoints are not probed; one that refuses connections is passed over until it is back",
        ],
    ),
    (
        "ROUND_ROBIN",
        "MAGLEV",
        &[
            "line 39, column 7: static_resources.clusters[0].lb_policy: not supported; supported: ROUND_ROBIN, LEAST_REQUEST, RANDOM",
        ],
    ),
    (
        "admin:",
        "admin: [",
        &["line 3, column 19: not YAML: while parsing a flow mapping, did not find expected ',' or '}'"],
    ),
    (
        "admin:",
        "admin: {}\nAdmin:",
        &[
            "line 1, column 1: admin: `address` is missing",
            "line 2, column 1: Admin: unknown or unsupported field; did you mean `admin`; supported here: admin, node, static_resources",
        ],
    ),
    (
        "admin:",
        "dynamic_resources: {}\nadmin:",
        &[
            "line 1, column 1: dynamic_resources: not supported: everything comes from `static_resources`, not from a discovery service",
        ],
    ),
    (
        "static_resources:",
        "resources:",
        &[
            "line 1, column 1: `static_resources` is missing",
            "line 5, column 1: resources: unknown or unsupported field; supported here: admin, node, static_resources",
        ],
    ),
    (
        "{ cluster: service_0 }",
        "{ cluster: service_1 }",
        &[
            "line 24, column 36: HCM.route_config.virtual_hosts[0].routes[0].route.cluster: there is no cluster `service_1`; there are: service_0",
        ],
    ),
    (
        "{ cluster: service_0 }",
        "{ cluster: 0 }",
        &[
            "line 24, column 36: HCM.route_config.virtual_hosts[0].routes[0].route.cluster: expected text; put it in quotes",
        ],
    ),
    (
        "{ cluster: service_0 }",
        "{ cluster: service_0, retry_policy: { num_retries: 1 } }",
        &[
            "line 24, column 56: HCM.route_config.virtual_hosts[0].routes[0].route.retry_policy: not supported: a call that may have reached a handler is never sent again; clients retry by their own policy",
        ],
    ),
    (
        "{ cluster: service_0 }",
        "{ timeout: 1s }",
        &[
            "line 24, column 27: HCM.route_config.virtual_hosts[0].routes[0].route: one of `cluster`, `weighted_clusters` is needed",
        ],
    ),
    (
        "route: { cluster: service_0 }",
        "redirect: {}",
        &[
            "line 23, column 27: HCM.route_config.virtual_hosts[0].routes[0]: one of `route`, `direct_response` is needed",
            "line 24, column 27: HCM.route_config.virtual_hosts[0].routes[0].redirect: not supported: RPC clients follow no redirects; use `route` or `direct_response`",
        ],
    ),
    (
        "{ prefix: \"/\" }",
        "{ prefix: /, path: /x }",
        &[
            "line 23, column 27: HCM.route_config.virtual_hosts[0].routes[0].match: only one of `prefix`, `path` may be given",
        ],
    ),
    (
        "{ prefix: \"/\" }",
        "{ prefix: a }",
        &[
            "line 23, column 36: HCM.route_config.virtual_hosts[0].routes[0].match.prefix: must start with `/`",
        ],
    ),
    (
        "{ prefix: \"/\" }",
        "{ safe_regex: { regex: 'a(' } }",
        &[
            "line 23, column 50: HCM.route_config.virtual_hosts[0].routes[0].match.safe_regex.regex: not a regular expression: unclosed group",
        ],
    ),
    (
        "{ prefix: \"/\" }",
        "{ prefix: /, runtime_fraction: {} }",
        &[
            "line 23, column 47: HCM.route_config.virtual_hosts[0].routes[0].match.runtime_fraction: not supported: there is no runtime layer; use `weighted_clusters`",
        ],
    ),
    (
        "domains: [\"*\"]",
        "domains: [\"*\", \"*\"]",
        &[
            "line 20, column 23: HCM.route_config.virtual_hosts[0]: the domain `*` is given twice; a domain belongs to one virtual host",
        ],
    ),
    (
        "domains: [\"*\"]",
        "domains: [\"a.*.b\"]",
        &[
            "line 21, column 33: HCM.route_config.virtual_hosts[0].domains[0]: a domain may have one `*`, at its start or at its end",
        ],
    ),
    (
        "domains: [\"*\"]",
        "domains: []",
        &[
            "line 21, column 23: HCM.route_config.virtual_hosts[0].domains: must not be empty; `*` stands for all domains",
        ],
    ),
    (
        "cluster_name: service_0",
        "cluster_name: other",
        &[
            "line 41, column 9: static_resources.clusters[0].load_assignment.cluster_name: must be the name of the cluster, `service_0`",
        ],
    ),
    (
        "port_value: 8081",
        "port_value: 0",
        &[
            "line 46, column 21: static_resources.clusters[0].load_assignment.endpoints[0].lb_endpoints[0].endpoint.address.socket_address: an endpoint needs a port_value from 1 to 65535",
        ],
    ),
    (
        "explicit_http_config:",
        "use_downstream_protocol_config:",
        &[
            "line 50, column 9: OPTIONS: one of `explicit_http_config`, `auto_config` is needed",
            "line 52, column 11: OPTIONS.use_downstream_protocol_config: not supported: the upstream's protocol does not follow the client's; use `explicit_http_config`",
        ],
    ),
    (
        "http2_protocol_options:",
        "http3_protocol_options:",
        &[
            "line 52, column 11: OPTIONS.explicit_http_config: one of `http_protocol_options`, `http2_protocol_options` is needed",
            "line 53, column 13: OPTIONS.explicit_http_config.http3_protocol_options: not supported: HTTP/3 is not supported; use HTTP/2",
        ],
    ),
    (
        "http2_protocol_options:",
        "http_protocol_options:",
        &[
            "line 54, column 15: OPTIONS.explicit_http_config.http_protocol_options.max_concurrent_streams: unknown or unsupported field; no fields are supported here",
        ],
    ),
    (
        "max_concurrent_streams: 100",
        "max_concurrent_streams: 0",
        &[
            "line 54, column 15: OPTIONS.explicit_http_config.http2_protocol_options.max_concurrent_streams: must be a whole number from 1 to 2147483647",
        ],
    ),
    (
        "codec_type: AUTO",
        "codec_type: HTTP3",
        &["line 16, column 17: HCM.codec_type: not supported; supported: AUTO, HTTP1, HTTP2"],
    ),
    (
        "codec_type: AUTO",
        "codec_type: AUTO\n                codecType: AUTO",
        &["line 17, column 17: HCM.codecType: the same field as `codec_type`, given twice"],
    ),
    (
        "stat_prefix: ingress_http",
        "stat_prefix: ''",
        &["line 15, column 17: HCM.stat_prefix: must not be empty"],
    ),
    (
        "router.v3.Router",
        "lua.v3.Lua",
        &[
            "line 34, column 23: HCM.http_filters[2].typed_config.@type: `envoy.extensions.filters.http.lua.v3.Lua` is not supported here; supported: envoy.extensions.filters.http.connect_grpc_bridge.v3.FilterConfig, envoy.extensions.filters.http.grpc_web.v3.GrpcWeb, envoy.extensions.filters.http.cors.v3.Cors, envoy.extensions.filters.http.router.v3.Router",
        ],
    ),
    (
        "\"@type\": type.googleapis.com/envoy.extensions.filters.http.grpc_web.v3.GrpcWeb",
        "",
        &["line 29, column 21: HCM.http_filters[1]: `typed_config` is missing"],
    ),
    (
        "  clusters:",
        "  secrets: []\n  clusters:",
        &[
            "line 35, column 3: static_resources.secrets: not supported: give certificates in the `transport_socket` that uses them",
        ],
    ),
    (
        "- filters:",
        "- filter_chain_match: {}\n          filters:",
        &[
            "line 11, column 11: static_resources.listeners[0].filter_chains[0].filter_chain_match: not supported: a listener has one filter chain; make two listeners",
        ],
    ),
    (
        "- filters:",
        "- filters: []\n        - filters:",
        &[
            "line 12, column 11: static_resources.listeners[0].filter_chains[1]: a listener has one filter chain; make it a second listener",
        ],
    ),
    (
        "    - name: service_0",
        "    - name: service_0\n      metadata: { filter_metadata: { landbridge: { max_message_bytes: 0, protocol: http, reflexion: true, compression: { responses: [lz4] } } } }",
        &[
            "line 37, column 52: static_resources.clusters[0].metadata.filter_metadata.landbridge.max_message_bytes: must be a whole number from 1 to 4294967295",
            "line 37, column 74: static_resources.clusters[0].metadata.filter_metadata.landbridge.protocol: not supported; supported: grpc, connect, grpc_web",
            "line 37, column 90: static_resources.clusters[0].metadata.filter_metadata.landbridge.reflexion: unknown or unsupported field; did you mean `reflection`; supported here: codec, compression, cors, descriptor_set, get_without_schema, max_message_bytes, max_response_bytes, protocol, reflection, stream_timeout",
            "line 37, column 134: static_resources.clusters[0].metadata.filter_metadata.landbridge.compression.responses[0]: not supported; supported: gzip, br, zstd, deflate",
        ],
    ),
];

const EVERY_FIELD: &[Case] = &[
    (
        "respect_dns_ttl: false",
        "respect_dns_ttl: true",
        &[
            "static_resources.clusters[0].respect_dns_ttl: only `false` is supported: the system's resolver does not tell how long an answer is good; set `dns_refresh_rate`",
        ],
    ),
    (
        "{ auto_sni: false, auto_san_validation: false }",
        "{ auto_sni: true, auto_san_validation: true }",
        &[
            "OPTIONS.upstream_http_protocol_options.auto_sni: only `false` is supported: connections of a cluster are shared by calls to all authorities; give the name in `sni` of the cluster's `transport_socket`, and `auto_sni_san_validation` to check it",
            "OPTIONS.upstream_http_protocol_options.auto_san_validation: only `false` is supported: connections of a cluster are shared by calls to all authorities; give the name in `sni` of the cluster's `transport_socket`, and `auto_sni_san_validation` to check it",
        ],
    ),
    (
        "inline_string: \"%PROTOCOL%\\n\"",
        "inline_string: \"%START_TIME(%!)%\\n\"",
        &[
            "HCM.access_log[1].typed_config.log_format.text_format_source.inline_string: `%!` is no format of a time in the letters of strftime",
        ],
    ),
    (
        "address: 127.0.0.1, port_value: 0",
        "address: 127.0.0.1, port_value: 0, named_port: http",
        &[
            "static_resources.listeners[0].address.socket_address.named_port: not supported: give the number in `port_value`",
        ],
    ),
    (
        "name: local\n",
        "name: secure\n",
        &["static_resources.listeners[1]: has the name `secure`, as has static_resources.listeners[0]"],
    ),
    (
        "path: /tmp/landbridge.sock",
        "path: /tmp/landbridge-admin.sock",
        &["admin: listens where a listener does; give it an address of its own"],
    ),
    (
        "path: /tmp/landbridge.sock",
        "path: '@abstract'",
        &[
            "static_resources.listeners[1].address.pipe.path: abstract sockets are not supported; give a file path",
        ],
    ),
    (
        "name: users_b\n      type",
        "name: users_a\n      type",
        &[
            "HCM.route_config.virtual_hosts[0].routes[1].route.weighted_clusters.clusters[1].name: there is no cluster `users_b`; there are: users_a",
            "HCM.route_config.virtual_hosts[0].routes[3].route.cluster: there is no cluster `users_b`; there are: users_a",
            "static_resources.clusters[1]: a second cluster named `users_a`; the first is on line 192",
            "static_resources.clusters[1].load_assignment.cluster_name: must be the name of the cluster, `users_a`",
        ],
    ),
    (
        "tls_minimum_protocol_version: TLSv1_3, tls_maximum_protocol_version: TLSv1_3",
        "tls_minimum_protocol_version: TLSv1_3, tls_maximum_protocol_version: TLSv1_2",
        &[
            "static_resources.listeners[0].filter_chains[0].transport_socket.typed_config.common_tls_context.tls_params.tls_minimum_protocol_version: newer than the maximum",
        ],
    ),
    (
        "tls_minimum_protocol_version: TLSv1_3",
        "tls_minimum_protocol_version: TLSv1_1",
        &[
            "static_resources.listeners[0].filter_chains[0].transport_socket.typed_config.common_tls_context.tls_params.tls_minimum_protocol_version: not supported; supported: TLS_AUTO, TLSv1_2, TLSv1_3",
        ],
    ),
    (
        "trusted_ca: { filename: ca.pem }\n",
        "crl: { filename: ca.pem }\n",
        &[
            "static_resources.listeners[0].filter_chains[0].transport_socket.typed_config.common_tls_context.validation_context: one of `trusted_ca`, `system_root_certs` is needed",
            "static_resources.listeners[0].filter_chains[0].transport_socket.typed_config.common_tls_context.validation_context.crl: not supported: revocation lists are not supported",
        ],
    ),
    (
        "alpn_protocols: [h2, http/1.1]",
        "alpn_protocols: [h3]",
        &[
            "static_resources.listeners[0].filter_chains[0].transport_socket.typed_config.common_tls_context.alpn_protocols[0]: not supported; supported: h2, http/1.1",
        ],
    ),
    (
        "inline_bytes: Y2VydA==",
        "inline_bytes: '*'",
        &[
            "static_resources.clusters[0].transport_socket.typed_config.common_tls_context.tls_certificates[0].certificate_chain.inline_bytes: not base64",
        ],
    ),
    (
        "inline_bytes: Y2VydA==",
        "inline_bytes: Y2VydA==, filename: x",
        &[
            "static_resources.clusters[0].transport_socket.typed_config.common_tls_context.tls_certificates[0].certificate_chain: only one of `filename`, `inline_bytes` may be given",
        ],
    ),
    (
        "sni: users.example.com",
        "sni: 'users.example.com:443'",
        &[
            "static_resources.clusters[0].transport_socket.typed_config.sni: not a server name: a DNS name in ASCII, without a port",
        ],
    ),
    (
        "initial_stream_window_size: 65536",
        "initial_stream_window_size: 65534",
        &[
            "HCM.http2_protocol_options.initial_stream_window_size: must be a whole number from 65535 to 2147483647",
        ],
    ),
    (
        "%PROTOCOL%\\n",
        "%PROTOCOLS%",
        &[
            "HCM.access_log[1].typed_config.log_format.text_format_source.inline_string: `%PROTOCOLS%` is not supported; supported: BYTES_RECEIVED, BYTES_SENT, DOWNSTREAM_LOCAL_ADDRESS, DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT, DOWNSTREAM_REMOTE_ADDRESS, DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT, DURATION, GRPC_STATUS, GRPC_STATUS_NUMBER, HOSTNAME, PROTOCOL, REQ(X?Y), REQUESTED_SERVER_NAME, REQUEST_DURATION, RESP(X?Y), RESPONSE_CODE, RESPONSE_CODE_DETAILS, RESPONSE_DURATION, RESPONSE_FLAGS, ROUTE_NAME, START_TIME, START_TIME(FORMAT), TRAILER(X?Y), UPSTREAM_CLUSTER, UPSTREAM_HOST, UPSTREAM_TRANSPORT_FAILURE_REASON",
        ],
    ),
    (
        "%PROTOCOL%\\n",
        "100%",
        &[
            "HCM.access_log[1].typed_config.log_format.text_format_source.inline_string: a `%` without the closing `%`; write `%%` for a percent sign",
        ],
    ),
    (
        "key: x-client",
        "key: http2-settings",
        &[
            "HCM.route_config.virtual_hosts[0].routes[1].request_headers_to_add[0].header.key: `http2-settings` belongs to HTTP or to the RPC protocols, and the bridge writes it; it cannot be changed here",
        ],
    ),
    (
        "key: x-client",
        "key: grpc-timeout",
        &[
            "HCM.route_config.virtual_hosts[0].routes[1].request_headers_to_add[0].header.key: `grpc-timeout` belongs to HTTP or to the RPC protocols, and the bridge writes it; it cannot be changed here",
        ],
    ),
    (
        "key: x-client",
        "key: 'x client'",
        &[
            "HCM.route_config.virtual_hosts[0].routes[1].request_headers_to_add[0].header.key: not a header name; letters, digits and `-` are usual",
        ],
    ),
    (
        "[x-debug]",
        "[':path']",
        &[
            "HCM.route_config.virtual_hosts[0].request_headers_to_remove[0]: not a header name; letters, digits and `-` are usual",
        ],
    ),
    (
        "value: \"t\"",
        "value: \"a\\nb\"",
        &[
            "HCM.route_config.response_headers_to_add[0].header.value: not a header value: control characters are not allowed",
        ],
    ),
    (
        "substitution: \"/user.\\\\1\"",
        "substitution: \"/user.\\\\2\"",
        &[
            "HCM.route_config.virtual_hosts[0].routes[1].route.regex_rewrite.substitution: `\\2` names a group that the pattern does not have",
        ],
    ),
    (
        "total_weight: 4",
        "total_weight: 5",
        &[
            "HCM.route_config.virtual_hosts[0].routes[1].route.weighted_clusters.total_weight: is not the sum of the weights, 4; leave it away",
        ],
    ),
    (
        "weight: 3 }, { name: users_b, weight: 1",
        "weight: 0 }, { name: users_b, weight: 0",
        &[
            "HCM.route_config.virtual_hosts[0].routes[1].route.weighted_clusters.clusters: the sum of the weights must be from 1 to 4294967295",
        ],
    ),
    (
        "{ path_separated_prefix: /grpc }",
        "{ path_separated_prefix: /grpc/ }",
        &["HCM.route_config.virtual_hosts[0].routes[2].match.path_separated_prefix: must not end with `/`"],
    ),
    (
        "{ start: 1, end: 10 }",
        "{ start: 10, end: 1 }",
        &[
            "HCM.route_config.virtual_hosts[0].routes[0].match.headers[1].range_match: `start` must be less than `end`",
        ],
    ),
    (
        "grpc_timeout_header_max: 0s, ",
        "",
        &[
            "HCM.route_config.virtual_hosts[0].routes[1].route.max_stream_duration.grpc_timeout_header_offset: needs `grpc_timeout_header_max`",
        ],
    ),
    (
        "status: 204",
        "status: 99",
        &[
            "HCM.route_config.virtual_hosts[0].routes[0].direct_response.status: must be a whole number from 200 to 599",
        ],
    ),
    (
        "host_rewrite_literal: users.internal:443",
        "host_rewrite_literal: 'a b'",
        &[
            "HCM.route_config.virtual_hosts[0].routes[1].route.host_rewrite_literal: not a host, with or without a port",
        ],
    ),
    (
        "allow_methods: GET, POST",
        "allow_methods: GET POST",
        &[
            "HCM.route_config.virtual_hosts[0].typed_per_filter_config[\"envoy.filters.http.cors\"].allow_methods: expected names with commas between, or `*`",
        ],
    ),
    (
        "LOGICAL_DNS",
        "STATIC",
        &[
            "static_resources.clusters[0].load_assignment.endpoints[0].lb_endpoints[0].endpoint.address: a STATIC cluster takes IP addresses; names need `type: STRICT_DNS` or LOGICAL_DNS",
        ],
    ),
    (
        "type: STATIC",
        "type: LOGICAL_DNS",
        &[
            "static_resources.clusters[1].load_assignment.endpoints[0].lb_endpoints[0].endpoint.address: a pipe needs `type: STATIC`",
        ],
    ),
    (
        "priority: 0",
        "priority: 1",
        &[
            "static_resources.clusters[0].load_assignment.endpoints[0].priority: only priority 0 is supported: there is no failover between priorities",
        ],
    ),
    (
        "choice_count: 3",
        "choice_count: 1",
        &[
            "static_resources.clusters[0].least_request_lb_config.choice_count: must be a whole number from 2 to 4294967295",
        ],
    ),
    (
        "      http2_protocol_options: {}\n",
        "",
        &[
            "HCM.route_config.virtual_hosts[0].routes[3].route.cluster: gRPC needs HTTP/2, and this cluster speaks HTTP/1.1: give the cluster `typed_extension_protocol_options` with `explicit_http_config.http2_protocol_options`, or set `protocol` in its `metadata.filter_metadata.landbridge` to connect or grpc_web",
        ],
    ),
    (
        "      transport_socket:\n        name: envoy.transport_sockets.tls\n        typed_config:\n          \"@type\": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
        "      x_socket:\n        name: envoy.transport_sockets.tls\n        typed_config:\n          \"@type\": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
        &[
            "static_resources.clusters[0].x_socket: unknown or unsupported field; supported here: alt_stat_name, circuit_breakers, connect_timeout, dns_lookup_family, dns_refresh_rate, http2_protocol_options, lb_policy, least_request_lb_config, load_assignment, metadata, name, per_connection_buffer_limit_bytes, respect_dns_ttl, transport_socket, type, typed_extension_protocol_options, upstream_connection_options",
            "OPTIONS.auto_config: ALPN needs TLS: give the cluster a `transport_socket`, or use `explicit_http_config`",
        ],
    ),
    (
        "name: envoy.filters.http.grpc_web\n",
        "name: a\n                    disabled: true\n",
        &["HCM.http_filters[2].disabled: only `false` is supported: leave the filter away"],
    ),
    ("grpc_web.v3.GrpcWeb", "cors.v3.Cors", &["HCM.http_filters[2]: the same filter a second time"]),
    (
        "retries: 4",
        "retries: 4, retry_budget: {}",
        &[
            "static_resources.clusters[0].circuit_breakers.thresholds[1].retry_budget: not supported: nothing is retried",
        ],
    ),
    (
        "validate_clusters: true",
        "validate_clusters: false",
        &[
            "HCM.route_config.validate_clusters: only `true` is supported: a route to an unknown cluster is always an error",
        ],
    ),
    (
        "accept_http_10: false",
        "accept_http_10: true",
        &["HCM.http_protocol_options.accept_http_10: only `false` is supported: HTTP/1.0 is not spoken"],
    ),
    (
        "headers_with_underscores_action: ALLOW",
        "headers_with_underscores_action: REJECT_REQUEST",
        &[
            "HCM.common_http_protocol_options.headers_with_underscores_action: not supported; supported: ALLOW",
        ],
    ),
    (
        "generate_request_id: true",
        "generate_request_id: 1",
        &["HCM.generate_request_id: expected true or false, found a number"],
    ),
    (
        "name: envoy.access_loggers.stderr",
        "name: [1]",
        &["HCM.access_log[2].name: expected text, found a list"],
    ),
];
