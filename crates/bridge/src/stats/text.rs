//! `/stats`: a line a number.

use std::fmt::Write;

use super::metric::Distribution;
use super::snapshot::{Snapshot, Value};

/// The quantiles that Envoy shows of a histogram, in percent.
pub(super) const QUANTILES: [f64; 10] = [0.0, 25.0, 50.0, 75.0, 90.0, 95.0, 99.0, 99.5, 99.9, 100.0];

impl Snapshot {
    /// `name: value`, sorted by name; histograms after all others, as in Envoy.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut numbers = String::new();
        let mut histograms = String::new();
        for (name, sample) in &self.samples {
            // Writing to a string does not fail.
            let _ = match &sample.value {
                Value::Counter(value) | Value::Gauge(value) => writeln!(numbers, "{name}: {value}"),
                Value::Histogram(distribution) => writeln!(histograms, "{name}: {}", quantiles(distribution)),
            };
        }
        numbers + &histograms
    }
}

/// Envoy shows two values: of the last few seconds, which are not kept here, and of all time.
fn quantiles(distribution: &Distribution) -> String {
    let mut text = String::new();
    for percent in QUANTILES {
        let Some(value) = distribution.quantile(percent / 100.0) else {
            return "No recorded values".to_owned();
        };
        let space = if text.is_empty() { "" } else { " " };
        let _ = write!(text, "{space}P{percent}(nan,{})", rounded(value));
    }
    text
}

/// To microseconds, as they are measured.
pub(super) fn rounded(millis: f64) -> f64 {
    (millis * 1000.0).round() / 1000.0
}
