//! When to try again what just failed.

use std::time::Duration;

use tokio::time::Instant;

/// Delays that double with each failure in a row. The first attempt after a success, and the one after the first
/// failure, are free: a server that merely restarts is found again at once.
#[derive(Debug)]
pub(super) struct Backoff {
    base: Duration,
    most: Duration,
    failures: u32,
    not_before: Option<Instant>,
}

impl Backoff {
    pub(super) fn new(base: Duration, most: Duration) -> Self {
        Self { base, most, failures: 0, not_before: None }
    }

    pub(super) fn succeeded(&mut self) {
        self.failures = 0;
        self.not_before = None;
    }

    pub(super) fn failed(&mut self, now: Instant) {
        self.failures = self.failures.saturating_add(1);
        if self.failures > 1 {
            self.not_before = Some(now + self.jittered(fastrand::f64()));
        }
    }

    /// How long it is until the next attempt is allowed; `None` if it is now.
    pub(super) fn wait(&self, now: Instant) -> Option<Duration> {
        self.not_before.and_then(|then| then.checked_duration_since(now)).filter(|wait| !wait.is_zero())
    }

    /// Between half and all of the full delay, so that many clients do not come back as one.
    fn jittered(&self, random: f64) -> Duration {
        let doublings = (self.failures - 2).min(16);
        let full = self.base.saturating_mul(1 << doublings).min(self.most);
        full.mul_f64(0.5 + random / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_retry_is_free_then_delays_double_up_to_the_limit() {
        let (base, most) = (Duration::from_millis(50), Duration::from_millis(300));
        let mut backoff = Backoff::new(base, most);
        let now = Instant::now();
        backoff.failed(now);
        assert_eq!(backoff.wait(now), None);
        for full in [50, 100, 200, 300, 300] {
            backoff.failed(now);
            let full = Duration::from_millis(full);
            assert_eq!(backoff.jittered(1.0), full);
            assert_eq!(backoff.jittered(0.0), full / 2);
            let wait = backoff.wait(now).expect("a delay");
            assert!(full / 2 <= wait && wait <= full);
        }
        backoff.succeeded();
        assert_eq!(backoff.wait(now), None);
    }
}
