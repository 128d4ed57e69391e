//! Busy polling: the runtime stays awake while an answer is about to come.
//!
//! To sleep and to be woken costs tens of microseconds, in a virtual machine above all, and all is slow at first after
//! it. A server on the same host has answered by then.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::yield_now;
use tokio::time::Instant;

/// How long the runtime stays awake: about what it costs to sleep and to be slow after it. Where all have slept, the
/// first answer takes longer than those that follow it, and has to come within this, too.
const MOST: Duration = Duration::from_micros(200);
/// How many calls it sleeps through, at most, once it has been awake in vain.
const MOST_SKIPPED: u32 = 1 << 8;

/// Keeps a runtime awake for answers that come at once, as far as those before them tell.
#[derive(Debug, Default)]
pub(crate) struct BusyPoll {
    /// The number of the call whose answer is awaited; 0 for none.
    awaited: Arc<AtomicU64>,
    calls: AtomicU64,
    begins: Notify,
    /// How many calls it sleeps through before it tries again. Doubles each time that was in vain, and halves each time
    /// that it was not.
    skips: AtomicU32,
    skipped: AtomicU32,
}

/// An answer is awaited, until this is dropped.
#[derive(Debug)]
pub struct Awaited(Arc<AtomicU64>);

impl BusyPoll {
    /// A call begins, beside which there is no other. None where its answer will take its time.
    pub(crate) fn begin(&self) -> Option<Awaited> {
        if self.skipped.fetch_add(1, Relaxed) < self.skips.load(Relaxed) {
            return None;
        }
        self.skipped.store(0, Relaxed);
        self.awaited.store(self.calls.fetch_add(1, Relaxed) + 1, Relaxed);
        self.begins.notify_one();
        Some(Awaited(Arc::clone(&self.awaited)))
    }

    /// Keeps the runtime that this runs on awake while an answer is awaited.
    pub(crate) async fn run(&self) {
        loop {
            self.begins.notified().await;
            let call = self.awaited.load(Relaxed);
            if call == 0 {
                // It was over before this looked.
                continue;
            }
            let until = Instant::now() + MOST;
            let came_in_time = loop {
                // For the runtime, which sends what is to be sent and asks the system what has come.
                yield_now().await;
                let in_time = Instant::now() < until;
                if self.awaited.load(Relaxed) != call || !in_time {
                    break in_time;
                }
                // For whoever else wants this core: it may be the server.
                std::thread::yield_now();
            };
            self.learn(came_in_time);
        }
    }

    /// Whether an answer has come within the time that is worth it.
    fn learn(&self, came: bool) {
        let skips = self.skips.load(Relaxed);
        self.skips.store(if came { skips / 2 } else { (skips * 2).clamp(1, MOST_SKIPPED) }, Relaxed);
    }
}

impl Drop for Awaited {
    fn drop(&mut self) {
        self.0.store(0, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    /// A busy poll that runs. Time stands still.
    fn running() -> Arc<BusyPoll> {
        let busy_poll = Arc::new(BusyPoll::default());
        let running = Arc::clone(&busy_poll);
        tokio::spawn(async move { running.run().await });
        busy_poll
    }

    /// The answer comes at once. Says whether the runtime stayed awake for it.
    async fn quick(busy_poll: &BusyPoll) -> bool {
        let awaited = busy_poll.begin();
        yield_now().await;
        let awake = awaited.is_some();
        drop(awaited);
        yield_now().await;
        awake
    }

    /// The answer takes longer than that.
    async fn slow(busy_poll: &BusyPoll) -> bool {
        let awaited = busy_poll.begin();
        yield_now().await;
        advance(MOST).await;
        yield_now().await;
        awaited.is_some()
    }

    #[tokio::test(start_paused = true)]
    async fn it_stays_awake_for_answers_that_come_at_once() {
        let busy_poll = running();
        for _ in 0..10 {
            assert!(quick(&busy_poll).await);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn it_sleeps_through_more_and_more_calls_whose_answers_take_their_time() {
        let busy_poll = running();
        let mut awake = Vec::new();
        for call in 0..20 {
            if slow(&busy_poll).await {
                awake.push(call);
            }
        }
        assert_eq!(awake, [0, 2, 5, 10, 19]);
    }

    #[tokio::test(start_paused = true)]
    async fn it_never_sleeps_through_more_than_so_many() {
        let busy_poll = running();
        let mut most = 0;
        let mut asleep = 0;
        for _ in 0..10_000 {
            asleep = if slow(&busy_poll).await { 0 } else { asleep + 1 };
            most = most.max(asleep);
        }
        assert_eq!(most, MOST_SKIPPED);
    }

    #[tokio::test(start_paused = true)]
    async fn it_stays_awake_again_when_answers_come_at_once_again() {
        let busy_poll = running();
        for _ in 0..20 {
            slow(&busy_poll).await;
        }
        for _ in 0..100 {
            quick(&busy_poll).await;
        }
        assert!(quick(&busy_poll).await);
        assert!(quick(&busy_poll).await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_is_over_before_it_has_looked_is_nothing_to_learn_from() {
        let busy_poll = running();
        drop(busy_poll.begin());
        yield_now().await;
        advance(MOST).await;
        yield_now().await;
        assert!(quick(&busy_poll).await);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_came_late_because_the_thread_was_kept_away_was_not_worth_it() {
        let busy_poll = running();
        let awaited = busy_poll.begin();
        yield_now().await;
        advance(MOST).await;
        drop(awaited);
        yield_now().await;
        assert!(busy_poll.begin().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_follows_before_it_has_looked_is_not_taken_for_the_one_before() {
        let busy_poll = running();
        let first = busy_poll.begin();
        yield_now().await;
        drop(first);
        let second = busy_poll.begin();
        yield_now().await;
        assert_eq!(busy_poll.skips.load(Relaxed), 0, "the first was answered");
        drop(second);
        yield_now().await;
        assert!(busy_poll.begin().is_some());
    }
}
