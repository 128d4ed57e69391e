//! Which resets of a client are a flood (rapid reset, CVE-2023-44487).
//!
//! A stream that is opened only to be reset costs the client next to nothing and the server the start of a call, and
//! never counts against the streams that may be open. A call that was in progress for a while did count, and so a
//! client may cancel as many of those as it likes: one that hedges does nothing else. So it may leave answers of which it
//! has had something: whoever needs the first message of a stream and no more does that. Of the others a number is forgiven
//! at once, and as time goes by some more (a token bucket).

use std::time::Duration;

use tokio::time::Instant;

use crate::settings::ServerSettings;

/// The early resets of one connection.
#[derive(Debug)]
pub(super) struct EarlyResets {
    /// All of them.
    total: u64,
    /// Those that are not forgiven yet, as of `at`.
    held: f64,
    at: Instant,
}

impl EarlyResets {
    pub(super) fn none(now: Instant) -> Self {
        Self { total: 0, held: 0.0, at: now }
    }

    /// Takes in that a request of this age was reset, and says whether the client, who has made `requests` so far, opens
    /// streams mainly to reset them.
    pub(super) fn count(
        &mut self,
        age: Duration,
        requests: u64,
        now: Instant,
        settings: &ServerSettings,
    ) -> bool {
        if age >= settings.early_reset_time {
            return false;
        }
        let since = now.saturating_duration_since(self.at).as_secs_f64();
        self.held = (self.held - since * f64::from(settings.early_resets_per_second)).max(0.0) + 1.0;
        self.at = now;
        self.total += 1;
        self.held > f64::from(settings.max_early_resets) && self.total > requests / 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> ServerSettings {
        ServerSettings {
            early_reset_time: Duration::from_millis(10),
            max_early_resets: 3,
            early_resets_per_second: 2,
            ..ServerSettings::default()
        }
    }

    const EARLY: Duration = Duration::from_millis(9);

    #[test]
    fn one_more_than_is_forgiven_is_a_flood() {
        let now = Instant::now();
        let mut resets = EarlyResets::none(now);
        let floods: Vec<bool> = (1..=4).map(|number| resets.count(EARLY, number, now, &settings())).collect();
        assert_eq!(floods, [false, false, false, true]);
    }

    #[test]
    fn calls_that_were_in_progress_may_be_reset_without_end() {
        let now = Instant::now();
        let mut resets = EarlyResets::none(now);
        let age = Duration::from_millis(10);
        assert!((1..=10_000).all(|number| !resets.count(age, number, now, &settings())));
    }

    #[test]
    fn time_forgives_and_saves_up_nothing() {
        let start = Instant::now();
        let mut resets = EarlyResets::none(start);
        let at = |half: u64| start + Duration::from_millis(500 * half);
        // One every half second for as long as it likes.
        assert!((1..=1_000).all(|number| !resets.count(EARLY, number, at(number), &settings())));
        let floods: Vec<bool> =
            (1..=4).map(|number| resets.count(EARLY, 1_000 + number, at(5_000), &settings())).collect();
        assert_eq!(floods, [false, false, false, true]);
    }

    #[test]
    fn a_client_most_of_whose_calls_are_not_reset_is_no_flood() {
        let now = Instant::now();
        let mut resets = EarlyResets::none(now);
        assert!((1..=100).all(|number| !resets.count(EARLY, 2 * number, now, &settings())));
    }
}
