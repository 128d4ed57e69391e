//! How calls are carried: settings, and the channels that clients share.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use http::uri::Authority;
use landbridge_client::{Advice, Balancing, Channel, ChannelSettings, Policy, Proxy, ServiceConfig, Target};
use landbridge_net::{
    ClientTls, ClientTlsConfig, EndpointSettings, Http2Settings, Identity, TrustedRoots, UpstreamHttp,
};
use landbridge_wire::Protocol;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use super::client::{Client, GivenStyle};
use super::io_thread::{IoThread, generation, open_sockets};
use crate::settings::{PemSource, maybe, seconds};

const ADVICE: Advice = Advice {
    speaks_http2: "give the client protocol=ProtocolType.GRPC if it is a gRPC server, or else its transport \
                   http_version=\"2\"",
    lacks_http2: "give the client protocol=ProtocolType.CONNECT or GRPC_WEB, and its transport no http_version=\"2\"",
    is_not_trusted: "give its authority, or the certificate itself, as TlsSettings(ca=...)",
    has_other_name: "call it by a name that its certificate has, or give that as TlsSettings(server_name=...)",
    wants_certificate: "give one as TlsSettings(certificate=..., private_key=...)",
};

/// What `landbridge.client.Transport` hands over; it documents the fields, their units and their defaults.
#[derive(Debug, FromPyObject)]
#[pyo3(from_item_all)]
pub(crate) struct GivenSettings {
    /// `auto`, `1.1` or `2`.
    http_version: String,
    /// `pick_first` or `round_robin`; none where the number of addresses decides.
    load_balancing: Option<String>,
    connect_timeout: f64,
    idle_timeout: Option<f64>,
    max_connection_age: Option<f64>,
    keepalive_interval: Option<f64>,
    keepalive_timeout: f64,
    max_connections: usize,
    max_pending_calls: usize,
    max_streams_per_connection: Option<usize>,
    max_header_bytes: u32,
    backoff_initial: f64,
    backoff_max: f64,
    dns_refresh: f64,
    authority: Option<String>,
    health_check: Option<String>,
    /// JSON.
    service_config: Option<String>,
}

/// Who is trusted, and who we say we are.
#[derive(Debug, FromPyObject)]
#[pyo3(from_item_all)]
pub(crate) struct GivenTls {
    ca: Option<PemSource>,
    certificate_chain: Option<PemSource>,
    private_key: Option<PemSource>,
    server_name: Option<String>,
    verify: bool,
}

/// Settings, and the channels that clients of the same target share.
#[pyclass(frozen, module = "landbridge._core")]
#[derive(Debug)]
pub(crate) struct Transport {
    shared: Arc<Shared>,
}

#[derive(Debug)]
pub(super) struct Shared {
    http_version: String,
    balancing: Option<Balancing>,
    settings: ChannelSettings,
    tls: Mutex<Tls>,
    service_config: ServiceConfig,
    channels: Mutex<Channels>,
}

/// Loaded when a target wants it: a client in cleartext needs no roots.
#[derive(Debug)]
enum Tls {
    Given(ClientTlsConfig),
    Loaded(ClientTls),
}

#[derive(Debug, Default)]
struct Channels {
    generation: u64,
    known: HashMap<Key, Weak<SharedChannel>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    target: Target,
    proxy: Option<Proxy>,
    http2_only: bool,
}

/// A channel with the thread that serves it.
#[derive(Debug)]
pub(super) struct SharedChannel {
    channel: Channel,
    thread: Arc<IoThread>,
}

impl SharedChannel {
    pub(super) fn channel(&self) -> &Channel {
        &self.channel
    }

    pub(super) fn thread(&self) -> &Arc<IoThread> {
        &self.thread
    }
}

