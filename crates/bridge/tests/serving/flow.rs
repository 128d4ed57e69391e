//! Slow and stubborn peers: what one caller does not take holds up nobody else, and costs bounded memory.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use landbridge_net::{Endpoint, EndpointConfig, Frame, RecvBody, RecvError, UpstreamHttp};

use crate::world::{File, MESSAGE, World, grpc, within};

/// All callers share the server's connections.
fn one_worker() -> File {
    File { workers: Some(1), action: "timeout: 0s".to_owned(), ..File::default() }
}

fn many(count: &'static str, size: &'static str) -> http::Request<()> {
    grpc("/test.S/Many", &[("x-count", count), ("x-size", size)]).map(|_| ())
}

#[test]
fn a_caller_who_reads_nothing_does_not_hold_up_the_others() {
    let world = World::start(one_worker());
    let stubborn = world.front(UpstreamHttp::Http2);
    let held: Vec<_> = world.runtime.block_on(within(async {
        let mut held = Vec::new();
        for _ in 0..32 {
            let (response, mut body) =
                stubborn.open(many("100000", "1000"), false).await.expect("a connection");
            body.data(MESSAGE.into(), true).await.expect("taken");
            held.push(response.await.expect("an answer has begun"));
        }
        held
    }));
    // Each of the streams is stuck: the server has sent what it may, which is a few windows.
    let sent = until_still(&world, "cluster.backend.upstream_cx_rx_bytes_total");
    assert!(sent < 32 * (4 << 20), "{sent} bytes for 32 streams");
    for _ in 0..10 {
        assert_eq!(world.call(grpc("/test.S/Echo", &[])).grpc_status(), "0");
    }
    drop(held);
    world.until_stat("cluster.backend.upstream_rq_active", 0);
}

/// The value of a statistic once it has stopped to grow.
fn until_still(world: &World, name: &str) -> u64 {
    let mut before = 0;
    loop {
        let now = world.stat(name);
        if now == before {
            return now;
        }
        before = now;
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn answers_that_nobody_takes_count_as_calls_in_flight() {
    let breakers = "circuit_breakers: { thresholds: [{ max_requests: 16 }] }".to_owned();
    let world = World::start(File { cluster: breakers, ..one_worker() });
    let mut config = EndpointConfig::new(world.address());
    config.settings.http2.stream_window = 100;
    let stubborn = Endpoint::new(config);
    let (held, refused) = world.runtime.block_on(within(async {
        let (mut held, mut refused) = (Vec::new(), 0);
        for _ in 0..64 {
            let head = Request::post("/test.S/Many").header("content-type", "application/proto");
            let head = head.header("x-size", "1000000").body(()).expect("a request");
            let (response, mut body) = stubborn.open(head, false).await.expect("a connection");
            body.end().expect("taken");
            let response = response.await.expect("an answer");
            match response.status().as_u16() {
                200 => held.push(response),
                503 => refused += 1,
                other => panic!("status {other}"),
            }
        }
        (held, refused)
    }));
    assert_eq!((held.len(), refused), (16, 48));
    assert_eq!(world.stat("cluster.backend.upstream_rq_active_overflow"), 48);
    drop(held);
    world.until_stat("http.front.downstream_rq_active", 0);
    assert_eq!(world.call(grpc("/test.S/Echo", &[])).grpc_status(), "0");
}

#[test]
fn an_answer_that_cannot_be_sent_to_its_end_is_cut_and_does_not_end_well() {
    let world = World::start(one_worker());
    let mut config = EndpointConfig::new(world.address());
    config.settings.http2.stream_window = 100;
    let stubborn = Endpoint::new(config);
    // The server is done with the one message, and not with the many.
    for (content_type, timeout, count) in [
        ("application/proto", ("connect-timeout-ms", "200"), "1"),
        ("application/connect+proto", ("connect-timeout-ms", "200"), "1"),
        ("application/connect+proto", ("connect-timeout-ms", "200"), "100"),
        ("application/grpc", ("grpc-timeout", "200m"), "1"),
        ("application/grpc", ("grpc-timeout", "200m"), "100"),
        ("application/grpc-web", ("grpc-timeout", "200m"), "1"),
        ("application/grpc-web", ("grpc-timeout", "200m"), "100"),
    ] {
        let mut body = world.runtime.block_on(within(async {
            let head = Request::post("/test.S/Many").header("content-type", content_type);
            let head = head.header("x-size", "1000000").header("x-count", count).header(timeout.0, timeout.1);
            let (response, mut body) =
                stubborn.open(head.body(()).expect("a request"), false).await.expect("a connection");
            let _taken = body
                .data(Bytes::from_static(if content_type.ends_with("/proto") { b"" } else { MESSAGE }), true)
                .await;
            response.await.expect("an answer").into_body()
        }));
        // Nothing is read before the time is up.
        world.until_stat("http.front.downstream_rq_active", 0);
        let end = world.runtime.block_on(within(async {
            loop {
                match body.frame().await {
                    Some(Ok(Frame::Data(_))) => {}
                    other => return other,
                }
            }
        }));
        let told = match &end {
            Some(Err(RecvError::Reset(_))) => true,
            Some(Ok(Frame::Trailers(trailers))) => trailers["grpc-status"] == "4",
            _ => false,
        };
        assert!(told, "{content_type}, {count}: {end:?}");
    }
    for (protocol, count) in [("connect", 3), ("grpc", 2), ("grpc_web", 2)] {
        let name = format!("landbridge.calls.{protocol}./test.S/Many.deadline_exceeded");
        world.until_stat(&name, count);
    }
}

const TINY: usize = 20_000;

/// The whole of an answer: how many bytes, and how it ended.
async fn drained(response: Response<RecvBody>) -> (usize, String) {
    let mut body = response.into_body();
    let mut len = 0;
    loop {
        match body.frame().await.expect("trailers").expect("whole") {
            Frame::Data(data) => len += data.len(),
            Frame::Trailers(trailers) => {
                return (len, trailers["grpc-status"].to_str().expect("a number").to_owned());
            }
        }
    }
}

#[test]
fn thousands_of_tiny_messages_survive_a_caller_who_rests() {
    let world = World::start(one_worker());
    let front = world.front(UpstreamHttp::Http2);
    let response = world.runtime.block_on(within(async {
        let (response, mut body) = front.open(many("20000", "1"), false).await.expect("a connection");
        body.data(MESSAGE.into(), true).await.expect("taken");
        response.await.expect("an answer")
    }));
    // The server is done; all of it waits on the way.
    world.until_stat("cluster.backend.upstream_rq_active", 0);
    let answer = world.runtime.block_on(within(drained(response)));
    assert_eq!(answer, (TINY * 6, "0".to_owned()));
    assert_eq!(world.stat("cluster.backend.upstream_cx_total"), 1);
}

#[test]
fn thousands_of_tiny_messages_survive_a_server_that_rests() {
    let world = World::start(one_worker());
    let front = world.front(UpstreamHttp::Http2);
    world.runtime.block_on(within(async {
        let head = grpc("/test.S/Pause", &[]).map(|_| ());
        let (response, mut body) = front.open(head, false).await.expect("a connection");
        for _ in 0..TINY {
            body.data(Bytes::from_static(b"\0\0\0\0\x01x"), false).await.expect("taken");
        }
        body.end().expect("taken");
        world.next_seen().await;
        world.gate.notify_one();
        assert_eq!(drained(response.await.expect("an answer")).await, (TINY * 6, "0".to_owned()));
    }));
    assert_eq!(world.stat("cluster.backend.upstream_cx_total"), 1);
}
