//! What `http_filters` of a listener switches on.

use super::reader::{At, Read, Reported};

const PREFIX: &str = "envoy.extensions.filters.http";

/// The filters a listener has. Envoy runs them in order; here each one is a switch, and the order is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HttpFilters {
    /// Connect calls are translated (`envoy.filters.http.connect_grpc_bridge`). Without it they are refused.
    pub connect_grpc_bridge: bool,
    /// gRPC-Web calls are translated (`envoy.filters.http.grpc_web`). Without it they are refused.
    pub grpc_web: bool,
    /// Policies in `typed_per_filter_config` hold (`envoy.filters.http.cors`).
    pub cors: bool,
}

impl HttpFilters {
    /// All protocols, no policies but those in metadata.
    pub(super) const TRANSLATE_ALL: Self = Self { connect_grpc_bridge: true, grpc_web: true, cors: false };

    pub(super) fn read(at: &At<'_>) -> Read<Self> {
        let items = at.items()?;
        let mut seen: Vec<Kind> = Vec::new();
        let mut fault: Option<Reported> = None;
        for item in &items {
            match read_filter(item) {
                Ok(kind) if seen.contains(&kind) => {
                    fault = Some(item.refuse("the same filter a second time"))
                }
                Ok(kind) => {
                    if seen.last() == Some(&Kind::Router) {
                        fault =
                            Some(item.refuse("stands after the router; the router must be the last filter"));
                    }
                    seen.push(kind);
                }
                Err(reported) => fault = Some(reported),
            }
        }
        match fault {
            Some(reported) => Err(reported),
            None if !seen.contains(&Kind::Router) => {
                Err(at.refuse("the last filter must be envoy.filters.http.router; it is missing"))
            }
            None => Ok(Self {
                connect_grpc_bridge: seen.contains(&Kind::ConnectGrpcBridge),
                grpc_web: seen.contains(&Kind::GrpcWeb),
                cors: seen.contains(&Kind::Cors),
            }),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    ConnectGrpcBridge,
    GrpcWeb,
    Cors,
    Router,
}

/// Envoy's `HttpFilter`. Its type says what it is; the name is only a name.
fn read_filter(at: &At<'_>) -> Read<Kind> {
    at.message(|filter| {
        let name = filter.required("name", At::name);
        let kinds = [
            (format!("{PREFIX}.connect_grpc_bridge.v3.FilterConfig"), Kind::ConnectGrpcBridge),
            (format!("{PREFIX}.grpc_web.v3.GrpcWeb"), Kind::GrpcWeb),
            (format!("{PREFIX}.cors.v3.Cors"), Kind::Cors),
            (format!("{PREFIX}.router.v3.Router"), Kind::Router),
        ];
        let kinds: Vec<(&str, Kind)> = kinds.iter().map(|(name, kind)| (name.as_str(), *kind)).collect();
        let kind = filter.required("typed_config", |at| {
            at.any(&kinds, |config, kind| {
                if matches!(kind, Kind::Router) {
                    // Headers of Envoy's own are never added, so this changes nothing.
                    config.or("suppress_envoy_headers", true, At::bool)?;
                }
                Ok(kind)
            })
        });
        let optional = filter.or("is_optional", false, At::bool);
        let disabled = filter.only("disabled", false, "leave the filter away");
        filter.refuse("config_discovery", "the configuration of filters comes from this file");
        name?;
        optional?;
        disabled?;
        kind
    })
}
