//! Envoy's `Listener`: where clients connect.

use std::time::Duration;

use super::address::ListenAddress;
use super::cluster::KnownClusters;
use super::http_connection_manager::HttpConnectionManager;
use super::reader::{At, Message, Read};
use super::tls::DownstreamTls;

const MANAGER: &str = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";
const TLS_INSPECTOR: &str = "envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector";
const HTTP_INSPECTOR: &str = "envoy.extensions.filters.listener.http_inspector.v3.HttpInspector";

/// A place where clients connect.
#[derive(Debug, Clone)]
pub struct Listener {
    /// Its name, for people; may be empty.
    pub name: String,
    /// Where it listens. No two listeners share one, except port 0.
    pub address: ListenAddress,
    /// TLS. `None`: plain text.
    pub tls: Option<DownstreamTls>,
    /// How long a TLS handshake may take. Default 10 s, where Envoy has no limit.
    pub handshake_timeout: Option<Duration>,
    /// HTTP and routes.
    pub http: HttpConnectionManager,
    /// Bytes buffered per connection before reading stops. Default 1 MiB. Shown, and without effect: what is held of a
    /// connection is bounded by the windows of HTTP/2 and by the largest message.
    pub buffer_limit_bytes: u32,
    /// Every worker has a socket of its own (`enable_reuse_port`); else all accept from one. Default true.
    pub reuse_port: bool,
    /// The file says so itself: then another bridge of the same user may share the port, for a rolling restart. Where it
    /// is only the default, a port in use stops the start.
    pub shared_port: bool,
    /// Connections the system may hold before they are accepted. `None`: our default.
    pub backlog: Option<u32>,
    /// `traffic_direction` is INBOUND, so that draining inbound listeners drains this one.
    pub inbound: bool,
    /// The name in `listener.<stat_prefix>.`; by default the address, with `_` for `:`.
    pub stat_prefix: Option<String>,
}

impl Listener {
    const BUFFER_LIMIT: u32 = 1 << 20;
    const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

    /// Plain text, all defaults.
    pub(super) fn new(name: &str, address: ListenAddress, http: HttpConnectionManager) -> Self {
        Self {
            name: name.to_owned(),
            address,
            tls: None,
            handshake_timeout: Some(Self::HANDSHAKE_TIMEOUT),
            http,
            buffer_limit_bytes: Self::BUFFER_LIMIT,
            reuse_port: true,
            shared_port: false,
            backlog: None,
            inbound: false,
            stat_prefix: None,
        }
    }

    pub(super) fn read(at: &At<'_>, clusters: &KnownClusters) -> Read<Self> {
        at.message(|listener| {
            let name = listener.or("name", String::new(), At::string);
            let stat_prefix = listener.optional("stat_prefix", |at| at.name().map(str::to_owned));
            let address = listener.required("address", ListenAddress::read);
            let chain = listener.required("filter_chains", |at| match at.items()?.as_slice() {
                [chain] => FilterChain::read(chain, clusters),
                [] => Err(at.refuse("one filter chain is needed")),
                [_, second, ..] => {
                    Err(second.refuse("a listener has one filter chain; make it a second listener"))
                }
            });
            let inspectors = listener.list("listener_filters", read_listener_filter);
            let limit = listener.or("per_connection_buffer_limit_bytes", Self::BUFFER_LIMIT, |at| {
                at.u32_within(1..=u32::MAX)
            });
            let one = listener.at_most_one(&["enable_reuse_port", "reuse_port"]);
            let enable_reuse_port = listener.optional("enable_reuse_port", At::bool);
            let reuse_port = listener.optional("reuse_port", At::bool);
            let backlog =
                listener.optional("tcp_backlog_size", |at| at.u32_within(1..=i32::MAX.unsigned_abs()));
            let inbound = listener.or("traffic_direction", false, |at| {
                at.choice(&[("UNSPECIFIED", 0, false), ("INBOUND", 1, true), ("OUTBOUND", 2, false)])
            });
            let bind = listener.only("bind_to_port", true, "a listener listens");
            let destination = "connections end here";
            let original = listener.only("use_original_dst", false, destination);
            let transparent = listener.only("transparent", false, destination);
            listener.refuse("default_filter_chain", "a listener has one filter chain, in `filter_chains`");
            listener.refuse("filter_chain_matcher", "a listener has one filter chain");
            listener.refuse("additional_addresses", "make it a second listener");
            listener.refuse("access_log", "the access log of requests stands in the HttpConnectionManager");
            listener.refuse("udp_listener_config", "HTTP/3 is not supported; use HTTP/2");
            listener.refuse(
                "socket_options",
                "sockets get TCP_NODELAY and SO_REUSEADDR, and SO_REUSEPORT by setting",
            );
            listener.refuse("api_listener", "listeners need an address");
            let chain = chain?;
            let written = enable_reuse_port?.or(reuse_port?);
            inspectors?;
            one?;
            bind?;
            original?;
            transparent?;
            Ok(Self {
                name: name?,
                address: address?,
                tls: chain.tls,
                handshake_timeout: chain.handshake_timeout,
                http: chain.http,
                buffer_limit_bytes: limit?,
                reuse_port: written.unwrap_or(true),
                shared_port: written == Some(true),
                backlog: backlog?,
                inbound: inbound?,
                stat_prefix: stat_prefix?,
            })
        })
    }
}

struct FilterChain {
    tls: Option<DownstreamTls>,
    handshake_timeout: Option<Duration>,
    http: HttpConnectionManager,
}

impl FilterChain {
    fn read(at: &At<'_>, clusters: &KnownClusters) -> Read<Self> {
        at.message(|chain| {
            let name = chain.optional("name", At::text);
            let tls = chain.optional("transport_socket", DownstreamTls::read);
            let handshake_timeout = chain.or(
                "transport_socket_connect_timeout",
                Some(Listener::HANDSHAKE_TIMEOUT),
                At::duration_or_off,
            );
            chain.refuse("filter_chain_match", "a listener has one filter chain; make two listeners");
            chain.refuse("use_proxy_proto", "the PROXY protocol is not supported");
            let http = chain.required("filters", |at| match at.items()?.as_slice() {
                [filter] => filter.message(|filter| read_network_filter(filter, clusters)),
                _ => Err(at.refuse("one filter is needed, envoy.filters.network.http_connection_manager")),
            });
            name?;
            Ok(Self { tls: tls?.flatten(), handshake_timeout: handshake_timeout?, http: http? })
        })
    }
}

fn read_network_filter(filter: &Message<'_, '_>, clusters: &KnownClusters) -> Read<HttpConnectionManager> {
    let name = filter.required("name", At::name);
    let http = filter.required("typed_config", |at| {
        at.any(&[(MANAGER, ())], |manager, ()| HttpConnectionManager::read(manager, clusters))
    });
    filter.refuse("config_discovery", "the configuration of filters comes from this file");
    name?;
    http
}

/// Both inspectors find out what a listener here finds out by itself, so they are accepted and mean nothing.
fn read_listener_filter(at: &At<'_>) -> Read<()> {
    at.message(|filter| {
        let name = filter.required("name", At::name);
        let config = filter.required("typed_config", |at| {
            at.any(&[(TLS_INSPECTOR, ()), (HTTP_INSPECTOR, ())], |_, ()| Ok(()))
        });
        name?;
        config
    })
}
