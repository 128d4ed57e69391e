//! One call between its I/O thread and Python.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use futures_util::task::AtomicWaker;
use http::{HeaderMap, Response};
use landbridge_wire::plain::Content;
use landbridge_wire::{Compression, End, RpcError};
use pyo3::{Py, PyAny};

use super::backlog::{Backlog, cost};
use super::event::Event;
use super::loop_queue::LoopQueue;
use super::woken::Woken;
use crate::serving::Facts;

/// Both directions of one call. The carrier (on the I/O thread) and Python (with the GIL) each hold one end; neither
/// ever waits for the other inside a lock.
#[derive(Debug)]
pub(crate) struct Channel {
    /// What the call is.
    pub(crate) facts: Facts,
    state: Mutex<State>,
    /// For handlers that block.
    changed: Condvar,
    carrier: AtomicWaker,
    events: Arc<LoopQueue<Event>>,
    woken: Arc<Woken>,
}

#[derive(Debug)]
struct State {
    received: VecDeque<Content>,
    waiting_in: Backlog,
    request: Flow,
    outgoing: Vec<Outgoing>,
    waiting_out: Backlog,
    /// Whether the handler has given the end.
    ended: bool,
    /// Set once when nobody waits for the answer any more.
    over: Option<Over>,
    /// Futures of the event loop, each to be told once.
    on_readable: Vec<Py<PyAny>>,
    on_writable: Vec<Py<PyAny>>,
    /// What is told when the call is over before its handler has ended it.
    worker: Option<Py<PyAny>>,
}

/// How far one direction has come.
#[derive(Clone, Debug)]
pub(crate) enum Flow {
    /// More may come.
    Open,
    /// Everything has come.
    Ended,
    /// The rest will not come.
    Failed(RpcError),
}

/// Why nobody waits for the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Over {
    /// The caller went away.
    Gone,
    /// The caller's deadline has passed.
    DeadlineExceeded,
    /// The caller has all of the answer.
    Answered,
}

/// What Python takes in.
#[derive(Debug)]
pub(crate) enum Received {
    Message(Content),
    /// The caller has half-closed.
    Ended,
    Failed(RpcError),
    Over(Over),
    /// Nothing yet.
    Pending,
}

/// What Python gives.
#[derive(Debug)]
pub(crate) enum Outgoing {
    /// What goes into the head; sent with what comes next.
    Head(Box<HeaderMap>),
    /// Which compression messages get, of those that the caller takes; before the head is sent.
    Compression(Compression),
    /// The head is to be sent now.
    Flush,
    /// A message; of plain HTTP, a piece of the content.
    Message(Content),
    /// The end.
    End(Box<End>),
    /// A head of plain HTTP, to be sent with what comes next.
    HttpHead(Box<Response<()>>),
    /// The end of plain HTTP.
    HttpEnd,
    /// The rest of plain HTTP will not come.
    HttpCut,
}

