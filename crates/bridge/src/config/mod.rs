//! The Envoy file: text -> a [`Bootstrap`] that needs no further interpretation.
//!
//! The text becomes a tree (`yaml`), a cursor walks it and knows its path (`reader`), and one file per Envoy message says
//! what the message means and how it is read. What is not supported stops the start, by its full path. The value that
//! comes out has no names left to look up: a route holds its cluster's id and the settings of the pair, a duration is a
//! [`Duration`](std::time::Duration), a pattern is compiled.
//!
//! Files are read by protobuf's JSON mapping, as Envoy reads them: names in `snake_case` or `lowerCamelCase`, `0.25s` for
//! durations, enums by name or number. JSON is YAML.

mod access_log;
mod address;
mod admin;
mod cluster;
mod data_source;
mod dump;
mod error;
mod format;
mod headers;
mod http2;
mod http_connection_manager;
mod http_filters;
mod landbridge;
mod listener;
mod reader;
mod route;
mod simple;
mod string_matcher;
mod tls;
mod yaml;

use std::collections::HashMap;

pub use access_log::{AccessLog, AccessLogFormat, AccessLogSink, JsonFormat};
pub use address::{AddressError, EndpointAddress, ListenAddress};
pub use admin::Admin;
pub use cluster::{
    CircuitBreakers, Cluster, ClusterId, Discovery, DnsFamily, DnsSettings, Endpoint, LoadBalancing,
    TcpKeepalive, UpstreamHttp, UpstreamHttpVersion,
};
pub use data_source::DataSource;
pub use error::{ConfigError, ConfigErrors};
pub use format::{FieldName, Format, HeaderChoice, Operator, Piece, Quoting};
pub use headers::{AppendAction, HeaderChange, HeaderChanges};
pub use http_connection_manager::{Codec, HttpConnectionManager, ServerHeader};
pub use http_filters::HttpFilters;
pub use http2::{Http2Keepalive, Http2Settings};
pub use landbridge::{
    BridgeSettings, CompressionSettings, Encoding, SchemaSource, UpstreamCodec, UpstreamProtocol,
};
pub use listener::Listener;
pub use route::{
    Action, CorsPolicy, DirectResponse, Forward, GrpcTimeout, HeaderMatcher, HeaderTest, HostRewrite,
    PathMatch, PathRewrite, QueryMatcher, QueryTest, Route, RouteMatch, RouteRequest, RouteTable,
    RouteTimeout, Substitution, Target, Targets, VirtualHost,
};
pub use string_matcher::{FullMatch, Pattern, StringMatcher};
pub use tls::{
    Alpn, Certificate, ClientAuth, DownstreamTls, SanKind, SubjectAltName, TlsVersion, TlsVersions,
    TrustedCa, UpstreamTls, Validation,
};

use cluster::KnownClusters;
use reader::{At, Message, Read, Report};
use yaml::Node;

/// A whole configuration (Envoy's `Bootstrap`), free of contradictions.
#[derive(Debug, Clone)]
pub struct Bootstrap {
    /// Who this bridge says it is.
    pub node: NodeIdentity,
    /// The admin server. `None`: there is none.
    pub admin: Option<Admin>,
    /// The listeners; at least one.
    pub listeners: Vec<Listener>,
    clusters: Vec<Cluster>,
    dump: serde_json::Value,
}

/// Envoy's `Node`: names that the admin server shows, and that mean nothing else.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NodeIdentity {
    /// The node's name.
    pub id: String,
    /// The name of the group it belongs to.
    pub cluster: String,
}

impl Bootstrap {
    /// Reads a configuration from YAML or JSON.
    ///
    /// # Errors
    /// Everything that is wrong, each with path, line and what is supported there.
    pub fn from_yaml(text: &str) -> Result<Self, ConfigErrors> {
        let tree = Node::parse(text).map_err(ConfigErrors::one)?;
        let report = Report::default();
        let bootstrap = At::root(&tree, &report).message(|top| Self::read(top, &tree));
        match (bootstrap, report.into_errors()) {
            (Ok(bootstrap), None) => Ok(bootstrap),
            (_, Some(errors)) => Err(errors),
            // A reading fails only with a `Reported`, which only the report makes; so this cannot be reached.
            (Err(_), None) => Err(ConfigErrors::one(ConfigError {
                path: String::new(),
                line: 1,
                column: 1,
                message: "the configuration cannot be read".to_owned(),
            })),
        }
    }

    /// The clusters, in the order of the file.
    #[must_use]
    pub fn clusters(&self) -> &[Cluster] {
        &self.clusters
    }

    /// The clusters with the ids that routes name them by.
    pub fn clusters_with_ids(&self) -> impl Iterator<Item = (ClusterId, &Cluster)> {
        self.clusters.iter().enumerate().map(|(index, cluster)| (ClusterId(index), cluster))
    }

    /// The ids of the clusters, in the order of the file.
    pub fn cluster_ids(&self) -> impl Iterator<Item = ClusterId> + use<> {
        (0..self.clusters.len()).map(ClusterId)
    }

