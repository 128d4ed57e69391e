//! Look-ups of a cluster's names: of which family addresses are wanted, counted under Envoy's names for that.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use landbridge_net::Lookup;

use crate::config::{ClusterId, DnsFamily};
use crate::stats::{ClusterStats, WorkerStats};

/// A way to look names up, of which the addresses of a family are wanted.
#[derive(Debug)]
pub(super) struct OfFamily<L> {
    pub(super) lookup: L,
    pub(super) family: DnsFamily,
}

impl<L: Lookup> Lookup for OfFamily<L> {
    async fn lookup(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        let addresses = self.lookup.lookup(host, port).await?;
        let wanted = of_family(&addresses, self.family);
        if wanted.is_empty() && !addresses.is_empty() {
            return Err(io::Error::other("none of its addresses is of the family in `dns_lookup_family`"));
        }
        Ok(wanted)
    }
}

fn of_family(addresses: &[SocketAddr], family: DnsFamily) -> Vec<SocketAddr> {
    let (v4, v6): (Vec<_>, Vec<_>) = addresses.iter().partition(|address| address.is_ipv4());
    match family {
        DnsFamily::V4Only => v4,
        DnsFamily::V6Only => v6,
        DnsFamily::V4Preferred if v4.is_empty() => v6,
        DnsFamily::V4Preferred => v4,
        DnsFamily::V6Preferred if v6.is_empty() => v4,
        DnsFamily::V6Preferred => v6,
        DnsFamily::All => addresses.to_vec(),
    }
}

/// A way to look names up, and where the look-ups are counted.
#[derive(Debug)]
pub(super) struct Counted<L> {
    pub(super) lookup: L,
    pub(super) cluster: ClusterId,
    /// None on all workers but one: each looks up for itself, and the names are still those of one cluster.
    pub(super) stats: Option<Arc<WorkerStats>>,
}

impl<L: Lookup> Lookup for Counted<L> {
    async fn lookup(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        let mut attempt = Attempt::begin(self.stats.as_ref().map(|stats| stats.cluster(self.cluster)));
        let answer = self.lookup.lookup(host, port).await;
        attempt.succeeded = answer.as_ref().is_ok_and(|addresses| !addresses.is_empty());
        answer
    }
}

/// One look-up. Dropped without an answer, because that took too long, it has failed.
struct Attempt<'a> {
    stats: Option<&'a ClusterStats>,
    succeeded: bool,
}

impl<'a> Attempt<'a> {
    fn begin(stats: Option<&'a ClusterStats>) -> Self {
        if let Some(stats) = stats {
            stats.update_attempt.increment();
        }
        Self { stats, succeeded: false }
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if let Some(stats) = self.stats {
            if self.succeeded { &stats.update_success } else { &stats.update_failure }.increment();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wanted_family_is_taken_and_the_preferred_one_where_it_is_there() {
        let addresses = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<_>>();
        let v4: &[&str] = &["127.0.0.2:80", "127.0.0.1:80"];
        let v6: &[&str] = &["[::1]:80"];
        let both: &[&str] = &["127.0.0.2:80", "[::1]:80", "127.0.0.1:80"];
        for (family, answer, wanted) in [
            (DnsFamily::V4Only, both, v4),
            (DnsFamily::V4Only, v6, &[]),
            (DnsFamily::V6Only, both, v6),
            (DnsFamily::V6Only, v4, &[]),
            (DnsFamily::V4Preferred, both, v4),
            (DnsFamily::V4Preferred, v6, v6),
            (DnsFamily::V6Preferred, both, v6),
            (DnsFamily::V6Preferred, v4, v4),
            (DnsFamily::All, both, both),
        ] {
            assert_eq!(of_family(&addresses(answer), family), addresses(wanted), "{family:?} of {answer:?}");
        }
    }
}
