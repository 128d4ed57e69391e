//! HTTP statuses, counted one by one; classes are sums of them.

use http::StatusCode;

use super::metric::Counter;
use super::snapshot::{Scope, Snapshot};

/// The first and the last status of the classes counted.
const FIRST: u16 = 100;
const LAST: u16 = 599;
const COUNT: usize = (LAST - FIRST + 1) as usize;

/// How often which HTTP status was sent or received.
#[derive(Debug)]
pub struct Statuses(Box<[Counter; COUNT]>);

impl Default for Statuses {
    fn default() -> Self {
        Self(Box::new(std::array::from_fn(|_| Counter::default())))
    }
}

impl Statuses {
    /// Counts a response. Statuses from 600 belong to no class and are left out.
    pub fn record(&self, status: StatusCode) {
        if let Some(counter) = self.0.get(usize::from(status.as_u16().saturating_sub(FIRST))) {
            counter.increment();
        }
    }

    /// `<base>_1xx` to `<base>_5xx`, and `<base>_completed`.
    pub(super) fn sample_classes(&self, base: &str, scope: &Scope, out: &mut Snapshot) {
        let mut completed = 0;
        for (class, counters) in (1_u8..).zip(self.0.chunks(100)) {
            let sum = counters.iter().map(Counter::value).sum();
            out.status_class(scope, base, class, sum);
            completed += sum;
        }
        out.counter(scope, &format!("{base}_completed"), completed);
    }

    /// `<base>_200` and so on, for statuses that occurred.
    pub(super) fn sample_codes(&self, base: &str, scope: &Scope, out: &mut Snapshot) {
        for (status, counter) in (FIRST..).zip(self.0.iter()) {
            match counter.value() {
                0 => {}
                count => out.status_code(scope, base, status, count),
            }
        }
    }
}
