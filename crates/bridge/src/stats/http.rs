//! `http.<stat_prefix>.*`: what a listener counts of its requests.

use super::metric::{Counter, Histogram};
use super::snapshot::{Scope, Snapshot};
use super::statuses::Statuses;

/// What one worker counts of the requests of a listener. Connections and requests as such are counted by
/// the network layer.
#[derive(Debug, Default)]
pub struct HttpStats {
    /// Responses by status: `downstream_rq_2xx` and so on, `downstream_rq_completed`.
    pub statuses: Statuses,
    /// From the first byte of a request to the end of its response.
    pub downstream_rq_time: Histogram,
    /// Requests that took longer than `request_timeout` to arrive.
    pub downstream_rq_timeout: Counter,
    /// Streams closed because they were silent for too long.
    pub downstream_rq_idle_timeout: Counter,
    /// Streams closed because they lived for too long.
    pub downstream_rq_max_duration_reached: Counter,
    /// Requests with a message larger than allowed.
    pub downstream_rq_too_large: Counter,
    /// Requests that no route matched.
    pub no_route: Counter,
    /// Requests a route answered by itself.
    pub rq_direct_response: Counter,
    /// Requests given to a cluster.
    pub rq_total: Counter,
}

impl HttpStats {
    pub(super) fn sample(&self, http: &Scope, listener: &Scope, out: &mut Snapshot) {
        self.statuses.sample_classes("downstream_rq", http, out);
        self.statuses.sample_classes("downstream_rq", listener, out);
        out.histogram(http, "downstream_rq_time", &self.downstream_rq_time);
        for (name, counter) in [
            ("downstream_rq_timeout", &self.downstream_rq_timeout),
            ("downstream_rq_idle_timeout", &self.downstream_rq_idle_timeout),
            ("downstream_rq_max_duration_reached", &self.downstream_rq_max_duration_reached),
            ("downstream_rq_too_large", &self.downstream_rq_too_large),
            ("no_route", &self.no_route),
            ("rq_direct_response", &self.rq_direct_response),
            ("rq_total", &self.rq_total),
        ] {
            out.counter(http, name, counter.value());
        }
    }
}
