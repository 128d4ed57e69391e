//! The end of the time that what is in flight has for finishing.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use tokio::sync::Notify;

use crate::drain::{Drain, DrainPhase};

/// Tells the calls of one thread that they end now, so that callers learn of it in their own protocol. To wait for the
/// [`Drain`] itself would cost each call more: all threads share it.
#[derive(Debug, Default)]
pub struct Parting {
    is_due: AtomicBool,
    due: Notify,
}

impl Parting {
    /// Tells them, and those that are still to come.
    pub fn call(&self) {
        self.is_due.store(true, SeqCst);
        self.due.notify_waiters();
    }

    /// Tells them once the drain has come to [`DrainPhase::Ending`].
    pub async fn follow(&self, drain: Drain) {
        drain.reached(DrainPhase::Ending).await;
        self.call();
    }

    /// Whether they were told.
    pub fn is_due(&self) -> bool {
        self.is_due.load(SeqCst)
    }

    /// Resolves when they are told; cancelling the wait is harmless.
    pub async fn due(&self) {
        // Made before the look, so that it misses nothing.
        let due = self.due.notified();
        if !self.is_due() {
            due.await;
        }
    }
}
