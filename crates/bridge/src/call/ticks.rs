//! One timer for many calls.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use landbridge_net::Parting;
use tokio::sync::Notify;

/// The ticks of one worker, which come only while somebody waits for one.
///
/// A call has limits, and nearly every call is over long before any of them. So it waits for a tick at first, which is
/// a place in a list. Only a call that is still there then sets a timer of its own: that costs more, and with a
/// runtime that is about to rest it costs a system call, because a new timer may be due before all others.
///
/// A tick comes, too, when the bridge stops and all calls are to end.
#[derive(Debug, Default)]
pub(crate) struct Ticks {
    tick: Notify,
    coming: AtomicBool,
    /// For calls that do not wait for ticks any more.
    parting: Parting,
}

impl Ticks {
    /// The most time that passes until a tick.
    pub(crate) const APART: Duration = Duration::from_secs(1);

    /// Resolves with the next tick.
    pub(crate) async fn next(self: &Arc<Self>) {
        let tick = self.tick.notified();
        if !self.coming.swap(true, Relaxed) {
            let ticks = Arc::clone(self);
            tokio::spawn(async move {
                tokio::time::sleep(Self::APART).await;
                ticks.coming.store(false, Relaxed);
                ticks.tick.notify_waiters();
            });
        }
        tick.await;
    }

    /// All calls are to end.
    pub(crate) fn part(&self) {
        self.parting.call();
        self.tick.notify_waiters();
    }

    /// Whether all calls are to end.
    pub(crate) fn is_parting(&self) -> bool {
        self.parting.is_due()
    }

    /// Resolves when all calls are to end.
    pub(crate) async fn parting(&self) {
        self.parting.due().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_tick_is_for_all_that_wait_and_another_comes_for_those_after() {
        let ticks = Arc::new(Ticks::default());
        tokio::join!(ticks.next(), ticks.next());
        assert!(!ticks.coming.load(Relaxed));
        ticks.next().await;
    }
}
