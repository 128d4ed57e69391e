//! The endpoints of a cluster, each with what the file says of it.

use std::num::NonZeroU32;
use std::sync::Arc;

use http::uri::Authority;
use landbridge_net::{
    Address, Endpoint, EndpointConfig, EndpointSettings, HostPort, Lookup, Members, ResolveMode,
    ResolveSettings, Resolver, TcpKeepalive, UpstreamHttp,
};

use super::SharedCluster;
use super::lookup::{Counted, OfFamily};
use crate::config::{self, Discovery, DnsFamily, EndpointAddress, UpstreamHttpVersion};
use crate::stats::Host;

/// One endpoint that calls can go to.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) endpoint: Endpoint,
    /// What `auto_host_rewrite` sends.
    pub(crate) authority: Option<Authority>,
    pub(crate) weight: NonZeroU32,
}

/// Starts with the addresses of the file, and looks up the names by `lookup`.
pub(super) fn start(
    shared: &Arc<SharedCluster>,
    worker: usize,
    lookup: impl Lookup + Clone,
) -> Members<Member> {
    let mut fixed = Vec::new();
    let mut names = Vec::new();
    for entry in shared.config.endpoints.iter().filter(|entry| entry.healthy) {
        match source(&entry.address, &shared.config.discovery) {
            Source::Fixed(address) => fixed.push(member(shared, entry, address)),
            Source::Name(target, settings, family) => {
                let lookup = Counted {
                    lookup: OfFamily { lookup: lookup.clone(), family },
                    cluster: shared.id,
                    stats: (worker == 0).then(|| shared.stats.worker(worker)),
                };
                let (shared, entry) = (Arc::clone(shared), entry.clone());
                let member = move |address| member(&shared, &entry, address);
                names.push((Resolver::start(target, settings, lookup), member));
            }
        }
    }
    report(shared, worker, &fixed);
    let shared = Arc::clone(shared);
    Members::start(fixed, names, move |members| {
        let found: Vec<&Address> = members.iter().map(|member| member.endpoint.address()).collect();
        tracing::info!(cluster = shared.config.name, endpoints = ?found, "endpoints changed");
        report(&shared, worker, members);
    })
}

enum Source {
    Fixed(Address),
    Name(HostPort, ResolveSettings, DnsFamily),
}

fn source(address: &EndpointAddress, discovery: &Discovery) -> Source {
    match address {
        EndpointAddress::Ip(address) => Source::Fixed(Address::Tcp(*address)),
        EndpointAddress::Pipe(path) => Source::Fixed(Address::Unix(path.clone())),
        EndpointAddress::Dns { host, port } => {
            let (mode, refresh, family) = match discovery {
                Discovery::StrictDns(dns) => (ResolveMode::Strict, dns.refresh_rate, dns.family),
                Discovery::LogicalDns(dns) => (ResolveMode::Logical, dns.refresh_rate, dns.family),
                // Names stand only in clusters found by DNS; the configuration sees to that.
                Discovery::Static => {
                    (ResolveMode::Strict, ResolveSettings::default().refresh, DnsFamily::All)
                }
            };
            let settings = ResolveSettings { mode, refresh, ..ResolveSettings::default() };
            Source::Name(HostPort { host: host.clone(), port: *port }, settings, family)
        }
    }
}

fn member(shared: &Arc<SharedCluster>, entry: &config::Endpoint, address: Address) -> Member {
    let host = match (&entry.hostname, &entry.address) {
        (Some(hostname), _) => Some(hostname.clone()),
        (None, EndpointAddress::Dns { host, .. }) => Some(host.clone()),
        (None, _) => None,
    };
    let authority: Option<Authority> = host.as_ref().and_then(|host| host.parse().ok());
    let endpoint = Endpoint::new(EndpointConfig {
        address,
        host,
        tls: shared.tls.clone(),
        settings: settings(&shared.config),
        stats: Arc::default(),
        tunnel: None,
    });
    watch_arrivals(shared, &endpoint);
    Member { endpoint, authority, weight: entry.weight }
}

