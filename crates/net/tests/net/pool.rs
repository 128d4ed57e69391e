//! How an endpoint shares its connections among requests.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use landbridge_net::{ConnectError, Endpoint, EndpointConfig, OpenError, ServerSettings, UpstreamHttp};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Semaphore;

use crate::world::*;

/// Answers when told to.
fn held(permits: &Arc<Semaphore>) -> FnHandler {
    let permits = Arc::clone(permits);
    handler(move |_request, respond| {
        let permits = Arc::clone(&permits);
        async move {
            permits.acquire().await.expect("open").forget();
            respond.respond_full(Response::new(()), Bytes::new(), None);
        }
    })
}

#[tokio::test]
async fn http2_requests_share_one_connection() {
    let permits = Arc::new(Semaphore::new(0));
    let world = World::start(held(&permits));
    let endpoint = world.endpoint(UpstreamHttp::Http2);
    let calls: Vec<_> = (0..50)
        .map(|_| {
            let endpoint = endpoint.clone();
            tokio::spawn(async move { call(&endpoint, b"x").await })
        })
        .collect();
    until(|| world.stats().requests_active.value() == 50).await;
    permits.add_permits(50);
    for call in calls {
        within(call).await.expect("no panic").expect("an answer");
    }
    assert_eq!(endpoint.stats().connections_total.value(), 1);
}

#[tokio::test]
async fn another_http2_connection_is_opened_when_the_streams_of_one_are_taken() {
    let permits = Arc::new(Semaphore::new(0));
    let settings = ServerSettings { max_concurrent_streams: 2, ..ServerSettings::default() };
    let world = World::with(settings, held(&permits));
    let endpoint = world.endpoint(UpstreamHttp::Http2);
    permits.add_permits(1);
    // Lets the endpoint learn what the server allows.
    call(&endpoint, b"x").await.expect("an answer");
    let calls: Vec<_> = (0..6)
        .map(|_| {
            let endpoint = endpoint.clone();
            tokio::spawn(async move {
                let (response, _body) = within(endpoint.open(get("/"), true)).await.expect("open");
                within(response).await.map(drop)
            })
        })
        .collect();
    until(|| world.stats().requests_active.value() >= 4).await;
    permits.add_permits(6);
    for call in calls {
        let ended = within(call).await.expect("no panic");
        // Before a new connection has said what it allows, more may be tried on it; those are refused unprocessed.
        assert!(
            ended.as_ref().is_ok() || ended.as_ref().is_err_and(|error| error.is_unprocessed()),
            "{ended:?}"
        );
    }
    assert!(endpoint.stats().connections_total.value() >= 2);
}

#[tokio::test]
async fn requests_over_the_limits_wait_and_then_overflow() {
    for http in BOTH {
        let permits = Arc::new(Semaphore::new(0));
        let world = World::start(held(&permits));
        let endpoint = world.endpoint_with(|config| {
            config.settings.http = http;
            config.settings.max_connections = 1;
            config.settings.max_concurrent_streams = Some(1);
            config.settings.max_pending = 1;
        });
        let (first, _body) = within(endpoint.open(get("/"), true)).await.expect("open");
        let waiting = tokio::spawn({
            let endpoint = endpoint.clone();
            async move { call(&endpoint, b"").await }
        });
        until(|| endpoint.stats().requests_pending.value() == 1).await;
        let error = within(endpoint.open(get("/"), true)).await.expect_err("one too many");
        assert!(matches!(error, OpenError::Overflow { limit: 1, .. }), "{error}");
        permits.add_permits(2);
        let mut first = within(first).await.expect("a response");
        collect(first.body_mut()).await.expect("whole");
        drop(first);
        within(waiting).await.expect("no panic").expect("an answer");
        assert_eq!(endpoint.stats().connections_total.value(), 1, "{http:?}");
        assert_eq!(endpoint.stats().pending_overflow.value(), 1);
    }
}

