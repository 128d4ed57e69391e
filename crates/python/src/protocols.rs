//! The protocols, as Python names them (`python/landbridge/_protocols.py`).

use landbridge_wire::Protocol;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

pub(crate) fn name(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Connect => "connect",
        Protocol::Grpc => "grpc",
        Protocol::GrpcWeb => "grpc-web",
    }
}

/// # Errors
/// No protocol has the name.
pub(crate) fn parse(given: &str) -> PyResult<Protocol> {
    [Protocol::Connect, Protocol::Grpc, Protocol::GrpcWeb]
        .into_iter()
        .find(|protocol| name(*protocol) == given)
        .ok_or_else(|| {
            PyValueError::new_err(format!("{given:?} is no protocol: they are connect, grpc, grpc-web"))
        })
}
