//! `/server_info`.

use serde_json::json;

use super::query::Query;
use super::{Admin, AdminResponse, Refusal};

/// Envoy's `ServerInfo`, with the options there are.
pub(super) fn answer(admin: &Admin, _: &Query<'_>) -> Result<AdminResponse, Refusal> {
    let launch = admin.state.launch();
    let uptime = format!("{}s", admin.state.uptime().as_secs());
    let config_yaml = if launch.config_yaml { "[redacted]" } else { "" };
    Ok(AdminResponse::json(&json!({
        "version": format!("landbridge/{}", launch.version),
        "state": admin.state.phase().name(),
        "uptime_current_epoch": uptime,
        "uptime_all_epochs": uptime,
        "command_line_options": {
            "concurrency": admin.stats.concurrency(),
            "config_path": launch.config_path,
            "config_yaml": config_yaml,
            "drain_time": format!("{}s", launch.drain_time.as_secs()),
            "log_level": launch.log_level,
            "mode": "Serve",
        },
        "node": {
            "id": admin.config.node.id,
            "cluster": admin.config.node.cluster,
            "user_agent_name": "landbridge",
        },
    })))
}
