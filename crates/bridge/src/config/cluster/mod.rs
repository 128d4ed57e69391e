//! Envoy's `Cluster`: where calls go.

mod discovery;
mod endpoints;
mod http_options;
mod limits;

use std::collections::HashMap;
use std::time::Duration;

use super::landbridge::{Overrides, UpstreamProtocol};
use super::reader::{At, Read};
use super::tls::UpstreamTls;
use super::yaml::{Mark, Value};

pub use discovery::{Discovery, DnsFamily, DnsSettings};
pub use endpoints::Endpoint;
pub use http_options::{UpstreamHttp, UpstreamHttpVersion};
pub use limits::{CircuitBreakers, LoadBalancing, TcpKeepalive};

/// Envoy's default for `connect_timeout`.
pub(super) const DEFAULT_CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The place of a cluster in [`Bootstrap::clusters`](super::Bootstrap::clusters).
///
/// Only a cluster of the same file has one, so a route cannot name a cluster that is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClusterId(pub(super) usize);

impl ClusterId {
    /// The index in the list of clusters.
    #[must_use]
    pub fn index(self) -> usize {
        self.0
    }
}

/// A group of equal servers.
#[derive(Debug, Clone)]
pub struct Cluster {
    /// Its name; unique in a file, not empty.
    pub name: String,
    /// Its name in statistics (`alt_stat_name`, otherwise the name).
    pub stat_name: String,
    /// How long to wait for a TCP connection. Default 5 s.
    pub connect_timeout: Duration,
    /// How endpoints become addresses.
    pub discovery: Discovery,
    /// How an endpoint is chosen.
    pub load_balancing: LoadBalancing,
    /// The endpoints; at least one.
    pub endpoints: Vec<Endpoint>,
    /// The HTTP it speaks.
    pub http: UpstreamHttp,
    /// TLS towards it. `None`: plain text.
    pub tls: Option<UpstreamTls>,
    /// How much is held for it at once.
    pub circuit_breakers: CircuitBreakers,
    /// TCP keep-alive probes. `None`: off.
    pub tcp_keepalive: Option<TcpKeepalive>,
    /// Bytes buffered per connection before reading stops. Default 1 MiB. Shown, and without effect: what is held of a
    /// connection is bounded by the windows of HTTP/2 and by the largest message.
    pub buffer_limit_bytes: u32,
}

impl Cluster {
    pub(super) fn read(at: &At<'_>, overrides: &mut Overrides) -> Read<Self> {
        at.message(|cluster| {
            let name = cluster.required("name", |at| at.name().map(str::to_owned));
            let stat_name = cluster.optional("alt_stat_name", |at| at.name().map(str::to_owned));
            let connect_timeout =
                cluster.or("connect_timeout", DEFAULT_CONNECT_TIMEOUT, At::positive_duration);
            let discovery = Discovery::read(cluster);
            let load_balancing = LoadBalancing::read(cluster);
            let stated_name = name.as_deref().ok();
            let endpoints = cluster
                .required("load_assignment", |at| endpoints::read(at, stated_name, discovery.as_ref().ok()));
            let tls = cluster.optional("transport_socket", UpstreamTls::read);
            // TLS with a fault is TLS still.
            let http = UpstreamHttp::read(cluster, !matches!(&tls, Ok(None | Some(None))));
            let circuit_breakers =
                cluster.or("circuit_breakers", CircuitBreakers::default(), CircuitBreakers::read);
            let tcp_keepalive = cluster.optional("upstream_connection_options", TcpKeepalive::read);
            let buffer_limit_bytes =
                cluster.or("per_connection_buffer_limit_bytes", 1 << 20, |at| at.u32_within(1..=u32::MAX));
            let metadata = cluster.or("metadata", Overrides::default(), Overrides::read);
            refuse_the_rest(cluster);

            let name = name?;
            *overrides = metadata?;
            Ok(Self {
                stat_name: stat_name?.unwrap_or_else(|| name.clone()),
                name,
                connect_timeout: connect_timeout?,
                discovery: discovery?,
                load_balancing: load_balancing?,
                endpoints: endpoints?,
                http: http?,
                tls: tls?.flatten(),
                circuit_breakers: circuit_breakers?,
                tcp_keepalive: tcp_keepalive?.flatten(),
                buffer_limit_bytes: buffer_limit_bytes?,
            })
        })
    }
}

