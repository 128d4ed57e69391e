//! What calls have for one event loop.

use std::os::fd::RawFd;
use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::{PyTraverseError, PyVisit};

use crate::call::wake;
use crate::handoff::LoopQueue;

/// Futures of one event loop whose calls have something for them.
pub(crate) type Futures = Arc<LoopQueue<Py<PyAny>>>;

/// A queue with a descriptor that is readable while something waits.
#[pyclass(frozen, module = "landbridge._core", weakref)]
#[derive(Debug)]
pub(crate) struct Events {
    futures: Futures,
}

impl Events {
    pub(crate) fn futures(&self) -> &Futures {
        &self.futures
    }
}

#[pymethods]
impl Events {
    #[new]
    fn new() -> PyResult<Self> {
        Ok(Self { futures: Arc::new(LoopQueue::new()?) })
    }

    /// Readable while `poll` has something to do.
    #[getter]
    fn descriptor(&self) -> RawFd {
        self.futures.descriptor()
    }

    // A loop that was closed looks here no more, and holds these futures, which hold the loop.
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.futures.look(|future| visit.call(future))
    }

    fn __clear__(&self) {
        drop(self.futures.take());
    }

    /// Sets the results of the futures whose calls have something for them.
    fn poll(&self, py: Python<'_>) {
        for future in self.futures.take() {
            if let Err(problem) = wake(py, &future) {
                problem.write_unraisable(py, None);
            }
        }
    }
}
