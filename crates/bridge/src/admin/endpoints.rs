//! The paths of the admin server.

use http::{Method, StatusCode};

use super::query::Query;
use super::{Admin, AdminResponse, Command, Phase, Refusal};

/// A path and what answers it.
pub(super) struct Endpoint {
    pub(super) path: &'static str,
    /// What it does, for people.
    pub(super) help: &'static str,
    /// Its query parameters, with what they do.
    pub(super) parameters: &'static [(&'static str, &'static str)],
    /// It changes something, and so takes POST only.
    pub(super) changes: bool,
    pub(super) answer: fn(&Admin, &Query<'_>) -> Result<AdminResponse, Refusal>,
}

impl Endpoint {
    /// As in Envoy, POST reads as well. `/logging` changes something only with parameters, so without them GET shows it.
    pub(super) fn allows(&self, method: &Method, query: &Query<'_>) -> bool {
        let reads = matches!(*method, Method::GET | Method::HEAD);
        match self.changes {
            true => *method == Method::POST || (reads && self.path == LOGGING && query.is_empty()),
            false => reads || *method == Method::POST,
        }
    }
}

const LOGGING: &str = "/logging";

const FORMAT: (&str, &str) = ("format", "one of text, json");
const FILTER: (&str, &str) = ("filter", "regular expression; only names it matches");
const USED_ONLY: (&str, &str) = ("usedonly", "leaves away what is 0");

/// All paths, sorted.
pub(super) const ENDPOINTS: &[Endpoint] =
    &[
        reads("/", "this page", &[], |_, _| Ok(super::index::page())),
        reads("/clusters", "clusters, their hosts and limits", &[FORMAT, FILTER], super::clusters::answer),
        reads("/config_dump", "the configuration, without private keys", &[], super::config_dump::answer),
        changes(
            "/drain_listeners",
            "stop listening, and close connections",
            &[
                ("graceful", "always so: clients are told first, and calls in flight finish"),
                ("inboundonly", "only listeners whose traffic_direction is INBOUND"),
            ],
            drain_listeners,
        ),
        changes("/healthcheck/fail", "make /ready fail", &[], |admin, _| health_check(admin, true)),
        changes("/healthcheck/ok", "take /healthcheck/fail back", &[], |admin, _| health_check(admin, false)),
        reads("/help", "this list", &[], |_, _| Ok(AdminResponse::ok(super::index::commands()))),
        reads("/listeners", "listeners and their addresses", &[FORMAT], super::listeners::answer),
        changes(
            LOGGING,
            "show (GET) or change (POST) log levels",
            &[
                ("level", "the level of all loggers: trace, debug, info, warning, error, off"),
                ("paths", "levels by logger: name:level,name:level"),
            ],
            super::logging::answer,
        ),
        changes("/quitquitquit", "end the process", &[], |_, _| {
            Ok(AdminResponse::ok("OK\n").with(Command::Quit))
        }),
        reads("/ready", "200 if calls are welcome, 503 if not", &[], ready),
        changes("/reset_counters", "set all counters to 0", &[], reset_counters),
        reads("/server_info", "version, state and options", &[], super::server_info::answer),
        reads(
            "/stats",
            "statistics",
            &[("format", "one of text, json, prometheus"), FILTER, USED_ONLY],
            super::stats::answer,
        ),
        reads(
            "/stats/prometheus",
            "statistics for Prometheus",
            &[FILTER, USED_ONLY],
            super::stats::answer_prometheus,
        ),
    ];

type Answer = fn(&Admin, &Query<'_>) -> Result<AdminResponse, Refusal>;
type Parameters = &'static [(&'static str, &'static str)];

const fn reads(path: &'static str, help: &'static str, parameters: Parameters, answer: Answer) -> Endpoint {
    Endpoint { path, help, parameters, changes: false, answer }
}

const fn changes(path: &'static str, help: &'static str, parameters: Parameters, answer: Answer) -> Endpoint {
    Endpoint { path, help, parameters, changes: true, answer }
}

fn ready(admin: &Admin, _: &Query<'_>) -> Result<AdminResponse, Refusal> {
    let phase = admin.state.phase();
    let status = match phase {
        Phase::Live => StatusCode::OK,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    };
    Ok(AdminResponse::text(status, format!("{}\n", phase.name())))
}

fn health_check(admin: &Admin, fail: bool) -> Result<AdminResponse, Refusal> {
    admin.state.fail_health_check(fail);
    Ok(AdminResponse::ok("OK\n"))
}

fn reset_counters(admin: &Admin, _: &Query<'_>) -> Result<AdminResponse, Refusal> {
    admin.stats.reset_counters();
    Ok(AdminResponse::ok("OK\n"))
}

fn drain_listeners(_: &Admin, query: &Query<'_>) -> Result<AdminResponse, Refusal> {
    if query.has("skip_exit") {
        return Err(Refusal::bad_request(
            "skip_exit is not supported: a listener that drains stops listening",
        ));
    }
    let command = Command::DrainListeners { inbound_only: query.has("inboundonly") };
    Ok(AdminResponse::ok("OK\n").with(command))
}
