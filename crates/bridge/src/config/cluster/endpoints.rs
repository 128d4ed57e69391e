//! Envoy's `ClusterLoadAssignment`: the endpoints of a cluster.

use std::num::NonZeroU32;

use super::discovery::Discovery;
use crate::config::address::EndpointAddress;
use crate::config::reader::{At, Message, Read};

/// A server, or a name that stands for some.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Where it is. Only clusters found by DNS have names here.
    pub address: EndpointAddress,
    /// Its share of the calls (`load_balancing_weight`). Default 1.
    pub weight: NonZeroU32,
    /// Its own name, which `auto_host_rewrite` sends (`hostname`).
    pub hostname: Option<String>,
    /// Gets calls. `false` where the file says UNHEALTHY, DRAINING or TIMEOUT.
    pub healthy: bool,
}

impl Endpoint {
    pub(in crate::config) fn new(address: EndpointAddress) -> Self {
        Self { address, weight: NonZeroU32::MIN, hostname: None, healthy: true }
    }
}

/// Reads the endpoints of all localities. `cluster` and `discovery` are what the cluster says of itself, as far as known.
pub(super) fn read(at: &At<'_>, cluster: Option<&str>, discovery: Option<&Discovery>) -> Read<Vec<Endpoint>> {
    at.message(|assignment| {
        let name = assignment.required("cluster_name", |at| match (at.name()?, cluster) {
            (name, Some(cluster)) if name != cluster => {
                Err(at.refuse(format_args!("must be the name of the cluster, `{cluster}`")))
            }
            _ => Ok(()),
        });
        let localities = assignment.required("endpoints", |at| at.list(|at| read_locality(at, discovery)));
        assignment.refuse("named_endpoints", "list the endpoints in `endpoints`");
        assignment.refuse("policy", "there is one priority, and calls are not dropped");
        name?;
        let endpoints: Vec<Endpoint> = localities?.into_iter().flatten().collect();
        if endpoints.is_empty() {
            return Err(
                assignment.refuse_at("endpoints", "there is no endpoint; a cluster needs at least one")
            );
        }
        if matches!(discovery, Some(Discovery::LogicalDns(_))) && endpoints.len() > 1 {
            return Err(
                assignment.refuse_at("endpoints", "LOGICAL_DNS takes one endpoint; STRICT_DNS takes several")
            );
        }
        Ok(endpoints)
    })
}

/// Envoy's `LocalityLbEndpoints`. Calls are spread over all localities alike.
fn read_locality(at: &At<'_>, discovery: Option<&Discovery>) -> Read<Vec<Endpoint>> {
    at.message(|locality| {
        let endpoints = locality.required("lb_endpoints", |at| at.list(|at| read_lb_endpoint(at, discovery)));
        // Where the endpoints are means nothing while calls are spread over all localities.
        let place = locality.optional("locality", |at| {
            at.message(|place| {
                let parts = ["region", "zone", "sub_zone"].map(|name| place.optional(name, At::text));
                parts.into_iter().collect::<Read<Vec<_>>>()
            })
        });
        let priority = locality.or("priority", 0, |at| match at.u32()? {
            0 => Ok(0),
            _ => Err(at.refuse("only priority 0 is supported: there is no failover between priorities")),
        });
        locality.refuse("load_balancing_weight", "give weights to the endpoints");
        place?;
        priority?;
        endpoints
    })
}

/// Envoy's `LbEndpoint`.
fn read_lb_endpoint(at: &At<'_>, discovery: Option<&Discovery>) -> Read<Endpoint> {
    at.message(|lb| {
        let endpoint =
            lb.required("endpoint", |at| at.message(|endpoint| read_endpoint(endpoint, discovery)));
        let weight = lb.or("load_balancing_weight", NonZeroU32::MIN, At::positive);
        let healthy = lb.or("health_status", true, |at| {
            at.choice(&[
                ("UNKNOWN", 0, true),
                ("HEALTHY", 1, true),
                ("UNHEALTHY", 2, false),
                ("DRAINING", 3, false),
                ("TIMEOUT", 4, false),
                ("DEGRADED", 5, true),
            ])
        });
        lb.refuse("endpoint_name", "give the `endpoint`");
        lb.refuse("metadata", "subsets of a cluster are not supported; make two clusters");
        let (address, hostname) = endpoint?;
        Ok(Endpoint { address, weight: weight?, hostname, healthy: healthy? })
    })
}

fn read_endpoint(
    endpoint: &Message<'_, '_>,
    discovery: Option<&Discovery>,
) -> Read<(EndpointAddress, Option<String>)> {
    let address = endpoint.required("address", |at| {
        let address = EndpointAddress::read(at)?;
        match (&address, discovery) {
            (EndpointAddress::Dns { .. }, Some(Discovery::Static)) => Err(at
                .refuse("a STATIC cluster takes IP addresses; names need `type: STRICT_DNS` or LOGICAL_DNS")),
            (EndpointAddress::Pipe(_), Some(Discovery::StrictDns(_) | Discovery::LogicalDns(_))) => {
                Err(at.refuse("a pipe needs `type: STATIC`"))
            }
            _ => Ok(address),
        }
    });
    let hostname = endpoint.optional("hostname", |at| at.name().map(str::to_owned));
    endpoint.refuse("health_check_config", "endpoints are not probed");
    endpoint.refuse("additional_addresses", "make it an endpoint of its own");
    Ok((address?, hostname?))
}
