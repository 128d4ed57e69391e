//! Codecs and compressions, as Python names them.

use landbridge_wire::{Codec, Compression};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

/// # Errors
/// No content-type can carry the name, or there are too many.
pub(crate) fn codec(name: &str) -> PyResult<Codec> {
    Codec::register(name).ok_or_else(|| unusable(name))
}

/// # Errors
/// No header can carry the name, or there are too many.
pub(crate) fn compression(name: &str) -> PyResult<Compression> {
    Compression::register(name).ok_or_else(|| unusable(name))
}

fn unusable(name: &str) -> PyErr {
    let message = format!(
        "{name:?} cannot be the name of a codec or compression: no header can carry it, or this process has 65,536 \
         others"
    );
    PyValueError::new_err(message)
}
