//! What calls and one event loop have for each other.

use std::os::fd::RawFd;
use std::sync::{Arc, Mutex, PoisonError};

use pyo3::prelude::*;

use super::io_thread::{IoThread, Start, generation};
use crate::call::wake;
use crate::handoff::LoopQueue;

/// Futures of one event loop whose calls have something for them.
pub(crate) type Futures = Arc<LoopQueue<Py<PyAny>>>;

/// A queue with a descriptor that is readable while something waits, and the calls that are made when the loop looks
/// there next.
#[pyclass(frozen, module = "landbridge._core", weakref)]
#[derive(Debug)]
pub(crate) struct Events {
    futures: Futures,
    soon: Mutex<Vec<Soon>>,
}

/// A call that is about to be made.
#[derive(Debug)]
struct Soon {
    thread: Arc<IoThread>,
    start: Start,
    /// The process that makes it.
    generation: u64,
}

impl Events {
    pub(crate) fn futures(&self) -> &Futures {
        &self.futures
    }

    /// Makes a call once the loop has gone through what it has to do now. So all that is sent until then leaves with
    /// the head: servers of HTTP/1.1 may stop reading as soon as they have begun to answer.
    pub(super) fn make_soon(&self, thread: Arc<IoThread>, start: Start) {
        let soon = Soon { thread, start, generation: generation() };
        self.soon.lock().unwrap_or_else(PoisonError::into_inner).push(soon);
        self.futures.have_looked_at();
    }
}

impl Soon {
    fn make(self) {
        if self.generation == generation() {
            self.thread.make(self.start);
        } else {
            // Copied by a fork: it is the parent's, as is its thread.
            std::mem::forget(self);
        }
    }
}

#[pymethods]
impl Events {
    #[new]
    fn new() -> PyResult<Self> {
        Ok(Self { futures: Arc::new(LoopQueue::new()?), soon: Mutex::default() })
    }

    /// Readable while `poll` has something to do.
    #[getter]
    fn descriptor(&self) -> RawFd {
        self.futures.descriptor()
    }

    /// Makes the calls that are to be made, and sets the results of the futures whose calls have something for them.
    fn poll(&self, py: Python<'_>) {
        let futures = self.futures.take();
        let soon = std::mem::take(&mut *self.soon.lock().unwrap_or_else(PoisonError::into_inner));
        soon.into_iter().for_each(Soon::make);
        for future in futures {
            if let Err(problem) = wake(py, &future) {
                problem.write_unraisable(py, None);
            }
        }
    }
}
