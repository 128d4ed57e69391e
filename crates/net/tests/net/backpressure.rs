//! A slow reader holds the writer back, and what is in between stays bounded.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use landbridge_net::{Frame, SendBody, UpstreamHttp};
use tokio::io::AsyncWriteExt;
use tokio::sync::Notify;

use crate::raw::{DATA, END_HEADERS, REQUEST, Raw};
use crate::world::*;

const PIECE: usize = 16 << 10;

/// Writes until nothing was taken for a while, and says how much was.
async fn write_until_stuck(body: &mut SendBody) -> usize {
    let mut taken = 0;
    loop {
        let push = body.data(Bytes::from(vec![0; PIECE]), false);
        match tokio::time::timeout(Duration::from_millis(300), push).await {
            Ok(sent) => sent.expect("taken"),
            Err(_stuck) => return taken,
        }
        taken += PIECE;
    }
}

#[tokio::test]
async fn a_server_that_does_not_read_stops_the_client() {
    for http in BOTH {
        let read_on = Arc::new(Notify::new());
        let go = Arc::clone(&read_on);
        let world = World::start(handler(move |request, respond| {
            let go = Arc::clone(&go);
            async move {
                go.notified().await;
                let (content, _) = collect(&mut request.into_body()).await.expect("whole");
                respond.respond_full(Response::new(()), Bytes::from(content.len().to_string()), None);
            }
        }));
        let (response, mut body) = within(world.endpoint(http).open(post("/"), false)).await.expect("open");
        let taken = write_until_stuck(&mut body).await;
        // A megabyte of window or the system's socket buffers, and our own.
        assert!(taken <= 12 << 20, "{http:?}: {taken} bytes");
        read_on.notify_one();
        drop_unsent_and_end(&mut body).await;
        let mut response = within(response).await.expect("a response");
        let text = collect(response.body_mut()).await.expect("whole").0;
        let count: usize = std::str::from_utf8(&text).expect("text").parse().expect("a number");
        assert!(count >= taken, "{http:?}: {count} arrived of {taken}");
    }
}

async fn drop_unsent_and_end(body: &mut SendBody) {
    within(body.data(Bytes::from_static(b"end"), true)).await.expect("taken");
}

#[tokio::test]
async fn over_http2_a_reader_that_rests_costs_one_window() {
    let world = World::start(handler(|request, respond| async move {
        let _held = (request, respond);
        std::future::pending::<()>().await;
    }));
    let (_response, mut body) =
        within(world.endpoint(UpstreamHttp::Http2).open(post("/"), false)).await.expect("open");
    let taken = write_until_stuck(&mut body).await;
    let most = (1 << 20) + (256 << 10) + PIECE;
    assert!((1 << 20) <= taken && taken <= most, "{taken} bytes");
    assert!(world.stats().traffic.received.value() < (1 << 20) + (64 << 10));
}

#[tokio::test]
async fn a_client_that_does_not_read_stops_the_server() {
    for http in BOTH {
        let written = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&written);
        let world = World::start(handler(move |_request, respond| {
            let count = Arc::clone(&count);
            async move {
                let mut answer = respond.respond(Response::new(()), false);
                while answer.data(Bytes::from(vec![0; PIECE]), false).await.is_ok() {
                    count.fetch_add(PIECE, SeqCst);
                }
            }
        }));
        let (response, _body) = within(world.endpoint(http).open(get("/"), true)).await.expect("open");
        let response = within(response).await.expect("a response");
        let mut before = usize::MAX;
        within(async {
            while before != written.load(SeqCst) {
                before = written.load(SeqCst);
                tokio::time::sleep(Duration::from_millis(300)).await;
            }
        })
        .await;
        assert!(before <= 12 << 20, "{http:?}: {before} bytes");
        drop(response);
    }
}

