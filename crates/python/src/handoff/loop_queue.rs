//! What waits for Python's event loop.

use std::io;
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use super::wakeup::Wakeup;

/// A queue with a descriptor that is readable while something waits. I/O threads put in; the event loop takes out.
#[derive(Debug)]
pub(crate) struct LoopQueue<E> {
    events: Mutex<Vec<E>>,
    /// Whether the loop was told and has not looked since.
    told: AtomicBool,
    wakeup: Wakeup,
}

impl<E> LoopQueue<E> {
    /// # Errors
    /// The system has no descriptors left.
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self { events: Mutex::default(), told: AtomicBool::new(false), wakeup: Wakeup::new()? })
    }

    /// Readable while something waits.
    pub(crate) fn descriptor(&self) -> RawFd {
        self.wakeup.descriptor()
    }

    pub(crate) fn put(&self, event: E) {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).push(event);
        if !self.told.swap(true, Ordering::AcqRel) {
            self.wakeup.raise();
        }
    }

    /// Shows everything that waits.
    ///
    /// Python's garbage collector looks twice, and takes for garbage what it sees once: so this waits for the lock, which
    /// nobody holds who waits for the interpreter.
    pub(crate) fn look<R>(&self, at: impl FnMut(&E) -> Result<(), R>) -> Result<(), R> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).iter().try_for_each(at)
    }

    /// Everything that waits, in the order it came.
    pub(crate) fn take(&self) -> Vec<E> {
        self.wakeup.clear();
        // Before the look: what is put in after it tells anew.
        self.told.store(false, Ordering::Release);
        std::mem::take(&mut *self.events.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
