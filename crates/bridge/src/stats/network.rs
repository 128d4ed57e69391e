//! The network layer's counters under Envoy's names.

use std::sync::Arc;

use landbridge_net::{ServerStats, UpstreamStats};

use super::snapshot::{Scope, Snapshot};

/// The servers of a listener: `http.<stat_prefix>.downstream_*` and `listener.<address>.downstream_*`.
pub(super) fn sample_servers(
    servers: &[Arc<ServerStats>],
    http: &Scope,
    listener: &Scope,
    out: &mut Snapshot,
) {
    // One more, of zeros, so that the names are there before the first server is.
    let zeros = ServerStats::default();
    for server in servers.iter().map(AsRef::as_ref).chain([&zeros]) {
        let total = server.connections_total.value();
        let active = server.connections_active.value();
        for (name, value) in [
            ("downstream_cx_total", total),
            ("downstream_cx_http1_total", server.http1_connections_total.value()),
            ("downstream_cx_http2_total", server.http2_connections_total.value()),
            ("downstream_cx_destroy", total.saturating_sub(active)),
            ("downstream_cx_protocol_error", server.protocol_errors.value()),
            ("downstream_cx_rx_bytes_total", server.traffic.received.value()),
            ("downstream_cx_tx_bytes_total", server.traffic.sent.value()),
            ("downstream_rq_total", server.requests_total.value()),
            ("downstream_rq_rx_reset", server.resets_received.value()),
            ("downstream_rq_tx_reset", server.resets_sent.value()),
        ] {
            out.counter(http, name, value);
        }
        for (name, value) in [
            ("downstream_cx_active", active),
            ("downstream_cx_http1_active", server.http1_connections_active.value()),
            ("downstream_cx_http2_active", server.http2_connections_active.value()),
            ("downstream_rq_active", server.requests_active.value()),
        ] {
            out.gauge(http, name, value);
        }
        for (name, value) in [
            ("downstream_cx_total", total),
            ("downstream_cx_destroy", total.saturating_sub(active)),
            ("downstream_cx_overflow", server.connections_refused.value()),
            ("downstream_cx_accept_errors", server.accept_errors.value()),
            ("downstream_cx_timeout", server.timeouts.value()),
            ("ssl.connection_error", server.tls_errors.value()),
        ] {
            out.counter(listener, name, value);
        }
        out.gauge(listener, "downstream_cx_active", active);
    }
}

/// The counters of an upstream, as they are now.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct UpstreamCounts {
    pub(super) cx_total: u64,
    pub(super) cx_http1_total: u64,
    pub(super) cx_http2_total: u64,
    pub(super) cx_connect_fail: u64,
    pub(super) cx_connect_timeout: u64,
    pub(super) cx_protocol_error: u64,
    pub(super) cx_rx_bytes_total: u64,
    pub(super) cx_tx_bytes_total: u64,
    pub(super) rq_total: u64,
    pub(super) rq_pending_overflow: u64,
    pub(super) rq_rx_reset: u64,
    pub(super) rq_tx_reset: u64,
    pub(super) cx_active: u64,
    pub(super) rq_active: u64,
    pub(super) rq_pending_active: u64,
}

impl UpstreamCounts {
    pub(super) fn of(stats: &UpstreamStats) -> Self {
        Self {
            cx_total: stats.connections_total.value(),
            cx_http1_total: stats.http1_connections_total.value(),
            cx_http2_total: stats.http2_connections_total.value(),
            cx_connect_fail: stats.connect_failures.value(),
            cx_connect_timeout: stats.connect_timeouts.value(),
            cx_protocol_error: stats.protocol_errors.value(),
            cx_rx_bytes_total: stats.traffic.received.value(),
            cx_tx_bytes_total: stats.traffic.sent.value(),
            rq_total: stats.requests_total.value(),
            rq_pending_overflow: stats.pending_overflow.value(),
            rq_rx_reset: stats.resets_received.value(),
            rq_tx_reset: stats.resets_sent.value(),
            cx_active: stats.connections_active.value(),
            rq_active: stats.requests_active.value(),
            rq_pending_active: stats.requests_pending.value(),
        }
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.cx_total += other.cx_total;
        self.cx_http1_total += other.cx_http1_total;
        self.cx_http2_total += other.cx_http2_total;
        self.cx_connect_fail += other.cx_connect_fail;
        self.cx_connect_timeout += other.cx_connect_timeout;
        self.cx_protocol_error += other.cx_protocol_error;
        self.cx_rx_bytes_total += other.cx_rx_bytes_total;
        self.cx_tx_bytes_total += other.cx_tx_bytes_total;
        self.rq_total += other.rq_total;
        self.rq_pending_overflow += other.rq_pending_overflow;
        self.rq_rx_reset += other.rq_rx_reset;
        self.rq_tx_reset += other.rq_tx_reset;
        self.cx_active += other.cx_active;
        self.rq_active += other.rq_active;
        self.rq_pending_active += other.rq_pending_active;
    }

    /// `cluster.<name>.upstream_*`.
    pub(super) fn sample(&self, scope: &Scope, out: &mut Snapshot) {
        for (name, value) in [
            ("upstream_cx_total", self.cx_total),
            ("upstream_cx_destroy", self.cx_total.saturating_sub(self.cx_active)),
            ("upstream_cx_http1_total", self.cx_http1_total),
            ("upstream_cx_http2_total", self.cx_http2_total),
            ("upstream_cx_connect_fail", self.cx_connect_fail),
            ("upstream_cx_connect_timeout", self.cx_connect_timeout),
            ("upstream_cx_protocol_error", self.cx_protocol_error),
            ("upstream_cx_rx_bytes_total", self.cx_rx_bytes_total),
            ("upstream_cx_tx_bytes_total", self.cx_tx_bytes_total),
            ("upstream_rq_total", self.rq_total),
            ("upstream_rq_pending_overflow", self.rq_pending_overflow),
            ("upstream_rq_rx_reset", self.rq_rx_reset),
            ("upstream_rq_tx_reset", self.rq_tx_reset),
        ] {
            out.counter(scope, name, value);
        }
        for (name, value) in [
            ("upstream_cx_active", self.cx_active),
            ("upstream_rq_active", self.rq_active),
            ("upstream_rq_pending_active", self.rq_pending_active),
        ] {
            out.gauge(scope, name, value);
        }
    }
}
