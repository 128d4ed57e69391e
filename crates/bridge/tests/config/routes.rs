//! Which route a request takes.

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use landbridge_bridge::config::{Bootstrap, RouteRequest};

use crate::load;
use crate::seed;

/// The seed file with other virtual hosts; each route is named.
fn with_hosts(hosts: &str) -> Bootstrap {
    let seed = seed::text();
    let start = seed.find("                  virtual_hosts:").expect("virtual hosts");
    let end = seed.find("                http_filters:").expect("filters");
    load(&format!("{}                  virtual_hosts: {hosts}\n{}", &seed[..start], &seed[end..]))
}

/// Routes of a single virtual host, each `name: match`.
fn with_routes(routes: &[(&str, &str)]) -> Bootstrap {
    let routes: Vec<String> = routes
        .iter()
        .map(|(name, test)| format!("{{ name: {name}, match: {test}, direct_response: {{ status: 200 }} }}"))
        .collect();
    with_hosts(&format!("[{{ name: all, domains: ['*'], routes: [{}] }}]", routes.join(", ")))
}

fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in pairs {
        map.append(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    map
}

fn request<'a>(host: &'a str, path: &'a str, headers: &'a HeaderMap) -> RouteRequest<'a> {
    RouteRequest { method: &Method::POST, host, path, headers, grpc: &|| false }
}

/// The name of the route taken, or `-`.
fn taken<'b>(bootstrap: &'b Bootstrap, request: &RouteRequest<'_>) -> &'b str {
    bootstrap.listeners[0].http.routes.find(request).map_or("-", |route| route.name.as_str())
}

fn taken_path<'b>(bootstrap: &'b Bootstrap, path: &str) -> &'b str {
    taken(bootstrap, &request("localhost", path, &HeaderMap::new()))
}

#[test]
fn the_first_route_that_matches_is_taken() {
    let table = with_routes(&[("a", "{ prefix: /a }"), ("b", "{ prefix: /ab }"), ("rest", "{ prefix: / }")]);
    assert_eq!(taken_path(&table, "/ab"), "a");
    assert_eq!(taken_path(&table, "/b"), "rest");
    let table = with_routes(&[("a", "{ path: /a }")]);
    assert_eq!(taken_path(&table, "/b"), "-");
}

#[test]
fn a_path_is_matched_without_its_query() {
    let table =
        with_routes(&[("exact", "{ path: /a/b }"), ("regex", "{ safe_regex: { regex: '/c/\\d+' } }")]);
    for (path, route) in [
        ("/a/b", "exact"),
        ("/a/b?x=/c/1", "exact"),
        ("/a/b/", "-"),
        ("/A/b", "-"),
        ("/c/12", "regex"),
        ("/c/12?y", "regex"),
        ("/c/12/x", "-"),
        ("/x/c/12", "-"),
        ("/c/", "-"),
    ] {
        assert_eq!(taken_path(&table, path), route, "{path}");
    }
}

#[test]
fn case_counts_unless_told_otherwise() {
    let table = with_routes(&[
        ("p", "{ prefix: /Foo, case_sensitive: false }"),
        ("e", "{ path: /BAR, case_sensitive: false }"),
    ]);
    assert_eq!(taken_path(&table, "/fOObar"), "p");
    assert_eq!(taken_path(&table, "/bar"), "e");
    assert_eq!(taken_path(&table, "/barr"), "-");
}

#[test]
fn a_separated_prefix_ends_at_a_slash() {
    let table = with_routes(&[("dev", "{ path_separated_prefix: /api/dev }")]);
    for (path, route) in [
        ("/api/dev", "dev"),
        ("/api/dev/", "dev"),
        ("/api/dev/v1", "dev"),
        ("/api/dev?param=true", "dev"),
        ("/api/developer", "-"),
        ("/api/de", "-"),
    ] {
        assert_eq!(taken_path(&table, path), route, "{path}");
    }
}

#[test]
fn grpc_routes_take_only_grpc_calls() {
    let table = with_routes(&[("grpc", "{ prefix: /, grpc: {} }"), ("rest", "{ prefix: / }")]);
    let none = HeaderMap::new();
    let call = RouteRequest { grpc: &|| true, ..request("h", "/s/m", &none) };
    assert_eq!(taken(&table, &call), "grpc");
    assert_eq!(taken_path(&table, "/s/m"), "rest");
}

#[test]
fn query_parameters_are_tested_by_their_first_value() {
    let table = with_routes(&[
        ("v", "{ prefix: /, query_parameters: [{ name: v, string_match: { prefix: '1' } }] }"),
        ("debug", "{ prefix: /, query_parameters: [{ name: debug }] }"),
    ]);
    for (path, route) in [
        ("/?v=12", "v"),
        ("/?a=b&v=1&v=2", "v"),
        ("/?v=2&v=1", "-"),
        ("/?debug", "debug"),
        ("/?xdebug=1", "-"),
        ("/", "-"),
    ] {
        assert_eq!(taken_path(&table, path), route, "{path}");
    }
}