#[tokio::test]
async fn all_that_wait_get_their_turn() {
    for http in BOTH {
        let world = World::start(echo());
        let endpoint = world.endpoint_with(|config| {
            config.settings.http = http;
            config.settings.max_connections = 2;
            config.settings.max_concurrent_streams = Some(2);
        });
        let calls: Vec<_> = (0..200)
            .map(|at| {
                let endpoint = endpoint.clone();
                tokio::spawn(async move {
                    if at % 7 == 0 {
                        // Some lose patience; nobody else may suffer.
                        let _gone = tokio::time::timeout(Duration::ZERO, call(&endpoint, b"x")).await;
                    } else {
                        call(&endpoint, b"x").await.expect("an answer");
                    }
                })
            })
            .collect();
        for call in calls {
            within(call).await.expect("answered");
        }
        assert_eq!(endpoint.stats().requests_pending.value(), 0);
        until(|| endpoint.active() == 0).await;
    }
}

#[tokio::test]
async fn http1_connections_are_used_again() {
    let world = World::start(echo());
    let endpoint = world.endpoint(UpstreamHttp::Http1);
    for _ in 0..5 {
        call(&endpoint, b"x").await.expect("an answer");
    }
    assert_eq!(endpoint.stats().connections_total.value(), 1);
}

#[tokio::test]
async fn a_failing_endpoint_fails_fast_and_says_when_it_tries_again() {
    // Bound, so that nobody else can, and never listened on.
    let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
    socket.bind("127.0.0.1:0".parse().expect("an address")).expect("a port");
    let address = socket.local_addr().expect("an address");
    let mut config = EndpointConfig::new(address);
    config.settings.backoff_base = Duration::from_secs(3_600);
    config.settings.backoff_max = Duration::from_secs(3_600);
    let endpoint = Endpoint::new(config);
    for _ in 0..2 {
        let error = within(endpoint.open(get("/"), true)).await.expect_err("refused");
        assert!(matches!(error, OpenError::Connect(ConnectError::Socket { .. })), "{error}");
    }
    let error = within(endpoint.open(get("/"), true)).await.expect_err("too early");
    let OpenError::BackingOff { retry_in, .. } = &error else { panic!("{error}") };
    assert!(*retry_in >= Duration::from_secs(1_700), "{retry_in:?}");
    assert_eq!(endpoint.stats().connect_failures.value(), 2);
    assert!(error.to_string().contains(&address.to_string()), "{error}");
}

#[tokio::test]
async fn a_connect_that_vanishes_times_out() {
    // A full backlog of an address that does not accept lets further connects hang, as a black hole would.
    let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
    socket.bind("127.0.0.1:0".parse().expect("an address")).expect("a port");
    let listener = socket.listen(1).expect("listening");
    let address = listener.local_addr().expect("an address");
    let mut filling = Vec::new();
    loop {
        let connect = tokio::net::TcpStream::connect(address);
        match tokio::time::timeout(Duration::from_millis(200), connect).await {
            Ok(socket) => filling.push(socket.expect("connected")),
            Err(_full) => break,
        }
    }
    let mut config = EndpointConfig::new(address);
    config.settings.connect_timeout = Duration::from_millis(100);
    let endpoint = Endpoint::new(config);
    let error = within(endpoint.open(get("/"), true)).await.expect_err("a black hole");
    assert!(matches!(error, OpenError::Connect(ConnectError::Timeout { .. })), "{error}");
    assert_eq!(endpoint.stats().connect_timeouts.value(), 1);
}

#[tokio::test]
async fn a_caller_that_loses_patience_leaves_the_attempt_to_the_next() {
    let world = World::start(echo());
    let endpoint = world.endpoint(UpstreamHttp::Http2);
    drop(tokio::time::timeout(Duration::ZERO, endpoint.open(get("/"), true)).await);
    call(&endpoint, b"x").await.expect("an answer");
    assert_eq!(endpoint.stats().connections_total.value(), 1);
    assert_eq!(endpoint.stats().requests_pending.value(), 0);
}

#[tokio::test]
async fn retired_connections_finish_and_are_replaced() {
    for http in BOTH {
        let world = World::start(echo());
        let endpoint = world.endpoint(http);
        let (response, mut body) = within(endpoint.open(post("/"), false)).await.expect("open");
        endpoint.retire_connections();
        call(&endpoint, b"x").await.expect("an answer on a new connection");
        assert_eq!(endpoint.stats().connections_total.value(), 2);
        send(&mut body, b"y", true).await;
        let mut response = within(response).await.expect("a response");
        assert_eq!(collect(response.body_mut()).await.expect("whole").0, "y");
        drop((response, body));
        until(|| endpoint.status().borrow().connections == 1).await;
    }
}

