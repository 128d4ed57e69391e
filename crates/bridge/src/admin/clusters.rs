//! `/clusters`.

use std::fmt::Write;
use std::net::SocketAddr;

use serde_json::{Map, Value, json};

use super::query::Query;
use super::{Admin, AdminResponse, Refusal};
use crate::config::{CircuitBreakers, Cluster};
use crate::stats::HostSummary;

pub(super) fn answer(admin: &Admin, query: &Query<'_>) -> Result<AdminResponse, Refusal> {
    let filter = query.regex("filter")?;
    let all = admin.config.cluster_ids().map(|id| (admin.config.cluster(id), admin.stats.hosts(id)));
    let wanted = all.filter(|(cluster, _)| filter.as_ref().is_none_or(|regex| regex.is_match(&cluster.name)));
    Ok(if query.wants_json()? {
        let statuses: Vec<Value> = wanted.map(|(cluster, hosts)| to_json(cluster, &hosts)).collect();
        AdminResponse::json(&json!({ "cluster_statuses": statuses }))
    } else {
        let mut text = String::new();
        for (cluster, hosts) in wanted {
            write_text(&mut text, cluster, &hosts);
        }
        AdminResponse::ok(text)
    })
}

/// `cluster::host::name::value`.
fn write_text(text: &mut String, cluster: &Cluster, hosts: &[HostSummary]) {
    let name = &cluster.name;
    // Writing to a string does not fail.
    let _ = writeln!(text, "{name}::observability_name::{}", cluster.stat_name);
    for (priority, limits) in
        [("default_priority", cluster.circuit_breakers), ("high_priority", CircuitBreakers::default())]
    {
        for (limit, value) in limits_of(limits) {
            let _ = writeln!(text, "{name}::{priority}::{limit}::{value}");
        }
    }
    let _ = writeln!(text, "{name}::added_via_api::false");
    for host in hosts {
        let address = &host.address;
        for (stat, value) in counters_of(host).into_iter().chain(gauges_of(host)) {
            let _ = writeln!(text, "{name}::{address}::{stat}::{value}");
        }
        let health = if host.healthy { "healthy" } else { "/failed_eds_health" };
        for (field, value) in [
            ("hostname", host.hostname.as_str()),
            ("health_flags", health),
            ("weight", &host.weight.to_string()),
            ("region", ""),
            ("zone", ""),
            ("sub_zone", ""),
            ("canary", "false"),
            ("priority", "0"),
            ("success_rate", "-1"),
            ("local_origin_success_rate", "-1"),
        ] {
            let _ = writeln!(text, "{name}::{address}::{field}::{value}");
        }
    }
}

/// Envoy's `ClusterStatus`. As in protobuf's JSON, 64-bit numbers are strings and zeros are left away.
fn to_json(cluster: &Cluster, hosts: &[HostSummary]) -> Value {
    let hosts: Vec<Value> = hosts
        .iter()
        .map(|host| {
            let stat = |kind: Option<&str>, name: &str, value: u64| {
                let mut stat = Map::new();
                if let Some(kind) = kind {
                    stat.insert("type".to_owned(), kind.into());
                }
                if value > 0 {
                    stat.insert("value".to_owned(), value.to_string().into());
                }
                stat.insert("name".to_owned(), name.into());
                Value::Object(stat)
            };
            let counters = counters_of(host).into_iter().map(|(name, value)| stat(None, name, value));
            let gauges = gauges_of(host).into_iter().map(|(name, value)| stat(Some("GAUGE"), name, value));
            json!({
                "address": address(&host.address),
                "stats": counters.chain(gauges).collect::<Vec<_>>(),
                "health_status": { "eds_health_status": if host.healthy { "HEALTHY" } else { "UNHEALTHY" } },
                "weight": host.weight,
                "hostname": host.hostname,
                "locality": {},
            })
        })
        .collect();
    let threshold = |priority: Option<&str>, limits| {
        let mut threshold = Map::new();
        if let Some(priority) = priority {
            threshold.insert("priority".to_owned(), priority.into());
        }
        threshold.extend(limits_of(limits).map(|(name, value)| (name.to_owned(), value.into())));
        Value::Object(threshold)
    };
    json!({
        "name": cluster.name,
        "host_statuses": hosts,
        "circuit_breakers": {
            "thresholds": [
                threshold(None, cluster.circuit_breakers),
                threshold(Some("HIGH"), CircuitBreakers::default()),
            ]
        },
        "observability_name": cluster.stat_name,
    })
}

fn limits_of(limits: CircuitBreakers) -> [(&'static str, u32); 4] {
    [
        ("max_connections", limits.max_connections),
        ("max_pending_requests", limits.max_pending_requests),
        ("max_requests", limits.max_requests),
        ("max_retries", limits.max_retries),
    ]
}

fn counters_of(host: &HostSummary) -> [(&'static str, u64); 4] {
    [
        ("cx_connect_fail", host.cx_connect_fail),
        ("cx_total", host.cx_total),
        ("rq_error", host.rq_error),
        ("rq_total", host.rq_total),
    ]
}

fn gauges_of(host: &HostSummary) -> [(&'static str, u64); 3] {
    [
        ("cx_active", host.cx_active),
        ("rq_active", host.rq_active),
        ("rq_pending_active", host.rq_pending_active),
    ]
}

/// Envoy's `Address`, from its text.
fn address(text: &str) -> Value {
    match text.parse::<SocketAddr>() {
        Ok(address) => super::listeners::socket_address(address),
        Err(_) => json!({ "pipe": { "path": text } }),
    }
}
