//! Server and upstream side, joined: every kind of message gets across, either HTTP.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use landbridge_net::{Address, Frame, SendError, Server, UpstreamHttp};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Notify;

use crate::world::*;

#[tokio::test]
async fn a_call_is_answered() {
    for http in BOTH {
        let world = World::start(echo());
        let answer = call(&world.endpoint(http), b"hello").await;
        assert_eq!(answer.expect("an answer"), "hello");
    }
}

#[tokio::test]
async fn a_call_over_a_unix_socket_is_answered() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("socket");
    for http in BOTH {
        let world = World::on(Address::Unix(path.clone()), Server::default(), echo());
        assert_eq!(call(&world.endpoint(http), b"hello").await.expect("an answer"), "hello");
        assert!(world.drain.run(PATIENCE).await);
        until(|| !path.exists()).await;
    }
}

#[tokio::test]
async fn a_whole_answer_over_http1_has_a_content_length_and_no_chunks() {
    let world = World::start(says("hello"));
    let mut socket = tokio::net::TcpStream::connect(world.tcp()).await.expect("connected");
    socket.write_all(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await.expect("sent");
    let mut text = String::new();
    within(socket.read_to_string(&mut text)).await.expect("read");
    assert!(text.starts_with("HTTP/1.1 200 OK\r\n"), "{text}");
    assert!(text.contains("content-length: 5\r\n"), "{text}");
    assert!(text.ends_with("\r\n\r\nhello"), "{text}");
}

#[tokio::test]
async fn trailers_arrive_over_http2() {
    let world = World::start(handler(|_request, respond| async move {
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", HeaderValue::from_static("0"));
        respond.respond_full(Response::new(()), Bytes::from_static(b"x"), Some(trailers));
    }));
    let (response, _body) =
        within(world.endpoint(UpstreamHttp::Http2).open(get("/"), true)).await.expect("open");
    let mut response = within(response).await.expect("a response");
    let (bytes, trailers) = collect(response.body_mut()).await.expect("a whole body");
    assert_eq!(bytes, "x");
    assert_eq!(trailers.expect("trailers")["grpc-status"], "0");
}

#[tokio::test]
async fn trailers_in_a_request_arrive_over_http2() {
    let world = World::start(echo());
    let (response, mut body) =
        within(world.endpoint(UpstreamHttp::Http2).open(post("/"), false)).await.expect("open");
    send(&mut body, b"x", false).await;
    let mut trailers = HeaderMap::new();
    trailers.insert("checksum", HeaderValue::from_static("1"));
    body.trailers(trailers).expect("sent");
    let mut response = within(response).await.expect("a response");
    let (bytes, trailers) = collect(response.body_mut()).await.expect("a whole body");
    assert_eq!(bytes, "x");
    assert_eq!(trailers.expect("trailers")["checksum"], "1");
}

#[tokio::test]
async fn messages_go_back_and_forth_in_full_duplex() {
    for http in BOTH {
        let world = World::start(echo());
        let (response, mut body) = within(world.endpoint(http).open(post("/"), false)).await.expect("open");
        send(&mut body, b"first", false).await;
        let mut response = within(response).await.expect("a response");
        assert_eq!(data(response.body_mut()).await, "first");
        for turn in ["second", "third"] {
            send(&mut body, turn.as_bytes(), false).await;
            assert_eq!(data(response.body_mut()).await, turn);
        }
        body.end().expect("ended");
        assert!(within(response.body_mut().frame()).await.is_none());
    }
}

#[tokio::test]
async fn large_content_goes_both_ways_at_once() {
    for http in BOTH {
        let world = World::start(echo());
        let content: Vec<u8> = (0..3_000_000_u32).map(|at| at as u8).collect();
        let answer = call(&world.endpoint(http), &content).await.expect("an answer");
        assert!(answer == content, "content differs over {http:?}");
    }
}

#[tokio::test]
async fn a_client_may_end_its_request_and_still_be_answered_bit_by_bit() {
    for http in BOTH {
        let (go, gone) = tokio::sync::mpsc::unbounded_channel::<()>();
        let gone = std::sync::Arc::new(tokio::sync::Mutex::new(gone));
        let world = World::start(handler(move |request, respond| {
            let gone = std::sync::Arc::clone(&gone);
            async move {
                let mut body = request.into_body();
                assert_eq!(collect(&mut body).await.expect("whole").0, "all of it");
                let mut answer = respond.respond(Response::new(()), false);
                for text in ["a", "b"] {
                    gone.lock().await.recv().await;
                    answer.data(Bytes::from_static(text.as_bytes()), false).await.expect("taken");
                }
                answer.end().expect("ended");
            }
        }));
        let (response, mut body) = within(world.endpoint(http).open(post("/"), false)).await.expect("open");
        send(&mut body, b"all of it", true).await;
        let mut response = within(response).await.expect("a response");
        for text in ["a", "b"] {
            go.send(()).expect("a handler");
            assert_eq!(data(response.body_mut()).await, text);
        }
        assert!(within(response.body_mut().frame()).await.is_none());
    }
}

#[tokio::test]
async fn a_server_may_end_its_answer_while_the_request_goes_on() {
    // Over HTTP/2, the only one where a client can go on: the answer is whole, then the request is told to stop.
    let world = World::start(says("enough"));
    let (response, mut body) =
        within(world.endpoint(UpstreamHttp::Http2).open(post("/"), false)).await.expect("open");
    let mut response = within(response).await.expect("a response");
    assert_eq!(collect(response.body_mut()).await.expect("whole").0, "enough");
    let refused = within(async {
        loop {
            if let Err(error) = body.data(Bytes::from_static(b"more"), false).await {
                break error;
            }
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(refused, landbridge_net::SendError::Reset(landbridge_net::Reason::NO_ERROR));
}

#[tokio::test]
async fn an_early_answer_over_http1_arrives_while_the_request_is_unfinished() {
    let world = World::start(says("enough"));
    let (response, _body) =
        within(world.endpoint(UpstreamHttp::Http1).open(post("/"), false)).await.expect("open");
    let mut response = within(response).await.expect("a response");
    assert_eq!(collect(response.body_mut()).await.expect("whole").0, "enough");
}

#[tokio::test]
async fn pieces_given_together_arrive_together() {
    for http in BOTH {
        let world = World::start(echo());
        let (response, mut body) = within(world.endpoint(http).open(post("/"), false)).await.expect("open");
        let pieces = ["ab", "cde", "f"].map(|text| Bytes::from_static(text.as_bytes()));
        within(body.data_chunks(pieces, true)).await.expect("taken");
        let mut response = within(response).await.expect("a response");
        assert_eq!(collect(response.body_mut()).await.expect("whole").0, "abcdef");
    }
}

#[tokio::test]
async fn a_prefix_and_its_payload_are_one_frame() {
    let world = World::start(handler(|request, respond| async move {
        let mut body = request.into_body();
        let first = body.frame().await.expect("a frame").expect("data");
        let Frame::Data(first) = first else { panic!("trailers") };
        respond.respond_full(Response::new(()), first, None);
    }));
    let (response, mut body) =
        within(world.endpoint(UpstreamHttp::Http2).open(post("/"), false)).await.expect("open");
    let payload = Bytes::from(vec![b'x'; 3_000]);
    within(body.data_chunks([Bytes::from_static(b"12345"), payload], true)).await.expect("taken");
    let mut response = within(response).await.expect("a response");
    assert_eq!(collect(response.body_mut()).await.expect("whole").0.len(), 3_005);
}

#[tokio::test]
async fn a_client_that_waits_for_100_continue_gets_it() {
    let world = World::start(handler(|request, respond| async move {
        let (content, _) = collect(&mut request.into_body()).await.expect("whole");
        respond.respond_full(Response::new(()), content, None);
    }));
    let mut socket = tokio::net::TcpStream::connect(world.tcp()).await.expect("connected");
    let head = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\nexpect: 100-continue\r\n\r\n";
    socket.write_all(head).await.expect("sent");
    let mut line = [0; 25];
    within(socket.read_exact(&mut line)).await.expect("read");
    assert_eq!(&line, b"HTTP/1.1 100 Continue\r\n\r\n");
    socket.write_all(b"ab").await.expect("sent");
    let mut line = [0; 15];
    within(socket.read_exact(&mut line)).await.expect("read");
    assert_eq!(&line, b"HTTP/1.1 200 OK");
}

#[tokio::test]
async fn http2_requests_with_an_expectation_are_not_left_waiting() {
    let world = World::start(echo());
    let mut head = post("/");
    head.headers_mut().insert(header::EXPECT, HeaderValue::from_static("100-continue"));
    let (response, mut body) =
        within(world.endpoint(UpstreamHttp::Http2).open(head, false)).await.expect("open");
    send(&mut body, b"x", true).await;
    // The 1xx answer on the way is passed over.
    assert_eq!(within(response).await.expect("a response").status(), StatusCode::OK);
}

#[tokio::test]
async fn a_head_request_gets_the_head_alone() {
    let world = World::start(says("hello"));
    let mut socket = tokio::net::TcpStream::connect(world.tcp()).await.expect("connected");
    let request = b"HEAD / HTTP/1.1\r\nhost: a\r\n\r\nGET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    socket.write_all(request).await.expect("sent");
    let mut text = String::new();
    within(socket.read_to_string(&mut text)).await.expect("read");
    assert_eq!(text.matches("HTTP/1.1 200 OK").count(), 2, "{text}");
    assert_eq!(text.matches("\r\n\r\nhello").count(), 1, "{text}");
}

#[tokio::test]
async fn a_tunnel_is_refused() {
    let world = World::start(echo());
    let mut socket = tokio::net::TcpStream::connect(world.tcp()).await.expect("connected");
    socket.write_all(b"CONNECT a:1 HTTP/1.1\r\nhost: a:1\r\n\r\n").await.expect("sent");
    let mut line = [0; 12];
    within(socket.read_exact(&mut line)).await.expect("read");
    assert_eq!(&line, b"HTTP/1.1 501");
}

#[tokio::test]
async fn an_upgrade_that_is_not_taken_is_an_ordinary_request() {
    let world = World::start(says("hello"));
    let mut socket = tokio::net::TcpStream::connect(world.tcp()).await.expect("connected");
    let head = b"GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade, http2-settings\r\nupgrade: h2c\r\n\r\n";
    socket.write_all(head).await.expect("sent");
    let mut line = [0; 15];
    within(socket.read_exact(&mut line)).await.expect("read");
    assert_eq!(&line, b"HTTP/1.1 200 OK");
}

#[tokio::test]
async fn a_handler_that_forgets_to_answer_fails_the_request() {
    for http in BOTH {
        let world = World::start(handler(|_request, _respond| async {}));
        let (response, _body) = within(world.endpoint(http).open(get("/"), true)).await.expect("open");
        match within(response).await {
            Ok(response) => assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR),
            Err(error) => assert_eq!(error.reason(), Some(landbridge_net::Reason::INTERNAL_ERROR)),
        }
    }
}

#[tokio::test]
async fn an_answer_left_unfinished_is_seen_as_cut() {
    for http in BOTH {
        let arrived = Arc::new(Notify::new());
        let has_arrived = Arc::clone(&arrived);
        let world = World::start(handler(move |_request, respond| {
            let has_arrived = Arc::clone(&has_arrived);
            async move {
                let mut answer = respond.respond(Response::new(()), false);
                answer.data(Bytes::from_static(b"some"), false).await.expect("taken");
                has_arrived.notified().await;
            }
        }));
        let (response, _body) = within(world.endpoint(http).open(get("/"), true)).await.expect("open");
        let mut response = within(response).await.expect("a response");
        assert_eq!(data(response.body_mut()).await, "some");
        arrived.notify_one();
        let cut = collect(response.body_mut()).await;
        assert!(cut.is_err(), "{http:?}: {cut:?}");
    }
}

#[tokio::test]
async fn the_connection_tells_who_is_there() {
    let world = World::start(handler(|_request, respond| async move {
        let connection = std::sync::Arc::clone(respond.connection());
        let text = format!("{} {} {:?}", connection.peer(), connection.local(), connection.http());
        respond.respond_full(Response::new(()), Bytes::from(text), None);
    }));
    for (http, name) in [(UpstreamHttp::Http1, "Http1"), (UpstreamHttp::Http2, "Http2")] {
        let text = call(&world.endpoint(http), b"").await.expect("an answer");
        let text = String::from_utf8(text.to_vec()).expect("text");
        assert!(text.starts_with("127.0.0.1:"), "{text}");
        assert!(text.ends_with(&format!("{} {name}", world.tcp())), "{text}");
    }
}

#[tokio::test]
async fn what_happened_is_counted() {
    let world = World::start(echo());
    let endpoint = world.endpoint(UpstreamHttp::Http2);
    for _ in 0..3 {
        call(&endpoint, b"hello").await.expect("an answer");
    }
    until(|| world.stats().requests_active.value() == 0 && endpoint.active() == 0).await;
    assert_eq!(world.stats().requests_total.value(), 3);
    assert_eq!(world.stats().http2_connections_active.value(), 1);
    assert_eq!(endpoint.stats().requests_total.value(), 3);
    assert_eq!(endpoint.stats().connections_total.value(), 1);
    assert_eq!(world.stats().resets_received.value() + world.stats().resets_sent.value(), 0);
    assert!(endpoint.stats().traffic.sent.value() >= 24 + 3 * 9);
    until(|| world.stats().traffic.received.value() == endpoint.stats().traffic.sent.value()).await;
}

/// Answers `/whole` in one piece and anything else in two, by a head that announces ten bytes, and three are given:
/// or thirteen, to a path that says so.
fn misjudges(seen: Arc<Mutex<Vec<SendError>>>) -> FnHandler {
    handler(move |request, respond| {
        let seen = Arc::clone(&seen);
        async move {
            let path = request.uri().path().to_owned();
            let content = if path.contains("long") { "abcdefghijxyz" } else { "abc" };
            let head = Response::builder().header("content-length", "10").body(()).expect("a head");
            let told = if path.contains("whole") {
                respond.try_respond_full(head, content.into(), None)
            } else {
                let mut answer = respond.respond(head, false);
                let begun = answer.data(Bytes::from_static(&content.as_bytes()[..2]), false).await;
                begun.expect("the client is there");
                tokio::task::yield_now().await;
                answer.data(Bytes::from_static(&content.as_bytes()[2..]), true).await
            };
            seen.lock().expect("unbroken").push(told.expect_err("a wrong length"));
        }
    })
}

#[tokio::test]
async fn an_answer_shorter_than_its_content_length_is_cut_off() {
    for path in ["/whole", "/pieces"] {
        let seen = Arc::default();
        let world = World::start(misjudges(Arc::clone(&seen)));
        // Were the connection not closed, this would wait for it until it is idle for minutes.
        let mut socket = tokio::net::TcpStream::connect(world.tcp()).await.expect("connected");
        socket.write_all(format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n").as_bytes()).await.expect("sent");
        let mut text = String::new();
        within(socket.read_to_string(&mut text)).await.expect("read");
        assert!(text.is_empty() || text.ends_with("\r\n\r\nabc") || text.ends_with("\r\n\r\nab"), "{text}");
        for http in BOTH {
            let (response, _body) = within(world.endpoint(http).open(get(path), true)).await.expect("open");
            match within(response).await {
                Ok(mut response) => assert!(collect(response.body_mut()).await.is_err()),
                Err(_cut) => {}
            }
        }
        let seen = seen.lock().expect("unbroken");
        assert_eq!(*seen, vec![SendError::Length { announced: 10, given: 3 }; 3]);
    }
}

#[tokio::test]
async fn of_an_answer_longer_than_its_content_length_so_much_is_sent() {
    for path in ["/whole-long", "/pieces-long"] {
        let seen = Arc::default();
        let world = World::start(misjudges(Arc::clone(&seen)));
        for http in BOTH {
            let endpoint = world.endpoint(http);
            for _ in 0..2 {
                let (response, _body) = within(endpoint.open(get(path), true)).await.expect("open");
                let mut response = within(response).await.expect("a response");
                assert_eq!(collect(response.body_mut()).await.expect("a whole body").0, "abcdefghij");
            }
            assert_eq!(endpoint.stats().connections_total.value(), 1);
        }
        until(|| seen.lock().expect("unbroken").len() == 4).await;
        assert_eq!(seen.lock().expect("unbroken")[3], SendError::Length { announced: 10, given: 13 });
    }
}

#[tokio::test]
async fn an_answer_that_has_no_content_is_sent_without_what_is_given_for_it() {
    let world = World::start(handler(|request, respond| async move {
        let status = request.headers()["x-status"].to_str().expect("text");
        let mut head = Response::builder().status(status).body(()).expect("a head");
        if status != "304" {
            head.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from_static("3"));
        }
        if request.uri().path() == "/whole" {
            respond.respond_full(head, Bytes::from_static(b"abc"), None);
        } else {
            let mut answer = respond.respond(head, false);
            answer.data(Bytes::from_static(b"abc"), false).await.expect("taken");
            answer.end().expect("taken");
        }
    }));
    for http in BOTH {
        let endpoint = world.endpoint(http);
        for (method, status) in [("GET", "204"), ("GET", "304"), ("HEAD", "200")] {
            for path in ["/whole", "/pieces"] {
                let request = Request::builder().method(method).uri(path).header("x-status", status).body(());
                let (response, _body) =
                    within(endpoint.open(request.expect("a request"), true)).await.expect("open");
                let mut response = within(response).await.expect("a response");
                assert_eq!(response.status().as_str(), status);
                assert_eq!(response.headers().contains_key("content-length"), method == "HEAD", "{status}");
                assert_eq!(collect(response.body_mut()).await.expect("a whole body").0, "");
            }
        }
        assert_eq!(endpoint.stats().connections_total.value(), 1, "{http:?}");
    }
}
