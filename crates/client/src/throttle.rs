//! Fewer retries for a server that fails (gRPC A6, "Throttling Retry Attempts and Hedged RPCs").

use std::sync::Mutex;
use std::sync::PoisonError;

/// A bucket of tokens: failures take one, successes put a fraction back. Below half, nothing is tried again.
#[derive(Debug)]
pub(crate) struct Throttle {
    /// In thousandths of a token, as the proposal counts.
    tokens: Mutex<u64>,
    most: u64,
    back: u64,
}

impl Throttle {
    /// `ratio` of a token comes back for each success.
    pub(crate) fn new(max_tokens: u32, ratio: f64) -> Self {
        let most = u64::from(max_tokens) * 1000;
        Self { tokens: Mutex::new(most), most, back: (ratio * 1000.0) as u64 }
    }

    /// A call has failed in a way that would be tried again.
    pub(crate) fn failed(&self) {
        self.change(|tokens| tokens.saturating_sub(1000));
    }

    /// A call has succeeded.
    pub(crate) fn succeeded(&self) {
        self.change(|tokens| (tokens + self.back).min(self.most));
    }

    /// Whether calls may be tried again.
    pub(crate) fn allows(&self) -> bool {
        *self.tokens.lock().unwrap_or_else(PoisonError::into_inner) > self.most / 2
    }

    fn change(&self, change: impl FnOnce(u64) -> u64) {
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        *tokens = change(*tokens);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retries_stop_at_half_the_tokens_and_come_back_with_successes() {
        let throttle = Throttle::new(4, 0.5);
        throttle.failed();
        assert!(throttle.allows());
        throttle.failed();
        assert!(!throttle.allows());
        throttle.succeeded();
        assert!(throttle.allows());
        for _ in 0..100 {
            throttle.succeeded();
        }
        throttle.failed();
        assert!(throttle.allows());
    }
}
