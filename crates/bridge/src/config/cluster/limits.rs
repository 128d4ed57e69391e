//! How a cluster's endpoints are chosen, and how much is asked of them at once.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::config::reader::{At, Message, Read};

/// Envoy's `lb_policy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoadBalancing {
    /// One after the other, by weight.
    RoundRobin,
    /// The one with the fewest calls in flight among `choices` random ones. Default 2; at least 2.
    LeastRequest {
        /// How many are looked at.
        choices: NonZeroU32,
    },
    /// Any, by weight.
    Random,
}

impl LoadBalancing {
    pub(super) fn read(cluster: &Message<'_, '_>) -> Read<Self> {
        let choices = cluster.optional("least_request_lb_config", |at| {
            at.message(|config| {
                config.refuse(
                    "active_request_bias",
                    "weights and calls in flight count as in Envoy by default",
                );
                config.refuse("slow_start_config", "endpoints start at their full share");
                config.refuse("locality_lb_config", "calls are spread over all localities alike");
                config.optional("choice_count", |at| at.u32_within(2..=u32::MAX))
            })
        });
        let policy = cluster.or("lb_policy", 0, |at| {
            at.choice(&[("ROUND_ROBIN", 0, 0), ("LEAST_REQUEST", 1, 1), ("RANDOM", 3, 3)])
        });
        let choices = choices?.flatten();
        Ok(match policy? {
            1 => Self::LeastRequest {
                choices: choices.and_then(NonZeroU32::new).unwrap_or(NonZeroU32::MIN.saturating_add(1)),
            },
            3 => Self::Random,
            _ => Self::RoundRobin,
        })
    }
}

/// Envoy's `CircuitBreakers`, priority DEFAULT. What goes beyond is refused at once, as an error of the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CircuitBreakers {
    /// Connections. Default 1024.
    pub max_connections: u32,
    /// Calls waiting for a connection. Default 1024.
    pub max_pending_requests: u32,
    /// Calls in flight. Default 1024.
    pub max_requests: u32,
    /// Retries in flight. Default 3. Shown by the admin server; nothing is retried.
    pub max_retries: u32,
}

impl Default for CircuitBreakers {
    fn default() -> Self {
        Self { max_connections: 1024, max_pending_requests: 1024, max_requests: 1024, max_retries: 3 }
    }
}

impl CircuitBreakers {
    pub(super) fn read(at: &At<'_>) -> Read<Self> {
        at.message(|breakers| {
            let thresholds = breakers.list("thresholds", |at| at.message(read_threshold));
            breakers
                .refuse("per_host_thresholds", "use `thresholds`, which count for the cluster as a whole");
            // Routes of priority HIGH are refused, so their thresholds hold for nothing. As in Envoy the first counts.
            let default = thresholds?.into_iter().find_map(|(high, limits)| (!high).then_some(limits));
            Ok(default.unwrap_or_default())
        })
    }
}

/// A threshold, and whether it is for priority HIGH.
fn read_threshold(threshold: &Message<'_, '_>) -> Read<(bool, CircuitBreakers)> {
    let default = CircuitBreakers::default();
    let high = threshold.or("priority", false, |at| at.choice(&[("DEFAULT", 0, false), ("HIGH", 1, true)]));
    let max_connections = threshold.or("max_connections", default.max_connections, At::u32);
    let max_pending_requests = threshold.or("max_pending_requests", default.max_pending_requests, At::u32);
    let max_requests = threshold.or("max_requests", default.max_requests, At::u32);
    let max_retries = threshold.or("max_retries", default.max_retries, At::u32);
    // The gauges this switches on are always there.
    let track = threshold.or("track_remaining", false, At::bool);
    threshold.refuse("retry_budget", "nothing is retried");
    threshold.refuse("max_connection_pools", "a cluster has one pool");
    track?;
    let limits = CircuitBreakers {
        max_connections: max_connections?,
        max_pending_requests: max_pending_requests?,
        max_requests: max_requests?,
        max_retries: max_retries?,
    };
    Ok((high?, limits))
}

/// TCP keep-alive. `None` in a field: the system's default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TcpKeepalive {
    /// Unanswered probes after which a connection is dead.
    pub probes: Option<u32>,
    /// Silence before the first probe; whole seconds.
    pub time: Option<Duration>,
    /// Time between probes; whole seconds.
    pub interval: Option<Duration>,
}

impl TcpKeepalive {
    /// Reads `upstream_connection_options`.
    pub(super) fn read(at: &At<'_>) -> Read<Option<Self>> {
        at.message(|options| {
            options.refuse("happy_eyeballs_config", "addresses are tried in the order of the look-up");
            options.optional("tcp_keepalive", |at| {
                at.message(|keepalive| {
                    let seconds = |at: &At<'_>| Ok(Duration::from_secs(u64::from(at.positive()?.get())));
                    let probes = keepalive.optional("keepalive_probes", |at| at.u32_within(1..=127));
                    let time = keepalive.optional("keepalive_time", seconds);
                    let interval = keepalive.optional("keepalive_interval", seconds);
                    Ok(Self { probes: probes?, time: time?, interval: interval? })
                })
            })
        })
    }
}
