//! Who is slow on purpose is shown out.

use std::time::Duration;

use landbridge_net::{ServerSettings, UpstreamHttp};

use crate::raw::*;
use crate::world::*;

const SOON: Duration = Duration::from_millis(100);

#[tokio::test]
async fn a_client_that_says_nothing_is_closed() {
    let world = World::with(ServerSettings { header_timeout: SOON, ..ServerSettings::default() }, says("x"));
    let mut raw = Raw::connect(world.tcp()).await;
    assert_eq!(raw.rest().await, "");
    assert_eq!(world.stats().timeouts.value(), 1);
}

#[tokio::test]
async fn a_preface_that_does_not_come_is_closed() {
    let world = World::with(ServerSettings { header_timeout: SOON, ..ServerSettings::default() }, says("x"));
    let mut raw = Raw::connect(world.tcp()).await;
    raw.write(&PREFACE[..20]).await;
    assert_eq!(raw.rest().await, "");
    assert_eq!(world.stats().timeouts.value(), 1);
}

#[tokio::test]
async fn an_http1_head_that_dribbles_is_closed() {
    let world = World::with(ServerSettings { header_timeout: SOON, ..ServerSettings::default() }, says("x"));
    let mut raw = Raw::connect(world.tcp()).await;
    raw.write(b"GET / HTTP/1.1\r\nhost: a\r\n").await;
    let dribble = async {
        while raw.try_write(b"x: y\r\n").await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    within(dribble).await;
    assert_eq!(world.stats().timeouts.value(), 1);
}

#[tokio::test]
async fn a_second_http1_head_that_dribbles_is_closed() {
    let world = World::with(ServerSettings { header_timeout: SOON, ..ServerSettings::default() }, says("x"));
    let mut raw = Raw::connect(world.tcp()).await;
    raw.write(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    until(|| world.stats().requests_total.value() == 1 && world.stats().requests_active.value() == 0).await;
    raw.write(b"GET / HT").await;
    let text = raw.rest().await;
    assert_eq!(text.matches("200 OK").count(), 1, "{text}");
    assert_eq!(world.stats().timeouts.value(), 1);
}

#[tokio::test]
async fn an_http2_head_that_does_not_end_is_closed() {
    let headers = Raw::encode(HEADERS, END_HEADERS, 3, &block(&REQUEST));
    for open in [
        // A frame that stops in its middle, and a block whose CONTINUATION never comes.
        &headers[..headers.len() - 1],
        &Raw::encode(HEADERS, 0, 3, &block(&REQUEST)),
    ] {
        let settings = ServerSettings { header_timeout: SOON, ..ServerSettings::default() };
        let world = World::with(settings, echo());
        let mut raw = Raw::connect(world.tcp()).await;
        raw.start_http2().await;
        // A request that is in flight does not keep it.
        raw.headers(1, &REQUEST, END_HEADERS).await;
        raw.next(HEADERS).await;
        raw.write(open).await;
        raw.goodbye().await;
        assert_eq!(world.stats().timeouts.value(), 1);
    }
}

#[tokio::test]
async fn an_http2_head_that_dribbles_is_closed() {
    let world = World::with(ServerSettings { header_timeout: SOON, ..ServerSettings::default() }, echo());
    let mut raw = Raw::connect(world.tcp()).await;
    raw.start_http2().await;
    raw.frame(HEADERS, 0, 1, &block(&REQUEST)).await;
    let dribble = async {
        // Slowly enough not to count as a flood.
        while raw.try_frame(CONTINUATION, 0, 1, &block(&[("x", "y")])).await {
            tokio::time::sleep(SOON / 2).await;
        }
    };
    within(dribble).await;
    assert_eq!(world.stats().timeouts.value(), 1);
}

#[tokio::test]
async fn an_http2_connection_may_rest_between_heads() {
    let world = World::with(ServerSettings { header_timeout: SOON, ..ServerSettings::default() }, echo());
    let mut raw = Raw::connect(world.tcp()).await;
    raw.start_http2().await;
    let head = Raw::encode(HEADERS, END_HEADERS, 1, &block(&REQUEST));
    raw.write(&head[..12]).await;
    raw.write(&head[12..]).await;
    raw.next(HEADERS).await;
    tokio::time::sleep(SOON * 2).await;
    raw.frame(DATA, END_STREAM, 1, b"x").await;
    assert_eq!(raw.next(DATA).await.payload, b"x");
    assert_eq!(world.stats().timeouts.value(), 0);
}

#[tokio::test]
async fn an_http1_connection_may_rest_between_requests_longer_than_a_head_may_take() {
    let world = World::with(ServerSettings { header_timeout: SOON, ..ServerSettings::default() }, says("x"));
    let mut raw = Raw::connect(world.tcp()).await;
    raw.write(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    until(|| world.stats().requests_total.value() == 1).await;
    tokio::time::sleep(SOON * 2).await;
    raw.write(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await;
    let text = raw.rest().await;
    assert_eq!(text.matches("200 OK").count(), 2, "{text}");
}

#[tokio::test]
async fn an_idle_connection_is_closed_and_a_busy_one_is_not() {
    for http in BOTH {
        let settings = ServerSettings { idle_timeout: Some(SOON), ..ServerSettings::default() };
        let world = World::with(settings, echo());
        let endpoint = world.endpoint(http);
        let (response, mut body) = within(endpoint.open(post("/"), false)).await.expect("open");
        send(&mut body, b"x", false).await;
        let mut response = within(response).await.expect("a response");
        data(response.body_mut()).await;
        tokio::time::sleep(SOON * 3).await;
        send(&mut body, b"y", true).await;
        assert_eq!(collect(response.body_mut()).await.expect("whole").0, "y");
        until(|| world.stats().connections_active.value() == 0).await;
        until(|| endpoint.status().borrow().connections == 0).await;
    }
}

#[tokio::test]
async fn an_idle_upstream_connection_is_closed() {
    for http in BOTH {
        let world = World::start(echo());
        let endpoint = world.endpoint_with(|config| {
            config.settings.http = http;
            config.settings.idle_timeout = Some(SOON);
        });
        call(&endpoint, b"x").await.expect("an answer");
        until(|| endpoint.status().borrow().connections == 0).await;
        call(&endpoint, b"x").await.expect("an answer on a new connection");
        assert_eq!(endpoint.stats().connections_total.value(), 2);
    }
}

#[tokio::test]
async fn a_client_that_does_not_answer_pings_is_cut() {
    let mut settings = ServerSettings::default();
    settings.http2.keepalive_interval = Some(SOON);
    settings.http2.keepalive_timeout = SOON;
    let world = World::with(settings, says("x"));
    let mut raw = Raw::connect(world.tcp()).await;
    raw.start_http2().await;
    raw.next(PING).await;
    raw.goodbye().await;
    assert_eq!(world.stats().timeouts.value(), 1);
}

#[tokio::test]
async fn a_silent_client_that_answers_pings_stays() {
    let mut settings = ServerSettings::default();
    settings.http2.keepalive_interval = Some(SOON / 4);
    settings.http2.keepalive_timeout = SOON * 10;
    let world = World::with(settings, says("x"));
    let mut raw = Raw::connect(world.tcp()).await;
    raw.start_http2().await;
    for _ in 0..4 {
        let ping = raw.next(PING).await;
        raw.frame(PING, ACK, 0, &ping.payload).await;
    }
    assert_eq!(world.stats().connections_active.value(), 1);
}

#[tokio::test]
async fn an_upstream_that_falls_silent_is_a_timeout() {
    // It accepts, and then neither answers the request nor the ping.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let mut config = landbridge_net::EndpointConfig::new(listener.local_addr().expect("an address"));
    config.settings.http = UpstreamHttp::Http2;
    config.settings.http2.keepalive_interval = Some(SOON);
    config.settings.http2.keepalive_timeout = SOON;
    let endpoint = landbridge_net::Endpoint::new(config);
    let (response, _body) = within(endpoint.open(post("/"), false)).await.expect("open");
    let (_socket, _peer) = listener.accept().await.expect("accepted");
    let error = within(response).await.expect_err("no answer");
    assert_eq!(error, landbridge_net::RecvError::Timeout);
}
