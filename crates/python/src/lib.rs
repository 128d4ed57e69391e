//! The extension module `landbridge._core`: calls to Python and back, and nothing else.
//!
//! | module | what |
//! |---|---|
//! | `server`, `settings` | the native server, as Python drives it |
//! | `call` | one call on it, as its handler's side holds it |
//! | `calling` | calls that Python makes |
//! | `exchange` | one call under ASGI or WSGI, where Python moves the bytes |
//! | `offered` | what an application offers |
//! | `serving` | requests from `net`, routed, read and answered |
//! | `handoff` | the way between I/O threads and Python, both directions |
//! | `errors`, `metadata`, `content`, `pending` | values on their way between Rust and Python |
//! | `kinds`, `names`, `protocols` | what Python calls things that `wire` and `client` know |
//!
//! The rules of the protocols are `landbridge-wire`'s. `python/landbridge/_core.pyi` says what Python sees.

mod call;
mod calling;
mod content;
mod errors;
mod exchange;
mod handoff;
mod kinds;
mod metadata;
mod names;
mod offered;
mod pending;
mod protocols;
mod server;
mod serving;
mod settings;

use std::ffi::OsString;
use std::path::PathBuf;

use landbridge_codegen::CompileError;
use pyo3::create_exception;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Answers a `CodeGeneratorRequest`: `protoc-gen-connect-python`.
#[pyfunction]
fn plugin<'py>(py: Python<'py>, request: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
    let response =
        landbridge_codegen::plugin(request).map_err(|error| PyValueError::new_err(error.to_string()))?;
    Ok(PyBytes::new(py, &response))
}

/// Answers a `CodeGeneratorRequest` with the modules of messages.
#[pyfunction]
fn messages<'py>(py: Python<'py>, request: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
    let response =
        landbridge_codegen::messages(request).map_err(|error| PyValueError::new_err(error.to_string()))?;
    Ok(PyBytes::new(py, &response))
}

create_exception!(landbridge._core, EditionError, PyValueError, "A file is of an edition.");

/// Compiles `.proto` files to a serialized `FileDescriptorSet`; gives the names that the files have in it.
#[pyfunction]
fn compile_protos(
    py: Python<'_>,
    files: Vec<PathBuf>,
    includes: Vec<PathBuf>,
) -> PyResult<(Bound<'_, PyBytes>, Vec<String>)> {
    match landbridge_codegen::compile(&files, &includes) {
        Ok((set, names)) => Ok((PyBytes::new(py, &set), names)),
        Err(error @ CompileError::Edition { .. }) => Err(EditionError::new_err(error.to_string())),
        Err(error @ CompileError::Wrong(_)) => Err(PyValueError::new_err(error.to_string())),
    }
}

/// Runs a command line of the program `landbridge`, and gives its exit status.
#[pyfunction]
fn run(py: Python<'_>, arguments: Vec<OsString>) -> u8 {
    py.detach(|| landbridge_cli::run(arguments))
}

/// The module.
#[pymodule]
fn _core(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<server::Server>()?;
    module.add_function(wrap_pyfunction!(server::listen_advice, module)?)?;
    module.add_class::<call::Call>()?;
    module.add_class::<exchange::Exchange>()?;
    module.add_class::<offered::Offered>()?;
    module.add_class::<calling::Transport>()?;
    module.add_class::<calling::Client>()?;
    module.add_class::<calling::ClientMethod>()?;
    module.add_class::<calling::ClientCall>()?;
    module.add_class::<calling::Events>()?;
    module.add_class::<calling::ClientExchange>()?;
    module.add_function(wrap_pyfunction!(calling::before_fork, module)?)?;
    module.add_function(wrap_pyfunction!(calling::after_fork_in_parent, module)?)?;
    module.add_function(wrap_pyfunction!(calling::after_fork_in_child, module)?)?;
    module.add_class::<content::Compressed>()?;
    module.add_function(wrap_pyfunction!(content::check_level, module)?)?;
    module.add_function(wrap_pyfunction!(metadata::check_header, module)?)?;
    module.add_function(wrap_pyfunction!(content::compress, module)?)?;
    module.add_function(wrap_pyfunction!(content::decompress, module)?)?;
    module.add_function(wrap_pyfunction!(plugin, module)?)?;
    module.add_function(wrap_pyfunction!(messages, module)?)?;
    module.add_function(wrap_pyfunction!(compile_protos, module)?)?;
    module.add("EditionError", module.py().get_type::<EditionError>())?;
    module.add_function(wrap_pyfunction!(run, module)?)?;
    module.add("PENDING", pending::init(module.py())?)?;
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    Ok(())
}
