//! The sending half of one HTTP/2 stream, on either side of a connection.
//!
//! h2 keeps one waker for everything that concerns sending on a stream. On a server two parties wait there: the
//! writer for flow-control capacity, and the stream's task for the client to go away. Both share this type, and the
//! task's poll passes a wake-up on to the writer when it is the writer's.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use bytes::{Buf, Bytes};
use h2::{Reason, SendStream, server::SendResponse};
use http::{HeaderMap, Response};

use crate::chunk::Chunk;
use crate::error::SendError;

/// The sending half of a stream, shared by those who write to it and those who watch over it.
pub(crate) struct H2SendHalf {
    half: Mutex<Half>,
}

/// What a stream may hand to h2 at first without waiting for flow control, in bytes.
const FIRST_WRITE: usize = 16 << 10;

struct Half {
    state: State,
    /// Something of the body was handed to h2.
    started: bool,
    /// Who waits for capacity.
    writer: Option<Waker>,
}

enum State {
    /// A server that has not answered.
    Head(SendResponse<Chunk>),
    Body(SendStream<Chunk>),
    /// All is sent.
    Ended,
    /// We gave up.
    Reset,
    /// The peer reset it, or the connection died.
    Lost(SendError),
}

/// How a stream stands once nobody will write to it any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Everything was sent.
    Ended,
    /// We reset it.
    WeReset,
    /// The peer reset it, or the connection died.
    Lost,
}

impl H2SendHalf {
    pub(crate) fn awaiting_head(respond: SendResponse<Chunk>) -> Self {
        Self::new(State::Head(respond))
    }

    pub(crate) fn open(stream: SendStream<Chunk>) -> Self {
        Self::new(State::Body(stream))
    }

    pub(crate) fn ended() -> Self {
        Self::new(State::Ended)
    }

    fn new(state: State) -> Self {
        Self { half: Mutex::new(Half { state, started: false, writer: None }) }
    }

    /// Sends a response head. A second head, or one after a reset, goes nowhere.
    pub(crate) fn respond(&self, head: Response<()>, end: bool) {
        self.lock().respond(head, end);
    }

    /// Sends a whole response under one lock.
    pub(crate) fn respond_full(&self, head: Response<()>, body: Bytes, trailers: Option<HeaderMap>) {
        let mut half = self.lock();
        let bare = body.is_empty() && trailers.is_none();
        half.respond(head, bare);
        if bare {
            return;
        }
        // A body known as a whole is in memory already; h2 holds on to it and minds the windows.
        if let State::Body(stream) = &mut half.state {
            let sent = match trailers {
                None => stream.send_data(body.into(), true),
                Some(trailers) if body.is_empty() => stream.send_trailers(trailers),
                Some(trailers) => {
                    stream.send_data(body.into(), false).and_then(|()| stream.send_trailers(trailers))
                }
            };
            // An error stays in the state, where the stream's task finds it.
            let _settled = half.settle(sent, true);
        }
    }

    /// Sends `chunk` as capacity arrives; what is sent is cut off from it, so that a cancelled wait loses nothing.
    pub(crate) fn poll_push(
        &self,
        cx: &mut Context<'_>,
        chunk: &mut Chunk,
        end: bool,
    ) -> Poll<Result<(), SendError>> {
        let mut half = self.lock();
        let half = &mut *half;
        loop {
            let stream = match &mut half.state {
                State::Body(stream) => stream,
                State::Lost(error) => return Poll::Ready(Err(error.clone())),
                _ => return Poll::Ready(Err(SendError::AlreadyEnded)),
            };
            let wanted = chunk.remaining();
            if wanted == 0 {
                let sent = if end { stream.send_data(Chunk::default(), true) } else { Ok(()) };
                return Poll::Ready(half.settle(sent, end));
            }
            // A stream that h2 has not opened yet has no capacity. Its first bytes go along with its head all the same:
            // h2 holds on to them, and head and body leave in one write.
            let first = !half.started && wanted <= FIRST_WRITE;
            let capacity = if first {
                wanted
            } else {
                stream.reserve_capacity(wanted);
                stream.capacity()
            };
            half.started = true;
            if capacity >= wanted {
                let sent = stream.send_data(std::mem::take(chunk), end);
                return Poll::Ready(half.settle(sent, end));
            }
            if capacity > 0 {
                let sent = stream.send_data(chunk.split_to(capacity), false);
                half.settle(sent, false)?;
                continue;
            }
            half.writer = Some(cx.waker().clone());
            match ready!(stream.poll_capacity(cx)) {
                Some(Ok(_)) => half.writer = None,
                Some(Err(error)) => return Poll::Ready(half.settle(Err(error), false)),
                None => return Poll::Ready(Err(half.lost(cx))),
            }
        }
    }