#[pymethods]
impl Transport {
    #[new]
    #[pyo3(signature = (settings, tls))]
    fn new(settings: GivenSettings, tls: GivenTls) -> PyResult<Self> {
        let service_config = match &settings.service_config {
            Some(json) => {
                ServiceConfig::parse(json).map_err(|error| PyValueError::new_err(error.to_string()))?
            }
            None => ServiceConfig::default(),
        };
        let balancing = match settings.load_balancing.as_deref() {
            Some("round_robin") => Some(Balancing::RoundRobin),
            Some("pick_first") => Some(Balancing::PickFirst),
            Some(other) => {
                let message = format!("load_balancing is {other:?}: it must be pick_first or round_robin");
                return Err(PyValueError::new_err(message));
            }
            None => service_config
                .round_robin
                .map(|all| if all { Balancing::RoundRobin } else { Balancing::PickFirst }),
        };
        let http_version = settings.http_version.clone();
        if !matches!(http_version.as_str(), "auto" | "1.1" | "2") {
            let message = format!("http_version is {http_version:?}: it must be auto, 1.1 or 2");
            return Err(PyValueError::new_err(message));
        }
        let authority = settings.authority.as_deref().map(authority).transpose()?;
        let health_check = settings.health_check.clone().or_else(|| service_config.health_check.clone());
        let settings = ChannelSettings {
            dns_refresh: above_zero("dns_refresh", settings.dns_refresh)?,
            authority,
            health_check,
            throttling: service_config.throttling,
            advice: ADVICE,
            endpoint: settings.endpoint()?,
            ..ChannelSettings::default()
        };
        let shared = Shared {
            http_version,
            balancing,
            settings,
            tls: Mutex::new(Tls::Given(tls.checked()?)),
            service_config,
            channels: Mutex::default(),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// A client of the server at these addresses, through this proxy, or the environment's if that is trusted.
    #[pyo3(signature = (addresses, style, *, proxy, trust_env))]
    fn client(
        &self,
        addresses: Vec<String>,
        style: GivenStyle,
        proxy: Option<&str>,
        trust_env: bool,
    ) -> PyResult<Client> {
        let target = Target::parse(&addresses).map_err(|error| PyValueError::new_err(error.to_string()))?;
        let proxy = match proxy {
            Some(given) => Proxy::parse(given).map(Some),
            None if trust_env => Proxy::of_environment(&target, None),
            None => Ok(None),
        };
        let proxy = proxy.map_err(|error| PyValueError::new_err(error.to_string()))?;
        Client::new(Arc::clone(&self.shared), target, proxy, style.checked()?)
    }
}

impl Shared {
    /// The channel to a target, which is shared by all clients that have it at the same time.
    pub(super) fn channel(
        &self,
        target: &Target,
        proxy: Option<&Proxy>,
        protocol: Protocol,
    ) -> PyResult<Arc<SharedChannel>> {
        let grpc = protocol == Protocol::Grpc;
        let key = Key { target: target.clone(), proxy: proxy.cloned(), http2_only: grpc };
        let mut channels = self.channels.lock().unwrap_or_else(PoisonError::into_inner);
        if channels.generation != generation() {
            *channels = Channels { generation: generation(), known: HashMap::new() };
        }
        if let Some(known) = channels.known.get(&key).and_then(Weak::upgrade) {
            return Ok(known);
        }
        let mut settings = self.settings.clone();
        settings.proxy = proxy.cloned();
        settings.endpoint.http = match (self.http_version.as_str(), grpc) {
            ("2", _) | ("auto", true) => UpstreamHttp::Http2,
            ("1.1", _) => UpstreamHttp::Http1,
            _ => UpstreamHttp::Auto,
        };
        settings.balancing = self.balancing.unwrap_or(if target.has_several_addresses() {
            Balancing::RoundRobin
        } else {
            Balancing::PickFirst
        });
        if target.tls {
            settings.tls = Some(self.tls()?);
        }
        let thread = IoThread::get()?;
        let channel = {
            let _entered = thread.runtime().enter();
            Channel::start(target, settings)
        };
        let channel = Arc::new(SharedChannel { channel, thread });
        channels.known.retain(|_, known| known.strong_count() > 0);
        channels.known.insert(key, Arc::downgrade(&channel));
        Ok(channel)
    }

    pub(super) fn policy(&self, service: &str, method: &str) -> Policy {
        self.service_config.policy(service, method)
    }

    fn tls(&self) -> PyResult<ClientTls> {
        let mut tls = self.tls.lock().unwrap_or_else(PoisonError::into_inner);
        let loaded = match &*tls {
            Tls::Loaded(loaded) => loaded.clone(),
            Tls::Given(config) => {
                ClientTls::load(config).map_err(|error| PyValueError::new_err(error.to_string()))?
            }
        };
        *tls = Tls::Loaded(loaded.clone());
        Ok(loaded)
    }
}

impl GivenSettings {
    fn endpoint(&self) -> PyResult<EndpointSettings> {
        let defaults = EndpointSettings::default();
        Ok(EndpointSettings {
            connect_timeout: seconds("connect_timeout", self.connect_timeout)?,
            idle_timeout: maybe("idle_timeout", self.idle_timeout)?,
            max_connection_age: maybe("max_connection_age", self.max_connection_age)?,
            max_connections: at_least_one("max_connections", self.max_connections)?,
            max_pending: at_least_one("max_pending_calls", self.max_pending_calls)?,
            max_concurrent_streams: self
                .max_streams_per_connection
                .map(|most| at_least_one("max_streams_per_connection", most))
                .transpose()?,
            http1_max_header_bytes: at_least_one("max_header_bytes", self.max_header_bytes as usize)?,
            backoff_base: above_zero("backoff_initial", self.backoff_initial)?,
            backoff_max: above_zero("backoff_max", self.backoff_max)?,
            http2: Http2Settings {
                max_header_bytes: self.max_header_bytes,
                keepalive_interval: maybe("keepalive_interval", self.keepalive_interval)?,
                keepalive_timeout: seconds("keepalive_timeout", self.keepalive_timeout)?,
                ..defaults.http2.clone()
            },
            open_sockets: Some(open_sockets()),
            ..defaults
        })
    }
}

impl GivenTls {
    fn checked(self) -> PyResult<ClientTlsConfig> {
        let identity = match (self.certificate_chain, self.private_key) {
            (Some(certificates), Some(key)) => {
                Some(Identity { certificates: certificates.into(), key: key.into() })
            }
            (None, None) => None,
            _ => return Err(PyValueError::new_err("certificate and private_key belong together: give both")),
        };
        let roots = match self.ca {
            _ if !self.verify => TrustedRoots::Unchecked,
            Some(authority) => TrustedRoots::Authority(authority.into()),
            None => TrustedRoots::System,
        };
        let check_name =
            if self.verify { landbridge_net::CheckName::ServerName } else { landbridge_net::CheckName::Any };
        Ok(ClientTlsConfig {
            roots,
            check_name,
            identity,
            server_name: self.server_name,
            ..ClientTlsConfig::default()
        })
    }
}

fn authority(text: &str) -> PyResult<Authority> {
    text.parse().map_err(|_| {
        PyValueError::new_err(format!("authority is {text:?}: it must be a host, with a port or without"))
    })
}

fn at_least_one(name: &str, value: usize) -> PyResult<usize> {
    match value {
        0 => Err(PyValueError::new_err(format!("{name} is 0: it must be at least 1"))),
        value => Ok(value),
    }
}

fn above_zero(name: &str, value: f64) -> PyResult<Duration> {
    match seconds(name, value)? {
        Duration::ZERO => Err(PyValueError::new_err(format!("{name} must be more than 0 seconds"))),
        time => Ok(time),
    }
}
