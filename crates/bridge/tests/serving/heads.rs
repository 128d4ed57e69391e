//! Headers that the file's fields add to a request.

use crate::world::{File, World, grpc};

fn manager(fields: &str) -> File {
    File { manager: fields.to_owned(), ..File::default() }
}

#[test]
fn by_default_nothing_is_added() {
    let world = World::start(File::default());
    world.call(grpc("/test.S/Echo", &[("x-envoy-internal", "true")]));
    let seen = world.seen();
    for name in ["x-forwarded-for", "x-forwarded-proto", "x-request-id", "x-envoy-internal"] {
        assert!(!seen.contains_key(name), "{name}: {seen:?}");
    }
}

#[test]
fn an_edge_says_where_a_request_comes_from() {
    let world = World::start(manager("use_remote_address: true"));
    let forged = [("x-forwarded-for", "10.1.2.3"), ("x-forwarded-proto", "https")];
    world.call(grpc("/test.S/Echo", &forged));
    let seen = world.seen();
    assert_eq!(
        (&seen["x-forwarded-for"], &seen["x-forwarded-proto"]),
        (&"10.1.2.3,127.0.0.1".parse().expect("a value"), &"http".parse().expect("a value"))
    );
}

#[test]
fn request_ids_are_made_where_there_is_none() {
    let world = World::start(manager("generate_request_id: true"));
    world.call(grpc("/test.S/Echo", &[]));
    world.call(grpc("/test.S/Echo", &[]));
    world.call(grpc("/test.S/Echo", &[("x-request-id", "mine")]));
    let ids = [world.seen(), world.seen(), world.seen()].map(|seen| seen["x-request-id"].clone());
    assert!(ids[0] != ids[1] && ids[0].len() == 36, "{ids:?}");
    assert_eq!(ids[2], "mine");
}

#[test]
fn header_formats_see_the_request_and_the_response() {
    let route = r#"request_headers_to_add: [{ header: { key: x-to-server, value: "%REQ(X-A)% %DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%" } }], response_headers_to_add: [{ header: { key: x-to-caller, value: "%REQ(X-A)% %REQ(X-TO-SERVER)% %RESP(X-FROM-SERVER)% %UPSTREAM_CLUSTER% %RESPONSE_CODE%" } }],"#;
    let world = World::start(File {
        route: route.to_owned(),
        manager: "xff_num_trusted_hops: 0".to_owned(),
        ..File::default()
    });
    let answer = world.call(grpc("/test.S/Echo", &[("x-a", "a"), ("x-forwarded-for", "198.51.100.9")]));
    assert_eq!(world.seen()["x-to-server"], "a 198.51.100.9");
    assert_eq!(answer.headers["x-to-caller"], "a a 198.51.100.9 head backend -");
}

#[test]
fn too_many_headers_are_an_error_in_the_callers_protocol() {
    let world = World::start(manager("common_http_protocol_options: { max_headers_count: 5 }"));
    let answer = world.call(grpc("/test.S/Echo", &[]));
    assert_eq!(answer.grpc_status(), "0");
    let many = [("x-a", "1"), ("x-a", "2"), ("x-a", "3"), ("x-a", "4")];
    let answer = world.call(grpc("/test.S/Echo", &many));
    assert_eq!(answer.grpc_status(), "8");
}
