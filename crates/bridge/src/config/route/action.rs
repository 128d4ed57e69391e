//! What a route does with a request.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderValue, StatusCode};

use super::duration::{GrpcTimeout, MaxStreamDuration, RouteTimeout};
use super::matcher::PathRewrite;
use super::virtual_host::Level;
use crate::config::cluster::{ClusterId, KnownClusters};
use crate::config::data_source::DataSource;
use crate::config::landbridge::{BridgeSettings, Overrides};
use crate::config::reader::{At, Message, Read};

/// What a route does.
#[derive(Debug, Clone)]
pub enum Action {
    /// Sends the call to a cluster.
    Forward(Forward),
    /// Answers at once.
    Respond(DirectResponse),
}

/// An answer without an upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectResponse {
    /// The HTTP status.
    pub status: StatusCode,
    /// The body, if any.
    pub body: Option<DataSource>,
}

/// Envoy's `RouteAction`.
#[derive(Debug, Clone)]
pub struct Forward {
    /// Where to.
    pub targets: Targets,
    /// How long a stream may be silent. `None`: for ever. The listener's `stream_idle_timeout` unless the route has its
    /// own.
    pub idle_timeout: Option<Duration>,
    /// How long a stream may live. `None`: no limit. The listener's `max_stream_duration` unless the route has its own.
    pub max_stream_duration: Option<Duration>,
    /// Set when the client's own deadline takes the place of the route's `timeout`.
    pub grpc_timeout: Option<GrpcTimeout>,
    /// What happens to the path.
    pub path_rewrite: Option<PathRewrite>,
    /// What happens to the authority. `None`: it is sent on as it came.
    pub host_rewrite: Option<HostRewrite>,
}

/// A change of the authority.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostRewrite {
    /// Always this.
    Literal(HeaderValue),
    /// The name of the endpoint, where it has one (`auto_host_rewrite`).
    Endpoint,
}

/// The clusters of a route, with a weight each; at least one has a weight.
#[derive(Debug, Clone)]
pub struct Targets {
    targets: Vec<Target>,
    total: u64,
}

/// One cluster of a route, with everything that depends on the pair of both.
#[derive(Debug, Clone)]
pub struct Target {
    /// The cluster.
    pub cluster: ClusterId,
    /// Its share of the sum of all weights.
    pub weight: u32,
    /// The route's settings over the cluster's.
    pub settings: Arc<BridgeSettings>,
    /// How long a call may take.
    pub timeout: RouteTimeout,
}

impl Targets {
    /// All of them, in the order of the file.
    #[must_use]
    pub fn all(&self) -> &[Target] {
        &self.targets
    }

    /// The target for a random number.
    #[must_use]
    pub fn pick(&self, random: u64) -> &Target {
        let mut point = random % self.total;
        let mut chosen = &self.targets[0];
        for target in &self.targets {
            chosen = target;
            match point.checked_sub(u64::from(target.weight)) {
                Some(rest) => point = rest,
                None => break,
            }
        }
        chosen
    }

    pub(in crate::config) fn one(target: Target) -> Self {
        Self { targets: vec![Target { weight: 1, ..target }], total: 1 }
    }
}

/// What a target is made from.
struct Chosen {
    cluster: ClusterId,
    weight: u32,
    settings: Overrides,
}

impl Chosen {
    /// The cluster that `at` names.
    fn read(at: &At<'_>, clusters: &KnownClusters, route: &Overrides) -> Read<Self> {
        let cluster = clusters.find(at)?;
        let settings = clusters.settings(cluster, route, at)?;
        Ok(Self { cluster, weight: 1, settings })
    }

    fn target(&self, timeout: RouteTimeout) -> Target {
        Target {
            cluster: self.cluster,
            weight: self.weight,
            timeout: RouteTimeout {
                stream: self.settings.stream_timeout.unwrap_or(timeout.stream),
                ..timeout
            },
            settings: Arc::new(self.settings.settings()),
        }
    }
}

impl Forward {
    pub(super) fn read(
        at: &At<'_>,
        clusters: &KnownClusters,
        level: &Level,
        overrides: &Overrides,
    ) -> Read<Self> {
        at.message(|action| {
            let chosen = read_clusters(action, clusters, overrides);
            let timeout = action.optional("timeout", At::duration_or_off);
            let idle_timeout = action.or("idle_timeout", level.idle_timeout, At::duration_or_off);
            let duration =
                action.or("max_stream_duration", MaxStreamDuration::default(), MaxStreamDuration::read);
            let path_rewrite = PathRewrite::read(action);
            let host_rewrite = read_host_rewrite(action);
            let priority = action.or("priority", (), |at| at.choice(&[("DEFAULT", 0, ())]));
            refuse_the_rest(action);

            let timeout = timeout?;
            let base = timeout.map_or(RouteTimeout::DEFAULT, RouteTimeout::both);
            let (chosen, duration) = (chosen?, duration?);
            priority?;
            let targets: Vec<Target> = chosen.iter().map(|chosen| chosen.target(base)).collect();
            Ok(Self {
                targets: Targets {
                    total: targets.iter().map(|target| u64::from(target.weight)).sum(),
                    targets,
                },
                idle_timeout: idle_timeout?,
                max_stream_duration: duration.limit.unwrap_or(level.max_stream_duration),
                grpc_timeout: duration.grpc,
                path_rewrite: path_rewrite?,
                host_rewrite: host_rewrite?,
            })
        })
    }
}

