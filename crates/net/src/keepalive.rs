//! PINGs on a silent HTTP/2 connection (RFC 9113 section 6.7).

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use h2::{Ping, PingPong};
use tokio::time::{Instant, Sleep, sleep};

use crate::settings::Http2Settings;
use crate::transport::Meter;

/// Finds out whether a silent peer is still there.
pub(crate) struct Keepalive {
    pings: PingPong,
    meter: Arc<Meter>,
    interval: std::time::Duration,
    timeout: std::time::Duration,
    timer: Pin<Box<Sleep>>,
    received: u64,
    waiting: bool,
}

impl Keepalive {
    /// `None` where the settings want no pings.
    pub(crate) fn new(settings: &Http2Settings, pings: Option<PingPong>, meter: Arc<Meter>) -> Option<Self> {
        let interval = settings.keepalive_interval?;
        let received = meter.received();
        Some(Self {
            pings: pings?,
            meter,
            interval,
            timeout: settings.keepalive_timeout,
            timer: Box::pin(sleep(interval)),
            received,
            waiting: false,
        })
    }

    /// Ready when the peer counts as dead. To be polled after the connection.
    pub(crate) fn poll_dead(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.waiting && self.pings.poll_pong(cx).is_ready() {
            self.waiting = false;
            self.timer.as_mut().reset(Instant::now() + self.interval);
        }
        while self.timer.as_mut().poll(cx).is_ready() {
            let received = self.meter.received();
            // Anything received is as good as an answer.
            let silent = received == self.received;
            self.received = received;
            if silent && self.waiting {
                return Poll::Ready(());
            }
            let pinged = silent && self.pings.send_ping(Ping::opaque()).is_ok();
            self.waiting |= pinged;
            let wait = if self.waiting { self.timeout } else { self.interval };
            self.timer.as_mut().reset(Instant::now() + wait);
        }
        Poll::Pending
    }
}
