//! The clock of one call: its deadlines, how long it has been silent, and how much it has carried.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use landbridge_wire::{Code, RpcError};

use super::ticks::Ticks;

/// How long a call may take; none is no limit.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Times {
    /// What the caller asked for, from the head on.
    pub(crate) caller: Option<Duration>,
    /// The listener's `request_timeout`: from the head to the last byte of the request.
    pub(crate) request: Option<Duration>,
    /// The route's `timeout`, from the half-close on to the end of the response.
    pub(crate) route: Option<Duration>,
    /// Silence, both ways.
    pub(crate) idle: Option<Duration>,
    /// All of it, from the head on.
    pub(crate) most: Option<Duration>,
}

/// Which limit a call ran into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Overdue {
    /// The caller's own.
    Caller(Duration),
    /// The listener's `request_timeout`.
    Request(Duration),
    /// The route's `timeout`.
    Route(Duration),
    /// `stream_idle_timeout` or the route's `idle_timeout`.
    Idle(Duration),
    /// `max_stream_duration`.
    Most(Duration),
    /// The time that a bridge that stops gives its calls.
    Drain,
}

impl From<Overdue> for RpcError {
    fn from(overdue: Overdue) -> Self {
        let message = match overdue {
            Overdue::Caller(limit) => {
                format!("the call took longer than the {limit:?} that its caller gave it")
            }
            Overdue::Request(limit) => {
                format!(
                    "the request took longer than {limit:?} to arrive; see `request_timeout` of the listener"
                )
            }
            Overdue::Route(limit) => {
                format!(
                    "the server took longer than the route's timeout of {limit:?}; see `timeout` of the route"
                )
            }
            Overdue::Idle(limit) => {
                format!("nothing was sent either way for {limit:?}; see `stream_idle_timeout`")
            }
            Overdue::Most(limit) => format!("the call took longer than {limit:?}; see `max_stream_duration`"),
            Overdue::Drain => {
                let message =
                    "the bridge has stopped, and this call was not done by then; see `--drain-time-s`";
                return Self::new(Code::Unavailable, message);
            }
        };
        Self::new(Code::DeadlineExceeded, message)
    }
}

/// When a call started, and when something last happened in it.
#[derive(Debug)]
pub(crate) struct Pace {
    started: Instant,
    /// When it was first worked on, by [`coarse_milliseconds`]: later than `started` where the worker was busy.
    begun: u64,
    /// Somebody writes down how long the request took.
    timed: bool,
    /// Milliseconds after `begun`.
    touched: AtomicU64,
    /// The same, plus one; 0 as long as the request comes in.
    received: AtomicU64,
    /// The same, plus one; 0 as long as the request goes on.
    half_closed: AtomicU64,
    /// The server has sent all of its response; what is left is the caller's to take.
    response_ended: AtomicBool,
    /// Content of the request so far.
    bytes_received: AtomicU64,
    /// Content of the response so far.
    bytes_sent: AtomicU64,
}

