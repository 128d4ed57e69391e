//! Which route a request takes: virtual host by domain, then the first route that matches.

mod action;
mod cors;
mod domains;
mod duration;
mod header_matcher;
mod matcher;
mod virtual_host;

use http::{HeaderMap, Method};

use super::cluster::KnownClusters;
use super::headers::HeaderChanges;
use super::reader::{At, Read};

pub use action::{Action, DirectResponse, Forward, HostRewrite, Target, Targets};
pub use cors::CorsPolicy;
pub use duration::{GrpcTimeout, RouteTimeout};
pub use header_matcher::{HeaderMatcher, HeaderTest};
pub use matcher::{PathMatch, PathRewrite, QueryMatcher, QueryTest, RouteMatch, Substitution};
pub use virtual_host::{Route, VirtualHost};

use domains::Domains;
pub(super) use virtual_host::Level;

/// Envoy's `RouteConfiguration`: virtual hosts and how a host name finds one.
#[derive(Debug, Clone)]
pub struct RouteTable {
    name: String,
    virtual_hosts: Vec<VirtualHost>,
    domains: Domains,
    ignore_port: bool,
}

/// The parts of a request that choose its route.
#[derive(Clone, Copy)]
pub struct RouteRequest<'a> {
    /// The method.
    pub method: &'a Method,
    /// `:authority` or `host`, as the client sent it, port included.
    pub host: &'a str,
    /// The path, with or without its query.
    pub path: &'a str,
    /// The headers.
    pub headers: &'a HeaderMap,
    /// Whether the call is a gRPC call by the time it is routed. Envoy's filters come before its router, so a
    /// Connect or gRPC-Web call that is translated counts as one. Few tables ask.
    pub grpc: &'a dyn Fn() -> bool,
}

impl RouteTable {
    /// The configuration's `name`; may be empty.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The virtual hosts, in the order of the file.
    #[must_use]
    pub fn virtual_hosts(&self) -> &[VirtualHost] {
        &self.virtual_hosts
    }

    /// The first matching route of the virtual host that serves the request's host; `None` is Envoy's 404.
    ///
    /// The host is looked up by Envoy's precedence: the exact domain, the longest `*suffix`, the longest `prefix*`, `*`.
    /// The port counts, unless `ignore_port_in_host_matching` is set. Nothing is allocated for a lower-case host.
    #[must_use]
    pub fn find(&self, request: &RouteRequest<'_>) -> Option<&Route> {
        let host = match self.ignore_port {
            true => without_port(request.host),
            false => request.host,
        };
        let virtual_host = &self.virtual_hosts[self.domains.find(host)?];
        virtual_host.routes.iter().find(|route| route.matcher.matches(request))
    }

    /// A table with one virtual host for all domains.
    pub(super) fn everything_to(route: Route) -> Self {
        Self {
            name: String::new(),
            virtual_hosts: vec![VirtualHost::everything(route)],
            domains: Domains::everything(),
            ignore_port: false,
        }
    }

    pub(super) fn read(at: &At<'_>, clusters: &KnownClusters, level: &Level) -> Read<Self> {
        at.message(|table| {
            let name = table.or("name", String::new(), At::string);
            let ignore_port = table.or("ignore_port_in_host_matching", false, At::bool);
            let checked =
                table.only("validate_clusters", true, "a route to an unknown cluster is always an error");
            let outer_last =
                table.or("most_specific_header_mutations_wins", false, At::bool).map(|wins| !wins);
            table.refuse("vhds", "virtual hosts come from the file");
            table.refuse("internal_only_headers", "list the headers in `request_headers_to_remove`");
            let changes = HeaderChanges::read(table);
            let level = level.within(changes.clone().unwrap_or_default(), outer_last.unwrap_or(true));
            let hosts = table.list("virtual_hosts", |at| {
                VirtualHost::read(at, clusters, &level).map(|host| (at.clone(), host))
            });
            let (name, ignore_port, hosts) = (name?, ignore_port?, hosts?);
            checked?;
            changes?;
            outer_last?;
            let mut domains = Domains::default();
            let mut fault = None;
            for (index, (at, host)) in hosts.iter().enumerate() {
                if hosts[..index].iter().any(|(_, other)| other.name == host.name) {
                    fault = Some(at.refuse(format_args!("a second virtual host named `{}`", host.name)));
                }
                for domain in &host.domains {
                    if let Err(message) = domains.add(domain, index) {
                        fault = Some(at.refuse(message));
                    }
                }
            }
            match fault {
                Some(reported) => Err(reported),
                None => Ok(Self {
                    name,
                    virtual_hosts: hosts.into_iter().map(|(_, host)| host).collect(),
                    domains,
                    ignore_port,
                }),
            }
        })
    }
}

/// `host` up to its port; the colons inside `[::1]` are no ports.
fn without_port(host: &str) -> &str {
    match host.rfind(':') {
        Some(colon) if !host[colon..].contains(']') => &host[..colon],
        _ => host,
    }
}
