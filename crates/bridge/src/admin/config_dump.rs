//! `/config_dump`.

use serde_json::{Value, json};

use super::query::Query;
use super::{Admin, AdminResponse, Refusal};

/// Envoy's `ConfigDump`: the file, then its clusters and its listeners by themselves.
pub(super) fn answer(admin: &Admin, _: &Query<'_>) -> Result<AdminResponse, Refusal> {
    let file = admin.config.to_json();
    Ok(AdminResponse::json(&json!({
        "configs": [
            { "@type": "type.googleapis.com/envoy.admin.v3.BootstrapConfigDump", "bootstrap": file },
            {
                "@type": "type.googleapis.com/envoy.admin.v3.ClustersConfigDump",
                "static_clusters": each(file, "clusters", "cluster", "envoy.config.cluster.v3.Cluster"),
            },
            {
                "@type": "type.googleapis.com/envoy.admin.v3.ListenersConfigDump",
                "static_listeners": each(file, "listeners", "listener", "envoy.config.listener.v3.Listener"),
            },
        ]
    })))
}

/// The resources of a kind, each as an `Any` in a field of its own.
fn each(file: &Value, kind: &str, field: &str, message: &str) -> Vec<Value> {
    let resources = file.get("static_resources").or_else(|| file.get("staticResources"));
    let list = resources.and_then(|resources| resources.get(kind)?.as_array());
    let any = |resource: &Value| {
        let mut any = resource.clone();
        if let Some(fields) = any.as_object_mut() {
            fields.insert("@type".to_owned(), format!("type.googleapis.com/{message}").into());
        }
        json!({ field: any })
    };
    list.into_iter().flatten().map(any).collect()
}
