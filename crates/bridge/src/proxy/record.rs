//! What becomes of one request, counted and written down when it is over, however that comes about.

use std::sync::Arc;
use std::time::Duration;

use http::uri::PathAndQuery;
use http::{HeaderMap, Response, StatusCode};
use landbridge_net::{Address, RecvError};
use landbridge_wire::{Code, Protocol};

use super::facts::{Ending, Facts, Moment};
use crate::access_log::{AccessLog, Trouble};
use crate::call::{Overdue, Pace};
use crate::cluster::Unopened;
use crate::stats::{ClusterStats, HttpStats, WorkerStats};

/// One request. Dropped, it is over: a call without an outcome by then was given up by its caller.
#[derive(Debug)]
pub(crate) struct Record<'a> {
    stats: &'a WorkerStats,
    http: &'a HttpStats,
    pace: Arc<Pace>,
    log: Option<&'a AccessLog>,
    /// There only if a format is to be written.
    facts: Option<Box<Facts<'a>>>,
    call: Option<(Protocol, PathAndQuery)>,
    cluster: Option<&'a ClusterStats>,
    /// It went to an endpoint.
    was_sent: bool,
    /// What the caller was answered.
    status: Option<StatusCode>,
    /// What the server answered.
    upstream: Option<StatusCode>,
    /// When it did; only for what is written down.
    response_took: Option<Duration>,
    outcome: Option<Result<(), Code>>,
}

impl<'a> Record<'a> {
    /// A request whose head has just come.
    pub(super) fn new(
        stats: &'a WorkerStats,
        http: &'a HttpStats,
        pace: Arc<Pace>,
        log: Option<&'a AccessLog>,
    ) -> Self {
        Self {
            stats,
            http,
            pace,
            log,
            facts: None,
            call: None,
            cluster: None,
            was_sent: false,
            status: None,
            upstream: None,
            response_took: None,
            outcome: None,
        }
    }

    /// What its formats are to be written from.
    pub(super) fn know(&mut self, facts: Facts<'a>) {
        self.facts = Some(Box::new(facts));
    }