impl Pace {
    /// `timed`: [`request_took`](Self::request_took) is to be exact.
    pub(crate) fn new(started: Instant, timed: bool) -> Self {
        Self {
            started,
            begun: coarse_milliseconds(),
            timed,
            touched: AtomicU64::new(0),
            received: AtomicU64::new(0),
            half_closed: AtomicU64::new(0),
            response_ended: AtomicBool::new(false),
            bytes_received: AtomicU64::new(0),
            bytes_sent: AtomicU64::new(0),
        }
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Something was sent or received.
    pub(crate) fn touch(&self) {
        self.touched.store(self.now(), Ordering::Relaxed);
    }

    /// Content came from the caller.
    pub(crate) fn received(&self, bytes: usize) {
        self.bytes_received.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Content went to the caller.
    pub(crate) fn sent(&self, bytes: usize) {
        self.bytes_sent.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// What was received of content.
    pub(crate) fn bytes_received(&self) -> u64 {
        self.bytes_received.load(Ordering::Relaxed)
    }

    /// What was sent of content.
    pub(crate) fn bytes_sent(&self) -> u64 {
        self.bytes_sent.load(Ordering::Relaxed)
    }

    /// The whole request was received.
    pub(crate) fn request_ended(&self) {
        let took = match self.timed {
            // Shown beside durations that are exact: the coarse clock could say more than all of them.
            true => u64::try_from(self.elapsed().as_millis()).unwrap_or(u64::MAX - 1),
            false => self.now(),
        };
        self.received.store(took + 1, Ordering::Relaxed);
    }

    /// How long the request took to arrive; none if it has not yet.
    pub(crate) fn request_took(&self) -> Option<Duration> {
        self.received.load(Ordering::Relaxed).checked_sub(1).map(Duration::from_millis)
    }

    /// The whole request was sent on.
    pub(crate) fn half_close(&self) {
        self.half_closed.store(self.now() + 1, Ordering::Relaxed);
    }

    /// The whole response was received.
    pub(crate) fn response_ended(&self) {
        self.response_ended.store(true, Ordering::Relaxed);
    }

    /// Resolves when the call has run into one of its limits.
    pub(crate) async fn overdue(&self, times: Times, ticks: &Arc<Ticks>) -> Overdue {
        let mut young = true;
        loop {
            // An answer that is complete may go on leaving, until it is cut.
            let may_part = !self.response_ended.load(Ordering::Relaxed);
            if may_part && ticks.is_parting() {
                return Overdue::Drain;
            }
            let parting = async {
                match may_part {
                    true => ticks.parting().await,
                    false => pending().await,
                }
            };
            // Of nearly every call it is only to be seen that its limits are far, for which the cheap clock will do.
            let now = Duration::from_millis(self.now());
            let elapsed = if young { now } else { self.elapsed() };
            // How long it had to wait for its turn; what is measured from an event does not run meanwhile.
            let waited = elapsed.saturating_sub(now);
            // The earliest moment at which a limit can be reached as things stand; what moves, moves it back.
            let mut next: Option<(Duration, Overdue)> = None;
            let mut limit = |at: Duration, overdue: Overdue| {
                if next.is_none_or(|(earliest, _)| at < earliest) {
                    next = Some((at, overdue));
                }
            };
            if let Some(most) = times.caller {
                limit(most, Overdue::Caller(most));
            }
            if let Some(most) = times.most {
                limit(most, Overdue::Most(most));
            }
            if let (Some(request), None) = (times.request, self.request_took()) {
                limit(request, Overdue::Request(request));
            }
            if let Some(idle) = times.idle {
                let from = waited + milliseconds(&self.touched);
                limit(from.saturating_add(idle + COARSE), Overdue::Idle(idle));
            }
            if let Some(route) = times.route.filter(|_| !self.response_ended.load(Ordering::Relaxed)) {
                let from = match self.half_closed.load(Ordering::Relaxed) {
                    0 => elapsed + Duration::from_millis(1),
                    at => waited + Duration::from_millis(at - 1),
                };
                limit(from.saturating_add(route + COARSE), Overdue::Route(route));
            }
            let Some((at, overdue)) = next else {
                parting.await;
                continue;
            };
            match at.checked_sub(elapsed) {
                Some(left) if young && left > Ticks::APART => ticks.next().await,
                _ if young => {}
                None | Some(Duration::ZERO) => return overdue,
                Some(left) => {
                    let _parting = tokio::time::timeout(left, parting).await;
                }
            }
            young = false;
        }
    }

    /// Milliseconds since it was first worked on, give or take [`COARSE`].
    fn now(&self) -> u64 {
        coarse_milliseconds().saturating_sub(self.begun)
    }
}

/// How far the coarse clock may be behind: a tick of the slowest kernels that are built.
const COARSE: Duration = Duration::from_millis(10);

/// A clock that is much cheaper to read than [`Instant`]: several things happen in every call, and what is measured
/// from them is measured in seconds.
fn coarse_milliseconds() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::MonotonicCoarse);
    let seconds = u64::try_from(now.tv_sec).unwrap_or_default();
    seconds * 1000 + u64::try_from(now.tv_nsec).unwrap_or_default() / 1_000_000
}

fn milliseconds(value: &AtomicU64) -> Duration {
    Duration::from_millis(value.load(Ordering::Relaxed))
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    const SHORT: Option<Duration> = Some(Duration::from_millis(5));
    const LONG: Option<Duration> = Some(Duration::from_secs(600));

    async fn first(pace: &Pace, times: Times) -> Overdue {
        pace.overdue(times, &Arc::default()).await
    }

    #[tokio::test]
    async fn the_shortest_limit_is_told() {
        let pace = Pace::new(Instant::now(), false);
        pace.half_close();
        for (times, expected) in [
            (Times { caller: SHORT, route: LONG, ..Times::default() }, "Caller"),
            (Times { caller: LONG, route: SHORT, ..Times::default() }, "Route"),
            (Times { idle: SHORT, most: LONG, ..Times::default() }, "Idle"),
            (Times { idle: LONG, most: SHORT, ..Times::default() }, "Most"),
        ] {
            let overdue = first(&pace, times).await;
            assert!(format!("{overdue:?}").starts_with(expected), "{overdue:?}");
        }
    }

    #[tokio::test]
    async fn the_time_from_an_event_on_does_not_begin_before_it() {
        // The worker was busy when the head came.
        let pace = Pace::new(Instant::now() - Duration::from_millis(100), false);
        pace.half_close();
        for times in [Times { route: SHORT, ..Times::default() }, Times { idle: SHORT, ..Times::default() }] {
            assert!(first(&pace, times).now_or_never().is_none());
        }
    }

    #[tokio::test]
    async fn the_time_for_the_request_ends_with_the_request() {
        let pace = Pace::new(Instant::now(), false);
        let times = Times { request: SHORT, most: Some(Duration::from_millis(50)), ..Times::default() };
        assert!(matches!(first(&pace, times).await, Overdue::Request(_)));
        let pace = Pace::new(Instant::now(), false);
        pace.request_ended();
        assert!(matches!(first(&pace, times).await, Overdue::Most(_)));
    }

    #[tokio::test]
    async fn the_routes_timeout_ends_with_the_response() {
        let pace = Pace::new(Instant::now(), false);
        pace.half_close();
        pace.response_ended();
        let overdue =
            first(&pace, Times { route: SHORT, most: Some(Duration::from_millis(50)), ..Times::default() });
        assert!(matches!(overdue.await, Overdue::Most(_)));
    }

    #[tokio::test]
    async fn the_routes_timeout_waits_for_the_half_close() {
        let pace = Pace::new(Instant::now(), false);
        let overdue =
            first(&pace, Times { route: SHORT, most: Some(Duration::from_millis(50)), ..Times::default() });
        assert!(matches!(overdue.await, Overdue::Most(_)));
    }
}
