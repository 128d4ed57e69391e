//! The configuration without a file: one listener, one upstream.

use std::sync::Arc;

use super::Bootstrap;
use super::address::{EndpointAddress, ListenAddress};
use super::cluster::{
    CircuitBreakers, Cluster, ClusterId, DEFAULT_CONNECT_TIMEOUT, Discovery, DnsFamily, DnsSettings,
    Endpoint, LoadBalancing, UpstreamHttp, UpstreamHttpVersion,
};
use super::http_connection_manager::HttpConnectionManager;
use super::http2::Http2Settings;
use super::landbridge::BridgeSettings;
use super::listener::Listener;
use super::route::{Forward, Route, RouteTable, RouteTimeout, Target, Targets};

/// The cluster and the statistics get the names of the usual example file.
const CLUSTER: &str = "service_0";
const LISTENER: &str = "listener_0";
const STAT_PREFIX: &str = "ingress_http";

impl Bootstrap {
    /// Everything that reaches `listen` goes to the gRPC server at `upstream`, over HTTP/2 without TLS; where that is a
    /// name, to all addresses that it has, of either family. No admin server.
    #[must_use]
    pub fn simple(listen: ListenAddress, upstream: EndpointAddress) -> Self {
        let dump = serde_json::json!({ "listen": listen.to_string(), "upstream": upstream.to_string() });
        let discovery = match &upstream {
            // Envoy's default is IPv6 alone where there is some, and `localhost` is often served on IPv4 only.
            EndpointAddress::Dns { .. } => {
                Discovery::StrictDns(DnsSettings { family: DnsFamily::All, ..DnsSettings::DEFAULT })
            }
            EndpointAddress::Ip(_) | EndpointAddress::Pipe(_) => Discovery::Static,
        };
        let cluster = Cluster {
            name: CLUSTER.to_owned(),
            stat_name: CLUSTER.to_owned(),
            connect_timeout: DEFAULT_CONNECT_TIMEOUT,
            discovery,
            load_balancing: LoadBalancing::RoundRobin,
            endpoints: vec![Endpoint::new(upstream)],
            http: UpstreamHttp::of(UpstreamHttpVersion::Http2(Http2Settings::default())),
            tls: None,
            circuit_breakers: CircuitBreakers::default(),
            tcp_keepalive: None,
            buffer_limit_bytes: 1 << 20,
        };
        let target = Target {
            cluster: ClusterId(0),
            weight: 1,
            settings: Arc::new(BridgeSettings::default()),
            timeout: RouteTimeout::DEFAULT,
        };
        let manager = |forward| {
            let routes = RouteTable::everything_to(Route::everything_to(forward));
            HttpConnectionManager::new(STAT_PREFIX, routes)
        };
        let forward = Forward {
            targets: Targets::one(target),
            idle_timeout: Some(HttpConnectionManager::STREAM_IDLE_TIMEOUT),
            max_stream_duration: None,
            grpc_timeout: None,
            path_rewrite: None,
            host_rewrite: None,
        };
        Self {
            node: super::NodeIdentity::default(),
            admin: None,
            listeners: vec![Listener::new(LISTENER, listen, manager(forward))],
            clusters: vec![cluster],
            dump,
        }
    }
}
