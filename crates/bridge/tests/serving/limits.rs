//! Times and sockets that the file's fields set.

use http::Request;
use landbridge_net::UpstreamHttp;

use crate::world::{Answer, File, MESSAGE, World, grpc, within};

/// A call whose request never ends.
fn endless(world: &World, head: Request<()>, http: UpstreamHttp) -> Answer {
    let front = world.front(http);
    world.runtime.block_on(within(async move {
        let (response, mut body) = front.open(head, false).await.expect("a connection");
        body.data(MESSAGE.into(), false).await.expect("taken");
        let answer = Answer::of(response.await.expect("an answer")).await;
        drop(body);
        answer
    }))
}

#[test]
fn a_request_that_takes_too_long_to_arrive_ends_with_its_deadline() {
    let world = World::start(File { manager: "request_timeout: 0.05s".to_owned(), ..File::default() });
    let stream = endless(&world, grpc("/test.S/Echo", &[]).map(|_| ()), UpstreamHttp::Http2);
    assert_eq!(stream.grpc_status(), "4");
    let unary = Request::post("/test.S/Echo").header("content-type", "application/proto").body(());
    let unary = endless(&world, unary.expect("a request"), UpstreamHttp::Http2);
    assert_eq!(unary.status, 504, "{}", unary.text());
    assert!(unary.text().contains("request_timeout"), "{}", unary.text());
}

#[test]
fn a_request_that_has_arrived_may_take_its_time() {
    let fields = "request_timeout: 0.05s".to_owned();
    let world = World::start(File { manager: fields, action: "timeout: 0.2s".to_owned(), ..File::default() });
    let answer = world.call(grpc("/test.S/Silent", &[]));
    assert_eq!(answer.grpc_status(), "4");
    let message = answer.trailers.get("grpc-message").or_else(|| answer.headers.get("grpc-message"));
    assert!(
        message.is_some_and(|message| message.to_str().is_ok_and(|text| text.contains("route's timeout")))
    );
}

#[test]
fn the_clusters_limit_of_a_stream_holds_beside_the_routes() {
    let upstream = "max_stream_duration: 0.05s".to_owned();
    let world = World::start(File {
        upstream_http: upstream,
        action: "timeout: 0s, max_stream_duration: { max_stream_duration: 600s }".to_owned(),
        ..File::default()
    });
    assert_eq!(world.call(grpc("/test.S/Silent", &[])).grpc_status(), "4");
}

#[test]
fn a_cluster_connection_of_full_age_is_replaced() {
    let upstream = "max_connection_duration: 0.001s".to_owned();
    let world = World::start(File { upstream_http: upstream, ..File::default() });
    for _ in 0..5 {
        assert_eq!(world.call(grpc("/test.S/Echo", &[])).grpc_status(), "0");
    }
}

#[test]
fn workers_can_share_one_queue_of_any_length() {
    let listener = "enable_reuse_port: false\n    tcp_backlog_size: 16".to_owned();
    let world = World::start(File { listener, ..File::default() });
    for _ in 0..8 {
        assert_eq!(world.call(grpc("/test.S/Echo", &[])).grpc_status(), "0");
    }
    world.leave();
}

#[test]
fn a_listener_of_one_http_version_speaks_no_other() {
    let world = World::start(File { manager: "codec_type: HTTP1".to_owned(), ..File::default() });
    let front = world.front(UpstreamHttp::Http2);
    let refused = world.runtime.block_on(within(async {
        match front.open(grpc("/test.S/Echo", &[]).map(|_| ()), true).await {
            Err(_) => true,
            Ok((response, _body)) => response.await.is_err(),
        }
    }));
    assert!(refused);
}
