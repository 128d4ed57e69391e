//! The end of the time that calls have for finishing when the server stops.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use landbridge_net::{Drain, DrainPhase};
use tokio::sync::Notify;

/// Tells the calls of one I/O thread that they end now, so that callers learn of it in their own protocol. To wait for the
/// drain itself would cost each call more: all threads share it.
#[derive(Debug, Default)]
pub(crate) struct Parting {
    is_due: AtomicBool,
    due: Notify,
}

impl Parting {
    /// Tells them, and those that are still to come, once the drain has come so far.
    pub(super) async fn follow(&self, drain: Drain) {
        drain.reached(DrainPhase::Ending).await;
        self.is_due.store(true, SeqCst);
        self.due.notify_waiters();
    }

    /// Resolves when they are told; cancelling the wait is harmless.
    pub(super) async fn is_due(&self) {
        // Made before the look, so that it misses nothing.
        let due = self.due.notified();
        if !self.is_due.load(SeqCst) {
            due.await;
        }
    }
}
