//! A listener: its settings in the terms of `net`, and the address it was given.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use landbridge_net::{Address, Drain, Server, ServerSettings, ServerTls};

use crate::admin::BoundListener;
use crate::config::{HttpConnectionManager, ListenAddress, Listener};
use crate::tls::{self, TlsSetupError};

/// A listener that is, or is about to be, served by all workers.
#[derive(Debug)]
pub(crate) struct RunningListener {
    config: Arc<Listener>,
    settings: ServerSettings,
    tls: Option<ServerTls>,
    address: OnceLock<Address>,
    drain: Drain,
}

impl RunningListener {
    /// Loads what the listener needs.
    ///
    /// # Errors
    /// A certificate or key that cannot be used.
    pub(super) fn load(config: Listener) -> Result<Self, TlsSetupError> {
        let tls = config.tls.as_ref().map(|tls| tls::server(tls, config.http.codec)).transpose()?;
        let settings = settings(&config);
        Ok(Self { config: Arc::new(config), settings, tls, address: OnceLock::new(), drain: Drain::new() })
    }

    pub(crate) fn config(&self) -> &Arc<Listener> {
        &self.config
    }

    /// The server of one worker, with counters of its own.
    pub(super) fn server(&self) -> Server {
        Server { settings: self.settings.clone(), tls: self.tls.clone(), stats: Arc::default() }
    }

    /// Its name, as the file gives it.
    pub(crate) fn name(&self) -> &str {
        &self.config.name
    }

    /// Where it listens, once it does.
    pub(crate) fn address(&self) -> Option<&Address> {
        self.address.get()
    }

    /// The address to bind, of which a port 0 is the system's to choose.
    pub(super) fn wanted(&self) -> Address {
        address_of(&self.config.address)
    }

    /// The listener as the admin server shows it, once it is bound.
    pub(super) fn bound(&self) -> Option<BoundListener> {
        let address = match (self.address()?, &self.config.address) {
            (Address::Tcp(address), _) => ListenAddress::Tcp(*address),
            (Address::Unix(_), configured) => configured.clone(),
        };
        Some(BoundListener { name: self.config.name.clone(), address })
    }

    /// The switch by which it leaves.
    pub(super) fn drain(&self) -> &Drain {
        &self.drain
    }

    pub(super) fn set_address(&self, address: Address) {
        // Set once, by whoever starts the bridge.
        let _first = self.address.set(address);
    }
}

/// Where the file says to listen.
pub(super) fn address_of(address: &ListenAddress) -> Address {
    match address {
        ListenAddress::Tcp(address) => Address::Tcp(*address),
        ListenAddress::Pipe { path, .. } => Address::Unix(path.clone()),
    }
}

fn settings(listener: &Listener) -> ServerSettings {
    const FOREVER: Duration = Duration::from_secs(u32::MAX as u64);
    let http: &HttpConnectionManager = &listener.http;
    let mut settings = ServerSettings {
        http1_max_header_bytes: http.max_request_headers_bytes as usize,
        http1_max_headers: http.max_headers_count as usize,
        header_timeout: http.request_headers_timeout.unwrap_or(FOREVER),
        handshake_timeout: listener.handshake_timeout.unwrap_or(FOREVER),
        idle_timeout: http.idle_timeout,
        max_connection_age: http.max_connection_duration,
        max_requests_per_connection: http.max_requests_per_connection.map(u64::from),
        ..ServerSettings::default()
    };
    settings.http2.max_header_bytes = http.max_request_headers_bytes;
    if let Some(streams) = http.http2.max_concurrent_streams {
        settings.max_concurrent_streams = streams;
    }
    crate::http2::apply(&http.http2, &mut settings.http2);
    settings
}
