//! What waits for a thread that runs blocking handlers.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::channel::Channel;

/// A bounded queue of calls. I/O threads put in; handler threads take out, blocking.
#[derive(Debug)]
pub(crate) struct ThreadQueue {
    line: Mutex<Line>,
    changed: Condvar,
    /// How many calls may wait for a thread.
    most: usize,
}

#[derive(Debug, Default)]
struct Line {
    calls: VecDeque<Arc<Channel>>,
    /// Threads that wait for a call.
    idle: usize,
    closed: bool,
}

/// All threads are busy, and as many calls wait as may.
#[derive(Debug)]
pub(crate) struct Full;

impl ThreadQueue {
    pub(crate) fn new(most: usize) -> Self {
        Self { line: Mutex::default(), changed: Condvar::new(), most }
    }

    pub(crate) fn put(&self, call: Arc<Channel>) -> Result<(), Full> {
        let mut line = self.lock();
        if line.calls.len() >= self.most + line.idle || line.closed {
            return Err(Full);
        }
        line.calls.push_back(call);
        let somebody_waits = line.idle > 0;
        drop(line);
        if somebody_waits {
            self.changed.notify_one();
        }
        Ok(())
    }

    /// Waits for the next call; none once the queue is closed and empty.
    pub(crate) fn take(&self) -> Option<Arc<Channel>> {
        let mut line = self.lock();
        loop {
            if let Some(call) = line.calls.pop_front() {
                return Some(call);
            }
            if line.closed {
                return None;
            }
            line.idle += 1;
            line = self.changed.wait(line).unwrap_or_else(PoisonError::into_inner);
            line.idle -= 1;
        }
    }

    /// Lets the threads go once what waits is taken.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
