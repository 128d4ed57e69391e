//! Slow and stubborn peers: what one caller does not take holds up nobody else, and costs bounded memory.

use bytes::Bytes;
use landbridge_net::{Frame, RecvBody, UpstreamHttp};

use crate::world::{Answer, File, MESSAGE, World, grpc, within};

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
    // Each of the streams is stuck: the server has sent what it may.
    let sent = "cluster.backend.upstream_cx_rx_bytes_total";
    let mut before = 0;
    while world.stat(sent) != before {
        before = world.stat(sent);
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    for _ in 0..10 {
        assert_eq!(world.call(grpc("/test.S/Echo", &[])).grpc_status(), "0");
    }
    drop(held);
}
