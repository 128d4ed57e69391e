//! Which endpoint a call goes to: Envoy's ROUND_ROBIN, LEAST_REQUEST and RANDOM.

use std::sync::atomic::{AtomicU64, Ordering};

use super::members::Member;
use crate::config::LoadBalancing;

/// Chooses endpoints by weight.
#[derive(Debug)]
pub(super) struct Balancer {
    policy: LoadBalancing,
    /// Counts calls; starts anywhere, so that workers do not all begin with the same endpoint.
    calls: AtomicU64,
}

impl Balancer {
    pub(super) fn new(policy: LoadBalancing) -> Self {
        Self { policy, calls: AtomicU64::new(fastrand::u64(..u64::MAX / 2)) }
    }

    /// The endpoints in the order to try them: the chosen one, then the others, so that one that cannot be reached is
    /// passed over.
    pub(super) fn order<'m>(&self, members: &'m [Member]) -> impl Iterator<Item = &'m Member> + use<'m> {
        let first = if members.len() < 2 { 0 } else { self.choose(members) };
        members[first.min(members.len())..].iter().chain(&members[..first])
    }

    fn choose(&self, members: &[Member]) -> usize {
        match self.policy {
            LoadBalancing::RoundRobin => {
                let call = self.calls.fetch_add(1, Ordering::Relaxed);
                by_weight(members, spread(call, members))
            }
            LoadBalancing::Random => by_weight(members, fastrand::u64(..total(members))),
            LoadBalancing::LeastRequest { choices } => (0..choices.get())
                .map(|_| by_weight(members, fastrand::u64(..total(members))))
                .min_by_key(|index| members[*index].endpoint.active())
                .unwrap_or_default(),
        }
    }
}

/// The point of this call in the sum of all weights. With weights a golden-ratio sequence: each endpoint gets its share,
/// spread evenly; without, simply one after the other.
fn spread(call: u64, members: &[Member]) -> u64 {
    let total = total(members);
    if total == members.len() as u64 {
        return call % total;
    }
    const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
    let fraction = call.wrapping_mul(GOLDEN);
    // The high half of the product is `total` times the fraction, so always below `total`.
    ((u128::from(fraction) * u128::from(total)) >> 64) as u64
}

fn total(members: &[Member]) -> u64 {
    members.iter().map(|member| u64::from(member.weight.get())).sum::<u64>().max(1)
}

fn by_weight(members: &[Member], point: u64) -> usize {
    let mut rest = point;
    for (index, member) in members.iter().enumerate() {
        match rest.checked_sub(u64::from(member.weight.get())) {
            Some(left) => rest = left,
            None => return index,
        }
    }
    0
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::num::NonZeroU32;

    use landbridge_net::{Address, Endpoint, EndpointConfig};

    use super::*;

    fn members(weights: &[u32]) -> Vec<Member> {
        let member = |(index, weight): (usize, &u32)| {
            let address = Address::Tcp(([127, 0, 0, 1], 1000 + index as u16).into());
            Member {
                endpoint: Endpoint::new(EndpointConfig::new(address)),
                authority: None,
                weight: NonZeroU32::new(*weight).unwrap(),
            }
        };
        weights.iter().enumerate().map(member).collect()
    }

    fn shares(policy: LoadBalancing, weights: &[u32], calls: usize) -> Vec<usize> {
        let members = members(weights);
        let balancer = Balancer::new(policy);
        let mut counts: HashMap<String, usize> = HashMap::new();
        for _ in 0..calls {
            let first = balancer.order(&members).next().unwrap();
            *counts.entry(first.endpoint.address().to_string()).or_default() += 1;
        }
        members
            .iter()
            .map(|member| counts.get(&member.endpoint.address().to_string()).copied().unwrap_or(0))
            .collect()
    }

    #[test]
    fn round_robin_gives_each_its_share() {
        assert_eq!(shares(LoadBalancing::RoundRobin, &[1, 1, 1], 300), [100, 100, 100]);
        let weighted = shares(LoadBalancing::RoundRobin, &[1, 3], 4000);
        assert!((980..1020).contains(&weighted[0]), "{weighted:?}");
    }

    #[test]
    fn every_endpoint_is_tried_once() {
        let members = members(&[1, 2, 3]);
        for policy in [
            LoadBalancing::RoundRobin,
            LoadBalancing::Random,
            LoadBalancing::LeastRequest { choices: NonZeroU32::new(2).unwrap() },
        ] {
            let balancer = Balancer::new(policy);
            let mut order: Vec<String> =
                balancer.order(&members).map(|member| member.endpoint.address().to_string()).collect();
            order.sort();
            order.dedup();
            assert_eq!(order.len(), 3);
            assert_eq!(balancer.order(&[]).count(), 0);
        }
    }
}
