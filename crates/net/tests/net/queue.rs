//! Connections that a drain finds in the accept queue: for their clients they are open, so they are served.

use std::sync::Arc;
use std::time::Duration;

use landbridge_net::{Drain, ListenSettings, Listener, Server, ServerSettings, serve};

use crate::raw::*;
use crate::world::*;

/// A server whose drain has begun before it has accepted anybody.
struct Leaving {
    clients: Vec<Raw>,
    drain: Drain,
    server: Arc<Server>,
}

impl Leaving {
    async fn with(clients: usize, settings: ServerSettings) -> Self {
        let listener = Listener::bind(&loopback(), &ListenSettings::default()).expect("a port");
        let address = listener.local_address().tcp().expect("TCP");
        let mut connected = Vec::new();
        for _ in 0..clients {
            connected.push(Raw::connect(address).await);
        }
        let (drain, server) = (Drain::new(), Arc::new(Server { settings, ..Server::default() }));
        drain.begin();
        tokio::spawn(serve(listener, Arc::clone(&server), says("served"), drain.clone()));
        Self { clients: connected, drain, server }
    }
}

/// The server's patience is longer than the test's.
fn patient() -> ServerSettings {
    ServerSettings { lingering_time: PATIENCE * 2, ..ServerSettings::default() }
}

#[tokio::test]
async fn http1_clients_in_the_accept_queue_are_answered_and_told_to_close() {
    let leaving = Leaving::with(32, patient()).await;
    for mut client in leaving.clients {
        // In two packets: the drain has begun, and the head is not there yet.
        client.write(b"GET / HT").await;
        until(|| leaving.server.stats.connections_total.value() == 32).await;
        client.write(b"TP/1.1\r\nhost: a\r\n\r\n").await;
        let text = client.rest().await;
        assert!(text.contains("connection: close\r\n") && text.ends_with("served"), "{text}");
    }
    within(leaving.drain.finished()).await;
}

#[tokio::test]
async fn http2_clients_in_the_accept_queue_are_answered_and_sent_away() {
    let leaving = Leaving::with(32, patient()).await;
    for mut client in leaving.clients {
        client.start_http2().await;
        client.headers(1, &REQUEST, END_HEADERS | END_STREAM).await;
        let (mut answered, mut sent_away) = (false, false);
        while let Some(frame) = client.read().await {
            match frame.kind {
                PING => client.frame(PING, ACK, 0, &frame.payload).await,
                DATA => answered = frame.payload == b"served",
                GOAWAY => sent_away = true,
                _ => {}
            }
        }
        assert!(answered && sent_away);
    }
    within(leaving.drain.finished()).await;
}

#[tokio::test]
async fn a_client_that_says_nothing_does_not_hold_up_the_drain() {
    let settings = ServerSettings { lingering_time: Duration::from_millis(50), ..ServerSettings::default() };
    let leaving = Leaving::with(4, settings).await;
    until(|| leaving.server.stats.connections_total.value() == 4).await;
    within(leaving.drain.finished()).await;
    assert_eq!(leaving.server.stats.timeouts.value(), 0);
}
