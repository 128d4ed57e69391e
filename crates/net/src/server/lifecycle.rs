//! When a connection has to go: drain, age, requests, idleness, a head that does not come.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Context;

use tokio::time::{Instant, Sleep, sleep_until};

use crate::drain::{Drain, DrainPhase};
use crate::server::connection::{Connection, HttpVersion};

/// What a connection has to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Directive {
    /// Go on.
    Serve,
    /// Take nothing new, finish what is in flight. Said once.
    Retire,
    /// Nothing came for so long since then that an HTTP/1.1 client, which cannot be told between two requests, is taken
    /// to have nothing on its way. Said once.
    Close,
    /// Close, whatever is in flight.
    Cut,
}

/// Watches one connection from inside its driver, which polls it along with the protocol.
///
/// A poll that finds nothing to do costs a few loads and no clock: the one timer is set to the nearest deadline there
/// could be, and only when it fires are the real ones worked out.
pub(super) struct Lifecycle {
    connection: Arc<Connection>,
    drain: Drain,
    /// Wakes the task at the next step of the drain, whichever that is; what it is, `drain` itself says.
    step: Pin<Box<dyn Future<Output = ()> + Send>>,
    /// The phase that `step` was last polled in: while running, once.
    heard: Option<DrainPhase>,
    timer: Pin<Box<Sleep>>,
    retired: Option<Instant>,
    closing: bool,
    /// Which head is on its way, and since when.
    head: Option<(u64, Instant)>,
}

impl Lifecycle {
    pub(super) fn new(connection: Arc<Connection>, drain: Drain) -> Self {
        let step = Box::pin(drain.reached(DrainPhase::Aborting));
        let timer = Box::pin(sleep_until(connection.opened()));
        Self { connection, drain, step, heard: None, timer, retired: None, closing: false, head: None }
    }

    /// `head` is the number of the one that has begun to arrive and is not complete.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, head: Option<u64>) -> Directive {
        let mut phase = self.drain.phase();
        // While draining each time: a poll may come between the phase and its word, which then wakes for nothing.
        if (self.heard != Some(phase) || phase >= DrainPhase::Draining) && phase != DrainPhase::Aborting {
            self.heard = Some(phase);
            // Ready only if it was a step further by now.
            let _registered = self.step.as_mut().poll(cx);
            phase = self.drain.phase();
        }
        if phase == DrainPhase::Aborting {
            return Directive::Cut;
        }
        self.watch(head);
        if let Some(since) = self.retired.and_then(|retired| self.at_rest(retired)) {
            self.wake_at(since + self.connection.server.settings.lingering_time);
        }
        let mut directive = Directive::Serve;
        if phase == DrainPhase::Ending && self.retired.is_some_and(|retired| self.at_rest(retired).is_some())
        {
            self.closing = true;
            return Directive::Close;
        }
        if self.retired.is_none() && (phase >= DrainPhase::Draining || self.connection.is_used_up()) {
            directive = self.retire(Instant::now());
            if phase == DrainPhase::Ending {
                // There may be nothing that it has to finish.
                cx.waker().wake_by_ref();
            }
        }
        while self.timer.as_mut().poll(cx).is_ready() {
            let now = Instant::now();
            match self.examine(now) {
                Directive::Cut => return Directive::Cut,
                Directive::Serve => {}
                told => directive = told,
            }
            match self.next_deadline(now) {
                Some(deadline) => self.timer.as_mut().reset(deadline),
                None => self.timer.as_mut().reset(now + FAR),
            }
        }
        directive
    }

    fn retire(&mut self, now: Instant) -> Directive {
        self.retired = Some(now);
        self.connection.retire();
        let grace = now + self.connection.server.settings.connection_grace;
        let deadline = self.next_deadline(now).unwrap_or(grace);
        self.timer.as_mut().reset(deadline);
        Directive::Retire
    }

    /// Since when a retired HTTP/1.1 connection has nothing to do, and was not told to close.
    fn at_rest(&self, retired: Instant) -> Option<Instant> {
        let resting = self.connection.http() == HttpVersion::Http1
            && !self.closing
            && self.connection.active() == 0
            && self.head.is_none();
        resting.then(|| self.connection.idle_since().max(retired))
    }

    /// Looks at the deadlines at a moment that may be one of them.
    fn examine(&mut self, now: Instant) -> Directive {
        let server = Arc::clone(&self.connection.server);
        let settings = &server.settings;
        if self.head.is_some_and(|(_, since)| now >= since + settings.header_timeout) {
            server.stats.timeouts.increment();
            return Directive::Cut;
        }
        if let Some(retired) = self.retired {
            let rested = self.at_rest(retired).is_some_and(|since| now >= since + settings.lingering_time);
            if now >= retired + settings.connection_grace {
                return Directive::Cut;
            }
            self.closing |= rested;
            return if rested { Directive::Close } else { Directive::Serve };
        }
        let aged = settings.max_connection_age.is_some_and(|age| now >= self.connection.opened() + age);
        let idle = self.connection.active() == 0
            && self.head.is_none()
            && settings.idle_timeout.is_some_and(|idle| now >= self.connection.idle_since() + idle);
        if aged || idle { self.retire(now) } else { Directive::Serve }
    }

    fn next_deadline(&self, now: Instant) -> Option<Instant> {
        let settings = &self.connection.server.settings;
        // A deadline that has passed without effect must not come again at once.
        let soonest = now + std::time::Duration::from_millis(1);
        let head = self.head.map(|(_, since)| since + settings.header_timeout);
        if let Some(retired) = self.retired {
            let rested = self.at_rest(retired).map(|since| (since + settings.lingering_time).max(soonest));
            return [head, rested, Some(retired + settings.connection_grace)].into_iter().flatten().min();
        }
        let age = settings.max_connection_age.map(|age| self.connection.opened() + age);
        let idle = settings.idle_timeout.map(|idle| match self.connection.active() {
            0 => self.connection.idle_since().max(now - idle) + idle,
            _ => now + idle,
        });
        [head, age, idle].into_iter().flatten().min().map(|deadline| deadline.max(soonest))
    }

    fn watch(&mut self, head: Option<u64>) {
        if head == self.head.map(|(number, _)| number) {
            return;
        }
        let now = Instant::now();
        self.head = head.map(|number| (number, now));
        if self.head.is_some() {
            self.wake_at(now + self.connection.server.settings.header_timeout);
        }
    }

    fn wake_at(&mut self, deadline: Instant) {
        if deadline < self.timer.deadline() {
            self.timer.as_mut().reset(deadline);
        }
    }
}

/// Where a timer with nothing to wait for is parked.
const FAR: std::time::Duration = std::time::Duration::from_secs(86_400);
