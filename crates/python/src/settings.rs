//! The server's limits and times, as Python names them.

use std::time::Duration;

use http::HeaderName;
use landbridge_net::{
    ALPN_H2, ALPN_HTTP1, ClientCertificates, Http2Settings, Identity, Pem, ServerSettings, ServerTls,
    ServerTlsConfig, TlsVersions,
};
use landbridge_wire::cors::{Grants, Listed, REQUEST_HEADERS};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::serving::Cors;

/// What `landbridge.serving` hands over; it documents the fields, their units and their defaults.
#[derive(Debug, FromPyObject)]
#[pyo3(from_item_all)]
pub(crate) struct Settings {
    max_connections: usize,
    max_streams_per_connection: u32,
    max_header_bytes: u32,
    header_timeout: f64,
    receive_timeout: Option<f64>,
    handshake_timeout: f64,
    idle_timeout: Option<f64>,
    keepalive_interval: Option<f64>,
    keepalive_timeout: f64,
    max_connection_age: Option<f64>,
    max_connection_age_grace: f64,
    max_requests_per_connection: Option<u64>,
    early_reset_time: f64,
    max_early_resets: u32,
    early_resets_per_second: u32,
    max_pending_resets: usize,
    max_error_resets: usize,
}

impl Settings {
    /// How long a caller may be silent within a request that is awaited as a whole.
    pub(crate) fn receive_timeout(&self) -> PyResult<Option<Duration>> {
        maybe("receive_timeout", self.receive_timeout)
    }
}

impl TryFrom<Settings> for ServerSettings {
    type Error = PyErr;

    fn try_from(given: Settings) -> PyResult<Self> {
        let defaults = Self::default();
        Ok(Self {
            max_connections: given.max_connections,
            max_concurrent_streams: given.max_streams_per_connection,
            http1_max_header_bytes: given.max_header_bytes as usize,
            header_timeout: seconds("header_timeout", given.header_timeout)?,
            handshake_timeout: seconds("handshake_timeout", given.handshake_timeout)?,
            idle_timeout: maybe("idle_timeout", given.idle_timeout)?,
            max_connection_age: maybe("max_connection_age", given.max_connection_age)?,
            connection_grace: seconds("max_connection_age_grace", given.max_connection_age_grace)?,
            max_requests_per_connection: given.max_requests_per_connection,
            early_reset_time: seconds("early_reset_time", given.early_reset_time)?,
            max_early_resets: given.max_early_resets,
            early_resets_per_second: given.early_resets_per_second,
            max_pending_resets: given.max_pending_resets,
            max_error_resets: given.max_error_resets,
            http2: Http2Settings {
                max_header_bytes: given.max_header_bytes,
                keepalive_interval: maybe("keepalive_interval", given.keepalive_interval)?,
                keepalive_timeout: seconds("keepalive_timeout", given.keepalive_timeout)?,
                ..defaults.http2.clone()
            },
            ..defaults
        })
    }
}

pub(crate) fn seconds(name: &str, value: f64) -> PyResult<Duration> {
    Duration::try_from_secs_f64(value).map_err(|_| {
        PyValueError::new_err(format!("{name} is {value}: it must be a time in seconds, 0 or more"))
    })
}

pub(crate) fn maybe(name: &str, value: Option<f64>) -> PyResult<Option<Duration>> {
    value.map(|value| seconds(name, value)).transpose()
}

/// Which pages may call; origins of none mean those of all, and headers of none mean any.
#[derive(Debug, FromPyObject)]
#[pyo3(from_item_all)]
pub(crate) struct GivenCors {
    origins: Option<Vec<String>>,
    headers: Option<Vec<String>>,
    max_age: Option<f64>,
    credentials: bool,
}

impl TryFrom<GivenCors> for Cors {
    type Error = PyErr;

    fn try_from(given: GivenCors) -> PyResult<Self> {
        let request_headers = match given.headers {
            None => Listed::Any,
            Some(names) => {
                let needed = REQUEST_HEADERS.split(',').map(str::to_owned);
                Listed::These(needed.chain(names).map(|name| header_name(&name)).collect::<PyResult<_>>()?)
            }
        };
        let max_age = maybe("max_age", given.max_age)?;
        let grants = Grants { request_headers, max_age, credentials: given.credentials, ..Grants::default() };
        Ok(Self { origins: given.origins, grants })
    }
}

fn header_name(name: &str) -> PyResult<HeaderName> {
    name.parse().map_err(|_| PyValueError::new_err(format!("{name:?} is no name of a header")))
}

/// The server's certificate, and what it asks of clients.
#[derive(Debug, FromPyObject)]
#[pyo3(from_item_all)]
pub(crate) struct Tls {
    certificate_chain: PemSource,
    private_key: PemSource,
    client_ca: Option<PemSource>,
    client_certificate_required: bool,
}

/// Text in PEM, or the path of a file with it.
#[derive(Debug, FromPyObject)]
pub(crate) enum PemSource {
    Text(Vec<u8>),
    File(std::path::PathBuf),
}

impl From<PemSource> for Pem {
    fn from(source: PemSource) -> Self {
        match source {
            PemSource::Text(text) => Self::Inline(text),
            PemSource::File(path) => Self::File(path),
        }
    }
}

impl Tls {
    /// # Errors
    /// Names the file and what is wrong with it.
    pub(crate) fn load(self) -> PyResult<ServerTls> {
        let clients = match (self.client_ca, self.client_certificate_required) {
            (None, _) => ClientCertificates::Ignored,
            (Some(authority), false) => ClientCertificates::Optional(authority.into()),
            (Some(authority), true) => ClientCertificates::Required(authority.into()),
        };
        let config = ServerTlsConfig {
            identity: Identity { certificates: self.certificate_chain.into(), key: self.private_key.into() },
            clients,
            alpn: vec![ALPN_H2.to_vec(), ALPN_HTTP1.to_vec()],
            versions: TlsVersions::Both,
        };
        ServerTls::load(&config).map_err(|error| PyValueError::new_err(error.to_string()))
    }
}
