//! Threads that sleep although what they wait for has come.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::thread::Thread;

use tokio::sync::Notify;

/// Threads to be woken, one after the other: by the I/O thread once it has gone through all that came, or before that by
/// a thread that goes to sleep itself.
///
/// Woken threads want the GIL, which one at a time can have. Where they share a core with the I/O thread, each would take
/// it from it in the middle of its work; so they hand the core on among themselves, and all that they ask for meanwhile
/// leaves together.
#[derive(Debug, Default)]
pub(super) struct Sleepers {
    line: Mutex<VecDeque<Thread>>,
    notify: Notify,
}

impl Sleepers {
    /// Has a thread woken. Whoever runs the runtime does it, or has to [`wake_all`](Self::wake_all) when it stops.
    pub(super) fn put(&self, sleeper: Thread) {
        self.line.lock().unwrap_or_else(PoisonError::into_inner).push_back(sleeper);
        self.notify.notify_one();
    }

    /// Wakes the one that has been there longest. Says whether there was one.
    pub(super) fn wake_one(&self) -> bool {
        let first = self.line.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        first.inspect(Thread::unpark).is_some()
    }

    /// Wakes all of them.
    pub(super) fn wake_all(&self) {
        while self.wake_one() {}
    }

    /// Wakes them for as long as it is polled; runs on the I/O thread.
    pub(super) async fn stay_awake(&self) {
        loop {
            self.notify.notified().await;
            self.wake_all();
        }
    }
}
