//! `filesystem.*`, as Envoy counts its access logs, and what Envoy has no name for.

use super::metric::{Counter, Gauge};
use super::snapshot::{Scope, Snapshot};

/// What is counted of access logs, for all workers together.
#[derive(Debug, Default)]
pub struct AccessLogStats {
    /// Lines given to the writer.
    pub write_buffered: Counter,
    /// Writes to a file or stream; each has one or more lines.
    pub write_completed: Counter,
    /// Writes that failed; their lines are lost.
    pub write_failed: Counter,
    /// Files that could not be opened anew.
    pub reopen_failed: Counter,
    /// Lines dropped because too many waited to be written (`landbridge.access_log.dropped`).
    pub dropped: Counter,
    /// Bytes that wait to be written (`write_total_buffered`).
    pub waiting_bytes: Gauge,
}

impl AccessLogStats {
    pub(super) fn sample(&self, out: &mut Snapshot) {
        let files = Scope::filesystem();
        for (name, counter) in [
            ("write_buffered", &self.write_buffered),
            ("write_completed", &self.write_completed),
            ("write_failed", &self.write_failed),
            ("reopen_failed", &self.reopen_failed),
        ] {
            out.counter(&files, name, counter.value());
        }
        let waiting = u64::try_from(self.waiting_bytes.value()).unwrap_or_default();
        out.gauge(&files, "write_total_buffered", waiting);
        out.counter(&Scope::access_log(), "dropped", self.dropped.value());
    }
}