/// Tells the schema when the server has come back.
fn watch_arrivals(shared: &Arc<SharedCluster>, endpoint: &Endpoint) {
    let mut status = endpoint.status();
    let shared = Arc::clone(shared);
    tokio::spawn(async move {
        let mut arrivals = status.borrow_and_update().arrivals;
        while status.changed().await.is_ok() {
            let now = status.borrow_and_update().arrivals;
            // The first is no return.
            if arrivals > 0 && now > arrivals {
                shared.schemas.iter().for_each(|schema| schema.server_came_back());
            }
            arrivals = now;
        }
    });
}

/// Tells the statistics of the members that a worker has from now on.
fn report(shared: &SharedCluster, worker: usize, members: &[Member]) {
    shared.stats.set_hosts(shared.id, worker, hosts(members));
    // The workers' changes are one: that of the cluster.
    if worker == 0 && !members.is_empty() {
        shared.stats.worker(worker).cluster(shared.id).membership_change.increment();
    }
}

/// The members as statistics show them.
fn hosts(members: &[Member]) -> Vec<Host> {
    let host = |member: &Member| Host {
        address: member.endpoint.address().to_string(),
        hostname: member.authority.as_ref().map_or_else(String::new, |authority| authority.to_string()),
        weight: member.weight.get(),
        healthy: true,
        stats: Arc::clone(member.endpoint.stats()),
    };
    members.iter().map(host).collect()
}

fn keepalive(keepalive: config::TcpKeepalive) -> TcpKeepalive {
    TcpKeepalive { time: keepalive.time, interval: keepalive.interval, probes: keepalive.probes }
}

