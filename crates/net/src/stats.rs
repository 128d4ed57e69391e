//! Counters, kept with relaxed atomics: a reader sees each exactly, but not all at one instant.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// The count so far.
    pub fn value(&self) -> u64 {
        self.0.load(Relaxed)
    }

    pub(crate) fn increment(&self) {
        self.add(1);
    }

    pub(crate) fn add(&self, amount: u64) {
        self.0.fetch_add(amount, Relaxed);
    }
}

/// A number that goes up and down.
#[derive(Debug, Default)]
pub struct Gauge(AtomicU64);

impl Gauge {
    /// The number now.
    pub fn value(&self) -> u64 {
        self.0.load(Relaxed)
    }

    /// Counts one more, and says how many there were before.
    pub(crate) fn enter(&self) -> u64 {
        self.0.fetch_add(1, Relaxed)
    }

    pub(crate) fn leave(&self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

/// Bytes on sockets, TLS and framing included on plain connections; the content of TLS where there is TLS.
#[derive(Debug, Default)]
pub struct Traffic {
    /// Bytes read.
    pub received: Counter,
    /// Bytes written.
    pub sent: Counter,
}

/// What a server counts, over all its connections.
#[derive(Debug, Default)]
pub struct ServerStats {
    /// Connections accepted.
    pub connections_total: Counter,
    /// Connections open now.
    pub connections_active: Gauge,
    /// Connections that turned out to speak HTTP/1.1.
    pub http1_connections_total: Counter,
    /// HTTP/1.1 connections open now.
    pub http1_connections_active: Gauge,
    /// Connections that turned out to speak HTTP/2.
    pub http2_connections_total: Counter,
    /// HTTP/2 connections open now.
    pub http2_connections_active: Gauge,
    /// Connections closed at once because `max_connections` was reached.
    pub connections_refused: Counter,
    /// Failures of `accept` itself, such as running out of file descriptors.
    pub accept_errors: Counter,
    /// Requests handed to the handler.
    pub requests_total: Counter,
    /// Requests whose handler is still at work.
    pub requests_active: Gauge,
    /// Requests the client went away from before their answer was complete.
    pub resets_received: Counter,
    /// Streams we reset: by the handler's wish or because its answer was left unfinished.
    pub resets_sent: Counter,
    /// Connections that broke HTTP.
    pub protocol_errors: Counter,
    /// TLS handshakes that failed or took too long.
    pub tls_errors: Counter,
    /// Connections closed because a head, a preface or a PING answer did not come in time.
    pub timeouts: Counter,
    /// Bytes both ways.
    pub traffic: std::sync::Arc<Traffic>,
}

/// What an endpoint counts, over all its connections.
#[derive(Debug, Default)]
pub struct UpstreamStats {
    /// Connections established.
    pub connections_total: Counter,
    /// Connections open now.
    pub connections_active: Gauge,
    /// HTTP/1.1 connections established.
    pub http1_connections_total: Counter,
    /// HTTP/2 connections established.
    pub http2_connections_total: Counter,
    /// Connection attempts that failed, the late ones included.
    pub connect_failures: Counter,
    /// Connection attempts that took longer than `connect_timeout`.
    pub connect_timeouts: Counter,
    /// Requests put on a connection.
    pub requests_total: Counter,
    /// Requests on a connection now.
    pub requests_active: Gauge,
    /// Requests waiting for a connection now.
    pub requests_pending: Gauge,
    /// Requests refused because `max_pending` were waiting already.
    pub pending_overflow: Counter,
    /// Streams the upstream reset.
    pub resets_received: Counter,
    /// Streams we reset.
    pub resets_sent: Counter,
    /// Answers and connections that broke HTTP.
    pub protocol_errors: Counter,
    /// Bytes both ways.
    pub traffic: std::sync::Arc<Traffic>,
}
