//! Nothing is left of calls, however they end: allocations and descriptors are counted before and after thousands of each
//! kind. A binary of its own, since it counts what the whole process allocates.

use std::alloc::System;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::stream::{FuturesUnordered, StreamExt};
use http::Request;
use landbridge_net::{Endpoint, Frame, UpstreamHttp};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

use crate::world::{File, MESSAGE, World};

#[path = "../serving/world.rs"]
#[expect(dead_code, reason = "other tests use all of it")]
mod world;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Calls of each kind. Allocations are counted exactly, so that more of them would show no more.
const CALLS: usize = 2_000;
/// What may be left of that many calls: tables and queues keep the size that they once had.
const MOST_LEFT: i64 = CALLS as i64 / 4;
/// The longest that may take what is not work before it counts as hanging.
const PATIENCE: Duration = Duration::from_secs(20);
/// Calls at once.
const AT_ONCE: usize = 64;

/// How a call is made, and what becomes of it.
#[derive(Clone, Copy)]
struct Kind {
    name: &'static str,
    path: &'static str,
    content_type: &'static str,
    header: Option<(&'static str, &'static str)>,
    body: &'static [u8],
    /// The caller does not wait for the answer.
    cancelled: bool,
}

const WELL: Kind = Kind {
    name: "a gRPC call that goes well",
    path: "/test.S/Echo",
    content_type: "application/grpc",
    header: None,
    body: MESSAGE,
    cancelled: false,
};

const KINDS: [Kind; 10] = [
    WELL,
    Kind { name: "a unary Connect call", content_type: "application/proto", body: b"hi", ..WELL },
    Kind { name: "a Connect stream", content_type: "application/connect+proto", ..WELL },
    Kind { name: "a gRPC-Web call", content_type: "application/grpc-web", ..WELL },
    Kind { name: "a call refused by its head", header: Some(("grpc-timeout", "x")), ..WELL },
    Kind { name: "a call refused by its body", body: b"\x40\0\0\0\0", ..WELL },
    Kind { name: "a call that the server refuses", path: "/test.S/Refuse", ..WELL },
    Kind { name: "a call that the server cuts off", path: "/test.S/Cut", ..WELL },
    Kind { name: "a call that its caller gives up", path: "/test.S/Silent", cancelled: true, ..WELL },
    Kind { name: "a call that leads nowhere", path: "/gone.S/M", ..WELL },
];

#[test]
fn nothing_is_left_of_calls_however_they_end() {
    let world = World::start(File::default());
    let fronts = [UpstreamHttp::Http2, UpstreamHttp::Http1].map(|http| (http, world.front(http)));
    let kinds = || {
        let every = fronts.iter().flat_map(|(http, front)| KINDS.map(|kind| (*http, front, kind)));
        every.filter(|(http, _, kind)| *http == UpstreamHttp::Http2 || kind.content_type != WELL.content_type)
    };
    // What is made once: connections, tables, buffers of threads.
    for (_, front, kind) in kinds() {
        run(&world, front, kind, CALLS / 10);
    }
    let (mut allocations, descriptors) = (settled(i64::MIN), open_descriptors());
    for (http, front, kind) in kinds() {
        run(&world, front, kind, CALLS);
        let most = allocations + MOST_LEFT;
        let left = settled(most);
        assert!(left <= most, "{}, {http:?}: {} allocations are left", kind.name, left - allocations);
        allocations = left;
    }
    let patience = Instant::now() + PATIENCE;
    while open_descriptors() > descriptors {
        assert!(Instant::now() < patience, "descriptors are left");
    }
}

/// Makes so many calls, some at once.
fn run(world: &World, front: &Endpoint, kind: Kind, calls: usize) {
    world.runtime.block_on(async {
        let mut running = FuturesUnordered::new();
        for _ in 0..calls {
            if running.len() == AT_ONCE {
                running.next().await;
            }
            running.push(call(front, kind));
        }
        while running.next().await.is_some() {}
        while tokio::task::unconstrained(world.next_seen()).now_or_never().is_some() {}
    });
    world.until_stat("http.front.downstream_rq_active", 0);
    world.until_stat("cluster.backend.upstream_rq_active", 0);
}

async fn call(front: &Endpoint, kind: Kind) {
    if kind.cancelled {
        // A caller who only gives up is sent away (CVE-2023-44487).
        exchange(front, WELL).await;
        exchange(front, WELL).await;
    }
    exchange(front, kind).await;
}

async fn exchange(front: &Endpoint, kind: Kind) {
    let mut head = Request::post(kind.path).header("content-type", kind.content_type).header("host", "a");
    if let Some((name, value)) = kind.header {
        head = head.header(name, value);
    }
    let head = head.body(()).expect("a request");
    let (response, mut body) = front.open(head, false).await.expect("a connection");
    // It may be refused before it is read.
    let _taken = body.data(Bytes::from_static(kind.body), true).await;
    if kind.cancelled {
        tokio::task::yield_now().await;
        return;
    }
    let mut body = response.await.expect("an answer").into_body();
    while let Some(Ok(Frame::Data(_) | Frame::Trailers(_))) = body.frame().await {}
}

/// Live allocations once they are no more than `enough`, or once they have stopped to fall.
fn settled(enough: i64) -> i64 {
    let patience = Instant::now() + PATIENCE;
    let mut least = i64::MAX;
    let mut since = Instant::now();
    loop {
        let counts = ALLOCATOR.stats();
        let now = counts.allocations as i64 - counts.deallocations as i64;
        if now < least {
            (least, since) = (now, Instant::now());
        }
        // What is remembered of a stream that was reset goes after a second.
        if least <= enough || since.elapsed() > Duration::from_millis(1_200) || Instant::now() > patience {
            return least;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn open_descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").expect("the process's descriptors").count()
}
