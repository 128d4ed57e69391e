//! Leaving, breaking and coming back: nothing is lost that need not be.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use bytes::Bytes;
use http::{Response, Version};
use landbridge_net::{
    Drain, DrainPhase, Endpoint, EndpointConfig, ListenSettings, Listener, OpenError, RecvError, Server,
    ServerHttp, ServerSettings, UpstreamHttp, serve,
};
use tokio::sync::Notify;

use crate::raw::*;
use crate::world::*;

#[tokio::test]
async fn drain_lets_requests_in_flight_finish_and_takes_no_new_connections() {
    for http in BOTH {
        let go = Arc::new(Notify::new());
        let finish = Arc::clone(&go);
        let world = World::start(handler(move |_request, respond| {
            let finish = Arc::clone(&finish);
            async move {
                let connection = Arc::clone(respond.connection());
                finish.notified().await;
                let text = if connection.is_retiring() { "retiring" } else { "staying" };
                respond.respond_full(Response::new(()), Bytes::from_static(text.as_bytes()), None);
            }
        }));
        let endpoint = world.endpoint(http);
        let (response, _body) = within(endpoint.open(get("/"), true)).await.expect("open");
        until(|| world.stats().requests_active.value() == 1).await;
        world.drain.begin();
        // The accept loop is gone; the one connection is still there.
        until(|| world.drain.live() == 1).await;
        assert!(tokio::net::TcpStream::connect(world.tcp()).await.is_err(), "{http:?}");
        go.notify_one();
        let mut response = within(response).await.expect("a response");
        assert_eq!(collect(response.body_mut()).await.expect("whole").0, "retiring", "{http:?}");
        within(world.drain.finished()).await;
        assert_eq!(world.drain.phase(), DrainPhase::Draining);
    }
}

#[tokio::test]
async fn drain_closes_idle_connections() {
    for http in BOTH {
        let world = World::start(echo());
        let endpoint = world.endpoint(http);
        call(&endpoint, b"x").await.expect("an answer");
        assert!(within(world.drain.run(PATIENCE)).await);
        until(|| endpoint.status().borrow().connections == 0).await;
    }
}

