//! The kinds of methods, as Python numbers them (`python/landbridge/_kinds.py`).

use landbridge_client::StreamKind;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

/// # Errors
/// No kind has the number.
pub(crate) fn parse(number: u8) -> PyResult<StreamKind> {
    match number {
        0 => Ok(StreamKind::Unary),
        1 => Ok(StreamKind::ClientStream),
        2 => Ok(StreamKind::ServerStream),
        3 => Ok(StreamKind::BidiStream),
        _ => Err(PyValueError::new_err(format!("{number} is no kind of a method: they are 0 to 3"))),
    }
}