/// Fields that people do use, so that the answer says more than "unknown".
fn refuse_the_rest(cluster: &super::reader::Message<'_, '_>) {
    cluster.refuse(
        "health_checks",
        "endpoints are not probed; one that refuses connections is passed over until it is back",
    );
    cluster.refuse(
        "outlier_detection",
        "endpoints are not ejected; one that refuses connections is passed over until it is back",
    );
    cluster
        .refuse("eds_cluster_config", "endpoints come from `load_assignment`, not from a discovery service");
    cluster.refuse("cluster_type", "use `type`: STATIC, STRICT_DNS or LOGICAL_DNS");
    cluster.refuse("load_balancing_policy", "use `lb_policy`: ROUND_ROBIN, LEAST_REQUEST or RANDOM");
    cluster.refuse("lb_subset_config", "subsets of a cluster are not supported; make two clusters");
    cluster.refuse("ring_hash_lb_config", "supported policies: ROUND_ROBIN, LEAST_REQUEST, RANDOM");
    cluster.refuse("hosts", "use `load_assignment`");
    cluster.refuse("tls_context", "use `transport_socket`");
    cluster.refuse("transport_socket_matches", "use `transport_socket`, or make two clusters");
    cluster.refuse("upstream_bind_config", "the system chooses the local address");
    let protocol =
        "use `typed_extension_protocol_options`, with envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
    cluster.refuse("http_protocol_options", protocol);
    cluster.refuse("common_http_protocol_options", protocol);
    cluster.refuse("upstream_http_protocol_options", protocol);
    cluster.refuse("protocol_selection", protocol);
}

/// The clusters a route may name, and what they set for routes.
#[derive(Debug, Default)]
pub(super) struct KnownClusters {
    by_name: HashMap<String, ClusterId>,
    overrides: Vec<Overrides>,
    /// Which of them are known to speak HTTP/1.1.
    http1: Vec<bool>,
}

impl KnownClusters {
    /// Reads the list of clusters. A cluster with a fault is still known by its name, so that routes to it
    /// are not called wrong as well.
    pub(super) fn read(at: &At<'_>) -> (Self, Read<Vec<Cluster>>) {
        let mut known = Self::default();
        let items = match at.items() {
            Ok(items) => items,
            Err(reported) => return (known, Err(reported)),
        };
        let mut first_lines: HashMap<String, Mark> = HashMap::new();
        let mut clusters = Vec::new();
        for (index, at) in items.iter().enumerate() {
            let mut overrides = Overrides::default();
            let mut cluster = Cluster::read(at, &mut overrides);
            known.overrides.push(overrides);
            known
                .http1
                .push(matches!(&cluster, Ok(cluster) if cluster.http.version == UpstreamHttpVersion::Http1));
            if let Some((name, mark)) = stated_name(at) {
                if let Some(first) = first_lines.get(name) {
                    cluster = Err(at.refuse(format_args!(
                        "a second cluster named `{name}`; the first is on line {}",
                        first.line
                    )));
                } else {
                    first_lines.insert(name.to_owned(), mark);
                    known.by_name.insert(name.to_owned(), ClusterId(index));
                }
            }
            clusters.push(cluster);
        }
        (known, clusters.into_iter().collect())
    }

    /// The cluster that a field names.
    pub(super) fn find(&self, at: &At<'_>) -> Read<ClusterId> {
        let name = at.name()?;
        self.by_name.get(name).copied().ok_or_else(|| {
            let mut names: Vec<&str> = self.by_name.keys().map(String::as_str).collect();
            names.sort_unstable();
            match names.as_slice() {
                [] => at.refuse(format_args!(
                    "there is no cluster `{name}`; `static_resources.clusters` has none"
                )),
                names => {
                    at.refuse(format_args!("there is no cluster `{name}`; there are: {}", names.join(", ")))
                }
            }
        })
    }

    /// The settings of calls from a route to the cluster that `at` names. Refuses gRPC over HTTP/1.1, which
    /// cannot carry it.
    pub(super) fn settings(&self, cluster: ClusterId, route: &Overrides, at: &At<'_>) -> Read<Overrides> {
        let merged = route.over(self.overrides(cluster));
        if self.http1[cluster.0] && merged.protocol() == UpstreamProtocol::Grpc {
            return Err(at.refuse(
                "gRPC needs HTTP/2, and this cluster speaks HTTP/1.1: give the cluster \
                 `typed_extension_protocol_options` with `explicit_http_config.http2_protocol_options`, or set \
                 `protocol` in its `metadata.filter_metadata.landbridge` to connect or grpc_web",
            ));
        }
        Ok(merged)
    }

    /// What the cluster's metadata sets.
    pub(super) fn overrides(&self, cluster: ClusterId) -> &Overrides {
        &self.overrides[cluster.0]
    }
}

fn stated_name<'a>(at: &At<'a>) -> Option<(&'a str, Mark)> {
    let Value::Map(entries) = &at.node().value else {
        return None;
    };
    let entry = entries.iter().find(|entry| entry.key == "name")?;
    match &entry.value.value {
        Value::Scalar(scalar) => Some((&scalar.text, entry.mark)),
        _ => None,
    }
}