    pub(super) fn facts(&self) -> Option<&Facts<'a>> {
        self.facts.as_deref()
    }

    /// Its head was changed.
    pub(super) fn changed(&mut self, headers: &HeaderMap) {
        if let Some(facts) = &mut self.facts {
            facts.changed(headers);
        }
    }

    /// No route leads on.
    pub(super) fn unrouted(&mut self) {
        self.http.no_route.increment();
        self.trouble(Trouble::NoRoute);
    }

    /// Its route answers it.
    pub(super) fn answered_directly(&self) {
        self.http.rq_direct_response.increment();
    }

    /// It cannot be read.
    pub(super) fn refused(&mut self) {
        self.trouble(Trouble::CallerBroke);
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
        self.was_sent = true;
        if let Some(facts) = &mut self.facts {
            facts.sent_to(address);
        }
    }

    /// It went to no endpoint.
    pub(crate) fn unopened(&mut self, unopened: &Unopened) {
        match (self.cluster, unopened.trouble) {
            (Some(cluster), Trouble::NoEndpoint) => cluster.upstream_cx_none_healthy.increment(),
            // Without a reason it was refused before any endpoint was asked; those count their own.
            (Some(cluster), Trouble::Overflow) if unopened.reason.is_none() => {
                cluster.upstream_rq_active_overflow.increment();
            }
            _ => {}
        }
        self.trouble(unopened.trouble);
        if let (Some(facts), Some(reason)) = (&mut self.facts, &unopened.reason) {
            facts.unreachable(reason.clone());
        }
    }

    /// The server began to answer.
    pub(crate) fn upstream_status(&mut self, status: StatusCode) {
        self.upstream = Some(status);
        self.response_took = self.facts.as_ref().map(|_| self.pace.elapsed());
    }

    /// The server's response broke off.
    pub(crate) fn server_gone(&mut self, error: &RecvError) {
        self.trouble(Trouble::of_server(error));
    }

    /// The caller is sent a head.
    pub(crate) fn answered(&mut self, head: &Response<()>) {
        self.status = Some(head.status());
        if let Some(facts) = &mut self.facts {
            facts.answered(head.headers());
        }
    }

    /// The caller is sent content.
    pub(crate) fn sent(&self, bytes: usize) {
        self.pace.sent(bytes);
    }

    /// The caller is sent trailers.
    pub(crate) fn trailers(&mut self, trailers: &HeaderMap) {
        if let Some(facts) = &mut self.facts {
            facts.trailers(trailers);
        }
    }

    /// The call has ended; only the first end counts.
    pub(crate) fn ended(&mut self, outcome: Result<(), Code>) {
        if self.outcome.is_none() {
            if outcome == Err(Code::ResourceExhausted) && self.upstream.is_none() {
                self.http.downstream_rq_too_large.increment();
            }
            self.outcome = Some(outcome);
        }
    }

    /// The call had ended, but its caller will not get the end.
    pub(crate) fn cut(&mut self, code: Code) {
        self.outcome = Some(Err(code));
    }

    /// The call ran into a limit.
    pub(crate) fn overdue(&mut self, overdue: Overdue) {
        match (overdue, self.cluster) {
            (Overdue::Caller(_) | Overdue::Route(_), Some(cluster)) => {
                cluster.upstream_rq_timeout.increment()
            }
            (Overdue::Most(_), Some(cluster)) => {
                cluster.upstream_rq_max_duration_reached.increment();
                self.http.downstream_rq_max_duration_reached.increment();
            }
            (Overdue::Idle(_), _) => self.http.downstream_rq_idle_timeout.increment(),
            (Overdue::Request(_), _) => self.http.downstream_rq_timeout.increment(),
            (Overdue::Drain, _) | (_, None) => {}
        }
        self.trouble(match overdue {
            Overdue::Caller(_) | Overdue::Route(_) => Trouble::Timeout,
            Overdue::Idle(_) => Trouble::Idle,
            Overdue::Most(_) => Trouble::TooLong,
            Overdue::Request(_) => Trouble::SlowRequest,
            // Envoy has no word for it.
            Overdue::Drain => return,
        });
    }

    fn trouble(&mut self, trouble: Trouble) {
        if let Some(facts) = &mut self.facts {
            facts.trouble(trouble);
        }
    }

    /// Writes the access log.
    fn write_down(&mut self, took: Duration) {
        let (Some(log), Some(facts)) = (self.log, &mut self.facts) else { return };
        let outcome = self.call.as_ref().map(|_| self.outcome.unwrap_or(Err(Code::Canceled)));
        if self.status.is_none() || (self.call.is_some() && self.outcome.is_none()) {
            facts.trouble(Trouble::CallerGone);
        }
        let ending = Ending {
            took,
            request_took: self.pace.request_took(),
            response_took: self.response_took,
            received: self.pace.bytes_received(),
            sent: self.pace.bytes_sent(),
            status: self.status,
            served: self.upstream.is_some(),
            outcome,
        };
        log.write(|operator, out| facts.write(operator, Moment::Over(&ending), out));
    }
}

impl Drop for Record<'_> {
    fn drop(&mut self) {
        let took = self.pace.elapsed();
        self.http.downstream_rq_time.record(took);
        if let Some(status) = self.status {
            self.http.statuses.record(status);
        }
        if let Some((protocol, path)) = &self.call {
            let code = self.outcome.unwrap_or(Err(Code::Canceled)).err();
            self.stats.calls.record(*protocol, path.path(), code, self.upstream.is_some());
        }
        if let (Some(cluster), Some(status)) = (self.cluster, self.upstream) {
            cluster.statuses.record(status);
            cluster.upstream_rq_time.record(took);
        }
        if let (Some(cluster), Some(_), None, false) = (self.cluster, &self.call, self.outcome, self.was_sent)
        {
            cluster.upstream_rq_cancelled.increment();
        }
        self.write_down(took);
    }
}
