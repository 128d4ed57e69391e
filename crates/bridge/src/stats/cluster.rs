//! `cluster.<name>.*`: what is counted of a cluster's calls.

use super::metric::{Counter, Histogram};
use super::snapshot::{Scope, Snapshot};
use super::statuses::Statuses;

/// What one worker counts of the calls to a cluster. Connections and requests as such are counted by the
/// network layer.
#[derive(Debug, Default)]
pub struct ClusterStats {
    /// Responses by status: `upstream_rq_200`, `upstream_rq_2xx` and so on, `upstream_rq_completed`.
    pub statuses: Statuses,
    /// From the end of a request to the end of its response.
    pub upstream_rq_time: Histogram,
    /// Calls that took longer than the route's `timeout`.
    pub upstream_rq_timeout: Counter,
    /// Calls that took longer than `max_stream_duration`.
    pub upstream_rq_max_duration_reached: Counter,
    /// Calls given up before they had a connection.
    pub upstream_rq_cancelled: Counter,
    /// Calls refused because `max_requests` were in flight.
    pub upstream_rq_active_overflow: Counter,
    /// Calls refused because there was no host to send them to.
    pub upstream_cx_none_healthy: Counter,
    /// Look-ups of the cluster's names.
    pub update_attempt: Counter,
    /// Look-ups that gave addresses.
    pub update_success: Counter,
    /// Look-ups that failed.
    pub update_failure: Counter,
    /// Look-ups that changed the hosts.
    pub membership_change: Counter,
}

impl ClusterStats {
    pub(super) fn sample(&self, scope: &Scope, out: &mut Snapshot) {
        self.statuses.sample_classes("upstream_rq", scope, out);
        self.statuses.sample_codes("upstream_rq", scope, out);
        out.histogram(scope, "upstream_rq_time", &self.upstream_rq_time);
        for (name, counter) in [
            ("upstream_rq_timeout", &self.upstream_rq_timeout),
            ("upstream_rq_max_duration_reached", &self.upstream_rq_max_duration_reached),
            ("upstream_rq_cancelled", &self.upstream_rq_cancelled),
            ("upstream_rq_active_overflow", &self.upstream_rq_active_overflow),
            ("upstream_cx_none_healthy", &self.upstream_cx_none_healthy),
            ("update_attempt", &self.update_attempt),
            ("update_success", &self.update_success),
            ("update_failure", &self.update_failure),
            ("membership_change", &self.membership_change),
        ] {
            out.counter(scope, name, counter.value());
        }
    }
}
