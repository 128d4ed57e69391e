//! One call that Python makes, between Python and its I/O thread.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::thread::{Thread, current, park, park_timeout};
use std::time::Duration;

use futures_util::task::AtomicWaker;
use landbridge_client::{Caller, Head, Outgoing};
use landbridge_wire::plain::Content;
use landbridge_wire::{Code, End, RpcError};
use pyo3::{Py, PyAny};

use super::events::Futures;
use super::sleepers::Sleepers;
use crate::handoff::{Backlog, Woken, cost};

/// Both directions of one call. The carrier (on the I/O thread) and Python (with the GIL) each hold one end; neither
/// ever waits for the other inside a lock.
#[derive(Debug)]
pub(crate) struct Outbound {
    state: Mutex<State>,
    carrier: AtomicWaker,
    /// For event loops that wait.
    futures: Option<Futures>,
    woken: Arc<Woken>,
    /// For threads that wait.
    sleepers: Arc<Sleepers>,
}

#[derive(Debug, Default)]
struct State {
    outgoing: Vec<Outgoing>,
    waiting_out: Backlog,
    half_closed: bool,
    head: Option<Head>,
    received: VecDeque<Content>,
    waiting_in: Backlog,
    end: Option<End>,
    cancelled: bool,
    /// It has ended by its own clock.
    late: bool,
    /// Threads that wait, each for one thing: they are woken for that and for nothing else, and once.
    waiting: Vec<(What, Thread)>,
    /// Futures of the event loop, each to be told once.
    on_readable: Vec<Py<PyAny>>,
    on_head: Vec<Py<PyAny>>,
    on_writable: Vec<Py<PyAny>>,
    on_end: Vec<Py<PyAny>>,
}

/// What is to be waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// A message, or the end.
    Message,
    /// The head, or the end.
    Head,
    /// Room for another message, or the end.
    Room,
    /// The end.
    End,
}

/// Why nothing more can be sent.
#[derive(Clone, Copy, Debug)]
pub(super) enum Refused {
    /// The call is over.
    Over,
    /// It was said that no message follows.
    HalfClosed,
}

/// What has come.
#[derive(Debug)]
pub(super) enum Received {
    Message(Content),
    /// The last message was taken, and the call is over.
    Ended,
    /// Nothing yet.
    Pending,
}

