//! `/stats/prometheus`: Prometheus' text format, with Envoy's names.
//!
//! Written here and not by a metrics library, because Envoy's counters do not end in `_total` as OpenMetrics wants it, and
//! dashboards and alerts name them as Envoy does.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::metric::{BOUNDS_MICROS, Distribution};
use super::snapshot::{Sample, Snapshot, Value};

impl Snapshot {
    /// Families in the order of their names, each with its type.
    #[must_use]
    pub fn to_prometheus(&self) -> String {
        let mut families: BTreeMap<&str, Vec<&Sample>> = BTreeMap::new();
        for sample in self.samples.values() {
            families.entry(&sample.family).or_default().push(sample);
        }
        let mut text = String::new();
        for (family, samples) in families {
            for (index, sample) in samples.into_iter().enumerate() {
                let kind = match sample.value {
                    Value::Counter(_) => "counter",
                    Value::Gauge(_) => "gauge",
                    Value::Histogram(_) => "histogram",
                };
                if index == 0 {
                    // Writing to a string does not fail.
                    let _ = writeln!(text, "# TYPE {family} {kind}");
                }
                let labels = labels(sample);
                match &sample.value {
                    Value::Counter(value) | Value::Gauge(value) => {
                        let _ = writeln!(text, "{family}{{{labels}}} {value}");
                    }
                    Value::Histogram(distribution) => {
                        write_histogram(&mut text, family, &labels, distribution)
                    }
                }
            }
        }
        text
    }
}

fn write_histogram(text: &mut String, family: &str, labels: &str, distribution: &Distribution) {
    let comma = if labels.is_empty() { "" } else { "," };
    let mut sum = 0;
    for (index, bucket) in distribution.buckets.iter().enumerate() {
        sum += bucket;
        let bound = match BOUNDS_MICROS.get(index) {
            Some(micros) => millis(*micros),
            None => "+Inf".to_owned(),
        };
        let _ = writeln!(text, "{family}_bucket{{{labels}{comma}le=\"{bound}\"}} {sum}");
    }
    let _ = writeln!(text, "{family}_sum{{{labels}}} {}", millis(distribution.sum_micros));
    let _ = writeln!(text, "{family}_count{{{labels}}} {sum}");
}

/// Milliseconds, without decimals that say nothing.
fn millis(micros: u64) -> String {
    let decimals = format!("{}.{:03}", micros / 1000, micros % 1000);
    decimals.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn labels(sample: &Sample) -> String {
    let pairs: Vec<String> = sample
        .labels
        .iter()
        .map(|(name, value)| {
            let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            format!("{name}=\"{value}\"")
        })
        .collect();
    pairs.join(",")
}
