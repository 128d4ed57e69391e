//! The admin server, without its sockets: a request in, an answer out.
//!
//! Paths, formats and statuses are Envoy's, so that probes, scrapers and scripts made for Envoy go on working. What an
//! answer cannot do by itself (drain, quit) comes back as a [`Command`] for the caller. The bodies of requests
//! mean nothing to any of these paths.

mod clusters;
mod config_dump;
mod endpoints;
mod index;
mod listeners;
mod logging;
mod query;
mod server_info;
mod state;
mod stats;

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::{Method, StatusCode};

use crate::config::Bootstrap;
use crate::stats::{Snapshot, Stats};

pub use logging::{LogLevel, LogLevels, UnknownLogger};
pub use state::{BoundListener, Launch, Phase, ServerState};

use endpoints::{ENDPOINTS, Endpoint};
use query::Query;

/// Everything the admin server shows and changes. Shared by all its connections.
pub struct Admin {
    config: Arc<Bootstrap>,
    stats: Arc<Stats>,
    state: Arc<ServerState>,
    logs: Box<dyn LogLevels>,
}

/// The answer to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdminResponse {
    /// The HTTP status.
    pub status: StatusCode,
    /// The `content-type`.
    pub content_type: &'static str,
    /// The body.
    pub body: Bytes,
    /// What the caller has to do, once the answer is sent.
    pub command: Option<Command>,
}

/// What an admin request asks of the bridge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// `/drain_listeners`: take no further connections, and let those there are finish.
    DrainListeners {
        /// `?inboundonly`: as Envoy, only listeners whose `traffic_direction` is INBOUND.
        inbound_only: bool,
    },
    /// `/quitquitquit`: end the process in good order.
    Quit,
}

const TEXT: &str = "text/plain; charset=UTF-8";
const HTML: &str = "text/html; charset=UTF-8";
const JSON: &str = "application/json";

/// Why a request has no good answer.
#[derive(Debug)]
struct Refusal {
    status: StatusCode,
    message: String,
}

impl Refusal {
    fn bad_request(message: impl fmt::Display) -> Self {
        Self { status: StatusCode::BAD_REQUEST, message: format!("{message}\n") }
    }
}

impl fmt::Debug for Admin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admin").field("state", &self.state).finish_non_exhaustive()
    }
}

impl Admin {
    /// An admin server for a running bridge.
    #[must_use]
    pub fn new(
        config: Arc<Bootstrap>,
        stats: Arc<Stats>,
        state: Arc<ServerState>,
        logs: Box<dyn LogLevels>,
    ) -> Self {
        Self { config, stats, state, logs }
    }

    /// Answers a request. `target` is the path with its query.
    #[must_use]
    pub fn answer(&self, method: &Method, target: &str) -> AdminResponse {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let Some(endpoint) = ENDPOINTS.iter().find(|endpoint| endpoint.path == path) else {
            let body = format!("invalid path. {}", index::commands());
            return AdminResponse::text(StatusCode::NOT_FOUND, body);
        };
        let query = Query::parse(query);
        if !endpoint.allows(method, &query) {
            let needed = if endpoint.changes { "POST" } else { "GET" };
            let message = format!("Method {method} not allowed, {needed} required.");
            return AdminResponse::text(StatusCode::METHOD_NOT_ALLOWED, message);
        }
        match (endpoint.answer)(self, &query) {
            Ok(response) => response,
            Err(refusal) => AdminResponse::text(refusal.status, refusal.message),
        }
    }

    /// All statistics, with those of the server itself.
    fn snapshot(&self) -> Snapshot {
        let mut snapshot = self.stats.snapshot();
        let phase = self.state.phase();
        for (name, value) in [
            ("live", u64::from(phase == Phase::Live)),
            ("state", phase.number()),
            ("uptime", self.state.uptime().as_secs()),
            ("concurrency", self.stats.concurrency() as u64),
            ("total_connections", snapshot.total_connections()),
        ] {
            snapshot.server_gauge(name, value);
        }
        snapshot
    }
}

impl AdminResponse {
    fn text(status: StatusCode, body: impl Into<Bytes>) -> Self {
        Self { status, content_type: TEXT, body: body.into(), command: None }
    }

    fn ok(body: impl Into<Bytes>) -> Self {
        Self::text(StatusCode::OK, body)
    }

    fn json(value: &serde_json::Value) -> Self {
        Self { content_type: JSON, ..Self::ok(format!("{value:#}\n")) }
    }

    fn with(self, command: Command) -> Self {
        Self { command: Some(command), ..self }
    }
}

#[cfg(test)]
mod tests;
