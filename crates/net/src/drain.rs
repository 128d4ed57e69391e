//! Leaving without dropping what is in flight.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{Notify, watch};

/// How far the way out has come. Only ever moves forward.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum DrainPhase {
    /// Connections are accepted and served.
    Running = 0,
    /// Nothing new is accepted; what is in flight may finish.
    Draining = 1,
    /// What is in flight is to end itself, with an error where it is not done. Connections without any close.
    Ending = 2,
    /// What is still there is cut.
    Aborting = 3,
}

/// The switch that makes a server leave, and the view on what is still there. Clones are one switch.
///
/// Draining stops the accept loops, tells HTTP/2 clients in two steps (RFC 9113 section 6.8: a GOAWAY that refuses
/// nothing, then, a round trip later, the final one), answers HTTP/1.1 with `connection: close`, and closes
/// connections as they become idle.
///
/// It is for the handlers to hear of [`DrainPhase::Ending`], by [`reached`](Self::reached), and to tell their clients in
/// the protocol that these speak.
#[derive(Clone, Debug)]
pub struct Drain {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    /// The same as the last value in `changed`, readable without a lock.
    phase: AtomicU8,
    changed: watch::Sender<DrainPhase>,
    live: AtomicUsize,
    empty: Notify,
}

impl Drain {
    /// A switch in the running position.
    pub fn new() -> Self {
        Self {
            inner: Arc::new(Inner {
                phase: AtomicU8::new(DrainPhase::Running as u8),
                changed: watch::Sender::new(DrainPhase::Running),
                live: AtomicUsize::new(0),
                empty: Notify::new(),
            }),
        }
    }

    /// Starts the way out. Does nothing the second time.
    pub fn begin(&self) {
        self.advance(DrainPhase::Draining);
    }

    /// Has what is in flight end itself.
    pub fn end(&self) {
        self.advance(DrainPhase::Ending);
    }

    /// Cuts whatever is still open, at once.
    pub fn abort(&self) {
        self.advance(DrainPhase::Aborting);
    }

    /// How long clients have to take the error by which what they asked for ends.
    pub const LAST_WORDS: Duration = Duration::from_secs(1);

    /// Begins, waits until everything is finished or `deadline` has passed, has the rest end itself, cuts what is left
    /// after [`LAST_WORDS`](Self::LAST_WORDS), and says whether everything had finished by itself.
    pub async fn run(&self, deadline: Duration) -> bool {
        self.begin();
        let clean = tokio::time::timeout(deadline, self.finished()).await.is_ok();
        if !clean {
            self.end();
            let _last_words = tokio::time::timeout(Self::LAST_WORDS, self.finished()).await;
        }
        self.abort();
        self.finished().await;
        clean
    }

    /// How far it has come.
    pub fn phase(&self) -> DrainPhase {
        match self.inner.phase.load(Ordering::Acquire) {
            0 => DrainPhase::Running,
            1 => DrainPhase::Draining,
            2 => DrainPhase::Ending,
            _ => DrainPhase::Aborting,
        }
    }

    /// Connections and accept loops that are still there.
    pub fn live(&self) -> usize {
        self.inner.live.load(Ordering::Acquire)
    }

    /// Resolves once draining has begun and no connection and no accept loop is left.
    pub async fn finished(&self) {
        self.reached(DrainPhase::Draining).await;
        loop {
            let emptied = self.inner.empty.notified();
            if self.live() == 0 {
                return;
            }
            emptied.await;
        }
    }

    /// Resolves when the way out has come to `phase`; cancelling the wait is harmless.
    pub fn reached(&self, phase: DrainPhase) -> impl Future<Output = ()> + Send + use<> {
        let mut changed = self.inner.changed.subscribe();
        // The sender cannot be gone while somebody waits: the wait holds it.
        let inner = Arc::clone(&self.inner);
        async move {
            let _closed = changed.wait_for(|now| *now >= phase).await;
            drop(inner);
        }
    }

    /// Counts something that has to end before draining is finished.
    pub(crate) fn hold(&self) -> Held {
        self.inner.live.fetch_add(1, Ordering::AcqRel);
        Held { inner: Arc::clone(&self.inner) }
    }

    fn advance(&self, phase: DrainPhase) {
        self.inner.changed.send_if_modified(|now| {
            let forward = *now < phase;
            if forward {
                *now = phase;
                self.inner.phase.store(phase as u8, Ordering::Release);
            }
            forward
        });
    }
}

impl Default for Drain {
    fn default() -> Self {
        Self::new()
    }
}

/// Keeps [`Drain::finished`] waiting until it is dropped.
#[derive(Debug)]
pub(crate) struct Held {
    inner: Arc<Inner>,
}

impl Drop for Held {
    fn drop(&mut self) {
        if self.inner.live.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.inner.empty.notify_waiters();
        }
    }
}
