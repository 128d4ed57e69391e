//! Calls that Python has something for, on their way back to their I/O thread.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::task::Waker;

use futures_util::task::AtomicWaker;
use tokio::sync::Notify;

/// The calls of one I/O thread to be looked at again. Any thread puts in; a task on the I/O thread hands out, so that
/// only the first of a batch crosses by a system call and the rest are woken within their thread.
#[derive(Debug, Default)]
pub(crate) struct Woken {
    carriers: Mutex<Vec<Waker>>,
    told: AtomicBool,
    notify: Notify,
}

impl Woken {
    /// One that has not registered looks by itself before it waits.
    pub(crate) fn put(&self, carrier: &AtomicWaker) {
        let Some(carrier) = carrier.take() else { return };
        self.carriers.lock().unwrap_or_else(PoisonError::into_inner).push(carrier);
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
            let carriers = std::mem::take(&mut *self.carriers.lock().unwrap_or_else(PoisonError::into_inner));
            carriers.into_iter().for_each(Waker::wake);
        }
    }
}