impl Channel {
    pub(crate) fn new(facts: Facts, events: Arc<LoopQueue<Event>>, woken: Arc<Woken>) -> Arc<Self> {
        Arc::new(Self {
            facts,
            state: Mutex::new(State {
                received: VecDeque::new(),
                waiting_in: Backlog::default(),
                request: Flow::Open,
                outgoing: Vec::new(),
                waiting_out: Backlog::default(),
                ended: false,
                over: None,
                on_readable: Vec::new(),
                on_writable: Vec::new(),
                worker: None,
            }),
            changed: Condvar::new(),
            carrier: AtomicWaker::new(),
            events,
            woken,
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells those that wait, blocking or in the event loop.
    fn tell(&self, waiting: Vec<Py<PyAny>>) {
        self.changed.notify_all();
        for future in waiting {
            self.events.put(Event::Woken(future));
        }
    }
}

/// The carrier's end.
impl Channel {
    /// A message has come. Call [`poll_room`](Self::poll_room) before the next.
    pub(crate) fn deliver(&self, message: Content) {
        let mut state = self.lock();
        state.waiting_in.add(&message);
        state.received.push_back(message);
        let waiting = std::mem::take(&mut state.on_readable);
        drop(state);
        self.tell(waiting);
    }

    /// No message will come any more.
    pub(crate) fn end_request(&self, how: Flow) {
        let mut state = self.lock();
        state.request = how;
        let waiting = std::mem::take(&mut state.on_readable);
        drop(state);
        self.tell(waiting);
    }

    /// Ready when another message may be delivered.
    pub(crate) fn poll_room(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.lock().waiting_in.has_room() {
            return Poll::Ready(());
        }
        self.carrier.register(cx.waker());
        // It may have changed before the waker stood there.
        if self.lock().waiting_in.has_room() { Poll::Ready(()) } else { Poll::Pending }
    }

    /// What Python has given, and how much that counts; to be reported by [`sent`](Self::sent).
    pub(crate) fn poll_outgoing(&self, cx: &mut Context<'_>) -> Poll<(Vec<Outgoing>, usize)> {
        if let Some(taken) = self.take_outgoing() {
            return Poll::Ready(taken);
        }
        self.carrier.register(cx.waker());
        self.take_outgoing().map_or(Poll::Pending, Poll::Ready)
    }

    fn take_outgoing(&self) -> Option<(Vec<Outgoing>, usize)> {
        let mut state = self.lock();
        if state.outgoing.is_empty() {
            return None;
        }
        let counted = state.waiting_out.leave();
        Some((std::mem::take(&mut state.outgoing), counted))
    }

    /// So much has left, and makes room.
    pub(crate) fn sent(&self, bytes: usize) {
        if bytes == 0 {
            return;
        }
        let mut state = self.lock();
        if !state.waiting_out.remove(bytes) {
            return;
        }
        let waiting = std::mem::take(&mut state.on_writable);
        drop(state);
        self.tell(waiting);
    }

    /// Nobody waits for the answer any more. Whoever still waits for the call is told; its worker is cancelled unless it
    /// has ended the call. Does nothing the second time.
    pub(crate) fn be_over(&self, over: Over) {
        let mut state = self.lock();
        if state.over.is_some() {
            return;
        }
        state.over = Some(over);
        let ended = state.ended;
        let mut waiting = std::mem::take(&mut state.on_readable);
        waiting.append(&mut state.on_writable);
        let worker = state.worker.take();
        drop(state);
        // First, so that what waits ends by its cancellation, and not by the error that others get.
        if let Some(worker) = worker.filter(|_| !ended) {
            self.events.put(Event::Over(worker));
        }
        self.tell(waiting);
    }
}

/// Python's end. To be called with the GIL, except where said.
impl Channel {
    /// What has come, without waiting.
    pub(crate) fn receive(self: &Arc<Self>) -> Received {
        let mut state = self.lock();
        let (received, has_room_again) = next(&mut state);
        drop(state);
        if has_room_again {
            self.woken.put(&self.carrier);
        }
        received
    }

    /// What has come; waits for it. To be called without the GIL.
    pub(crate) fn receive_blocking(self: &Arc<Self>) -> Received {
        let mut state = self.lock();
        loop {
            let (received, has_room_again) = next(&mut state);
            if !matches!(received, Received::Pending) {
                drop(state);
                if has_room_again {
                    self.woken.put(&self.carrier);
                }
                return received;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Has the event loop told once something has come. Gives the future back where something has.
    pub(crate) fn when_readable(&self, future: Py<PyAny>) -> Option<Py<PyAny>> {
        let mut state = self.lock();
        let readable =
            !state.received.is_empty() || state.over.is_some() || !matches!(state.request, Flow::Open);
        if readable {
            return Some(future);
        }
        state.on_readable.push(future);
        None
    }

    /// Gives things to be sent, and says whether there is room for more.
    ///
    /// # Errors
    /// The call is over.
    pub(crate) fn give_all(self: &Arc<Self>, all: impl IntoIterator<Item = Outgoing>) -> Result<bool, Over> {
        let mut state = self.lock();
        if let Some(over) = state.over {
            return Err(over);
        }
        // The carrier was told when the first came, and takes all.
        let told = !state.outgoing.is_empty();
        for outgoing in all {
            if let Outgoing::Message(message) = &outgoing {
                state.waiting_out.add(message);
            }
            state.outgoing.push(outgoing);
        }
        let room = state.waiting_out.has_room();
        drop(state);
        if !told {
            self.woken.put(&self.carrier);
        }
        Ok(room)
    }

    /// Waits until there is room for more. To be called without the GIL.
    ///
    /// # Errors
    /// The call is over.
    pub(crate) fn wait_for_room(&self) -> Result<(), Over> {
        let mut state = self.lock();
        loop {
            if let Some(over) = state.over {
                return Err(over);
            }
            if state.waiting_out.has_room() {
                return Ok(());
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Has the event loop told once there is room. Gives the future back where there is.
    pub(crate) fn when_writable(&self, future: Py<PyAny>) -> Option<Py<PyAny>> {
        let mut state = self.lock();
        if state.waiting_out.has_room() || state.over.is_some() {
            return Some(future);
        }
        state.on_writable.push(future);
        None
    }

    /// Names who is to be told when the call is over early. Gives it back where that has happened.
    pub(crate) fn set_worker(&self, worker: Py<PyAny>) -> Option<Py<PyAny>> {
        let mut state = self.lock();
        if state.over.is_some() {
            return Some(worker);
        }
        state.worker = Some(worker);
        None
    }

    /// Gives the last things; the worker needs to be told nothing any more, and is given back to be let go of.
    pub(crate) fn end(
        self: &Arc<Self>,
        all: impl IntoIterator<Item = Outgoing>,
    ) -> (Option<Py<PyAny>>, Result<bool, Over>) {
        let worker = {
            let mut state = self.lock();
            state.ended = true;
            state.worker.take()
        };
        (worker, self.give_all(all))
    }

    /// Why the call is over, if it is.
    pub(crate) fn over(&self) -> Option<Over> {
        self.lock().over
    }
}

/// The next that has come, and whether taking it made room for a carrier that may wait for some.
fn next(state: &mut State) -> (Received, bool) {
    if let Some(over) = state.over {
        return (Received::Over(over), false);
    }
    if let Some(message) = state.received.pop_front() {
        let has_room_again = state.waiting_in.remove(cost(&message));
        return (Received::Message(message), has_room_again);
    }
    let received = match &state.request {
        Flow::Open => Received::Pending,
        Flow::Ended => Received::Ended,
        Flow::Failed(error) => Received::Failed(error.clone()),
    };
    (received, false)
}
