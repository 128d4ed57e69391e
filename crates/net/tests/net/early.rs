//! Answers that are complete before their requests: they arrive whole, and the connection's other calls go on.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use http::{Response, StatusCode};
use landbridge_net::{ALPN_HTTP1, Reason, Server, ServerSettings, ServerTls, ServerTlsConfig, UpstreamHttp};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::raw::*;
use crate::tls::Authority;
use crate::world::*;

/// Answers 413 and reads nothing.
fn refusing() -> FnHandler {
    handler(|_request, respond| async move {
        let mut head = Response::new(());
        *head.status_mut() = StatusCode::PAYLOAD_TOO_LARGE;
        respond.respond_full(head, Bytes::from_static(b"too much"), None);
    })
}

/// The server's patience is longer than the test's: what is closed in time is not closed by the clock.
fn patient() -> ServerSettings {
    ServerSettings { lingering_time: PATIENCE * 2, ..ServerSettings::default() }
}

const LARGE: usize = 16 << 20;

/// Sends a large request without looking up, and only then reads: to the end of the connection where the length was
/// announced, else the answer to another request, too.
async fn upload(socket: &mut (impl AsyncRead + AsyncWrite + Unpin), chunked: bool) -> io::Result<String> {
    let framing =
        if chunked { "transfer-encoding: chunked".into() } else { format!("content-length: {LARGE}") };
    socket.write_all(format!("POST / HTTP/1.1\r\nhost: a\r\n{framing}\r\n\r\n").as_bytes()).await?;
    if chunked {
        socket.write_all(format!("{LARGE:x}\r\n").as_bytes()).await?;
    }
    let piece = vec![b'x'; 64 << 10];
    for _ in 0..LARGE / piece.len() {
        socket.write_all(&piece).await?;
    }
    if chunked {
        socket.write_all(b"\r\n0\r\n\r\n").await?;
        socket.write_all(b"POST / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await?;
    }
    socket.flush().await?;
    let mut text = String::new();
    socket.read_to_string(&mut text).await?;
    Ok(text)
}

#[tokio::test]
async fn an_http1_client_that_sends_to_the_end_still_gets_the_early_answer() {
    for chunked in [false, true] {
        let world = World::with(patient(), refusing());
        let mut socket = TcpStream::connect(world.tcp()).await.expect("connected");
        let text = within(upload(&mut socket, chunked)).await.expect("no reset");
        assert!(text.starts_with("HTTP/1.1 413") && text.ends_with("too much"), "{text}");
        // No answer says that the connection goes on, and then it does not.
        assert_eq!(text.matches("HTTP/1.1 413").count(), if chunked { 2 } else { 1 }, "{text}");
        drop(socket);
        until(|| world.stats().connections_active.value() == 0).await;
    }
}

#[tokio::test]
async fn the_early_answer_arrives_under_tls_too() {
    let authority = Authority::new();
    let tls = ServerTls::load(&ServerTlsConfig {
        alpn: vec![ALPN_HTTP1.to_vec()],
        ..crate::tls::server_config(&authority, &["localhost"])
    })
    .expect("a configuration");
    let server = Server { settings: patient(), tls: Some(tls), ..Server::default() };
    let world = World::on(loopback(), server, refusing());
    for chunked in [false, true] {
        let mut socket = authority.connect(world.tcp(), "localhost").await;
        // An end without close_notify would be an error here.
        let text = within(upload(&mut socket, chunked)).await.expect("no reset, and a proper end");
        assert!(text.starts_with("HTTP/1.1 413") && text.ends_with("too much"), "{text}");
    }
    until(|| world.stats().connections_active.value() == 0).await;
}

#[tokio::test]
async fn a_stream_that_is_answered_early_ends_well_for_a_client_that_goes_on() {
    // The answer ends while its request is coming in, from a handler that has moved to a task of its own.
    let world = World::with(
        patient(),
        handler(|request, respond| async move {
            let mut body = request.into_body();
            let mut answer = respond.respond(Response::new(()), false);
            let _piece = body.frame().await;
            answer.data(Bytes::from_static(b"enough"), false).await.expect("taken");
            let _piece = body.frame().await;
            answer.end().expect("taken");
        }),
    );
    let mut socket = TcpStream::connect(world.tcp()).await.expect("connected");
    let text = within(upload(&mut socket, true)).await.expect("no reset");
    let (first, second) = text.split_once("0\r\n\r\nHTTP/1.1 200").expect("a whole answer, and the next");
    assert!(first.contains("enough") && second.contains("enough"), "{text}");
}

#[tokio::test]
async fn a_head_that_is_too_large_is_told_so() {
    let world = World::with(patient(), says("x"));
    let mut socket = TcpStream::connect(world.tcp()).await.expect("connected");
    let head = format!("GET / HTTP/1.1\r\nx: {}\r\n\r\n", "y".repeat(LARGE));
    within(socket.write_all(head.as_bytes())).await.expect("taken");
    let mut text = String::new();
    within(socket.read_to_string(&mut text)).await.expect("no reset");
    assert!(text.starts_with("HTTP/1.1 431"), "{text}");
}

#[tokio::test]
async fn a_small_rest_of_a_request_does_not_cost_the_connection() {
    for (framing, rest) in [
        ("content-length: 6", &b"unread"[..]),
        ("transfer-encoding: chunked", &b"6\r\nunread\r\n0\r\n\r\n"[..]),
    ] {
        let world = World::with(patient(), refusing());
        let mut raw = Raw::connect(world.tcp()).await;
        for _ in 0..3 {
            raw.write(format!("POST / HTTP/1.1\r\nhost: a\r\n{framing}\r\n\r\n").as_bytes()).await;
            let mut answer = Vec::new();
            while !answer.ends_with(b"too much") {
                assert!(within(raw.socket.read_buf(&mut answer)).await.expect("read") > 0);
            }
            assert!(!String::from_utf8_lossy(&answer).contains("connection: close"));
            // In two packets, and only now.
            raw.write(&rest[..3]).await;
            raw.write(&rest[3..]).await;
        }
        assert_eq!(world.stats().requests_total.value(), 3);
        // Idle again, it ends with its client and without lingering.
        drop(raw);
        assert!(within(world.drain.run(PATIENCE)).await);
    }
}

#[tokio::test]
async fn a_connection_rests_after_a_discarded_request_as_long_as_after_any() {
    let settings = ServerSettings { header_timeout: Duration::from_millis(50), ..patient() };
    let world = World::with(settings, refusing());
    let mut raw = Raw::connect(world.tcp()).await;
    raw.write(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 6\r\n\r\n").await;
    until(|| world.stats().requests_total.value() == 1 && world.stats().requests_active.value() == 0).await;
    raw.write(b"unread").await;
    tokio::time::sleep(Duration::from_millis(150)).await;
    raw.write(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await;
    assert_eq!(raw.rest().await.matches("too much").count(), 2);
    assert_eq!(world.stats().timeouts.value(), 0);
}

#[tokio::test]
async fn a_client_is_told_when_its_large_request_costs_the_connection() {
    let world = World::with(patient(), refusing());
    for head in ["content-length: 1000000000", "content-length: 6\r\nexpect: 100-continue"] {
        let mut raw = Raw::connect(world.tcp()).await;
        raw.write(format!("POST / HTTP/1.1\r\nhost: a\r\n{head}\r\n\r\n").as_bytes()).await;
        let text = raw.rest().await;
        assert!(text.starts_with("HTTP/1.1 413") && text.contains("connection: close\r\n"), "{text}");
    }
}

#[tokio::test]
async fn a_client_that_never_finishes_is_closed() {
    let settings = ServerSettings { lingering_time: Duration::from_millis(50), ..ServerSettings::default() };
    let world = World::with(settings, refusing());
    for length in ["6", "1000000000"] {
        let mut raw = Raw::connect(world.tcp()).await;
        raw.write(format!("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: {length}\r\n\r\n").as_bytes()).await;
        assert!(raw.rest().await.ends_with("too much"));
        // Our end of it is still open.
        until(|| world.stats().connections_active.value() == 0).await;
    }
}

#[tokio::test]
async fn a_connection_without_anything_unread_closes_at_once() {
    let world = World::with(patient(), echo());
    let mut raw = Raw::connect(world.tcp()).await;
    raw.write(b"POST / HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 1\r\n\r\nx").await;
    assert!(raw.rest().await.ends_with('x'));
    until(|| world.stats().connections_active.value() == 0).await;
}

#[tokio::test]
async fn an_http2_client_gets_the_whole_early_answer_and_is_asked_to_stop_sending() {
    // More than the client's windows let through at first.
    const LENGTH: usize = 200_000;
    let settings = ServerSettings { lingering_time: Duration::from_millis(50), ..ServerSettings::default() };
    let large = handler(|_request, respond| async move {
        respond.respond_full(Response::new(()), Bytes::from(vec![b'x'; LENGTH]), None);
    });
    let world = World::with(settings, large);
    let mut raw = Raw::connect(world.tcp()).await;
    raw.start_http2().await;
    raw.headers(1, &REQUEST, END_HEADERS).await;
    let mut received = 0;
    while received < LENGTH {
        let frame = raw.read().await.expect("the connection stays");
        assert!(frame.kind != GOAWAY && frame.kind != RST_STREAM, "{frame:?} after {received} bytes");
        if frame.kind == DATA {
            received += frame.payload.len();
            // The client goes on sending, too.
            raw.frame(DATA, 0, 1, b"more").await;
            let window = u32::try_from(frame.payload.len()).expect("short").to_be_bytes();
            raw.frame(WINDOW_UPDATE, 0, 0, &window).await;
            raw.frame(WINDOW_UPDATE, 0, 1, &window).await;
        }
    }
    assert_eq!(received, LENGTH);
    let reset = raw.next(RST_STREAM).await;
    assert_eq!(reset.payload, u32::from(Reason::NO_ERROR).to_be_bytes());
    // What was on its way is no error, and the connection goes on.
    raw.frame(DATA, END_STREAM, 1, b"late").await;
    raw.headers(3, &REQUEST, END_HEADERS | END_STREAM).await;
    assert_eq!(raw.next(HEADERS).await.stream, 3);
}

#[tokio::test]
async fn an_http2_client_that_sends_to_the_end_is_not_reset_behind_the_early_answer() {
    // Some clients drop the answer of a stream that is reset, whatever for.
    let world = World::with(patient(), refusing());
    let endpoint = world.endpoint(UpstreamHttp::Http2);
    for _ in 0..3 {
        let (response, mut body) = within(endpoint.open(post("/"), false)).await.expect("open");
        let mut response = within(response).await.expect("an answer");
        assert_eq!(collect(response.body_mut()).await.expect("whole").0, "too much");
        until(|| world.stats().requests_active.value() == 0).await;
        // More than the windows let through at first: somebody has to go on reading.
        within(body.data(Bytes::from(vec![0; LARGE]), true)).await.expect("taken to the end");
    }
    assert_eq!(endpoint.stats().connections_total.value(), 1);
    assert_eq!(endpoint.stats().resets_received.value(), 0);
}

#[tokio::test]
async fn an_http2_client_that_never_finishes_is_stopped_and_keeps_its_connection() {
    let settings = ServerSettings { lingering_time: Duration::from_millis(50), ..ServerSettings::default() };
    let world = World::with(settings, refusing());
    let mut raw = Raw::connect(world.tcp()).await;
    raw.start_http2().await;
    raw.headers(1, &REQUEST, END_HEADERS).await;
    let reset = raw.next(RST_STREAM).await;
    assert_eq!((reset.stream, &reset.payload[..]), (1, &u32::from(Reason::NO_ERROR).to_be_bytes()[..]));
    raw.headers(3, &REQUEST, END_HEADERS | END_STREAM).await;
    assert_eq!(raw.next(HEADERS).await.stream, 3);
}

#[tokio::test]
async fn an_http2_request_that_is_not_read_leaves_the_connection_to_others() {
    const WINDOW: u32 = 65_535;
    let settings = {
        let mut settings = ServerSettings::default();
        settings.http2.stream_window = WINDOW;
        settings.http2.connection_window = 2 * WINDOW;
        settings
    };
    let unread = handler(|request, respond| async move {
        if request.uri().path() == "/echo" {
            let mut body = request.into_body();
            let (bytes, _) = collect(&mut body).await.expect("whole");
            return respond.respond_full(Response::new(()), bytes, None);
        }
        drop(request);
        // It goes on answering, so the stream stays open.
        let _answer = respond.respond(Response::new(()), false);
        std::future::pending::<()>().await;
    });
    let world = World::with(settings, unread);
    let endpoint = world.endpoint(UpstreamHttp::Http2);
    let mut open = Vec::new();
    for _ in 0..8 {
        let (response, mut body) = within(endpoint.open(post("/"), false)).await.expect("open");
        within(body.data(Bytes::from(vec![0; WINDOW as usize]), false)).await.expect("the window lets it go");
        open.push((within(response).await.expect("a response"), body));
    }
    let (response, mut body) = within(endpoint.open(post("/echo"), false)).await.expect("open");
    within(body.data(Bytes::from(vec![7; WINDOW as usize]), true)).await.expect("taken");
    let mut response = within(response).await.expect("a response");
    assert_eq!(collect(response.body_mut()).await.expect("whole").0.len(), WINDOW as usize);
    assert_eq!(endpoint.stats().connections_total.value(), 1);
}