#[tokio::test]
async fn an_endpoint_that_is_dropped_closes_its_connections() {
    for http in BOTH {
        let world = World::start(echo());
        let endpoint = world.endpoint(http);
        call(&endpoint, b"x").await.expect("an answer");
        drop(endpoint);
        until(|| world.stats().connections_active.value() == 0).await;
    }
}

#[tokio::test]
async fn a_stale_http1_connection_costs_no_request() {
    // The server closes the connection after each answer without saying so.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let mut config = EndpointConfig::new(listener.local_addr().expect("an address"));
    config.settings.http = UpstreamHttp::Http1;
    let endpoint = Endpoint::new(config);
    tokio::spawn(async move {
        loop {
            let (mut socket, _peer) = listener.accept().await.expect("accepted");
            let mut head = [0; 1024];
            let _read = socket.read(&mut head).await;
            let _sent = socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
        }
    });
    let mut status = endpoint.status();
    for _ in 0..5 {
        let (response, _body) = within(endpoint.open(get("/"), true)).await.expect("open");
        let mut response = within(response).await.expect("an answer");
        collect(response.body_mut()).await.expect("whole");
        // The close has arrived; a request right before it would be lost, and rightly not sent again.
        within(status.wait_for(|status| status.connections == 0)).await.expect("an endpoint");
    }
}

#[tokio::test]
async fn an_http1_answer_that_is_cut_is_not_tried_again() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let mut config = EndpointConfig::new(listener.local_addr().expect("an address"));
    config.settings.http = UpstreamHttp::Http1;
    let endpoint = Endpoint::new(config);
    let server = tokio::spawn(async move {
        let (mut socket, _peer) = listener.accept().await.expect("accepted");
        let mut head = [0; 1024];
        let _read = socket.read(&mut head).await;
        drop(socket);
        listener
    });
    let (response, _body) = within(endpoint.open(get("/"), true)).await.expect("open");
    let error = within(response).await.expect_err("cut");
    assert!(matches!(error, landbridge_net::RecvError::Closed(_)), "{error:?}");
    let listener = within(server).await.expect("no panic");
    let again = tokio::time::timeout(Duration::from_millis(100), listener.accept()).await;
    assert!(again.is_err(), "the request came again");
}

#[tokio::test]
async fn an_http1_informational_answer_is_passed_over() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let mut config = EndpointConfig::new(listener.local_addr().expect("an address"));
    config.settings.http = UpstreamHttp::Http1;
    let endpoint = Endpoint::new(config);
    tokio::spawn(async move {
        let (mut socket, _peer) = listener.accept().await.expect("accepted");
        let mut head = [0; 1024];
        let _read = socket.read(&mut head).await;
        let text = b"HTTP/1.1 103 Early Hints\r\nx: y\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
        let _sent = socket.write_all(text).await;
    });
    assert_eq!(call(&endpoint, b"").await.expect("an answer"), "ok");
}

#[tokio::test]
async fn a_request_that_http_cannot_carry_is_refused_before_it_is_sent() {
    let world = World::start(echo());
    let mut head = get("/");
    head.headers_mut().insert("connection", "close".parse().expect("a value"));
    let error = within(world.endpoint(UpstreamHttp::Http2).open(head, true)).await.expect_err("malformed");
    assert!(matches!(error, OpenError::Invalid { .. }), "{error}");
}

#[tokio::test]
async fn a_connection_that_drains_does_not_hold_up_new_requests() {
    let permits = Arc::new(Semaphore::new(0));
    let world = World::start(held(&permits));
    let endpoint = world.endpoint(UpstreamHttp::Http2);
    let (response, _body) = within(endpoint.open(get("/"), true)).await.expect("open");
    until(|| world.stats().requests_active.value() == 1).await;
    world.drain.begin();
    loop {
        match within(endpoint.open(get("/"), true)).await {
            // The word that the connection takes no more is still on its way.
            Ok(taken) => drop(taken),
            Err(OpenError::Connect(_) | OpenError::BackingOff { .. }) => break,
            Err(other) => panic!("{other}"),
        }
        tokio::task::yield_now().await;
    }
    permits.add_permits(100);
    within(response).await.expect("an answer");
}
