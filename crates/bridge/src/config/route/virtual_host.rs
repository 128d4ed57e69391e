//! Envoy's `VirtualHost` and `Route`.

use std::sync::Arc;
use std::time::Duration;

use super::action::{Action, DirectResponse, Forward};
use super::cors::CorsPolicy;
use super::matcher::RouteMatch;
use crate::config::cluster::KnownClusters;
use crate::config::headers::HeaderChanges;
use crate::config::landbridge::Overrides;
use crate::config::reader::{At, Message, Read};

/// The routes of some domains.
#[derive(Debug, Clone)]
pub struct VirtualHost {
    /// Its name, for people.
    pub name: String,
    /// Its domains, as written; at least one.
    pub domains: Vec<String>,
    /// Its routes; the first that matches is taken.
    pub routes: Vec<Route>,
}

/// A test, and what to do with a request that passes.
#[derive(Debug, Clone)]
pub struct Route {
    /// Its name, for people and for `%ROUTE_NAME%`; may be empty.
    pub name: String,
    /// The test.
    pub matcher: RouteMatch,
    /// What to do.
    pub action: Action,
    /// Header changes of the route, its virtual host and the whole table, in the order to apply them.
    pub headers: HeaderChanges,
    /// Which pages may call: the route's own policy, the virtual host's, or that of `metadata`. `None`: CORS is off.
    pub cors: Option<Arc<CorsPolicy>>,
}

/// What an outer level hands down to the routes inside it.
#[derive(Debug, Clone)]
pub(in crate::config) struct Level {
    /// Header changes of the levels around.
    pub(in crate::config) headers: HeaderChanges,
    /// Outer changes are applied after inner ones, which is Envoy's default.
    pub(in crate::config) outer_last: bool,
    /// Whether `http_filters` has the cors filter.
    pub(in crate::config) cors_filter: bool,
    /// The policy of the levels around.
    pub(in crate::config) cors: Option<Arc<CorsPolicy>>,
    /// The listener's `stream_idle_timeout`.
    pub(in crate::config) idle_timeout: Option<Duration>,
    /// The listener's `max_stream_duration`.
    pub(in crate::config) max_stream_duration: Option<Duration>,
}

impl Level {
    pub(super) fn within(&self, inner: HeaderChanges, outer_last: bool) -> Self {
        let headers = match outer_last {
            true => inner.then(&self.headers),
            false => self.headers.then(&inner),
        };
        Self { headers, outer_last, ..self.clone() }
    }
}

impl VirtualHost {
    /// All domains, one route.
    pub(super) fn everything(route: Route) -> Self {
        Self { name: String::new(), domains: vec!["*".to_owned()], routes: vec![route] }
    }

    pub(super) fn read(at: &At<'_>, clusters: &KnownClusters, level: &Level) -> Read<Self> {
        at.message(|host| {
            let name = host.required("name", |at| at.name().map(str::to_owned));
            let domains = host.required("domains", |at| match at.list(read_domain)? {
                domains if domains.is_empty() => {
                    Err(at.refuse("must not be empty; `*` stands for all domains"))
                }
                domains => Ok(domains),
            });
            let headers = HeaderChanges::read(host);
            let cors = read_cors(host, level);
            let tls = host.or("require_tls", (), |at| at.choice(&[("NONE", 0, ())]));
            host.refuse("retry_policy", "a call that may have reached a handler is never sent again");
            host.refuse("matcher", "use `routes`");
            host.refuse("cors", "use `typed_per_filter_config`, with envoy.filters.http.cors");
            host.refuse("rate_limits", "rate limits are not supported");
            let mut level = level.within(headers.clone().unwrap_or_default(), level.outer_last);
            if let Ok(Some(policy)) = &cors {
                level.cors = Some(Arc::clone(policy));
            }
            let routes = host.list("routes", |at| Route::read(at, clusters, &level));
            headers?;
            cors?;
            tls?;
            Ok(Self { name: name?, domains: domains?, routes: routes? })
        })
    }
}

fn read_domain(at: &At<'_>) -> Read<String> {
    let domain = at.name()?;
    let inner = domain.strip_prefix('*').unwrap_or_else(|| domain.strip_suffix('*').unwrap_or(domain));
    if inner.contains('*') {
        return Err(at.refuse("a domain may have one `*`, at its start or at its end"));
    }
    Ok(domain.to_owned())
}

impl Route {
    /// Sends everything on.
    pub(in crate::config) fn everything_to(forward: Forward) -> Self {
        Self {
            name: String::new(),
            matcher: RouteMatch::everything(),
            action: Action::Forward(forward),
            headers: HeaderChanges::default(),
            cors: None,
        }
    }

    fn read(at: &At<'_>, clusters: &KnownClusters, level: &Level) -> Read<Self> {
        at.message(|route| {
            let name = route.or("name", String::new(), At::string);
            let matcher = route.required("match", RouteMatch::read);
            let overrides = route.or("metadata", Overrides::default(), Overrides::read);
            let headers = HeaderChanges::read(route);
            let cors = read_cors(route, level);
            let level = level.within(headers.clone().unwrap_or_default(), level.outer_last);
            let kind = route.exactly_one(&["route", "direct_response"]);
            let forward = route.optional("route", |at| {
                let none = Overrides::default();
                Forward::read(at, clusters, &level, overrides.as_ref().unwrap_or(&none))
            });
            let respond = route.optional("direct_response", DirectResponse::read);
            route.refuse("redirect", "RPC clients follow no redirects; use `route` or `direct_response`");
            route.refuse("non_forwarding_action", "the router always answers or forwards");
            route.refuse(
                "per_request_buffer_limit_bytes",
                "set `per_connection_buffer_limit_bytes` of the listener",
            );
            route.refuse("tracing", "tracing is not supported");
            let (forward, respond, overrides) = (forward?, respond?, overrides?);
            headers?;
            kind?;
            let cors = cors?.or(level.cors).or_else(|| {
                let of_clusters = forward.iter().flat_map(|forward| forward.targets.all());
                let mut of_clusters =
                    of_clusters.filter_map(|target| clusters.overrides(target.cluster).cors.clone());
                overrides.cors.clone().or_else(|| of_clusters.next())
            });
            let action = match (forward, respond) {
                (Some(forward), _) => Action::Forward(forward),
                (_, Some(response)) => Action::Respond(response),
                (None, None) => return Err(route.at().refuse("one of `route`, `direct_response` is needed")),
            };
            Ok(Self { name: name?, matcher: matcher?, action, headers: level.headers, cors })
        })
    }
}

/// The cors policy in `typed_per_filter_config`.
fn read_cors(message: &Message<'_, '_>, level: &Level) -> Read<Option<Arc<CorsPolicy>>> {
    let policy = message.optional("typed_per_filter_config", |at| {
        let mut policy = None;
        for (_, config) in at.entries()? {
            policy = Some(CorsPolicy::read_typed(&config)?);
            if !level.cors_filter {
                return Err(config.refuse("has no effect: `http_filters` lacks envoy.filters.http.cors"));
            }
        }
        Ok(policy)
    })?;
    Ok(policy.flatten().map(Arc::new))
}