    /// The cluster that a route names.
    #[must_use]
    pub fn cluster(&self, id: ClusterId) -> &Cluster {
        &self.clusters[id.index()]
    }

    /// Where the routes of all listeners lead.
    pub fn targets(&self) -> impl Iterator<Item = &Target> {
        let hosts = self.listeners.iter().flat_map(|listener| listener.http.routes.virtual_hosts());
        hosts.flat_map(|host| &host.routes).flat_map(|route| match &route.action {
            Action::Forward(forward) => forward.targets.all(),
            Action::Respond(_) => &[],
        })
    }

    /// The configuration as it was written, as JSON, with private keys replaced by `[redacted]`.
    #[must_use]
    pub fn to_json(&self) -> &serde_json::Value {
        &self.dump
    }

    fn read(top: &Message<'_, '_>, tree: &Node) -> Read<Self> {
        let node = top.or("node", NodeIdentity::default(), NodeIdentity::read);
        let admin = top.optional("admin", Admin::read);
        let resources = top.required("static_resources", |at| at.message(read_resources));
        refuse_the_rest(top);
        let (node, admin, (listeners, clusters)) = (node?, admin?, resources?);
        let shared = listeners.iter().any(
            |listener| matches!(&admin, Some(admin) if is_same_place(&admin.address, &listener.address)),
        );
        if shared {
            return Err(
                top.refuse_at("admin", "listens where a listener does; give it an address of its own")
            );
        }
        Ok(Self { node, admin, listeners, clusters, dump: dump::to_json(tree) })
    }
}

/// Fields that people do use, so that the answer says more than "unknown".
fn refuse_the_rest(top: &Message<'_, '_>) {
    let file = "everything comes from `static_resources`, not from a discovery service";
    top.refuse("dynamic_resources", file);
    top.refuse("ads_config", file);
    top.refuse("layered_runtime", "there is no runtime layer");
    top.refuse("overload_manager", "memory is bounded per connection and per message");
    top.refuse("stats_sinks", "statistics are read from the admin server, /stats/prometheus");
    top.refuse("stats_config", "statistics have their names from this file");
    top.refuse("tracing", "tracing is not supported");
    top.refuse("cluster_manager", "there is nothing to manage");
    top.refuse("hds_config", "endpoints are not probed");
    top.refuse("watchdogs", "there is no watchdog");
    top.refuse("bootstrap_extensions", "extensions are not supported");
}

impl NodeIdentity {
    fn read(at: &At<'_>) -> Read<Self> {
        at.message(|node| {
            let id = node.or("id", String::new(), At::string);
            let cluster = node.or("cluster", String::new(), At::string);
            Ok(Self { id: id?, cluster: cluster? })
        })
    }
}

/// Envoy's `StaticResources`. Clusters first: routes name them.
fn read_resources(resources: &Message<'_, '_>) -> Read<(Vec<Listener>, Vec<Cluster>)> {
    let (known, clusters) = match resources.field("clusters") {
        Some(at) => KnownClusters::read(&at),
        None => (KnownClusters::default(), Ok(Vec::new())),
    };
    let listeners = resources.required("listeners", |at| read_listeners(at, &known));
    resources.refuse("secrets", "give certificates in the `transport_socket` that uses them");
    Ok((listeners?, clusters?))
}

fn read_listeners(at: &At<'_>, clusters: &KnownClusters) -> Read<Vec<Listener>> {
    let items = at.items()?;
    if items.is_empty() {
        return Err(at.refuse("there is no listener; at least one is needed"));
    }
    let all: Vec<Read<Listener>> = items.iter().map(|at| Listener::read(at, clusters)).collect();
    let mut first: HashMap<String, &At<'_>> = HashMap::new();
    let mut fault = None;
    for (at, listener) in items.iter().zip(&all) {
        let Ok(listener) = listener else { continue };
        let names =
            Some(&listener.name).filter(|name| !name.is_empty()).map(|name| format!("the name `{name}`"));
        let place = is_fixed(&listener.address).then(|| format!("the address {}", listener.address));
        for claim in [names, place].into_iter().flatten() {
            if let Some(owner) = first.get(&claim) {
                fault = Some(at.refuse(format_args!("has {claim}, as has {}", owner.path())));
            } else {
                first.insert(claim, at);
            }
        }
    }
    match fault {
        Some(reported) => Err(reported),
        None => all.into_iter().collect(),
    }
}

/// Whether two listeners on this address would be in each other's way: with port 0 each gets a port of its own.
fn is_fixed(address: &ListenAddress) -> bool {
    !matches!(address, ListenAddress::Tcp(address) if address.port() == 0)
}

fn is_same_place(one: &ListenAddress, other: &ListenAddress) -> bool {
    match (one, other) {
        (ListenAddress::Pipe { path: one, .. }, ListenAddress::Pipe { path: other, .. }) => one == other,
        _ => is_fixed(one) && one == other,
    }
}
