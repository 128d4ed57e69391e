//! `/stats?format=json`.

use serde_json::{Value as Json, json};

use super::snapshot::{Snapshot, Value};
use super::text::{QUANTILES, rounded};

impl Snapshot {
    /// Envoy's JSON: a list of names and values, and as its last element the histograms, if there are any.
    #[must_use]
    pub fn to_json(&self) -> Json {
        let mut stats = Vec::new();
        let mut histograms = Vec::new();
        for (name, sample) in &self.samples {
            match &sample.value {
                Value::Counter(value) | Value::Gauge(value) => {
                    stats.push(json!({ "name": name, "value": value }))
                }
                Value::Histogram(distribution) => {
                    let values = QUANTILES.map(|percent| {
                        let value = distribution.quantile(percent / 100.0).map(rounded);
                        json!({ "interval": null, "cumulative": value })
                    });
                    histograms.push(json!({ "name": name, "values": values }));
                }
            }
        }
        if !histograms.is_empty() {
            stats.push(json!({
                "histograms": { "supported_quantiles": QUANTILES, "computed_quantiles": histograms }
            }));
        }
        json!({ "stats": stats })
    }
}