fn settings(config: &config::Cluster) -> EndpointSettings {
    let mut settings = EndpointSettings {
        connect_timeout: config.connect_timeout,
        max_connections: config.circuit_breakers.max_connections as usize,
        max_pending: config.circuit_breakers.max_pending_requests as usize,
        idle_timeout: config.http.idle_timeout,
        max_requests_per_connection: config.http.max_requests_per_connection.map(u64::from),
        max_connection_age: config.http.max_connection_duration,
        tcp_keepalive: config.tcp_keepalive.map(keepalive),
        ..EndpointSettings::default()
    };
    let http2 = match &config.http.version {
        UpstreamHttpVersion::Http1 => {
            settings.http = UpstreamHttp::Http1;
            return settings;
        }
        UpstreamHttpVersion::Http2(http2) => {
            settings.http = UpstreamHttp::Http2;
            http2
        }
        UpstreamHttpVersion::Alpn(http2) => {
            settings.http = UpstreamHttp::Auto;
            http2
        }
    };
    settings.max_concurrent_streams = http2.max_concurrent_streams.map(|most| most as usize);
    crate::http2::apply(http2, &mut settings.http2);
    settings
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::net::SocketAddr;
    use std::num::NonZeroUsize;
    use std::sync::Mutex;
    use std::time::Duration;

    use super::*;
    use crate::config::Bootstrap;
    use crate::schemas::Schemas;
    use crate::stats::Stats;

    /// A name server whose answer a test changes.
    #[derive(Clone, Debug, Default)]
    struct Names(Arc<Mutex<Vec<SocketAddr>>>);

    impl Names {
        fn answer(&self, addresses: &[&str]) {
            *self.0.lock().unwrap() = addresses.iter().map(|address| address.parse().unwrap()).collect();
        }
    }

    impl Lookup for Names {
        async fn lookup(&self, _host: &str, _port: u16) -> io::Result<Vec<SocketAddr>> {
            Ok(self.0.lock().unwrap().clone())
        }
    }

    fn cluster(kind: &str) -> Arc<SharedCluster> {
        let text = format!(
            "static_resources:
  listeners:
  - address: {{ socket_address: {{ address: 127.0.0.1, port_value: 0 }} }}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          '@type': type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: front
          http_filters:
          - name: envoy.filters.http.router
            typed_config: {{ '@type': type.googleapis.com/envoy.extensions.filters.http.router.v3.Router }}
          route_config:
            virtual_hosts:
            - {{ name: all, domains: ['*'], routes: [{{ match: {{ prefix: / }}, route: {{ cluster: named }} }}] }}
  clusters:
  - name: named
    type: {kind}
    dns_refresh_rate: 0.002s
    dns_lookup_family: V4_ONLY
    http2_protocol_options: {{}}
    load_assignment: {{ cluster_name: named, endpoints: [{{ lb_endpoints: [{{ endpoint: {{ address: {{ socket_address: {{ address: one.test, port_value: 80 }} }} }} }}] }}] }}
"
        );
        let bootstrap = Bootstrap::from_yaml(&text).unwrap_or_else(|errors| panic!("{errors}"));
        let stats = Arc::new(Stats::new(&bootstrap, NonZeroUsize::MIN.get()));
        let schemas = Schemas::load(&bootstrap).unwrap();
        let (id, config) = bootstrap.clusters_with_ids().next().unwrap();
        Arc::new(SharedCluster::load(id, config.clone(), schemas.of_cluster(id), stats).unwrap())
    }

    fn addresses(members: &Members<Member>) -> Vec<String> {
        members.current().iter().map(|member| member.endpoint.address().to_string()).collect()
    }

    async fn until(condition: impl Fn() -> bool) {
        let waiting = async {
            while !condition() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), waiting).await.expect("it hangs");
    }

    fn stat(shared: &SharedCluster, name: &str) -> u64 {
        let text = shared.stats.snapshot().to_text();
        let line = format!("cluster.named.{name}: ");
        text.lines().find_map(|text| text.strip_prefix(&line)?.parse().ok()).expect("a statistic")
    }

    #[tokio::test]
    async fn look_ups_and_the_changes_they_bring_are_counted() {
        let names = Names::default();
        names.answer(&["127.0.0.1:80", "127.0.0.2:80"]);
        let shared = cluster("STRICT_DNS");
        let members = start(&shared, 0, names.clone());
        members.resolved().await;
        assert_eq!(addresses(&members), ["127.0.0.1:80", "127.0.0.2:80"]);
        assert_eq!((stat(&shared, "membership_change"), stat(&shared, "membership_healthy")), (1, 2));

        names.answer(&["127.0.0.2:80", "127.0.0.3:80", "127.0.0.4:80"]);
        until(|| addresses(&members) == ["127.0.0.2:80", "127.0.0.3:80", "127.0.0.4:80"]).await;
        assert_eq!((stat(&shared, "membership_change"), stat(&shared, "membership_healthy")), (2, 3));
        assert_eq!(stat(&shared, "update_failure"), 0);
        assert!(stat(&shared, "update_success") >= 2);

        names.answer(&[]);
        until(|| stat(&shared, "update_failure") > 1).await;
        assert_eq!((stat(&shared, "membership_change"), stat(&shared, "membership_healthy")), (2, 3));
        assert_eq!(
            stat(&shared, "update_attempt"),
            stat(&shared, "update_success") + stat(&shared, "update_failure")
        );
    }

    #[tokio::test]
    async fn a_logical_name_is_one_endpoint_the_first_of_the_wanted_family() {
        let names = Names::default();
        names.answer(&["[::1]:80"]);
        let shared = cluster("LOGICAL_DNS");
        let members = start(&shared, 0, names.clone());
        members.resolved().await;
        assert!(members.current().is_empty());
        assert!(members.problem().is_some_and(|problem| problem.contains("dns_lookup_family")));
        names.answer(&["[::1]:80", "127.0.0.9:80", "127.0.0.8:80"]);
        until(|| addresses(&members) == ["127.0.0.9:80"]).await;
        assert_eq!(members.problem(), None);
    }
}