/// `cluster` or `weighted_clusters`: at least one, with a sum of weights that is not 0.
fn read_clusters(action: &Message<'_, '_>, clusters: &KnownClusters, route: &Overrides) -> Read<Vec<Chosen>> {
    action.refuse("cluster_header", "name the cluster, and use header matchers to choose between routes");
    let one = action.exactly_one(&["cluster", "weighted_clusters"]);
    let single = action.optional("cluster", |at| Ok(vec![Chosen::read(at, clusters, route)?]));
    let weighted = action.optional("weighted_clusters", |at| {
        at.message(|weighted| {
            let chosen = weighted.required("clusters", |at| at.list(|at| read_weighted(at, clusters, route)));
            let given = weighted.optional("total_weight", At::u32);
            weighted.refuse("runtime_key_prefix", "there is no runtime layer");
            weighted.refuse("header_name", "the choice is random");
            let (chosen, given) = (chosen?, given?);
            let sum: u64 = chosen.iter().map(|chosen| u64::from(chosen.weight)).sum();
            if sum == 0 || sum > u64::from(u32::MAX) {
                return Err(
                    weighted.refuse_at("clusters", "the sum of the weights must be from 1 to 4294967295")
                );
            }
            match given {
                Some(given) if u64::from(given) != sum => {
                    let message = format!("is not the sum of the weights, {sum}; leave it away");
                    Err(weighted.refuse_at("total_weight", &message))
                }
                _ => Ok(chosen),
            }
        })
    });
    one?;
    match (single?, weighted?) {
        (Some(chosen), _) | (_, Some(chosen)) => Ok(chosen),
        (None, None) => Err(action.at().refuse("a cluster is missing")),
    }
}

fn read_weighted(at: &At<'_>, clusters: &KnownClusters, route: &Overrides) -> Read<Chosen> {
    at.message(|cluster| {
        let chosen = cluster.required("name", |at| Chosen::read(at, clusters, route));
        let weight = cluster.or("weight", 0, At::u32);
        let on_the_route = "set it on the route or on the cluster";
        cluster.refuse("metadata_match", "subsets of a cluster are not supported; make two clusters");
        cluster.refuse("request_headers_to_add", on_the_route);
        cluster.refuse("request_headers_to_remove", on_the_route);
        cluster.refuse("response_headers_to_add", on_the_route);
        cluster.refuse("response_headers_to_remove", on_the_route);
        cluster.refuse("typed_per_filter_config", on_the_route);
        cluster.refuse("host_rewrite_literal", on_the_route);
        Ok(Chosen { weight: weight?, ..chosen? })
    })
}

fn read_host_rewrite(action: &Message<'_, '_>) -> Read<Option<HostRewrite>> {
    let one = action.at_most_one(&["host_rewrite_literal", "auto_host_rewrite"]);
    let literal = action.optional("host_rewrite_literal", |at| {
        let authority = at.name()?;
        match (authority.parse::<http::uri::Authority>(), HeaderValue::from_str(authority)) {
            (Ok(_), Ok(value)) => Ok(HostRewrite::Literal(value)),
            _ => Err(at.refuse("not a host, with or without a port")),
        }
    });
    let endpoint = action.or("auto_host_rewrite", false, At::bool);
    let elsewhere = "use `host_rewrite_literal` or `auto_host_rewrite`";
    action.refuse("host_rewrite_header", elsewhere);
    action.refuse("host_rewrite_path_regex", elsewhere);
    one?;
    Ok(literal?.or(endpoint?.then_some(HostRewrite::Endpoint)))
}

/// Fields that people do use, so that the answer says more than "unknown".
fn refuse_the_rest(action: &Message<'_, '_>) {
    action.refuse(
        "retry_policy",
        "a call that may have reached a handler is never sent again; clients retry by their own policy",
    );
    action.refuse("request_mirror_policies", "calls are not mirrored");
    action.refuse(
        "hash_policy",
        "there is no hashing load balancer; supported: ROUND_ROBIN, LEAST_REQUEST, RANDOM",
    );
    action.refuse("metadata_match", "subsets of a cluster are not supported; make two clusters");
    action.refuse("rate_limits", "rate limits are not supported");
    action.refuse("upgrade_configs", "HTTP upgrades are not proxied");
    action.refuse("cors", "use `typed_per_filter_config` of the route, with envoy.filters.http.cors");
    let duration = "use `max_stream_duration.grpc_timeout_header_max`";
    action.refuse("max_grpc_timeout", duration);
    action.refuse("grpc_timeout_offset", duration);
}

impl DirectResponse {
    pub(super) fn read(at: &At<'_>) -> Read<Self> {
        at.message(|response| {
            let status = response.required("status", |at| {
                let status = at.u32_within(200..=599)?;
                let status = u16::try_from(status).ok().and_then(|status| StatusCode::from_u16(status).ok());
                status.ok_or_else(|| at.refuse("not an HTTP status"))
            });
            let body = response.optional("body", DataSource::read);
            Ok(Self { status: status?, body: body? })
        })
    }
}
