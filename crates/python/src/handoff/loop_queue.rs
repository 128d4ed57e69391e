//! What waits for Python's event loop.

use std::io;
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use pyo3::{Py, PyAny};

use super::channel::Channel;
use super::wakeup::Wakeup;

/// Something that an I/O thread has for the event loop.
#[derive(Debug)]
pub(crate) enum Event {
    /// A call has come.
    Started(Arc<Channel>),
    /// What this future waits for has happened.
    Woken(Py<PyAny>),
    /// The caller is gone, or its deadline: whoever works for it is to be cancelled.
    Over(Py<PyAny>),
}

/// A queue with a descriptor that is readable while something waits. I/O threads put in; the event loop takes out.
#[derive(Debug)]
pub(crate) struct LoopQueue {
    events: Mutex<Vec<Event>>,
    /// Whether the loop was told and has not looked since.
    told: AtomicBool,
    wakeup: Wakeup,
}

impl LoopQueue {
    /// # Errors
    /// The system has no descriptors left.
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self { events: Mutex::default(), told: AtomicBool::new(false), wakeup: Wakeup::new()? })
    }

    /// Readable while something waits.
    pub(crate) fn descriptor(&self) -> RawFd {
        self.wakeup.descriptor()
    }

    pub(crate) fn put(&self, event: Event) {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).push(event);
        if !self.told.swap(true, Ordering::AcqRel) {
            self.wakeup.raise();
        }
    }

    /// Everything that waits, in the order it came.
    pub(crate) fn take(&self) -> Vec<Event> {
        self.wakeup.clear();
        // Before the look: what is put in after it tells anew.
        self.told.store(false, Ordering::Release);
        std::mem::take(&mut *self.events.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