#[tokio::test]
async fn an_idle_http1_connection_gets_one_more_answer_during_a_drain() {
    // A client cannot be told between two requests, and its next may be on its way.
    let settings = ServerSettings { lingering_time: PATIENCE * 2, ..ServerSettings::default() };
    let world = World::with(settings, echo());
    let mut raw = Raw::connect(world.tcp()).await;
    raw.write(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\n\r\na").await;
    until(|| world.stats().requests_total.value() == 1 && world.stats().requests_active.value() == 0).await;
    world.drain.begin();
    until(|| world.drain.live() == 1).await;
    raw.write(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\n\r\nb").await;
    let text = raw.rest().await;
    let (first, second) = text.split_once("\r\n\r\na").expect("two answers");
    assert!(!first.contains("connection: close"), "{text}");
    assert!(second.contains("connection: close\r\n"), "{text}");
    within(world.drain.finished()).await;
}

#[tokio::test]
async fn drain_tells_http1_clients_to_close() {
    let go = Arc::new(Notify::new());
    let world = World::start(says_when(&go, ""));
    let mut raw = Raw::connect(world.tcp()).await;
    raw.write(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    until(|| world.stats().requests_active.value() == 1).await;
    world.drain.begin();
    until(|| world.drain.live() == 1).await;
    go.notify_one();
    let text = raw.rest().await;
    assert!(text.contains("connection: close\r\n"), "{text}");
}

/// A server that echoes, and whose drain has begun with stream 1 of this client under way.
async fn draining_with_one_stream() -> (World, Raw) {
    let world = World::start(echo());
    let mut raw = Raw::connect(world.tcp()).await;
    raw.start_http2().await;
    raw.headers(1, &REQUEST, END_HEADERS).await;
    raw.next(HEADERS).await;
    world.drain.begin();
    (world, raw)
}

#[tokio::test]
async fn drain_says_goaway_in_two_steps() {
    let (world, mut raw) = draining_with_one_stream().await;
    let first = raw.next(GOAWAY).await;
    assert_eq!(first.payload[..4], 0x7fff_ffff_u32.to_be_bytes(), "the first refuses nothing");
    let ping = raw.next(PING).await;
    // What crossed the first GOAWAY on the way is still served.
    raw.headers(3, &REQUEST, END_HEADERS | END_STREAM).await;
    raw.frame(PING, ACK, 0, &ping.payload).await;
    let second = raw.next(GOAWAY).await;
    assert_eq!(second.payload[..4], 3_u32.to_be_bytes());
    raw.frame(DATA, END_STREAM, 1, b"x").await;
    let mut echoed = raw.next(DATA).await;
    while echoed.stream != 1 {
        echoed = raw.next(DATA).await;
    }
    assert_eq!(echoed.payload, b"x");
    raw.goodbye().await;
    within(world.drain.finished()).await;
}

#[tokio::test]
async fn a_stream_that_crosses_the_final_goaway_costs_the_others_nothing() {
    let (world, mut raw) = draining_with_one_stream().await;
    let ping = raw.next(PING).await;
    raw.frame(PING, ACK, 0, &ping.payload).await;
    let last = raw.next(GOAWAY).await;
    assert_eq!(last.payload[..4], 1_u32.to_be_bytes());
    // A client that has not heard of it yet opens another, with all that it may send for one.
    let crossing = [
        Raw::encode(HEADERS, END_HEADERS, 3, &block(&REQUEST)),
        Raw::encode(WINDOW_UPDATE, 0, 3, &1_000_u32.to_be_bytes()),
        Raw::encode(DATA, 0, 3, b"lost"),
        Raw::encode(RST_STREAM, 0, 3, &8_u32.to_be_bytes()),
    ];
    raw.write(&crossing.concat()).await;
    raw.frame(DATA, END_STREAM, 1, b"x").await;
    assert_eq!(raw.next(DATA).await.payload, b"x");
    raw.goodbye().await;
    within(world.drain.finished()).await;
    assert_eq!(world.stats().protocol_errors.value(), 0);
}

#[tokio::test]
async fn what_outlasts_the_deadline_may_say_a_last_word() {
    for http in BOTH {
        let go = Arc::new(Notify::new());
        let world = World::start(says_when(&go, "stopped"));
        let (response, _body) = within(world.endpoint(http).open(get("/"), true)).await.expect("open");
        until(|| world.stats().requests_active.value() == 1).await;
        let ending = world.drain.reached(DrainPhase::Ending);
        let told = async {
            ending.await;
            go.notify_one();
        };
        let (clean, ()) = tokio::join!(within(world.drain.run(Duration::from_millis(50))), told);
        assert!(!clean);
        let mut response = within(response).await.expect("a response");
        assert_eq!(collect(response.body_mut()).await.expect("whole").0, "stopped", "{http:?}");
    }
}

#[tokio::test]
async fn an_idle_http1_connection_closes_when_what_is_in_flight_ends() {
    let settings = ServerSettings { lingering_time: PATIENCE * 2, ..ServerSettings::default() };
    for is_draining in [true, false] {
        let world = World::with(settings.clone(), says("x"));
        let mut raw = Raw::connect(world.tcp()).await;
        raw.write(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
        until(|| world.stats().requests_total.value() == 1 && world.stats().requests_active.value() == 0)
            .await;
        if is_draining {
            world.drain.begin();
            until(|| world.drain.live() == 1).await;
        }
        world.drain.end();
        within(world.drain.finished()).await;
        assert!(raw.rest().await.ends_with("\r\n\r\nx"));
    }
}

#[tokio::test]
async fn what_outlasts_the_deadline_is_cut() {
    for http in BOTH {
        let world = World::start(handler(|_request, respond| async move {
            let _respond = respond;
            std::future::pending::<()>().await;
        }));
        let (response, _body) = within(world.endpoint(http).open(get("/"), true)).await.expect("open");
        until(|| world.stats().requests_active.value() == 1).await;
        assert!(!within(world.drain.run(Duration::from_millis(50))).await);
        assert_eq!(world.drain.live(), 0);
        let error = within(response).await.expect_err("cut");
        assert!(matches!(error, RecvError::Closed(_)), "{error:?}");
        until(|| world.stats().requests_active.value() == 0).await;
    }
}

#[tokio::test]
async fn an_aged_connection_is_replaced_without_loss() {
    let settings =
        ServerSettings { max_connection_age: Some(Duration::from_millis(30)), ..ServerSettings::default() };
    let world = World::with(settings, echo());
    let endpoint = world.endpoint(UpstreamHttp::Http2);
    while endpoint.stats().connections_total.value() < 4 {
        // One that crossed the GOAWAY on the way may be sent again.
        let ended = call(&endpoint, b"x").await;
        assert!(ended.as_ref().is_ok() || ended.as_ref().is_err_and(RecvError::is_unprocessed), "{ended:?}");
    }
}

#[tokio::test]
async fn a_used_up_connection_is_replaced_without_loss() {
    for http in BOTH {
        let settings = ServerSettings { max_requests_per_connection: Some(3), ..ServerSettings::default() };
        let world = World::with(settings, echo());
        let endpoint = world.endpoint(http);
        for _ in 0..10 {
            call(&endpoint, b"x").await.expect("every call is answered");
        }
        assert!(endpoint.stats().connections_total.value() >= 3, "{http:?}");
    }
}

#[tokio::test]
async fn goaway_under_load_loses_nothing_that_was_unprocessed() {
    let world = World::start(echo());
    let endpoint = world.endpoint(UpstreamHttp::Http2);
    let answered = Arc::new(AtomicUsize::new(0));
    let callers: Vec<_> = (0..32)
        .map(|_| {
            let (endpoint, answered) = (endpoint.clone(), Arc::clone(&answered));
            tokio::spawn(async move {
                loop {
                    match endpoint.open(post("/"), false).await {
                        Ok((response, mut body)) => {
                            let _sent = body.data(Bytes::from_static(b"x"), true).await;
                            match response.await {
                                Ok(mut response) => {
                                    let (bytes, _) = collect(response.body_mut()).await.expect("whole");
                                    assert_eq!(bytes, "x");
                                    answered.fetch_add(1, SeqCst);
                                }
                                // May be tried again: it says so.
                                Err(error) => assert!(error.is_unprocessed(), "{error:?}"),
                            }
                        }
                        Err(OpenError::Closed { .. }) => {}
                        Err(_down) => return,
                    }
                }
            })
        })
        .collect();
    until(|| answered.load(SeqCst) > 500).await;
    assert!(within(world.drain.run(PATIENCE)).await, "all in flight was finished");
    for caller in callers {
        within(caller).await.expect("every call was answered or provably unprocessed");
    }
}

/// Accepts one HTTP/2 connection in raw bytes and reads its first request.
async fn raw_server(listener: &tokio::net::TcpListener) -> Raw {
    use tokio::io::AsyncReadExt;
    let (socket, _peer) = within(listener.accept()).await.expect("accepted");
    let mut raw = Raw { socket };
    let mut preface = [0; 24];
    within(raw.socket.read_exact(&mut preface)).await.expect("a preface");
    raw.frame(SETTINGS, 0, 0, &[]).await;
    raw.next(HEADERS).await;
    raw
}

async fn raw_endpoint() -> (tokio::net::TcpListener, Endpoint) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let endpoint = Endpoint::new(EndpointConfig::new(listener.local_addr().expect("an address")));
    (listener, endpoint)
}

#[tokio::test]
async fn a_goaway_that_does_not_cover_a_request_says_that_it_is_unprocessed() {
    let (listener, endpoint) = raw_endpoint().await;
    let (first, _body) = within(endpoint.open(post("/"), false)).await.expect("open");
    let (second, _body) = within(endpoint.open(post("/"), false)).await.expect("open");
    let mut raw = raw_server(&listener).await;
    raw.next(HEADERS).await;
    // Last stream 1, NO_ERROR.
    raw.frame(GOAWAY, 0, 0, &[0, 0, 0, 1, 0, 0, 0, 0]).await;
    assert!(within(second).await.expect_err("refused").is_unprocessed());
    // The first goes on, and new ones go elsewhere.
    let (_third, _body) = within(endpoint.open(post("/"), false)).await.expect("open");
    raw_server(&listener).await;
    // ":status: 200" from the static table.
    raw.frame(HEADERS, END_HEADERS | END_STREAM, 1, &[0x88]).await;
    assert_eq!(within(first).await.expect("a response").version(), Version::HTTP_2);
}

#[tokio::test]
async fn an_upstream_that_dies_may_have_processed_the_request() {
    let (listener, endpoint) = raw_endpoint().await;
    let (response, _body) = within(endpoint.open(post("/"), false)).await.expect("open");
    drop(raw_server(&listener).await);
    let error = within(response).await.expect_err("cut");
    assert!(matches!(error, RecvError::Closed(_)) && !error.is_unprocessed(), "{error:?}");
}

#[tokio::test]
async fn an_upstream_that_breaks_http_is_a_protocol_error() {
    let (listener, endpoint) = raw_endpoint().await;
    let (response, _body) = within(endpoint.open(post("/"), false)).await.expect("open");
    let mut raw = raw_server(&listener).await;
    raw.frame(DATA, 0, 0, b"x").await;
    let error = within(response).await.expect_err("broken");
    assert!(matches!(error, RecvError::Protocol(_)), "{error:?}");
    until(|| endpoint.stats().protocol_errors.value() > 0).await;
}

#[tokio::test]
async fn a_connection_that_dies_in_the_middle_cuts_the_body() {
    let (listener, endpoint) = raw_endpoint().await;
    let (response, _body) = within(endpoint.open(post("/"), false)).await.expect("open");
    let mut raw = raw_server(&listener).await;
    raw.frame(HEADERS, END_HEADERS, 1, &[0x88]).await;
    raw.frame(DATA, 0, 1, b"some").await;
    let mut response = within(response).await.expect("a response");
    assert_eq!(data(response.body_mut()).await, "some");
    drop(raw);
    let error = collect(response.body_mut()).await.expect_err("cut");
    assert!(matches!(error, RecvError::Closed(_)), "{error:?}");
}

#[tokio::test]
async fn a_server_that_restarts_is_found_again() {
    for http in BOTH {
        let world = World::start(echo());
        let endpoint = world.endpoint(http);
        let mut status = endpoint.status();
        call(&endpoint, b"x").await.expect("an answer");
        assert_eq!(status.borrow_and_update().arrivals, 1);
        assert!(within(world.drain.run(PATIENCE)).await);
        within(status.wait_for(|status| status.connections == 0)).await.expect("an endpoint");

        let down = within(endpoint.open(get("/"), true)).await.expect_err("nobody is there");
        assert!(matches!(down, OpenError::Connect(_)), "{down}");
        assert!(down.to_string().contains(&world.address.to_string()), "{down}");

        let again = World::on(world.address.clone(), Server::default(), echo());
        call(&endpoint, b"x").await.expect("an answer");
        assert_eq!(status.borrow_and_update().arrivals, 2);
        assert!(within(again.drain.run(PATIENCE)).await);
    }
}

#[tokio::test]
async fn a_port_in_use_is_refused_with_its_address() {
    let world = World::start(echo());
    let error = Listener::bind(&world.address, &ListenSettings::default()).expect_err("in use");
    let text = error.to_string();
    assert!(
        text.contains(&world.address.to_string()) && text.contains("another process listens there"),
        "{text}"
    );
}

#[tokio::test]
async fn a_port_can_be_shared_with_the_server_that_takes_over() {
    let world = World::start(says("the old one"));
    let shared = ListenSettings { shared_port: true, ..ListenSettings::default() };
    let listener = Listener::bind(&world.address, &shared).expect("shared");
    let drain = Drain::new();
    tokio::spawn(serve(listener, Arc::new(Server::default()), says("the new one"), drain.clone()));
    assert!(within(world.drain.run(PATIENCE)).await);
    for http in BOTH {
        assert_eq!(call(&world.endpoint(http), b"").await.expect("an answer"), "the new one");
    }
    // One queue for all workers is nobody else's.
    let alone = ListenSettings { queue_per_worker: false, ..shared };
    assert!(Listener::bind(&world.address, &alone).is_err());
}

#[tokio::test]
async fn workers_share_a_port_with_a_queue_each_or_one_for_all() {
    for queue_per_worker in [true, false] {
        let settings = ListenSettings { queue_per_worker, ..ListenSettings::default() };
        let first = Listener::bind(&loopback(), &settings).expect("a port");
        let second = first.share().expect("the same port");
        assert_eq!(first.local_address(), second.local_address());
        let address = first.local_address().clone();
        drop(first);
        let (server, drain) = (Arc::new(Server::default()), landbridge_net::Drain::new());
        tokio::spawn(landbridge_net::serve(second, server, says("here"), drain.clone()));
        let endpoint = Endpoint::new(EndpointConfig::new(address));
        assert_eq!(call(&endpoint, b"").await.expect("an answer"), "here");
    }
}

/// What waits in one queue outlives the worker that does not take it.
#[tokio::test]
async fn one_queue_loses_no_connection_when_a_worker_leaves() {
    let settings = ListenSettings { queue_per_worker: false, ..ListenSettings::default() };
    let first = Listener::bind(&loopback(), &settings).expect("a port");
    let second = first.share().expect("the same port");
    let endpoint = Endpoint::new(EndpointConfig::new(first.local_address().clone()));
    let mut waiting = Vec::new();
    for _ in 0..8 {
        waiting.push(Raw::connect(first.local_address().tcp().expect("TCP")).await);
    }
    drop(first);
    let (server, drain) = (Arc::new(Server::default()), landbridge_net::Drain::new());
    tokio::spawn(landbridge_net::serve(second, Arc::clone(&server), says("here"), drain.clone()));
    assert_eq!(call(&endpoint, b"").await.expect("an answer"), "here");
    assert_eq!(server.stats.connections_total.value(), 9);
}

#[tokio::test]
async fn a_unix_socket_gets_the_permissions_that_were_asked_for() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("socket");
    let settings = ListenSettings { unix_mode: Some(0o600), ..ListenSettings::default() };
    let _listener = Listener::bind(&landbridge_net::Address::Unix(path.clone()), &settings).expect("bound");
    let mode = std::fs::metadata(&path).expect("a socket").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test]
async fn a_server_of_one_http_version_speaks_no_other() {
    for (http, spoken, other) in [
        (ServerHttp::Http1, UpstreamHttp::Http1, UpstreamHttp::Http2),
        (ServerHttp::Http2, UpstreamHttp::Http2, UpstreamHttp::Http1),
    ] {
        let world = World::with(ServerSettings { http, ..ServerSettings::default() }, echo());
        assert_eq!(call(&world.endpoint(spoken), b"x").await.expect("an answer"), "x");
        assert!(call(&world.endpoint(other), b"x").await.is_err(), "{http:?} takes {other:?}");
    }
}

#[tokio::test]
async fn an_upstream_connection_of_full_age_is_replaced() {
    for http in [UpstreamHttp::Http1, UpstreamHttp::Http2] {
        let world = World::start(echo());
        let endpoint = world.endpoint_with(|config| {
            config.settings.http = http;
            config.settings.max_connection_age = Some(Duration::from_millis(1));
        });
        let mut status = endpoint.status();
        for round in 1..=3 {
            call(&endpoint, b"x").await.expect("an answer");
            within(status.wait_for(|status| status.connections == 0)).await.expect("an endpoint");
            assert_eq!(world.stats().connections_total.value(), round, "{http:?}");
        }
    }
}

#[tokio::test]
async fn connections_over_the_limit_are_closed_and_the_others_served() {
    let world = World::with(ServerSettings { max_connections: 1, ..ServerSettings::default() }, echo());
    let endpoint = world.endpoint(UpstreamHttp::Http2);
    call(&endpoint, b"x").await.expect("an answer");
    let mut raw = Raw::connect(world.tcp()).await;
    assert_eq!(raw.rest().await, "");
    assert_eq!(world.stats().connections_refused.value(), 1);
    call(&endpoint, b"x").await.expect("an answer");
}
