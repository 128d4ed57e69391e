//! Look-ups of a cluster's names, counted under Envoy's names for that.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use landbridge_net::Lookup;

use crate::config::ClusterId;
use crate::stats::{ClusterStats, WorkerStats};

/// A way to look names up, and where the look-ups are counted.
#[derive(Debug)]
pub(super) struct Counted<L> {
    pub(super) lookup: L,
    pub(super) cluster: ClusterId,
    /// None on all workers but one: each looks up for itself, and the names are still those of one cluster.
    pub(super) stats: Option<Arc<WorkerStats>>,
}

impl<L: Lookup> Lookup for Counted<L> {
    async fn lookup(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        let mut attempt = Attempt::begin(self.stats.as_ref().map(|stats| stats.cluster(self.cluster)));
        let answer = self.lookup.lookup(host, port).await;
        attempt.succeeded = answer.as_ref().is_ok_and(|addresses| !addresses.is_empty());
        answer
    }
}

/// One look-up. Dropped without an answer, because that took too long, it has failed.
struct Attempt<'a> {
    stats: Option<&'a ClusterStats>,
    succeeded: bool,
}

impl<'a> Attempt<'a> {
    fn begin(stats: Option<&'a ClusterStats>) -> Self {
        if let Some(stats) = stats {
            stats.update_attempt.increment();
        }
        Self { stats, succeeded: false }
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if let Some(stats) = self.stats {
            if self.succeeded { &stats.update_success } else { &stats.update_failure }.increment();
        }
    }
}
