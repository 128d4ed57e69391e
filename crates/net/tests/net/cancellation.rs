//! Who goes away is noticed by the other end, whatever it is doing.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use bytes::Bytes;
use http::Response;
use landbridge_net::{Reason, RecvError, UpstreamHttp};

use crate::raw::*;
use crate::world::*;

/// Counts the handlers that are at work.
#[derive(Clone, Default)]
struct AtWork(Arc<AtomicUsize>);

impl AtWork {
    fn enter(&self) -> Leaving {
        self.0.fetch_add(1, SeqCst);
        Leaving(Arc::clone(&self.0))
    }

    async fn becomes(&self, count: usize) {
        until(|| self.0.load(SeqCst) == count).await;
    }
}

struct Leaving(Arc<AtomicUsize>);

impl Drop for Leaving {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

/// Reads the request and never answers.
fn busy(at_work: &AtWork) -> FnHandler {
    let entered = at_work.clone();
    handler(move |request, respond| {
        let here = entered.enter();
        async move {
            let _held = (respond, here);
            let mut body = request.into_body();
            while let Some(Ok(_)) = body.frame().await {}
            std::future::pending::<()>().await;
        }
    })
}

#[tokio::test]
async fn a_client_that_drops_the_response_to_come_stops_the_handler() {
    for http in BOTH {
        let at_work = AtWork::default();
        let world = World::start(busy(&at_work));
        let endpoint = world.endpoint(http);
        let (response, body) = within(endpoint.open(post("/"), false)).await.expect("open");
        at_work.becomes(1).await;
        // The unfinished request alone does not keep the call alive.
        drop(response);
        at_work.becomes(0).await;
        drop(body);
        until(|| endpoint.active() == 0).await;
        assert_eq!(world.stats().resets_received.value(), 1, "{http:?}");
    }
}

#[tokio::test]
async fn a_client_that_drops_the_response_body_stops_the_handler() {
    for http in BOTH {
        let at_work = AtWork::default();
        let entered = at_work.clone();
        let world = World::start(handler(move |_request, respond| {
            let here = entered.enter();
            async move {
                let _here = here;
                let mut answer = respond.respond(Response::new(()), false);
                answer.data(Bytes::from_static(b"some"), false).await.expect("taken");
                std::future::pending::<()>().await;
            }
        }));
        let (response, body) = within(world.endpoint(http).open(get("/"), true)).await.expect("open");
        let mut response = within(response).await.expect("a response");
        assert_eq!(data(response.body_mut()).await, "some");
        at_work.becomes(1).await;
        drop(response);
        at_work.becomes(0).await;
        drop(body);
    }
}

#[tokio::test]
async fn a_client_that_gives_up_its_request_stops_the_handler() {
    for http in BOTH {
        let at_work = AtWork::default();
        let world = World::start(busy(&at_work));
        let (response, body) = within(world.endpoint(http).open(post("/"), false)).await.expect("open");
        at_work.becomes(1).await;
        drop(body);
        at_work.becomes(0).await;
        drop(response);
    }
}

#[tokio::test]
async fn a_client_whose_connection_dies_stops_the_handler() {
    for preface in ["POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\nabc", "h2"] {
        let at_work = AtWork::default();
        let world = World::start(busy(&at_work));
        let mut raw = Raw::connect(world.tcp()).await;
        if preface == "h2" {
            raw.start_http2().await;
            raw.headers(1, &REQUEST, END_HEADERS).await;
        } else {
            raw.write(preface.as_bytes()).await;
        }
        at_work.becomes(1).await;
        drop(raw);
        at_work.becomes(0).await;
    }
}

#[tokio::test]
async fn a_stream_that_the_client_makes_us_reset_stops_the_handler() {
    // MadeYouReset: the frame breaks the rules, so the reset is ours; the work has to stop just the same.
    let at_work = AtWork::default();
    let world = World::start(busy(&at_work));
    let mut raw = Raw::connect(world.tcp()).await;
    raw.start_http2().await;
    raw.headers(1, &REQUEST, END_HEADERS).await;
    at_work.becomes(1).await;
    // The window of the stream overflows.
    raw.frame(WINDOW_UPDATE, 0, 1, &0x7fff_ffff_u32.to_be_bytes()).await;
    at_work.becomes(0).await;
    let reset = raw.next(RST_STREAM).await;
    assert_eq!(reset.payload, (u32::from(Reason::FLOW_CONTROL_ERROR)).to_be_bytes());
}

#[tokio::test]
async fn every_way_to_make_us_reset_a_stream_stops_its_handler() {
    // CVE-2025-8671: a server that resets and lets the work go on can be loaded without a limit.
    let whole = END_HEADERS | END_STREAM;
    let overflow = 0x7fff_ffff_u32.to_be_bytes();
    for (what, flags, frame) in [
        ("a window grows by nothing", whole, Raw::encode(WINDOW_UPDATE, 0, 1, &[0; 4])),
        ("a window overflows", whole, Raw::encode(WINDOW_UPDATE, 0, 1, &overflow)),
        ("a window's frame is cut", whole, Raw::encode(WINDOW_UPDATE, 0, 1, &[0; 3])),
        ("content behind the end", whole, Raw::encode(DATA, 0, 1, b"x")),
        ("a head behind the end", whole, Raw::encode(HEADERS, whole, 1, &block(&[("x", "y")]))),
        (
            "trailers that end nothing",
            END_HEADERS,
            Raw::encode(HEADERS, END_HEADERS, 1, &block(&[("x", "y")])),
        ),
        ("a stream that depends on itself", whole, Raw::encode(PRIORITY, 0, 1, &[0, 0, 0, 1, 0])),
        ("a priority that is cut", whole, Raw::encode(PRIORITY, 0, 1, &[0; 4])),
        ("padding longer than its frame", END_HEADERS, Raw::encode(DATA, PADDED, 1, &[9, 0, 0])),
        ("a reset that is cut", whole, Raw::encode(RST_STREAM, 0, 1, &[0; 3])),
    ] {
        let at_work = AtWork::default();
        let world = World::start(busy(&at_work));
        let mut raw = Raw::connect(world.tcp()).await;
        raw.start_http2().await;
        raw.headers(1, &REQUEST, flags).await;
        at_work.becomes(1).await;
        raw.write(&frame).await;
        let stopped = tokio::time::timeout(PATIENCE / 2, at_work.becomes(0)).await;
        assert!(stopped.is_ok(), "{what}: the handler works on");
    }
}

#[tokio::test]
async fn the_reason_of_a_reset_arrives() {
    let world = World::start(handler(|_request, respond| async move {
        respond.reset(Reason::ENHANCE_YOUR_CALM);
    }));
    let (response, _body) =
        within(world.endpoint(UpstreamHttp::Http2).open(get("/"), true)).await.expect("open");
    let error = within(response).await.expect_err("a reset");
    assert_eq!(error, RecvError::Reset(Reason::ENHANCE_YOUR_CALM));
    assert!(!error.is_unprocessed());
}

#[tokio::test]
async fn a_refused_stream_is_known_to_be_unprocessed() {
    let world = World::start(handler(|_request, respond| async move {
        respond.reset(Reason::REFUSED_STREAM);
    }));
    let (response, _body) =
        within(world.endpoint(UpstreamHttp::Http2).open(get("/"), true)).await.expect("open");
    assert!(within(response).await.expect_err("a reset").is_unprocessed());
}

#[tokio::test]
async fn a_writer_that_waits_elsewhere_for_room_is_not_forgotten() {
    // The handler writes from a task of its own, with its own waker, while the stream's task watches the client.
    let world = World::start(handler(|_request, respond| async move {
        let mut answer = respond.respond(Response::new(()), false);
        let writer = tokio::spawn(async move {
            for _ in 0..64 {
                answer.data(Bytes::from(vec![0; 64 << 10]), false).await.expect("taken");
            }
            answer.end().expect("ended");
        });
        let _finished = writer.await;
    }));
    let endpoint = world.endpoint_with(|config| config.settings.http2.stream_window = 65_535);
    assert_eq!(call(&endpoint, b"").await.expect("an answer").len(), 64 * (64 << 10));
}

#[tokio::test]
async fn a_writer_that_outlives_its_handler_can_finish() {
    for http in BOTH {
        let world = World::start(handler(|_request, respond| async move {
            let mut answer = respond.respond(Response::new(()), false);
            tokio::spawn(async move {
                for _ in 0..64 {
                    answer.data(Bytes::from(vec![0; 64 << 10]), false).await.expect("taken");
                }
                answer.end().expect("ended");
            });
        }));
        let endpoint = world.endpoint(http);
        assert_eq!(call(&endpoint, b"").await.expect("an answer").len(), 64 * (64 << 10));
    }
}
