//! `/listeners`.

use std::net::SocketAddr;

use serde_json::{Value, json};

use super::query::Query;
use super::{Admin, AdminResponse, Refusal};
use crate::config::ListenAddress;

pub(super) fn answer(admin: &Admin, query: &Query<'_>) -> Result<AdminResponse, Refusal> {
    let listeners = admin.state.listeners();
    Ok(if query.wants_json()? {
        let statuses: Vec<Value> = listeners
            .iter()
            .map(|listener| json!({ "name": listener.name, "local_address": address(&listener.address) }))
            .collect();
        AdminResponse::json(&json!({ "listener_statuses": statuses }))
    } else {
        let lines = listeners.iter().map(|listener| format!("{}::{}\n", listener.name, listener.address));
        AdminResponse::ok(lines.collect::<String>())
    })
}

fn address(address: &ListenAddress) -> Value {
    match address {
        ListenAddress::Tcp(address) => socket_address(*address),
        ListenAddress::Pipe { path, .. } => json!({ "pipe": { "path": path } }),
    }
}

/// Envoy's `Address` of a socket.
pub(super) fn socket_address(address: SocketAddr) -> Value {
    json!({ "socket_address": { "address": address.ip(), "port_value": address.port() } })
}
