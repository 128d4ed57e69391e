//! A listener: its settings in the terms of `net`, and the address it was given.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use landbridge_net::{Address, Drain, ListenSettings, Server, ServerHttp, ServerSettings, ServerTls};

use crate::access_log::NamedHeaders;
use crate::admin::BoundListener;
use crate::config::{Codec, HttpConnectionManager, ListenAddress, Listener};
use crate::tls::{self, TlsSetupError};

/// A listener that is, or is about to be, served by all workers.
#[derive(Debug)]
pub(crate) struct RunningListener {
    config: Arc<Listener>,
    settings: ServerSettings,
    tls: Option<ServerTls>,
    named: Arc<NamedHeaders>,
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
        let named = Arc::new(NamedHeaders::of(&config));
        Ok(Self {
            config: Arc::new(config),
            settings,
            tls,
            named,
            address: OnceLock::new(),
            drain: Drain::new(),
        })
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

    /// The headers that its formats name.
    pub(super) fn named(&self) -> Arc<NamedHeaders> {
        Arc::clone(&self.named)
    }

    /// The address to bind, of which a port 0 is the system's to choose, and how.
    pub(super) fn wanted(&self) -> (Address, ListenSettings) {
        let (address, mut settings) = listening(&self.config.address);
        settings.queue_per_worker = self.config.reuse_port;
        settings.shared_port = self.config.shared_port;
        settings.backlog = self.config.backlog.unwrap_or(settings.backlog);
        (address, settings)
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

/// Where the file says to listen, and with which permissions.
pub(super) fn listening(address: &ListenAddress) -> (Address, ListenSettings) {
    let defaults = ListenSettings::default();
    match address {
        ListenAddress::Tcp(address) => (Address::Tcp(*address), defaults),
        ListenAddress::Pipe { path, mode } => {
            (Address::Unix(path.clone()), ListenSettings { unix_mode: *mode, ..defaults })
        }
    }
}

fn settings(listener: &Listener) -> ServerSettings {
    const FOREVER: Duration = Duration::from_secs(u32::MAX as u64);
    let http: &HttpConnectionManager = &listener.http;
    let mut settings = ServerSettings {
        http: match http.codec {
            Codec::Auto => ServerHttp::Auto,
            Codec::Http1 => ServerHttp::Http1,
            Codec::Http2 => ServerHttp::Http2,
        },
        http1_max_header_bytes: http.max_request_headers_bytes as usize,
        http1_max_headers: http.max_headers_count as usize,
        header_timeout: http.request_headers_timeout.unwrap_or(FOREVER),
        handshake_timeout: listener.handshake_timeout.unwrap_or(FOREVER),
        idle_timeout: http.idle_timeout,
        lingering_time: http.delayed_close_timeout.unwrap_or_default(),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Bootstrap, EndpointAddress};

    fn listener(address: ListenAddress, change: impl FnOnce(&mut Listener)) -> RunningListener {
        let upstream = EndpointAddress::Ip("127.0.0.1:1".parse().unwrap());
        let mut listener = Bootstrap::simple(address, upstream).listeners.remove(0);
        change(&mut listener);
        RunningListener::load(listener).unwrap()
    }

    #[test]
    fn sockets_are_bound_as_the_file_says() {
        let tcp = || ListenAddress::Tcp("127.0.0.1:0".parse().unwrap());
        let (_, usual) = listener(tcp(), |_| {}).wanted();
        assert!(usual.queue_per_worker && !usual.shared_port);
        assert_eq!(usual.backlog, ListenSettings::default().backlog);
        let (_, changed) = listener(tcp(), |listener| {
            (listener.reuse_port, listener.backlog) = (false, Some(7));
        })
        .wanted();
        assert!(!changed.queue_per_worker && changed.backlog == 7);
        let pipe = ListenAddress::Pipe { path: "/run/socket".into(), mode: Some(0o640) };
        let (address, settings) = listener(pipe, |_| {}).wanted();
        assert_eq!((address, settings.unix_mode), (Address::Unix("/run/socket".into()), Some(0o640)));
    }

    #[test]
    fn the_codec_decides_which_http_is_spoken() {
        for (codec, http) in [
            (Codec::Auto, ServerHttp::Auto),
            (Codec::Http1, ServerHttp::Http1),
            (Codec::Http2, ServerHttp::Http2),
        ] {
            let address = ListenAddress::Tcp("127.0.0.1:0".parse().unwrap());
            let listener = listener(address, |listener| listener.http.codec = codec);
            assert_eq!(listener.server().settings.http, http);
        }
    }
}
