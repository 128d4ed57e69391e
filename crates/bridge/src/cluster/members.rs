//! The endpoints of a cluster, kept up to date by DNS where they are names.

use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};

use http::uri::Authority;
use landbridge_net::{
    Address, Endpoint, EndpointConfig, EndpointSettings, HostPort, Lookup, Resolution, ResolveMode,
    ResolveSettings, Resolver, TcpKeepalive, UpstreamHttp,
};
use tokio::sync::watch;

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

/// The endpoints there are now.
#[derive(Debug)]
pub(super) struct Members {
    current: Mutex<Arc<[Member]>>,
    /// Of the entries of the file that are names.
    resolvers: Vec<Resolver>,
    /// Turned on once `current` holds what the first look-ups brought.
    resolved: watch::Sender<bool>,
}

impl Members {
    /// Starts with the addresses of the file, and looks up the names by `lookup`.
    pub(super) fn start(
        shared: &Arc<SharedCluster>,
        worker: usize,
        lookup: impl Lookup + Clone,
    ) -> Arc<Self> {
        let mut fixed = Vec::new();
        let mut resolvers = Vec::new();
        let mut watched = Vec::new();
        for entry in shared.config.endpoints.iter().filter(|entry| entry.healthy) {
            match source(&entry.address, &shared.config.discovery) {
                Source::Fixed(address) => fixed.push(member(shared, entry, address)),
                Source::Name(target, settings, family) => {
                    let lookup = Counted {
                        lookup: OfFamily { lookup: lookup.clone(), family },
                        cluster: shared.id,
                        stats: (worker == 0).then(|| shared.stats.worker(worker)),
                    };
                    let resolver = Resolver::start(target, settings, lookup);
                    watched.push((entry.clone(), resolver.watch()));
                    resolvers.push(resolver);
                }
            }
        }
        let resolved = watch::Sender::new(watched.is_empty());
        let members = Arc::new(Self { current: Mutex::new(fixed.clone().into()), resolvers, resolved });
        for member in &fixed {
            watch_arrivals(shared, &member.endpoint);
        }
        changed(shared, worker, &fixed);
        if !watched.is_empty() {
            tokio::spawn(follow(Arc::downgrade(&members), Arc::clone(shared), worker, fixed, watched));
        }
        members
    }

    pub(super) fn current(&self) -> Arc<[Member]> {
        Arc::clone(&self.lock())
    }

    /// Why there may be no endpoint.
    pub(super) fn problem(&self) -> Option<String> {
        self.resolvers.iter().find_map(|resolver| resolver.watch().borrow().failure.clone())
    }

