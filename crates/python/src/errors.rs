//! Errors of calls, as Python raises them.

use bytes::Bytes;
use landbridge_wire::{Code, Detail, RpcError};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyBytes;

use crate::handoff::Over;

/// `landbridge.errors._received(code, message, details, headers, trailers)`, which makes the exception to raise.
static RECEIVED: PyOnceLock<Py<PyAny>> = PyOnceLock::new();

/// The `ConnectError` that says this.
pub(crate) fn raised(py: Python<'_>, error: &RpcError) -> PyErr {
    raised_with(py, error, Vec::new(), Vec::new())
}

/// The same, with the headers and trailers of the response that it came by.
pub(crate) fn raised_with(
    py: Python<'_>,
    error: &RpcError,
    headers: Vec<(String, String)>,
    trailers: Vec<(String, String)>,
) -> PyErr {
    match received(py, error, headers, trailers) {
        Ok(exception) => PyErr::from_value(exception),
        Err(problem) => problem,
    }
}

fn received<'py>(
    py: Python<'py>,
    error: &RpcError,
    headers: Vec<(String, String)>,
    trailers: Vec<(String, String)>,
) -> PyResult<Bound<'py, PyAny>> {
    let make = RECEIVED.get_or_try_init(py, || -> PyResult<Py<PyAny>> {
        Ok(py.import("landbridge.errors")?.getattr("_received")?.unbind())
    })?;
    let details: Vec<(&str, Bound<'_, PyBytes>)> =
        error.details.iter().map(|detail| (detail.type_name(), PyBytes::new(py, &detail.value))).collect();
    make.bind(py).call1((error.code.name(), &error.message, details, headers, trailers))
}

/// What a handler is told that goes on with a call that is over.
pub(crate) fn over(py: Python<'_>, over: Over) -> PyErr {
    let error = match over {
        Over::Gone => RpcError::new(Code::Canceled, "the caller has gone away"),
        Over::DeadlineExceeded => RpcError::new(Code::DeadlineExceeded, "the caller's deadline has passed"),
        Over::Answered => RpcError::new(Code::Canceled, "the call has been answered"),
    };
    raised(py, &error)
}

/// An error as Python gives it: code, message, and details as type names and bytes.
#[derive(Debug, FromPyObject)]
pub(crate) struct GivenError(String, String, Vec<(String, Vec<u8>)>);

impl TryFrom<GivenError> for RpcError {
    type Error = PyErr;

    fn try_from(GivenError(code, message, details): GivenError) -> PyResult<Self> {
        let code = Code::from_name(&code)
            .ok_or_else(|| PyValueError::new_err(format!("{code:?} is none of the sixteen codes")))?;
        let details = details
            .into_iter()
            .map(|(type_url, value)| Detail { type_url, value: Bytes::from(value) })
            .collect();
        Ok(Self { code, message, details })
    }
}
