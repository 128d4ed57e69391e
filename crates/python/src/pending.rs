//! What `receive` returns where nothing has come yet.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

/// The type of `PENDING`, of which there is one.
#[pyclass(frozen, module = "landbridge._core")]
#[derive(Debug)]
pub(crate) struct Pending;

#[pymethods]
impl Pending {
    fn __repr__(&self) -> &'static str {
        "PENDING"
    }
}

static PENDING: PyOnceLock<Py<PyAny>> = PyOnceLock::new();

/// Makes it.
pub(crate) fn init(py: Python<'_>) -> PyResult<&Py<PyAny>> {
    PENDING.get_or_try_init(py, || Ok(Py::new(py, Pending)?.into_any()))
}

/// It. Made when the module is, so that there always is one.
pub(crate) fn get(py: Python<'_>) -> Py<PyAny> {
    PENDING.get(py).map_or_else(|| py.None(), |pending| pending.clone_ref(py))
}