/// Each line is what Envoy 1.40 does.
#[test]
fn header_matchers_agree_with_envoy() {
    let missing: &[(&str, &str)] = &[];
    let ab = [("x-h", "a"), ("x-h", "b")];
    for (test, pairs, passes) in [
        ("string_match: { exact: a }", missing, false),
        ("string_match: { exact: a }", &[("x-h", "a")], true),
        ("string_match: { exact: b }", &ab, true),
        ("exact_match: a", &[("x-h", "a,b")], false),
        ("exact_match: 'a,b'", &ab, false),
        ("exact_match: a, invert_match: true", missing, false),
        ("exact_match: a, invert_match: true", &[("x-h", "b")], true),
        ("exact_match: a, invert_match: true", &ab, false),
        ("exact_match: a, invert_match: true, treat_missing_header_as_empty: true", missing, true),
        ("string_match: { exact: '' }", missing, false),
        ("string_match: { exact: '' }, treat_missing_header_as_empty: true", missing, true),
        ("present_match: false", missing, true),
        ("present_match: false", &[("x-h", "a")], false),
        ("present_match: true, invert_match: true", missing, true),
        ("present_match: true, treat_missing_header_as_empty: true", missing, true),
        ("range_match: { start: 1, end: 5 }", &[("x-h", "3")], true),
        ("range_match: { start: 1, end: 5 }", &[("x-h", "5")], false),
        ("range_match: { start: -10, end: 0 }", &[("x-h", "-1")], true),
        ("range_match: { start: 1, end: 5 }", &[("x-h", "3x")], false),
        ("range_match: { start: 1, end: 5 }", &[("x-h", "a"), ("x-h", "3")], true),
        ("range_match: { start: 1, end: 5 }, invert_match: true", &[("x-h", "a")], true),
        ("range_match: { start: 1, end: 5 }, invert_match: true", missing, false),
        ("prefix_match: ab", &[("x-h", "abc")], true),
        ("suffix_match: bc", &[("x-h", "abc")], true),
        ("contains_match: b", &[("x-h", "abc")], true),
        ("contains_match: d", &[("x-h", "abc")], false),
        ("safe_regex_match: { regex: '\\d{3}' }", &[("x-h", "123")], true),
        ("safe_regex_match: { regex: '\\d{3}' }", &[("x-h", "1234")], false),
        ("safe_regex_match: { regex: 'a|b' }", &[("x-h", "ab")], false),
        ("string_match: { contains: BC, ignore_case: true }", &[("x-h", "abc")], true),
        ("string_match: { prefix: AB, ignore_case: true }", &[("x-h", "abc")], true),
        ("string_match: { suffix: BC }", &[("x-h", "abc")], false),
    ] {
        let table = with_routes(&[("hit", &format!("{{ prefix: /, headers: [{{ name: x-h, {test} }}] }}"))]);
        let headers = headers(pairs);
        let found = taken(&table, &request("h", "/", &headers)) == "hit";
        assert_eq!(found, passes, "{test} on {pairs:?}");
    }
}

#[test]
fn pseudo_headers_can_be_tested() {
    let table = with_routes(&[(
        "hit",
        "{ prefix: /, headers: [{ name: ':method', exact_match: POST }, { name: ':authority', prefix_match: api. }, { name: ':path', suffix_match: '?x' }] }",
    )]);
    let none = HeaderMap::new();
    assert_eq!(taken(&table, &request("api.a", "/m?x", &none)), "hit");
    assert_eq!(taken(&table, &request("web.a", "/m?x", &none)), "-");
    let get = RouteRequest { method: &Method::GET, ..request("api.a", "/m?x", &none) };
    assert_eq!(taken(&table, &get), "-");
}

#[test]
fn the_host_chooses_the_virtual_host_and_its_port_counts() {
    let host = |name: &str, domains: &str| {
        format!(
            "{{ name: {name}, domains: {domains}, routes: [{{ name: {name}, match: {{ prefix: / }}, direct_response: {{ status: 200 }} }}] }}"
        )
    };
    let hosts = [
        host("exact", "[foo.example.com]"),
        host("suffix", "['*.example.com']"),
        host("prefix", "['foo.*']"),
        host("port", "['bar.example.com:8080']"),
    ];
    let table = with_hosts(&format!("[{}]", hosts.join(", ")));
    let none = HeaderMap::new();
    for (name, route) in [
        ("foo.example.com", "exact"),
        ("FOO.example.com", "exact"),
        ("a.example.com", "suffix"),
        ("foo.net", "prefix"),
        ("bar.example.com:8080", "port"),
        ("foo.example.com:8080", "prefix"),
        ("example.com", "-"),
        ("", "-"),
    ] {
        assert_eq!(taken(&table, &request(name, "/", &none)), route, "{name}");
    }
    let ignoring =
        with_hosts(&format!("[{}]\n                  ignore_port_in_host_matching: true", hosts[0]));
    assert_eq!(taken(&ignoring, &request("foo.example.com:8080", "/", &none)), "exact");
    // A virtual host without a matching route is the end: no other is asked.
    let dead_end =
        with_hosts(&format!("[{{ name: dead, domains: [dead.com], routes: [] }}, {}]", host("any", "['*']")));
    assert_eq!(taken(&dead_end, &request("dead.com", "/", &none)), "-");
    assert_eq!(taken(&dead_end, &request("live.com", "/", &none)), "any");
}