    pub(crate) fn finish(&self, trailers: Option<HeaderMap>) -> Result<(), SendError> {
        let mut half = self.lock();
        let sent = match (&mut half.state, trailers) {
            (State::Body(stream), Some(trailers)) => stream.send_trailers(trailers),
            (State::Body(stream), None) => stream.send_data(Chunk::default(), true),
            (State::Lost(error), _) => return Err(error.clone()),
            _ => return Err(SendError::AlreadyEnded),
        };
        half.settle(sent, true)
    }

    /// Gives up with RST_STREAM, unless all was sent or the stream is lost. Says whether it did.
    pub(crate) fn reset(&self, reason: Reason) -> bool {
        let mut half = self.lock();
        // The peer may have gone first, unseen so far. Nobody waits here any more, so nobody needs waking.
        if half.poll_lost(&mut Context::from_waker(Waker::noop())).is_ready() {
            return false;
        }
        match &mut half.state {
            State::Head(respond) => respond.send_reset(reason),
            State::Body(stream) => stream.send_reset(reason),
            State::Ended | State::Reset | State::Lost(_) => return false,
        }
        half.state = State::Reset;
        true
    }

    /// Ready when the peer will not take the rest: it reset the stream, whatever for, or the connection is gone.
    ///
    /// Pending for good once all was sent or we gave up ourselves: then there is nothing left to go away from.
    pub(crate) fn poll_lost(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut half = self.lock();
        if half.poll_lost(cx).is_ready() {
            half.wake_writer();
            return Poll::Ready(());
        }
        // This poll took the one waker of the stream. If it came because of capacity, the writer has to know.
        let elsewhere = half.writer.as_ref().is_some_and(|writer| !writer.will_wake(cx.waker()));
        if elsewhere && matches!(&half.state, State::Body(stream) if stream.capacity() > 0) {
            half.wake_writer();
        }
        Poll::Pending
    }

    /// Lets a writer in another task register its own waker, when nobody calls [`poll_lost`](Self::poll_lost) again.
    pub(crate) fn stop_watching(&self) {
        self.lock().wake_writer();
    }

    /// Whether something of the content was sent.
    pub(crate) fn has_begun(&self) -> bool {
        self.lock().started
    }

    /// How the stream stands, when nobody will write to it any more.
    pub(crate) fn outcome(&self) -> Option<Outcome> {
        match self.lock().state {
            State::Head(_) | State::Body(_) => None,
            State::Ended => Some(Outcome::Ended),
            State::Reset => Some(Outcome::WeReset),
            State::Lost(_) => Some(Outcome::Lost),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Half> {
        self.half.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Half {
    fn respond(&mut self, head: Response<()>, end: bool) {
        let State::Head(respond) = &mut self.state else { return };
        self.state = match respond.send_response(head, end) {
            Ok(_) if end => State::Ended,
            Ok(stream) => State::Body(stream),
            Err(error) => {
                // Either the stream is gone already, or the head itself cannot be sent; then the client must not wait.
                respond.send_reset(Reason::INTERNAL_ERROR);
                State::Lost(SendError::from_h2(&error))
            }
        };
    }

    fn poll_lost(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let reason = ready!(match &mut self.state {
            State::Head(respond) => respond.poll_reset(cx),
            State::Body(stream) => stream.poll_reset(cx),
            State::Lost(_) => return Poll::Ready(()),
            State::Ended | State::Reset => return Poll::Pending,
        });
        self.state = State::Lost(match reason {
            Ok(reason) => SendError::Reset(reason),
            Err(error) => SendError::from_h2(&error),
        });
        Poll::Ready(())
    }

    /// Takes in what h2 said to a write.
    fn settle(&mut self, sent: Result<(), h2::Error>, ended: bool) -> Result<(), SendError> {
        match sent {
            Ok(()) => {
                if ended {
                    self.state = State::Ended;
                }
                Ok(())
            }
            Err(error) => {
                let error = self.cause_of(SendError::from_h2(&error));
                self.state = State::Lost(error.clone());
                Err(error)
            }
        }
    }

    /// The stream takes no more data: finds out why.
    fn lost(&mut self, cx: &mut Context<'_>) -> SendError {
        if self.poll_lost(cx).is_pending() {
            self.state = State::Lost(SendError::Closed);
        }
        match &self.state {
            State::Lost(error) => error.clone(),
            _ => SendError::Closed,
        }
    }

    /// h2 answers a write on a dead stream with "inactive"; the stream itself knows what it died of.
    fn cause_of(&mut self, error: SendError) -> SendError {
        if error != SendError::Closed {
            return error;
        }
        match self.lost(&mut Context::from_waker(Waker::noop())) {
            SendError::Reset(reason) => SendError::Reset(reason),
            _ => error,
        }
    }

    fn wake_writer(&mut self) {
        if let Some(writer) = self.writer.take() {
            writer.wake();
        }
    }
}
