//! All numbers at one moment, with their names in both of Envoy's notations.

use std::collections::BTreeMap;

use regex::Regex;

use super::metric::{Distribution, Histogram};

/// Numbers by name. Those added under the same name are added up.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    pub(super) samples: BTreeMap<String, Sample>,
}

/// A number, and its name for Prometheus.
#[derive(Debug, Clone)]
pub(super) struct Sample {
    /// `envoy_cluster_upstream_rq_xx`.
    pub(super) family: String,
    /// In the order Envoy writes them.
    pub(super) labels: Vec<(&'static str, String)>,
    pub(super) value: Value,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    Counter(u64),
    Gauge(u64),
    Histogram(Box<Distribution>),
}

/// What a number belongs to: the first part of its name.
#[derive(Debug, Clone)]
pub(super) struct Scope {
    /// `cluster.service_0.`
    prefix: String,
    /// `envoy_cluster_`
    family: &'static str,
    labels: Vec<(&'static str, String)>,
}

const MANAGER: &str = "envoy_http_conn_manager_prefix";
const LISTENER: &str = "envoy_listener_address";

impl Scope {
    pub(super) fn cluster(name: &str) -> Self {
        let name = clean(name);
        Self {
            prefix: format!("cluster.{name}."),
            family: "envoy_cluster_",
            labels: vec![("envoy_cluster_name", name)],
        }
    }

    pub(super) fn http(stat_prefix: &str) -> Self {
        let name = clean(stat_prefix);
        Self { prefix: format!("http.{name}."), family: "envoy_http_", labels: vec![(MANAGER, name)] }
    }

    pub(super) fn listener(address: &str) -> Self {
        let address = clean(address);
        Self {
            prefix: format!("listener.{address}."),
            family: "envoy_listener_",
            labels: vec![(LISTENER, address)],
        }
    }

    pub(super) fn listener_http(address: &str, stat_prefix: &str) -> Self {
        let (address, name) = (clean(address), clean(stat_prefix));
        Self {
            prefix: format!("listener.{address}.http.{name}."),
            family: "envoy_listener_http_",
            labels: vec![(MANAGER, name), (LISTENER, address)],
        }
    }

    /// `server.*`.
    pub(super) fn server() -> Self {
        Self { prefix: "server.".to_owned(), family: "envoy_server_", labels: Vec::new() }
    }

    /// `filesystem.*`: writing access logs.
    pub(super) fn filesystem() -> Self {
        Self { prefix: "filesystem.".to_owned(), family: "envoy_filesystem_", labels: Vec::new() }
    }

    /// `landbridge.access_log.*`.
    pub(super) fn access_log() -> Self {
        Self {
            prefix: "landbridge.access_log.".to_owned(),
            family: "landbridge_access_log_",
            labels: Vec::new(),
        }
    }

    fn family_of(&self, name: &str) -> String {
        format!("{}{}", self.family, prometheus_name(name))
    }
}

/// Envoy has no `:` in names.
fn clean(name: &str) -> String {
    name.replace(':', "_")
}

/// Letters, digits and underscores.
fn prometheus_name(name: &str) -> String {
    name.replace(|c: char| !c.is_ascii_alphanumeric() && c != '_', "_")
}

impl Snapshot {
    /// Adds a gauge of the server itself, `server.<name>`.
    pub fn server_gauge(&mut self, name: &str, value: u64) {
        self.gauge(&Scope::server(), name, value);
    }

    /// Connections of clients that are open now, on all listeners.
    pub(crate) fn total_connections(&self) -> u64 {
        let of_listeners =
            self.samples.values().filter(|sample| sample.family == "envoy_listener_downstream_cx_active");
        of_listeners
            .map(|sample| match sample.value {
                Value::Gauge(value) => value,
                Value::Counter(_) | Value::Histogram(_) => 0,
            })
            .sum()
    }

    pub(super) fn counter(&mut self, scope: &Scope, name: &str, value: u64) {
        self.add(scope, name, scope.family_of(name), &[], Value::Counter(value));
    }

    pub(super) fn gauge(&mut self, scope: &Scope, name: &str, value: u64) {
        self.add(scope, name, scope.family_of(name), &[], Value::Gauge(value));
    }

    pub(super) fn histogram(&mut self, scope: &Scope, name: &str, histogram: &Histogram) {
        let value = Value::Histogram(Box::new(histogram.counts()));
        self.add(scope, name, scope.family_of(name), &[], value);
    }

    /// `<base>_2xx`.
    pub(super) fn status_class(&mut self, scope: &Scope, base: &str, class: u8, value: u64) {
        let family = format!("{}_xx", scope.family_of(base));
        let label = [("envoy_response_code_class", class.to_string())];
        self.add(scope, &format!("{base}_{class}xx"), family, &label, Value::Counter(value));
    }

    /// `<base>_200`.
    pub(super) fn status_code(&mut self, scope: &Scope, base: &str, status: u16, value: u64) {
        let family = scope.family_of(base);
        let label = [("envoy_response_code", status.to_string())];
        self.add(scope, &format!("{base}_{status}"), family, &label, Value::Counter(value));
    }

    /// Our own: `landbridge.calls.<protocol>.<method>.<code>`.
    pub(super) fn calls(&mut self, protocol: &str, method: &str, code: &str, value: u64) {
        let scope =
            Scope { prefix: "landbridge.calls.".to_owned(), family: "landbridge_calls", labels: Vec::new() };
        let labels =
            [("protocol", protocol.to_owned()), ("method", method.to_owned()), ("code", code.to_owned())];
        let name = format!("{protocol}.{method}.{code}");
        self.add(&scope, &name, scope.family.to_owned(), &labels, Value::Counter(value));
    }

    fn add(
        &mut self,
        scope: &Scope,
        name: &str,
        family: String,
        labels: &[(&'static str, String)],
        value: Value,
    ) {
        match self.samples.entry(format!("{}{name}", scope.prefix)) {
            std::collections::btree_map::Entry::Occupied(mut entry) => entry.get_mut().value.add(&value),
            std::collections::btree_map::Entry::Vacant(entry) => {
                let labels = [labels, &scope.labels].concat();
                entry.insert(Sample { family, labels, value });
            }
        }
    }

    /// Keeps what `filter` lets through.
    #[must_use]
    pub fn filtered(mut self, filter: &Filter) -> Self {
        self.samples.retain(|name, sample| {
            filter.name.as_ref().is_none_or(|regex| regex.is_match(name))
                && (!filter.used_only || sample.value.is_used())
        });
        self
    }

    /// The value of a counter or gauge, by its name in Envoy's text form.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<u64> {
        match &self.samples.get(name)?.value {
            Value::Counter(value) | Value::Gauge(value) => Some(*value),
            Value::Histogram(_) => None,
        }
    }
}

impl Value {
    fn add(&mut self, other: &Self) {
        match (self, other) {
            (Self::Counter(sum), Self::Counter(more)) | (Self::Gauge(sum), Self::Gauge(more)) => {
                *sum = sum.wrapping_add(*more);
            }
            (Self::Histogram(sum), Self::Histogram(more)) => sum.add(more),
            // One name is one kind of number: names are made in this module only.
            _ => {}
        }
    }

    fn is_used(&self) -> bool {
        match self {
            Self::Counter(value) | Self::Gauge(value) => *value != 0,
            Self::Histogram(distribution) => distribution.count() != 0,
        }
    }
}

/// Which numbers are wanted.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Names that match, anywhere in the name. `None`: all.
    pub name: Option<Regex>,
    /// Only numbers that are not 0.
    pub used_only: bool,
}
