//! The hosts of a cluster. They come and go with DNS; what they counted stays.

use std::collections::BTreeMap;
use std::sync::Arc;

use landbridge_net::UpstreamStats;

use super::network::UpstreamCounts;
use super::snapshot::{Scope, Snapshot};

/// A host as one worker has it.
#[derive(Debug, Clone)]
pub struct Host {
    /// Its address, as `/clusters` shows it.
    pub address: String,
    /// The name it was found by; may be empty.
    pub hostname: String,
    /// Its share of the calls.
    pub weight: u32,
    /// Whether it gets calls.
    pub healthy: bool,
    /// What the worker's connections to it count.
    pub stats: Arc<UpstreamStats>,
}

/// A host, all workers added up.
#[derive(Debug, Clone)]
pub(crate) struct HostSummary {
    pub(crate) address: String,
    pub(crate) hostname: String,
    pub(crate) weight: u32,
    /// For every worker.
    pub(crate) healthy: bool,
    pub(crate) cx_total: u64,
    pub(crate) cx_active: u64,
    pub(crate) cx_connect_fail: u64,
    pub(crate) rq_total: u64,
    pub(crate) rq_active: u64,
    pub(crate) rq_pending_active: u64,
    /// Streams that broke off, either way.
    pub(crate) rq_error: u64,
}

#[derive(Debug, Default)]
pub(super) struct Hosts {
    by_worker: BTreeMap<usize, Vec<Host>>,
    /// Hosts that are gone, while calls to them may still end.
    leaving: Vec<Arc<UpstreamStats>>,
    /// What hosts counted that are gone for good.
    left: UpstreamCounts,
}

impl Hosts {
    pub(super) fn set(&mut self, worker: usize, hosts: Vec<Host>) {
        let before = self.by_worker.remove(&worker).unwrap_or_default();
        for gone in before {
            if !hosts.iter().any(|host| Arc::ptr_eq(&host.stats, &gone.stats)) {
                self.leaving.push(gone.stats);
            }
        }
        // One that is back has not left.
        self.leaving.retain(|stats| !hosts.iter().any(|host| Arc::ptr_eq(&host.stats, stats)));
        self.by_worker.insert(worker, hosts);
        self.settle();
    }

    /// Counters that nobody else holds cannot change any more: they become numbers.
    fn settle(&mut self) {
        let left = &mut self.left;
        self.leaving.retain(|stats| {
            let in_use = Arc::strong_count(stats) > 1;
            if !in_use {
                left.add(&UpstreamCounts::of(stats));
            }
            in_use
        });
    }

    pub(super) fn sample(&mut self, scope: &Scope, out: &mut Snapshot) {
        self.settle();
        let mut counts = self.left;
        for stats in self.distinct() {
            counts.add(&UpstreamCounts::of(stats));
        }
        counts.sample(scope, out);
        let summaries = self.summaries();
        let healthy = summaries.iter().filter(|host| host.healthy).count();
        out.gauge(scope, "membership_total", summaries.len() as u64);
        out.gauge(scope, "membership_healthy", healthy as u64);
        out.gauge(scope, "membership_excluded", (summaries.len() - healthy) as u64);
    }

    /// Every set of counters once, even where hosts share one.
    fn distinct(&self) -> Vec<&Arc<UpstreamStats>> {
        let current = self.by_worker.values().flatten().map(|host| &host.stats);
        let mut all: Vec<&Arc<UpstreamStats>> = current.chain(&self.leaving).collect();
        all.sort_by_key(|stats| Arc::as_ptr(stats));
        all.dedup_by(|a, b| Arc::ptr_eq(a, b));
        all
    }

    pub(super) fn summaries(&self) -> Vec<HostSummary> {
        let mut by_address: BTreeMap<&str, HostSummary> = BTreeMap::new();
        for host in self.by_worker.values().flatten() {
            let counts = UpstreamCounts::of(&host.stats);
            let summary = by_address.entry(&host.address).or_insert_with(|| HostSummary {
                address: host.address.clone(),
                hostname: host.hostname.clone(),
                weight: host.weight,
                healthy: true,
                cx_total: 0,
                cx_active: 0,
                cx_connect_fail: 0,
                rq_total: 0,
                rq_active: 0,
                rq_pending_active: 0,
                rq_error: 0,
            });
            summary.healthy &= host.healthy;
            summary.cx_total += counts.cx_total;
            summary.cx_active += counts.cx_active;
            summary.cx_connect_fail += counts.cx_connect_fail;
            summary.rq_total += counts.rq_total;
            summary.rq_active += counts.rq_active;
            summary.rq_pending_active += counts.rq_pending_active;
            summary.rq_error += counts.rq_rx_reset + counts.rq_tx_reset;
        }
        by_address.into_values().collect()
    }
}
