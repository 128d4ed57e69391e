//! What an application offers to its callers, as Python says it.

use std::collections::HashMap;

use landbridge_wire::plain::Packing;
use landbridge_wire::{Codec, Compression, Limits, Offer};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::content;
use crate::serving::Service;

/// Codecs and compressions by name, how hard these are done, message size, and the smallest message to compress.
#[pyclass(frozen, module = "landbridge._core", name = "Service")]
#[derive(Debug)]
pub(crate) struct Offered {
    service: Service,
}

impl Offered {
    pub(crate) fn service(&self) -> &Service {
        &self.service
    }
}

#[pymethods]
impl Offered {
    #[new]
    #[pyo3(signature = (*, codecs, compressions, levels, read_max_bytes, compress_min_bytes))]
    fn new(
        codecs: Vec<String>,
        compressions: Vec<String>,
        levels: HashMap<String, i32>,
        read_max_bytes: usize,
        compress_min_bytes: usize,
    ) -> PyResult<Self> {
        let codecs = codecs.iter().map(|name| Codec::register(name).ok_or_else(|| unusable(name)));
        let codecs = codecs.collect::<PyResult<_>>()?;
        let compressions = compressions.iter();
        let compressions = compressions.map(|name| Compression::register(name).ok_or_else(|| unusable(name)));
        let compressions = compressions.collect::<PyResult<_>>()?;
        let limits = Limits { max_message_bytes: read_max_bytes };
        let offer = Offer::of(codecs, compressions, limits);
        let levels = content::levels(levels.iter().map(|(name, level)| (name.as_str(), *level)))?;
        let packing = Packing { min_bytes: compress_min_bytes, levels };
        Ok(Self { service: Service { offer, packing } })
    }
}

fn unusable(name: &str) -> PyErr {
    PyValueError::new_err(format!(
        "{name:?} cannot be the name of a codec or compression: no header can carry it"
    ))
}
