//! Messages, to Python and back.

use bytes::Bytes;
use landbridge_wire::compression::Levels;
use landbridge_wire::plain::Content;
use landbridge_wire::{Compression, RpcError};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyBytes;

/// Up to this size, in bytes, a copy is cheaper than sharing what Python owns.
const COPIED: usize = 32 << 10;

/// A message under a compression that the application does itself.
#[pyclass(frozen, module = "landbridge._core")]
#[derive(Debug)]
pub(crate) struct Compressed {
    data: Py<PyBytes>,
}

#[pymethods]
impl Compressed {
    #[new]
    fn new(data: Py<PyBytes>) -> Self {
        Self { data }
    }

    /// The compressed bytes.
    #[getter]
    fn data(&self, py: Python<'_>) -> Py<PyBytes> {
        self.data.clone_ref(py)
    }
}

/// What Python gives to be sent.
#[derive(FromPyObject)]
pub(crate) enum Given<'py> {
    Plain(Bound<'py, PyBytes>),
    Compressed(Bound<'py, Compressed>),
}

impl From<Given<'_>> for Content {
    fn from(given: Given<'_>) -> Self {
        match given {
            Given::Plain(bytes) => Self::Plain(shared(&bytes)),
            Given::Compressed(compressed) => {
                Self::Compressed(shared(compressed.get().data.bind(compressed.py())))
            }
        }
    }
}

/// A message as Python takes it.
pub(crate) fn to_python(py: Python<'_>, message: &Content) -> PyResult<Py<PyAny>> {
    Ok(match message {
        Content::Plain(bytes) => PyBytes::new(py, bytes).into_any().unbind(),
        Content::Compressed(bytes) => {
            let data = PyBytes::new(py, bytes).unbind();
            Py::new(py, Compressed { data })?.into_any()
        }
    })
}

/// The bytes of a Python object; large ones are shared, not copied.
fn shared(bytes: &Bound<'_, PyBytes>) -> Bytes {
    let data = bytes.as_bytes();
    if data.len() <= COPIED {
        return Bytes::copy_from_slice(data);
    }
    Bytes::from_owner(PyBackedBytes::from(bytes.clone()))
}

/// The name of a compression that the application does itself.
pub(crate) fn custom_name(compression: Compression) -> Option<&'static str> {
    (!compression.is_ours()).then(|| compression.name())
}

/// The compression of this name.
///
/// # Errors
/// `ValueError` for a name that nobody has.
pub(crate) fn known_compression(name: &str) -> PyResult<Compression> {
    Compression::from_name(name)
        .ok_or_else(|| PyValueError::new_err(format!("{name:?} is no compression known here")))
}

/// How hard each compression is done that has a level of its own.
///
/// # Errors
/// `ValueError` for a level that a compression does not have.
pub(crate) fn levels<'a>(given: impl IntoIterator<Item = (&'a str, i32)>) -> PyResult<Levels> {
    given.into_iter().try_fold(Levels::default(), |levels, (name, level)| {
        let changed = levels.with(known_compression(name)?, level);
        changed.ok_or_else(|| PyValueError::new_err(format!("{name} has no level {level}")))
    })
}

/// Raises `ValueError` for a level that one of the core's compressions does not have.
#[pyfunction]
#[pyo3(signature = (name, level, /))]
pub(crate) fn check_level(name: &str, level: i32) -> PyResult<()> {
    levels([(name, level)]).map(drop)
}

/// The data under one of the core's compressions, at this level or the core's own.
#[pyfunction]
#[pyo3(signature = (name, data, level, /))]
pub(crate) fn compress<'py>(
    py: Python<'py>,
    name: &str,
    data: &Bound<'py, PyBytes>,
    level: Option<i32>,
) -> PyResult<Bound<'py, PyBytes>> {
    let compression = Compression::from_name(name).unwrap_or_default();
    let levels = levels(level.map(|level| (name, level)))?;
    let payload = shared(data).into();
    let compressed = py.detach(|| landbridge_wire::compression::compress(&payload, compression, levels))?;
    Ok(PyBytes::new(py, &compressed))
}

/// The data without one of the core's compressions, of at most so many bytes.
#[pyfunction]
#[pyo3(signature = (name, data, read_max_bytes, /))]
pub(crate) fn decompress<'py>(
    py: Python<'py>,
    name: &str,
    data: &Bound<'py, PyBytes>,
    read_max_bytes: Option<usize>,
) -> PyResult<Bound<'py, PyBytes>> {
    let compression = Compression::from_name(name).unwrap_or_default();
    let payload = shared(data).into();
    let limit = read_max_bytes.unwrap_or(usize::MAX - 1);
    let plain = py.detach(|| landbridge_wire::compression::decompress(&payload, compression, limit));
    let plain = plain.map_err(|error| -> RpcError { error.into_rpc(landbridge_wire::Code::InvalidArgument) });
    plain.map(|plain| PyBytes::new(py, &plain)).map_err(|error| crate::errors::raised(py, &error))
}
