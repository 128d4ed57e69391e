//! Counters can be set to 0 without writing to memory that workers count in: what they had is subtracted.

use std::collections::BTreeMap;

use super::snapshot::{Snapshot, Value};

/// What the counters and histograms had when they were last reset.
#[derive(Debug, Default)]
pub(super) struct Baseline(BTreeMap<String, Value>);

impl Baseline {
    pub(super) fn of(totals: &Snapshot) -> Self {
        let counted = totals.samples.iter().filter(|(_, sample)| !matches!(sample.value, Value::Gauge(_)));
        Self(counted.map(|(name, sample)| (name.clone(), sample.value.clone())).collect())
    }

    pub(super) fn subtract_from(&self, snapshot: &mut Snapshot) {
        for (name, before) in &self.0 {
            let now = snapshot.samples.get_mut(name).map(|sample| &mut sample.value);
            match (now, before) {
                (Some(Value::Counter(now)), Value::Counter(before)) => *now = now.saturating_sub(*before),
                (Some(Value::Histogram(now)), Value::Histogram(before)) => now.subtract(before),
                _ => {}
            }
        }
    }
}