impl Outbound {
    /// With what is to be sent at once, and a future to be told of the end.
    pub(super) fn new(
        woken: Arc<Woken>,
        sleepers: Arc<Sleepers>,
        futures: Option<Futures>,
        first: Option<Content>,
        on_end: Option<Py<PyAny>>,
    ) -> Arc<Self> {
        let mut state = State { on_end: Vec::from_iter(on_end), ..State::default() };
        if let Some(message) = first {
            state.waiting_out.add(&message);
            state.outgoing = vec![Outgoing::Message(message), Outgoing::HalfClose];
            state.half_closed = true;
        }
        Arc::new(Self { state: Mutex::new(state), carrier: AtomicWaker::new(), futures, woken, sleepers })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells those that wait for what has come: threads, and these futures of an event loop.
    fn tell(&self, mut state: MutexGuard<'_, State>, futures: Vec<Py<PyAny>>) {
        for (what, thread) in std::mem::take(&mut state.waiting) {
            if has_come(&state, what) {
                self.sleepers.put(thread);
            } else {
                state.waiting.push((what, thread));
            }
        }
        drop(state);
        if let Some(queue) = &self.futures {
            futures.into_iter().for_each(|future| queue.put(future));
        }
    }
}

/// The carrier's end.
impl Outbound {
    /// Ready when Python has given the call up.
    pub(super) async fn cancelled(&self) {
        poll_fn(|cx| {
            self.carrier.register(cx.waker());
            if self.lock().cancelled { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    /// The call is over.
    pub(super) fn end(&self, end: End) {
        let mut state = self.lock();
        if state.end.is_none() {
            state.end = Some(end);
        }
        let waiting = everyone(&mut state);
        self.tell(state, waiting);
    }

    fn take_outgoing(&self) -> Option<(Vec<Outgoing>, usize)> {
        let mut state = self.lock();
        if state.outgoing.is_empty() {
            return None;
        }
        let counted = state.waiting_out.leave();
        Some((std::mem::take(&mut state.outgoing), counted))
    }
}

impl Caller for Outbound {
    fn poll_outgoing(&self, cx: &mut Context<'_>) -> Poll<(Vec<Outgoing>, usize)> {
        if let Some(taken) = self.take_outgoing() {
            return Poll::Ready(taken);
        }
        self.carrier.register(cx.waker());
        // It may have changed before the waker stood there.
        self.take_outgoing().map_or(Poll::Pending, Poll::Ready)
    }

    fn sent(&self, counted: usize) {
        let mut state = self.lock();
        if !state.waiting_out.remove(counted) {
            return;
        }
        let waiting = std::mem::take(&mut state.on_writable);
        self.tell(state, waiting);
    }

    fn head(&self, head: Head) {
        let mut state = self.lock();
        if state.end.is_some() {
            // Given up meanwhile.
            return;
        }
        state.head = Some(head);
        let waiting = std::mem::take(&mut state.on_head);
        self.tell(state, waiting);
    }

    fn poll_room(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.lock().waiting_in.has_room() {
            return Poll::Ready(());
        }
        self.carrier.register(cx.waker());
        if self.lock().waiting_in.has_room() { Poll::Ready(()) } else { Poll::Pending }
    }

    fn late(&self) {
        self.lock().late = true;
    }

    fn message(&self, message: Content) {
        let mut state = self.lock();
        if state.end.is_some() {
            return;
        }
        state.waiting_in.add(&message);
        state.received.push_back(message);
        let waiting = std::mem::take(&mut state.on_readable);
        self.tell(state, waiting);
    }
}

/// Python's end. To be called with the GIL, except where said.
impl Outbound {
    /// What has come, without waiting.
    pub(super) fn receive(&self) -> Received {
        let mut state = self.lock();
        let Some(message) = state.received.pop_front() else {
            return if state.end.is_some() { Received::Ended } else { Received::Pending };
        };
        let has_room_again = state.waiting_in.remove(cost(&message));
        drop(state);
        if has_room_again {
            self.woken.put(&self.carrier);
        }
        Received::Message(message)
    }

    /// Gives something to be sent, and says whether there is room for more.
    ///
    /// # Errors
    /// The call is over, or its request is.
    pub(super) fn give(&self, outgoing: Outgoing) -> Result<bool, Refused> {
        let mut state = self.lock();
        if state.end.is_some() {
            return Err(Refused::Over);
        }
        if state.half_closed {
            return Err(Refused::HalfClosed);
        }
        match &outgoing {
            Outgoing::Message(message) => state.waiting_out.add(message),
            Outgoing::HalfClose => state.half_closed = true,
        }
        // The carrier was told when the first came, and takes all.
        let told = !state.outgoing.is_empty();
        state.outgoing.push(outgoing);
        let room = state.waiting_out.has_room();
        drop(state);
        if !told {
            self.woken.put(&self.carrier);
        }
        Ok(room)
    }

    /// Gives the call up: it is over at once, and what came and was not taken is let go of. So whoever cancels before
    /// having taken everything is always told the same, however fast the server was.
    pub(super) fn cancel(&self) {
        let mut state = self.lock();
        let is_over = match &state.end {
            None => false,
            Some(end) => end.result.is_err() || state.received.is_empty(),
        };
        if is_over {
            return;
        }
        state.cancelled = true;
        state.end = Some(End::failed(RpcError::new(Code::Canceled, "the call was cancelled by its caller")));
        state.received.clear();
        state.waiting_in = Backlog::default();
        let waiting = everyone(&mut state);
        self.tell(state, waiting);
        // The I/O thread may have other things to do, or stand aside.
        self.sleepers.wake_all();
        self.woken.put(&self.carrier);
    }

    /// The head, if it has come.
    pub(super) fn with_head<T>(&self, look: impl FnOnce(&Head) -> T) -> Option<T> {
        self.lock().head.as_ref().map(look)
    }

    /// Whether the call is over.
    pub(super) fn is_over(&self) -> bool {
        self.lock().end.is_some()
    }

    /// Whether Python has given it up before it was over.
    pub(super) fn is_cancelled(&self) -> bool {
        self.lock().cancelled
    }

    /// Whether it has ended by its own clock.
    pub(super) fn is_late(&self) -> bool {
        self.lock().late
    }

    /// The end, if it has come.
    pub(super) fn with_end<T>(&self, look: impl FnOnce(&End) -> T) -> Option<T> {
        self.lock().end.as_ref().map(look)
    }

    /// The end, if it has come and is a failure.
    pub(super) fn failure(&self) -> Option<End> {
        self.lock().end.as_ref().filter(|end| end.result.is_err()).cloned()
    }

    /// Has the event loop told once that has come. Gives the future back where it has.
    pub(super) fn when(&self, what: What, future: Py<PyAny>) -> Option<Py<PyAny>> {
        let mut state = self.lock();
        if has_come(&state, what) {
            return Some(future);
        }
        match what {
            What::Message => state.on_readable.push(future),
            What::Head => state.on_head.push(future),
            What::Room => state.on_writable.push(future),
            What::End => state.on_end.push(future),
        }
        None
    }

    /// Shows all futures that wait, to Python's garbage collector: see `LoopQueue::look`.
    pub(super) fn look<R>(&self, at: impl FnMut(&Py<PyAny>) -> Result<(), R>) -> Result<(), R> {
        let state = self.lock();
        let State { on_readable, on_head, on_writable, on_end, .. } = &*state;
        [on_readable, on_head, on_writable, on_end].into_iter().flatten().try_for_each(at)
    }

    /// Lets go of all futures.
    pub(super) fn forget_all(&self) {
        let waiting = everyone(&mut self.lock());
        drop(waiting);
    }

    /// Lets go of a future that nobody waits for any more.
    pub(super) fn forget(&self, future: &Py<PyAny>) {
        let mut state = self.lock();
        let State { on_readable, on_head, on_writable, on_end, .. } = &mut *state;
        let found = [on_readable, on_head, on_writable, on_end].into_iter().find_map(|waiting| {
            let at = waiting.iter().position(|other| other.is(future))?;
            Some(waiting.remove(at))
        });
        drop(state);
        // Not under the lock: it may be the last reference, and what it refers to may come back here.
        drop(found);
    }

    /// Waits for that, at most so long if there is a limit; says whether it has come. To be called without the GIL.
    pub(super) fn wait(&self, what: What, most: Option<Duration>) -> bool {
        let mut state = self.lock();
        while !has_come(&state, what) {
            // Anew each time: whoever was told of something is not in the list any more, though another took it.
            state.waiting.push((what, current()));
            drop(state);
            self.sleepers.wake_one();
            match most {
                None => park(),
                Some(most) => park_timeout(most),
            }
            state = self.lock();
            let own = current().id();
            state.waiting.retain(|(_, thread)| thread.id() != own);
            if most.is_some() {
                break;
            }
        }
        has_come(&state, what)
    }
}

fn has_come(state: &State, what: What) -> bool {
    let over = state.end.is_some();
    match what {
        What::Message => over || !state.received.is_empty(),
        What::Head => over || state.head.is_some(),
        What::Room => over || state.waiting_out.has_room(),
        What::End => over,
    }
}

fn everyone(state: &mut State) -> Vec<Py<PyAny>> {
    let State { on_readable, on_head, on_writable, on_end, .. } = state;
    [on_readable, on_head, on_writable, on_end].into_iter().flat_map(std::mem::take).collect()
}
