//! What an application offers to its callers, as Python says it.

use std::collections::HashMap;

use landbridge_wire::plain::Packing;
use landbridge_wire::{Limits, Offer};
use pyo3::prelude::*;

use crate::serving::Service;
use crate::{content, names};

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
        let codecs = codecs.iter().map(|name| names::codec(name)).collect::<PyResult<_>>()?;
        let compressions =
            compressions.iter().map(|name| names::compression(name)).collect::<PyResult<_>>()?;
        let limits = Limits { max_message_bytes: read_max_bytes };
        let offer = Offer::of(codecs, compressions, limits);
        let levels = content::levels(levels.iter().map(|(name, level)| (name.as_str(), *level)))?;
        let packing = Packing { min_bytes: compress_min_bytes, levels };
        Ok(Self { service: Service { offer, packing } })
    }
}
