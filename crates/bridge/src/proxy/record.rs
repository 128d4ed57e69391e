//! What becomes of one request, counted when it is over, however that comes about.

use std::time::Instant;

use http::StatusCode;
use http::uri::PathAndQuery;
use landbridge_net::Address;
use landbridge_wire::{Code, Protocol};

use crate::call::Overdue;
use crate::stats::{ClusterStats, HttpStats, WorkerStats};

/// One request. Dropped, it is over: a call without an outcome by then was given up by its caller.
#[derive(Debug)]
pub(crate) struct Record<'a> {
    stats: &'a WorkerStats,
    http: &'a HttpStats,
    started: Instant,
    call: Option<(Protocol, PathAndQuery)>,
    cluster: Option<&'a ClusterStats>,
    /// What the caller was answered.
    status: Option<StatusCode>,
    /// What the server answered.
    upstream_status: Option<StatusCode>,
    outcome: Option<Result<(), Code>>,
    /// The endpoint that it went to.
    upstream: Option<Address>,
}

impl<'a> Record<'a> {
    /// A request whose head has just come.
    pub(super) fn new(stats: &'a WorkerStats, http: &'a HttpStats, started: Instant) -> Self {
        Self {
            stats,
            http,
            started,
            call: None,
            cluster: None,
            status: None,
            upstream_status: None,
            outcome: None,
            upstream: None,
        }
    }

    /// When its head came.
    pub(super) fn started(&self) -> Instant {
        self.started
    }

    /// No route leads on.
    pub(super) fn unrouted(&self) {
        self.http.no_route.increment();
    }

    /// Its route answers it.
    pub(super) fn answered_directly(&self) {
        self.http.rq_direct_response.increment();
    }

    /// It is a call.
    pub(super) fn call(&mut self, protocol: Protocol, path: PathAndQuery) {
        self.call = Some((protocol, path));
    }

    /// It goes to this cluster.
    pub(super) fn routed(&mut self, cluster: &'a ClusterStats) {
        self.http.rq_total.increment();
        self.cluster = Some(cluster);
    }

    /// It went to this endpoint.
    pub(crate) fn sent_to(&mut self, address: Address) {
        self.upstream = Some(address);
    }

    /// The server began to answer.
    pub(crate) fn upstream_status(&mut self, status: StatusCode) {
        self.upstream_status = Some(status);
    }

    /// The caller is sent a head.
    pub(crate) fn status(&mut self, status: StatusCode) {
        self.status = Some(status);
    }

    /// The call has ended; only the first end counts.
    pub(crate) fn ended(&mut self, outcome: Result<(), Code>) {
        if self.outcome.is_none() {
            if outcome == Err(Code::ResourceExhausted) && self.upstream_status.is_none() {
                self.http.downstream_rq_too_large.increment();
            }
            self.outcome = Some(outcome);
        }
    }

    /// The call ran into a limit.
    pub(crate) fn overdue(&self, overdue: Overdue) {
        match (overdue, self.cluster) {
            (Overdue::Caller(_) | Overdue::Route(_), Some(cluster)) => cluster.upstream_rq_timeout.increment(),
            (Overdue::Most(_), Some(cluster)) => {
                cluster.upstream_rq_max_duration_reached.increment();
                self.http.downstream_rq_max_duration_reached.increment();
            }
            (Overdue::Idle(_), _) => self.http.downstream_rq_idle_timeout.increment(),
            (_, None) => {}
        }
    }
}

impl Drop for Record<'_> {
    fn drop(&mut self) {
        let took = self.started.elapsed();
        self.http.downstream_rq_time.record(took);
        if let Some(status) = self.status {
            self.http.statuses.record(status);
        }
        if let Some((protocol, path)) = &self.call {
            let code = self.outcome.unwrap_or(Err(Code::Canceled)).err();
            self.stats.calls.record(*protocol, path.path(), code);
        }
        if let (Some(cluster), Some(status)) = (self.cluster, self.upstream_status) {
            cluster.statuses.record(status);
            cluster.upstream_rq_time.record(took);
        }
    }
}