    /// Waits until every name has been looked up once.
    pub(super) async fn resolved(&self) {
        // The sender is here, so it cannot be gone.
        let mut resolved = self.resolved.subscribe();
        let _resolved = resolved.wait_for(|resolved| *resolved).await;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Arc<[Member]>> {
        // The only change under the lock is an assignment.
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
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

type Watched = (config::Endpoint, watch::Receiver<Resolution>);

/// Keeps the members as DNS says, for as long as they are wanted.
async fn follow(
    members: std::sync::Weak<Members>,
    shared: Arc<SharedCluster>,
    worker: usize,
    fixed: Vec<Member>,
    mut watched: Vec<Watched>,
) {
    loop {
        let Some(members) = members.upgrade() else { return };
        let before = members.current();
        let mut now = fixed.clone();
        let mut looked_up = true;
        for (entry, resolution) in &mut watched {
            let resolution = resolution.borrow_and_update().clone();
            looked_up &= resolution.lookups > 0;
            for address in resolution.addresses {
                let kept = before.iter().find(|member| *member.endpoint.address() == address);
                now.push(match kept {
                    Some(member) => member.clone(),
                    None => {
                        let member = member(&shared, entry, address);
                        watch_arrivals(&shared, &member.endpoint);
                        member
                    }
                });
            }
        }
        let addresses =
            |all: &[Member]| all.iter().map(|member| member.endpoint.address().clone()).collect::<Vec<_>>();
        if addresses(&before) != addresses(&now) {
            let found = addresses(&now);
            tracing::info!(cluster = shared.config.name, endpoints = ?found, "endpoints changed");
            changed(&shared, worker, &now);
            *members.lock() = now.into();
        }
        members
            .resolved
            .send_if_modified(|resolved| !std::mem::replace(resolved, *resolved || looked_up) && looked_up);
        drop(members);
        let changes = watched.iter_mut().map(|(_, resolution)| Box::pin(resolution.changed()));
        let (changed, _, _) = futures_util::future::select_all(changes).await;
        if changed.is_err() {
            return;
        }
    }
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

fn member(shared: &SharedCluster, entry: &config::Endpoint, address: Address) -> Member {
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
    Member { endpoint, authority, weight: entry.weight }
}

/// Tells the statistics of the members that a worker has from now on.
fn changed(shared: &SharedCluster, worker: usize, members: &[Member]) {
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
    use std::collections::HashMap;
    use std::io;
    use std::net::SocketAddr;
    use std::num::NonZeroUsize;
    use std::time::Duration;

    use super::*;
    use crate::config::Bootstrap;
    use crate::schemas::Schemas;
    use crate::stats::Stats;

    /// A name server whose answers a test changes.
    #[derive(Clone, Debug, Default)]
    struct Names(Arc<Mutex<HashMap<String, Vec<SocketAddr>>>>);

    impl Names {
        fn set(&self, name: &str, addresses: &[&str]) {
            let addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
            self.0.lock().unwrap().insert(name.to_owned(), addresses);
        }

        fn forget(&self, name: &str) {
            self.0.lock().unwrap().remove(name);
        }
    }

    impl Lookup for Names {
        async fn lookup(&self, host: &str, _port: u16) -> io::Result<Vec<SocketAddr>> {
            self.0.lock().unwrap().get(host).cloned().ok_or_else(|| io::Error::other("no such name"))
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

    fn addresses(members: &Members) -> Vec<String> {
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
    async fn endpoints_follow_the_names_and_keep_their_connections_where_they_stay() {
        let names = Names::default();
        names.set("one.test", &["127.0.0.1:80", "127.0.0.2:80"]);
        let shared = cluster("STRICT_DNS");
        let members = Members::start(&shared, 0, names.clone());
        members.resolved().await;
        assert_eq!(addresses(&members), ["127.0.0.1:80", "127.0.0.2:80"]);
        let stays = Arc::clone(members.current()[1].endpoint.stats());

        names.set("one.test", &["127.0.0.2:80", "127.0.0.3:80"]);
        until(|| addresses(&members) == ["127.0.0.2:80", "127.0.0.3:80"]).await;
        assert!(Arc::ptr_eq(&stays, members.current()[0].endpoint.stats()), "it was made anew");
        assert_eq!((stat(&shared, "membership_change"), stat(&shared, "membership_healthy")), (2, 2));
        assert_eq!(stat(&shared, "update_failure"), 0);
        assert!(stat(&shared, "update_success") >= 2);
    }

    #[tokio::test]
    async fn a_name_that_cannot_be_looked_up_any_more_keeps_its_endpoints() {
        let names = Names::default();
        names.set("one.test", &["127.0.0.1:80"]);
        let shared = cluster("STRICT_DNS");
        let members = Members::start(&shared, 0, names.clone());
        members.resolved().await;
        names.forget("one.test");
        until(|| stat(&shared, "update_failure") > 1).await;
        assert_eq!(addresses(&members), ["127.0.0.1:80"]);
        names.set("one.test", &[]);
        let failures = stat(&shared, "update_failure");
        until(|| stat(&shared, "update_failure") > failures + 1).await;
        assert_eq!(addresses(&members), ["127.0.0.1:80"]);
        assert_eq!(stat(&shared, "membership_change"), 1);
    }

    #[tokio::test]
    async fn a_name_that_nobody_knows_is_told_as_the_reason_and_found_once_it_is_there() {
        let names = Names::default();
        let shared = cluster("LOGICAL_DNS");
        let members = Members::start(&shared, 0, names.clone());
        members.resolved().await;
        assert!(members.current().is_empty());
        assert!(members.problem().is_some_and(|problem| problem.contains("one.test")));
        names.set("one.test", &["[::1]:80"]);
        until(|| members.problem().is_some_and(|problem| problem.contains("dns_lookup_family"))).await;
        assert!(members.current().is_empty());
        names.set("one.test", &["[::1]:80", "127.0.0.9:80", "127.0.0.8:80"]);
        until(|| addresses(&members) == ["127.0.0.9:80"]).await;
        assert_eq!(members.problem(), None);
        assert_eq!(
            stat(&shared, "update_attempt"),
            stat(&shared, "update_success") + stat(&shared, "update_failure")
        );
    }
}
