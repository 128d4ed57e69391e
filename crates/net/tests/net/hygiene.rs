//! HTTP that is broken at the edge does not get past it, and breaks nothing else.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use bytes::Bytes;
use http::Response;
use landbridge_net::ServerSettings;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::raw::*;
use crate::world::*;

/// Collects the content of each request, and counts those that were whole.
fn counting() -> (Arc<AtomicUsize>, FnHandler) {
    let whole = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&whole);
    let handler = handler(move |request, respond| {
        let count = Arc::clone(&count);
        async move {
            let path = request.uri().path().to_owned();
            if let Ok((content, _)) = collect(&mut request.into_body()).await {
                count.fetch_add(1, SeqCst);
                let text = format!("[{path} {}]", content.len());
                respond.respond_full(Response::new(()), Bytes::from(text), None);
            }
        }
    });
    (whole, handler)
}

/// What the server answers to these bytes, up to the end of the connection.
async fn http1(bytes: &str) -> String {
    let (_, handler) = counting();
    let world = World::start(handler);
    let mut raw = Raw::connect(world.tcp()).await;
    raw.write(bytes.as_bytes()).await;
    let patience = std::time::Duration::from_millis(500);
    // Refused requests close the connection by themselves; after others it is for the client to close.
    let mut bytes = Vec::new();
    if tokio::time::timeout(patience, raw.socket.read_to_end(&mut bytes)).await.is_err() {
        let _gone = raw.socket.shutdown().await;
        let _end = within(raw.socket.read_to_end(&mut bytes)).await;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn refused(text: &str) -> bool {
    text.starts_with("HTTP/1.1 400") && !text.contains("[/")
}

#[tokio::test]
async fn content_length_beside_transfer_encoding_never_smuggles() {
    // CL.TE: the content-length would cover what follows the last chunk.
    let text = http1(
        "POST /a HTTP/1.1\r\nhost: a\r\ncontent-length: 35\r\ntransfer-encoding: chunked\r\n\r\n\
         0\r\n\r\nGET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n",
    )
    .await;
    assert!(!text.contains("[/smuggled"), "{text}");
}

#[tokio::test]
async fn transfer_encoding_before_content_length_never_smuggles() {
    let text = http1(
        "POST /a HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\ncontent-length: 4\r\n\r\n\
         26\r\nGET /smuggled HTTP/1.1\r\nhost: a\r\nx: y\r\n\r\n0\r\n\r\n",
    )
    .await;
    assert!(!text.contains("[/smuggled"), "{text}");
}

#[tokio::test]
async fn a_transfer_encoding_that_is_not_chunked_at_last_is_refused() {
    for encoding in ["identity", "chunked, gzip", "xchunked"] {
        let text =
            http1(&format!("POST /a HTTP/1.1\r\nhost: a\r\ntransfer-encoding: {encoding}\r\n\r\n0\r\n\r\n"))
                .await;
        assert!(refused(&text), "{encoding}: {text}");
    }
}

#[tokio::test]
async fn a_transfer_coding_that_would_stay_on_the_content_is_refused() {
    for encoding in ["gzip, chunked", "chunked, chunked", "chunked\r\ntransfer-encoding: chunked"] {
        let text =
            http1(&format!("POST /a HTTP/1.1\r\nhost: a\r\ntransfer-encoding: {encoding}\r\n\r\n0\r\n\r\n"))
                .await;
        assert!(text.starts_with("HTTP/1.1 501") && !text.contains("[/"), "{encoding}: {text}");
        assert!(text.contains("connection: close\r\n"), "{encoding}: {text}");
    }
}

#[tokio::test]
async fn a_request_has_exactly_one_host() {
    for hosts in ["", "host: a\r\nhost: a\r\n", "host: a\r\nhost: b\r\n", "host: a b\r\n", "host: a/b\r\n"] {
        let text = http1(&format!("GET /a HTTP/1.1\r\n{hosts}\r\n")).await;
        assert!(refused(&text), "{hosts}: {text}");
    }
    // HTTP/1.0 knows no hosts, and an empty one is legal.
    for head in [
        "GET /a HTTP/1.0\r\n\r\n",
        "GET /a HTTP/1.1\r\nhost:\r\n\r\n",
        "GET /a HTTP/1.1\r\nhost: a:1\r\n\r\n",
    ] {
        let text = http1(head).await;
        assert!(text.contains(" 200 "), "{head}: {text}");
    }
}

#[tokio::test]
async fn two_content_lengths_that_differ_are_refused() {
    let text = http1("POST /a HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab").await;
    assert!(refused(&text), "{text}");
}

#[tokio::test]
async fn a_content_length_that_is_no_number_is_refused() {
    for length in ["-1", "+1", "1 1", "0x1", "99999999999999999999999"] {
        let text = http1(&format!("POST /a HTTP/1.1\r\nhost: a\r\ncontent-length: {length}\r\n\r\nab")).await;
        assert!(refused(&text), "{length}: {text}");
    }
}

#[tokio::test]
async fn malformed_chunks_do_not_make_a_whole_request() {
    for chunks in
        ["xyz\r\nab\r\n0\r\n\r\n", "2\nab\n0\n\n", "-2\r\nab\r\n0\r\n\r\n", "2\r\nabcd\r\n0\r\n\r\n"]
    {
        let (whole, handler) = counting();
        let world = World::start(handler);
        let mut raw = Raw::connect(world.tcp()).await;
        raw.write(
            format!("POST /a HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n{chunks}").as_bytes(),
        )
        .await;
        let text = raw.rest().await;
        assert!(refused(&text) && text.contains("connection: close"), "{chunks:?}: {text}");
        assert_eq!(whole.load(SeqCst), 0, "{chunks:?}");
        assert_eq!(world.stats().protocol_errors.value(), 1, "{chunks:?}");
        until(|| world.stats().connections_active.value() == 0).await;
    }
}

#[tokio::test]
async fn a_handler_can_answer_a_request_with_malformed_chunks_to_a_client_that_goes_on_sending() {
    let world = World::start(handler(|request, respond| async move {
        let error = collect(&mut request.into_body()).await.expect_err("it is malformed");
        respond.respond_full(Response::new(()), Bytes::from(error.to_string()), None);
    }));
    let mut raw = Raw::connect(world.tcp()).await;
    raw.write(b"POST /a HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n").await;
    // More than the sockets hold: somebody has to go on reading for the answer to arrive.
    let more = vec![b'x'; 64 << 10];
    for _ in 0..128 {
        assert!(within(raw.try_write(&more)).await);
    }
    raw.socket.shutdown().await.expect("connected");
    let text = raw.rest().await;
    assert!(text.contains("the peer broke the protocol"), "{text}");
    assert!(!text.contains("[/"), "{text}");
}

#[tokio::test]
async fn a_request_cut_in_its_content_is_not_whole() {
    let (whole, handler) = counting();
    let world = World::start(handler);
    let mut raw = Raw::connect(world.tcp()).await;
    raw.write(b"POST /a HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nab").await;
    until(|| world.stats().requests_active.value() == 1).await;
    drop(raw);
    until(|| world.stats().requests_active.value() == 0).await;
    assert_eq!(whole.load(SeqCst), 0);
}

#[tokio::test]
async fn control_characters_in_http1_fields_are_refused() {
    for value in ["a\0b", "a\u{1}b", "a\rb"] {
        let text = http1(&format!("GET /a HTTP/1.1\r\nhost: a\r\nx: {value}\r\n\r\n")).await;
        assert!(refused(&text), "{value:?}: {text}");
    }
    let text = http1("GET /a HTTP/1.1\r\nhost: a\r\nbad name: b\r\n\r\n").await;
    assert!(refused(&text), "{text}");
}

#[tokio::test]
async fn an_http1_head_over_the_limit_is_answered_431() {
    let (_, handler) = counting();
    let settings = ServerSettings { http1_max_header_bytes: 8 << 10, ..ServerSettings::default() };
    let world = World::with(settings, handler);
    let mut raw = Raw::connect(world.tcp()).await;
    raw.try_write(format!("GET /a HTTP/1.1\r\nhost: a\r\nx: {}\r\n\r\n", "y".repeat(9 << 10)).as_bytes())
        .await;
    let text = raw.rest().await;
    assert!(text.starts_with("HTTP/1.1 431"), "{text}");
}

/// Sends one HTTP/2 request and says how it ended: the reset's code, or the connection's.
async fn http2(fields: &[(&str, &str)], content: Option<&[u8]>) -> (usize, Option<u32>) {
    let (whole, handler) = counting();
    let world = World::start(handler);
    let mut raw = Raw::connect(world.tcp()).await;
    raw.start_http2().await;
    match content {
        None => raw.headers(1, fields, END_HEADERS | END_STREAM).await,
        Some(content) => {
            raw.headers(1, fields, END_HEADERS).await;
            raw.frame(DATA, END_STREAM, 1, content).await;
        }
    }
    loop {
        let Some(frame) = raw.read().await else { return (whole.load(SeqCst), None) };
        let code = |bytes: &[u8]| bytes.try_into().ok().map(u32::from_be_bytes);
        match frame.kind {
            RST_STREAM => return (whole.load(SeqCst), code(&frame.payload)),
            GOAWAY => return (whole.load(SeqCst), code(&frame.payload[4..8])),
            HEADERS => return (whole.load(SeqCst), None),
            _ => {}
        }
    }
}

const PROTOCOL_ERROR: Option<u32> = Some(1);

fn with<'a>(extra: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    REQUEST.iter().copied().chain(extra.iter().copied()).collect()
}

#[tokio::test]
async fn a_plain_http2_request_in_raw_bytes_is_served() {
    // What makes the refusals below mean something.
    assert_eq!(http2(&with(&[("x", "y")]), Some(b"ab")).await, (1, None));
}

#[tokio::test]
async fn an_http2_content_length_that_lies_is_refused() {
    assert_eq!(http2(&with(&[("content-length", "3")]), Some(b"ab")).await, (0, PROTOCOL_ERROR));
    assert_eq!(http2(&with(&[("content-length", "1")]), Some(b"ab")).await, (0, PROTOCOL_ERROR));
    assert_eq!(http2(&with(&[("content-length", "2")]), None).await, (0, PROTOCOL_ERROR));
    assert_eq!(http2(&with(&[("content-length", "x")]), Some(b"ab")).await, (0, PROTOCOL_ERROR));
    let two = with(&[("content-length", "2"), ("content-length", "3")]);
    assert_eq!(http2(&two, Some(b"ab")).await, (0, PROTOCOL_ERROR));
}

#[tokio::test]
async fn connection_fields_in_http2_are_refused() {
    for field in [
        ("connection", "close"),
        ("transfer-encoding", "chunked"),
        ("upgrade", "h2c"),
        ("keep-alive", "1"),
        ("proxy-connection", "close"),
        ("te", "gzip"),
    ] {
        assert_eq!(http2(&with(&[field]), Some(b"ab")).await, (0, PROTOCOL_ERROR), "{field:?}");
    }
    assert_eq!(http2(&with(&[("te", "trailers")]), Some(b"ab")).await, (1, None));
}

#[tokio::test]
async fn control_characters_in_http2_fields_are_refused() {
    for value in ["a\rb", "a\nb", "a\0b", "a\r\nx: y"] {
        let (whole, code) = http2(&with(&[("x", value)]), Some(b"ab")).await;
        assert_eq!(whole, 0, "{value:?}");
        assert!(code.is_some(), "{value:?}");
    }
    for name in ["X", "a b", "a\nb", ""] {
        let (whole, code) = http2(&with(&[(name, "y")]), Some(b"ab")).await;
        assert_eq!(whole, 0, "{name:?}");
        assert!(code.is_some(), "{name:?}");
    }
}

#[tokio::test]
async fn malformed_pseudo_fields_are_refused() {
    let doubled = with(&[(":path", "/b")]);
    let unknown = with(&[(":protocolx", "y")]);
    let late = [(":method", "POST"), (":scheme", "http"), ("x", "y"), (":path", "/"), (":authority", "a")];
    let empty_path = [(":method", "POST"), (":scheme", "http"), (":path", ""), (":authority", "a")];
    let no_method = [(":scheme", "http"), (":path", "/"), (":authority", "a")];
    let no_slash = [(":method", "POST"), (":scheme", "http"), (":path", "pkg.S/M"), (":authority", "a")];
    let whole_uri = [(":method", "POST"), (":scheme", "http"), (":path", "http://b/"), (":authority", "a")];
    let bad_scheme = [(":method", "POST"), (":scheme", "ht tp"), (":path", "/"), (":authority", "a")];
    let no_scheme = [(":method", "POST"), (":path", "/"), (":authority", "a")];
    let user = [(":method", "POST"), (":scheme", "http"), (":path", "/"), (":authority", "b c")];
    let answer = with(&[(":status", "200")]);
    for fields in [
        &doubled[..],
        &unknown,
        &late,
        &empty_path,
        &no_method,
        &answer,
        &no_slash,
        &whole_uri,
        &bad_scheme,
        &no_scheme,
        &user,
    ] {
        let (whole, code) = http2(fields, Some(b"ab")).await;
        assert_eq!(whole, 0, "{fields:?}");
        assert!(code.is_some(), "{fields:?}");
    }
}

#[tokio::test]
async fn an_http2_header_list_over_the_limit_is_not_served() {
    let (whole, handler) = counting();
    let mut settings = ServerSettings::default();
    settings.http2.max_header_bytes = 4 << 10;
    let world = World::with(settings, handler);
    let mut raw = Raw::connect(world.tcp()).await;
    raw.start_http2().await;
    let long = "y".repeat(5 << 10);
    raw.headers(1, &with(&[("x", &long)]), END_HEADERS | END_STREAM).await;
    // Answered 431 or reset; the stream alone, the connection goes on.
    loop {
        let frame = raw.read().await.expect("the connection goes on");
        if frame.stream == 1 {
            assert!(frame.kind == HEADERS || frame.kind == RST_STREAM);
            break;
        }
    }
    assert_eq!(whole.load(SeqCst), 0);
    raw.headers(3, &REQUEST, END_HEADERS | END_STREAM).await;
    until(|| whole.load(SeqCst) == 1).await;
}

#[tokio::test]
async fn a_preface_split_at_every_byte_is_recognized() {
    let (_, handler) = counting();
    let world = World::start(handler);
    for at in 1..PREFACE.len() {
        let mut raw = Raw::connect(world.tcp()).await;
        raw.write(&PREFACE[..at]).await;
        let received = world.stats().traffic.received.value();
        // Only once the first part has been seen alone is the rest sent.
        until(|| received == 0 || world.stats().traffic.received.value() >= at as u64).await;
        tokio::task::yield_now().await;
        raw.write(&PREFACE[at..]).await;
        raw.frame(SETTINGS, 0, 0, &[]).await;
        raw.headers(1, &REQUEST, END_HEADERS | END_STREAM).await;
        assert_eq!(raw.next(HEADERS).await.stream, 1, "split at {at}");
    }
    assert_eq!(world.stats().http2_connections_total.value(), PREFACE.len() as u64 - 1);
}

#[tokio::test]
async fn a_preface_byte_by_byte_is_recognized() {
    let (_, handler) = counting();
    let world = World::start(handler);
    let mut raw = Raw::connect(world.tcp()).await;
    for (at, byte) in PREFACE.iter().enumerate() {
        raw.write(&[*byte]).await;
        until(|| world.stats().traffic.received.value() > at as u64).await;
    }
    raw.frame(SETTINGS, 0, 0, &[]).await;
    raw.headers(1, &REQUEST, END_HEADERS | END_STREAM).await;
    assert_eq!(raw.next(HEADERS).await.stream, 1);
}

#[tokio::test]
async fn an_http1_request_that_starts_like_the_preface_is_http1() {
    let text = http1("PRI /a HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await;
    assert!(text.contains("[/a 0]"), "{text}");
}

#[tokio::test]
async fn pipelined_http1_requests_are_answered_in_order() {
    let text = http1(
        "GET /a HTTP/1.1\r\nhost: a\r\n\r\nPOST /b HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nxx\
         GET /c HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n",
    )
    .await;
    let order = ["[/a 0]", "[/b 2]", "[/c 0]"].map(|answer| text.find(answer).expect("an answer"));
    assert!(order.is_sorted(), "{text}");
}
