//! The things that count.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Counts one more.
    pub fn increment(&self) {
        self.add(1);
    }

    /// Counts some more.
    pub fn add(&self, amount: u64) {
        self.0.fetch_add(amount, Relaxed);
    }

    /// The count so far.
    #[must_use]
    pub fn value(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// A number that goes up and down.
#[derive(Debug, Default)]
pub struct Gauge(AtomicI64);

impl Gauge {
    /// So many more, or less where it is negative. Says how many there are then.
    pub fn add(&self, amount: i64) -> i64 {
        self.0.fetch_add(amount, Relaxed).wrapping_add(amount)
    }

    /// The number now.
    #[must_use]
    pub fn value(&self) -> i64 {
        self.0.load(Relaxed)
    }
}

/// Upper bounds of a histogram's buckets, in microseconds: Envoy's. The last bucket has none.
pub(super) const BOUNDS_MICROS: [u64; 19] = [
    500,
    1_000,
    5_000,
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    30_000_000,
    60_000_000,
    300_000_000,
    600_000_000,
    1_800_000_000,
    3_600_000_000,
];

/// How often which duration was seen, in buckets.
#[derive(Debug, Default)]
pub struct Histogram {
    buckets: [AtomicU64; BOUNDS_MICROS.len() + 1],
    sum_micros: AtomicU64,
}

impl Histogram {
    /// Counts a duration.
    pub fn record(&self, duration: Duration) {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        let bucket = BOUNDS_MICROS.partition_point(|bound| *bound < micros);
        self.buckets[bucket].fetch_add(1, Relaxed);
        self.sum_micros.fetch_add(micros, Relaxed);
    }

    pub(super) fn counts(&self) -> Distribution {
        Distribution {
            buckets: self.buckets.each_ref().map(|bucket| bucket.load(Relaxed)),
            sum_micros: self.sum_micros.load(Relaxed),
        }
    }
}

/// A histogram at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Distribution {
    /// How many fell between the bound before and the bound of the same index.
    pub(super) buckets: [u64; BOUNDS_MICROS.len() + 1],
    pub(super) sum_micros: u64,
}

impl Distribution {
    pub(super) fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    pub(super) fn add(&mut self, other: &Self) {
        for (bucket, more) in self.buckets.iter_mut().zip(other.buckets) {
            *bucket = bucket.wrapping_add(more);
        }
        self.sum_micros = self.sum_micros.wrapping_add(other.sum_micros);
    }

    pub(super) fn subtract(&mut self, other: &Self) {
        for (bucket, less) in self.buckets.iter_mut().zip(other.buckets) {
            *bucket = bucket.saturating_sub(less);
        }
        self.sum_micros = self.sum_micros.saturating_sub(other.sum_micros);
    }

    /// The value in milliseconds below which a share (0 to 1) of the durations lies, taking them as spread evenly within
    /// their bucket. `None` without any.
    pub(super) fn quantile(&self, share: f64) -> Option<f64> {
        let count = self.count();
        if count == 0 {
            return None;
        }
        #[expect(clippy::cast_precision_loss, reason = "an estimate; counts are far below 2^52")]
        let wanted = share * count as f64;
        let mut before = 0.0;
        let mut lower = 0;
        for (index, bucket) in self.buckets.iter().enumerate() {
            // Nothing is known about how far beyond the last bound a value lies.
            let upper = BOUNDS_MICROS.get(index).copied().unwrap_or(lower);
            #[expect(clippy::cast_precision_loss, reason = "as above; so are the bounds")]
            let (here, from, width) = (*bucket as f64, lower as f64, (upper - lower) as f64);
            if here > 0.0 && before + here >= wanted {
                return Some((from + width * (wanted - before) / here) / 1000.0);
            }
            before += here;
            lower = upper;
        }
        None
    }
}
