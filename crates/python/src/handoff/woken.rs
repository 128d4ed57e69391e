//! Calls that Python has something for, on their way back to their I/O thread.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

use super::channel::Channel;

/// The calls of one I/O thread to be looked at again. Any thread puts in; a task on the I/O thread hands out, so that
/// only the first of a batch crosses by a system call and the rest are woken within their thread.
#[derive(Debug, Default)]
pub(crate) struct Woken {
    calls: Mutex<Vec<Arc<Channel>>>,
    told: AtomicBool,
    notify: Notify,
}

impl Woken {
    pub(crate) fn put(&self, call: Arc<Channel>) {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).push(call);
        if !self.told.swap(true, Ordering::AcqRel) {
            self.notify.notify_one();
        }
    }

    /// Hands out for as long as it is polled; runs on the I/O thread.
    pub(crate) async fn hand_out(&self) {
        loop {
            self.notify.notified().await;
            // Before the look: what is put in after it notifies anew.
            self.told.store(false, Ordering::Release);
            let calls = std::mem::take(&mut *self.calls.lock().unwrap_or_else(PoisonError::into_inner));
            for call in calls {
                call.wake_carrier();
            }
        }
    }
}
