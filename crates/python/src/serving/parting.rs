//! The end of the time that calls have for finishing when the server stops.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use tokio::sync::Notify;

/// Tells the calls of one I/O thread that they end now. Not before they are told do their connections close, so that
/// callers learn of it in their own protocol.
#[derive(Debug, Default)]
pub(crate) struct Parting {
    is_due: AtomicBool,
    due: Notify,
}

impl Parting {
    /// Tells them, and those that are still to come.
    pub(super) fn call(&self) {
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