#[tokio::test]
async fn a_window_that_never_opens_holds_one_stream_and_not_the_others() {
    let written = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&written);
    let world = World::start(handler(move |request, respond| {
        let count = Arc::clone(&count);
        async move {
            let mut answer = respond.respond(Response::new(()), false);
            if request.uri().path() == "/small" {
                answer.data(Bytes::from_static(b"small"), true).await.expect("taken");
                return;
            }
            while answer.data(Bytes::from(vec![0; 1_000]), false).await.is_ok() {
                count.fetch_add(1_000, SeqCst);
            }
        }
    }));
    let mut raw = Raw::connect(world.tcp()).await;
    raw.write(crate::raw::PREFACE).await;
    // SETTINGS_INITIAL_WINDOW_SIZE = 3000: the large answer gets stuck there for good.
    raw.frame(crate::raw::SETTINGS, 0, 0, &[0, 4, 0, 0, 0x0b, 0xb8]).await;
    raw.headers(1, &REQUEST, END_HEADERS | crate::raw::END_STREAM).await;
    let mut received = 0;
    while received < 3_000 {
        received += raw.next(DATA).await.payload.len();
    }
    assert_eq!(received, 3_000);
    let small = [(":method", "GET"), (":scheme", "http"), (":path", "/small"), (":authority", "a")];
    raw.headers(3, &small, END_HEADERS | crate::raw::END_STREAM).await;
    let frame = raw.next(DATA).await;
    assert_eq!((frame.stream, &frame.payload[..]), (3, &b"small"[..]));
    assert!(written.load(SeqCst) <= 4_000, "{} bytes", written.load(SeqCst));
}

#[tokio::test]
async fn thousands_of_tiny_messages_survive_a_resting_reader() {
    for (name, client_reads_first) in [("towards the server", false), ("towards the client", true)] {
        let read_on = Arc::new(Notify::new());
        let go = Arc::clone(&read_on);
        let world = World::start(handler(move |request, respond| {
            let go = Arc::clone(&go);
            async move {
                if client_reads_first {
                    let mut answer = respond.respond(Response::new(()), false);
                    for _ in 0..20_000 {
                        answer.data(Bytes::from_static(b"\0\0\0\0\x01x"), false).await.expect("taken");
                    }
                    answer.end().expect("ended");
                } else {
                    go.notified().await;
                    let (content, _) = collect(&mut request.into_body()).await.expect("whole");
                    respond.respond_full(Response::new(()), content, None);
                }
            }
        }));
        let (response, mut body) =
            within(world.endpoint(UpstreamHttp::Http2).open(post("/"), false)).await.expect("open");
        if !client_reads_first {
            for _ in 0..20_000 {
                send(&mut body, b"\0\0\0\0\x01x", false).await;
            }
            body.end().expect("ended");
            // Lets all of it arrive before anybody reads.
            let sent = 20_000 * 15;
            until(|| world.stats().traffic.received.value() >= sent).await;
        }
        read_on.notify_one();
        let mut response = within(response).await.expect(name);
        if client_reads_first {
            until(|| world.stats().traffic.sent.value() >= 20_000 * 15).await;
        }
        let (bytes, _) = collect(response.body_mut()).await.expect(name);
        assert_eq!(bytes.len(), 20_000 * 6, "{name}");
    }
}

#[tokio::test]
async fn a_slow_http1_reader_does_not_keep_the_request_from_being_read() {
    // The answer is stuck in the socket, and the client goes on sending before it reads any of it.
    let world = World::start(handler(|request, respond| async move {
        let mut body = request.into_body();
        let mut answer = respond.respond(Response::new(()), false);
        let write = async {
            for _ in 0..512 {
                if answer.data(Bytes::from(vec![b'x'; PIECE]), false).await.is_err() {
                    return;
                }
            }
            let _ended = answer.end();
        };
        let read = async { while let Some(Ok(Frame::Data(_))) = body.frame().await {} };
        tokio::join!(write, read);
    }));
    let mut raw = Raw::connect(world.tcp()).await;
    let length = 4 << 20;
    raw.write(
        format!("POST / HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n")
            .as_bytes(),
    )
    .await;
    within(raw.socket.write_all(&vec![0; length])).await.expect("the server reads on");
    assert!(raw.rest().await.len() > 512 * PIECE);
}
