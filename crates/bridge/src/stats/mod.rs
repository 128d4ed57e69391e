//! What the bridge counts, under Envoy's names.
//!
//! Each worker counts for itself ([`WorkerStats`]), so that counting is one relaxed addition to memory no other worker
//! writes; a [`Snapshot`] adds the workers up when somebody asks. Connections are counted where they are made, by the
//! network layer; its counters are attached here and read with the others. Nothing about a request is looked up by name
//! but its method ([`calls`]).

mod access_log;
pub mod calls;
mod cluster;
mod history;
mod hosts;
mod http;
mod json;
mod metric;
mod network;
mod prometheus;
mod snapshot;
mod statuses;
mod text;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use landbridge_net::ServerStats;

use crate::config::{Bootstrap, ClusterId, ListenAddress};

pub use access_log::AccessLogStats;
pub use calls::Calls;
pub use cluster::ClusterStats;
pub use hosts::Host;
pub(crate) use hosts::HostSummary;
pub use http::HttpStats;
pub use metric::{Counter, Gauge, Histogram};
pub use snapshot::{Filter, Snapshot};
pub use statuses::Statuses;

use history::Baseline;
use hosts::Hosts;
use snapshot::Scope;

/// All statistics of a bridge.
#[derive(Debug)]
pub struct Stats {
    listeners: Vec<ListenerScopes>,
    clusters: Vec<Scope>,
    workers: Vec<Arc<WorkerStats>>,
    access_log: Arc<AccessLogStats>,
    attached: Mutex<Attached>,
    baseline: Mutex<Baseline>,
}

/// What one worker counts. Each worker writes only its own.
#[derive(Debug)]
pub struct WorkerStats {
    /// By the place of the listener in the file.
    pub listeners: Vec<HttpStats>,
    /// By the place of the cluster in the file; see [`Self::cluster`].
    pub clusters: Vec<ClusterStats>,
    /// Calls by protocol, method and code.
    pub calls: Calls,
}

impl WorkerStats {
    /// What is counted for a cluster.
    #[must_use]
    pub fn cluster(&self, id: ClusterId) -> &ClusterStats {
        &self.clusters[id.index()]
    }
}

/// Counters of the network layer, and how often each cluster's names were looked up.
#[derive(Debug)]
struct Attached {
    /// Of each listener: one a worker.
    servers: Vec<Vec<Arc<ServerStats>>>,
    /// Of each cluster.
    hosts: Vec<Hosts>,
}

/// A listener's statistics stand under the names of its HTTP manager and of its address.
#[derive(Debug)]
struct ListenerScopes {
    http: Scope,
    listener: Scope,
    listener_http: Scope,
}

impl Stats {
    /// Zeros for a configuration. `workers` is at least 1.
    #[must_use]
    pub fn new(config: &Bootstrap, workers: usize) -> Self {
        let listener_scopes = config.listeners.iter().map(|listener| {
            let address = match (&listener.stat_prefix, &listener.address) {
                (Some(prefix), _) => prefix.clone(),
                (None, ListenAddress::Tcp(address)) => address.to_string(),
                (None, ListenAddress::Pipe { path, .. }) => path.display().to_string(),
            };
            ListenerScopes {
                http: Scope::http(&listener.http.stat_prefix),
                listener: Scope::listener(&address),
                listener_http: Scope::listener_http(&address, &listener.http.stat_prefix),
            }
        });
        let worker = || WorkerStats {
            listeners: config.listeners.iter().map(|_| HttpStats::default()).collect(),
            clusters: config.clusters().iter().map(|_| ClusterStats::default()).collect(),
            calls: Calls::default(),
        };
        Self {
            listeners: listener_scopes.collect(),
            clusters: config.clusters().iter().map(|cluster| Scope::cluster(&cluster.stat_name)).collect(),
            workers: (0..workers.max(1)).map(|_| Arc::new(worker())).collect(),
            access_log: Arc::default(),
            attached: Mutex::new(Attached {
                servers: config.listeners.iter().map(|_| Vec::new()).collect(),
                hosts: config.clusters().iter().map(|_| Hosts::default()).collect(),
            }),
            baseline: Mutex::default(),
        }
    }

    /// How many workers count.
    #[must_use]
    pub fn concurrency(&self) -> usize {
        self.workers.len()
    }

    /// The counters of a worker; more workers than were announced share.
    #[must_use]
    pub fn worker(&self, index: usize) -> Arc<WorkerStats> {
        Arc::clone(&self.workers[index % self.workers.len()])
    }

    /// What is counted of access logs.
    #[must_use]
    pub fn access_log(&self) -> &Arc<AccessLogStats> {
        &self.access_log
    }

    /// Adds the connection counters of a listener's server; one call for each worker's.
    ///
    /// `listener` is its place in the file; a place that is not there is ignored.
    pub fn attach_server(&self, listener: usize, stats: Arc<ServerStats>) {
        if let Some(servers) = self.attached().servers.get_mut(listener) {
            servers.push(stats);
        }
    }

    /// Says which hosts a worker has for a cluster now, in place of those it had before, whose counts stay.
    pub fn set_hosts(&self, cluster: ClusterId, worker: usize, hosts: Vec<Host>) {
        self.attached().hosts[cluster.index()].set(worker, hosts);
    }

    /// The hosts of a cluster, all workers added up, by address.
    pub(crate) fn hosts(&self, cluster: ClusterId) -> Vec<HostSummary> {
        self.attached().hosts[cluster.index()].summaries()
    }

    /// Everything as it is now, counters since the last [`Self::reset_counters`].
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let mut snapshot = self.totals();
        self.baseline().subtract_from(&mut snapshot);
        snapshot
    }

    /// Lets all counters start again at 0. Gauges stay.
    pub fn reset_counters(&self) {
        let totals = self.totals();
        *self.baseline() = Baseline::of(&totals);
    }

    fn totals(&self) -> Snapshot {
        let mut snapshot = Snapshot::default();
        for worker in &self.workers {
            for (stats, scopes) in worker.listeners.iter().zip(&self.listeners) {
                stats.sample(&scopes.http, &scopes.listener_http, &mut snapshot);
            }
            for (stats, scope) in worker.clusters.iter().zip(&self.clusters) {
                stats.sample(scope, &mut snapshot);
            }
            worker.calls.sample(&mut snapshot);
        }
        self.access_log.sample(&mut snapshot);
        let mut attached = self.attached();
        for (servers, scopes) in attached.servers.iter().zip(&self.listeners) {
            network::sample_servers(servers, &scopes.http, &scopes.listener, &mut snapshot);
        }
        for (hosts, scope) in attached.hosts.iter_mut().zip(&self.clusters) {
            hosts.sample(scope, &mut snapshot);
        }
        snapshot
    }

    /// A panic elsewhere leaves counters as good as they were.
    fn attached(&self) -> MutexGuard<'_, Attached> {
        self.attached.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn baseline(&self) -> MutexGuard<'_, Baseline> {
        self.baseline.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
