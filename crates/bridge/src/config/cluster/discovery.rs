//! How the endpoints of a cluster become addresses.

use std::time::Duration;

use crate::config::reader::{Message, Read};

/// Envoy's cluster `type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Discovery {
    /// Endpoints are addresses.
    Static,
    /// Every address that a name resolves to is an endpoint; looked up again and again.
    StrictDns(DnsSettings),
    /// A new connection goes to the first address the name resolves to at that time. One endpoint.
    LogicalDns(DnsSettings),
}

/// How names are looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DnsSettings {
    /// Time between look-ups. Default 5 s, at least 1 ms.
    pub refresh_rate: Duration,
    /// Which addresses are wanted.
    pub family: DnsFamily,
}

/// Envoy's `dns_lookup_family`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DnsFamily {
    /// IPv6, or IPv4 where there is none (`AUTO`, the default; also `V6_PREFERRED`).
    V6Preferred,
    /// Only IPv4.
    V4Only,
    /// Only IPv6.
    V6Only,
    /// IPv4, or IPv6 where there is none.
    V4Preferred,
    /// Both.
    All,
}

impl DnsSettings {
    /// Envoy's defaults.
    pub(in crate::config) const DEFAULT: Self =
        Self { refresh_rate: Duration::from_secs(5), family: DnsFamily::V6Preferred };
}

impl Discovery {
    pub(super) fn read(cluster: &Message<'_, '_>) -> Read<Self> {
        let dns = read_dns(cluster);
        let is_static: fn(DnsSettings) -> Self = |_| Self::Static;
        let kind = cluster.or("type", is_static, |at| {
            at.choice(&[
                ("STATIC", 0, is_static),
                ("STRICT_DNS", 1, Self::StrictDns),
                ("LOGICAL_DNS", 2, Self::LogicalDns),
            ])
        });
        Ok(kind?(dns?))
    }
}

/// The `dns_*` fields. As in Envoy, a STATIC cluster may have them; they mean nothing there.
fn read_dns(cluster: &Message<'_, '_>) -> Read<DnsSettings> {
    let refresh_rate = cluster.or("dns_refresh_rate", DnsSettings::DEFAULT.refresh_rate, |at| {
        match at.positive_duration()? {
            rate if rate < Duration::from_millis(1) => Err(at.refuse("must be at least 0.001s")),
            rate => Ok(rate),
        }
    });
    let no_ttl = "the system's resolver does not tell how long an answer is good; set `dns_refresh_rate`";
    let respect_ttl = cluster.only("respect_dns_ttl", false, no_ttl);
    let family = cluster.or("dns_lookup_family", DnsFamily::V6Preferred, |at| {
        at.choice(&[
            ("AUTO", 0, DnsFamily::V6Preferred),
            ("V4_ONLY", 1, DnsFamily::V4Only),
            ("V6_ONLY", 2, DnsFamily::V6Only),
            ("V4_PREFERRED", 3, DnsFamily::V4Preferred),
            ("ALL", 4, DnsFamily::All),
        ])
    });
    let resolver = "names are resolved as the system is set up to";
    cluster.refuse("dns_resolvers", resolver);
    cluster.refuse("dns_resolution_config", resolver);
    cluster.refuse("typed_dns_resolver_config", resolver);
    cluster.refuse("use_tcp_for_dns_lookups", resolver);
    cluster.refuse("dns_failure_refresh_rate", "a failed look-up is repeated after `dns_refresh_rate`");
    respect_ttl?;
    Ok(DnsSettings { refresh_rate: refresh_rate?, family: family? })
}
