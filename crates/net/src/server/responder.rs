//! How a handler answers.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use h2::Reason;
use http::uri::Authority;
use http::{HeaderMap, Response};
use tokio::time::Instant;

use crate::body::{Outlet, SendBody};
use crate::chunk::Chunk;
use crate::error::SendError;
use crate::h2_stream::H2SendHalf;
use crate::server::connection::{Connection, InFlight};
use crate::server::h1::Slot;
use crate::server::length::Length;
use crate::server::unread::UnreadStream;

/// The right to answer one request, once.
///
/// Dropped without an answer it fails the request: 500 on HTTP/1.1, RST_STREAM with INTERNAL_ERROR on HTTP/2.
#[derive(Debug)]
pub struct Responder {
    way: Option<Way>,
    connection: Arc<Connection>,
    asked: Asked,
}

/// What is known of the request.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) arrived: Instant,
    pub(super) authority: Option<Authority>,
    /// Whether it is a HEAD, whose answer has no content.
    pub(super) to_head: bool,
}

#[derive(Debug)]
enum Way {
    Http1(Slot),
    Http2(Arc<ServerStream>),
}

impl Responder {
    pub(super) fn http1(slot: Slot, connection: Arc<Connection>, asked: Asked) -> Self {
        Self { way: Some(Way::Http1(slot)), connection, asked }
    }

    pub(super) fn http2(stream: Arc<ServerStream>, asked: Asked) -> Self {
        let connection = Arc::clone(stream.connection());
        Self { way: Some(Way::Http2(stream)), connection, asked }
    }

    /// The connection that the request came on.
    pub fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }

    /// When the head of the request had come.
    pub fn arrived(&self) -> std::time::Instant {
        self.asked.arrived.into_std()
    }

    /// Whom the request asks for: the authority of its target, else its `host`. None where both are missing.
    pub fn authority(&self) -> Option<&Authority> {
        self.asked.authority.as_ref()
    }

    /// Sends the head; `end` says that no content follows, then the returned body is already ended.
    ///
    /// Fields that belong to a connection (RFC 9110 section 7.6.1) must not be in the head on HTTP/2. On HTTP/1.1 the
    /// content goes with a content-length if all of it is there by the time the handler next waits, else in chunks.
    ///
    /// A `content-length` in the head is held to: see [`SendError::Length`]. In answer to a HEAD, and with a status
    /// that has no content, what is given as content goes nowhere.
    pub fn respond(mut self, mut head: Response<()>, end: bool) -> SendBody {
        let length = Length::of(&mut head, self.asked.to_head);
        if end && length.at_end().is_err() {
            self.reset(Reason::INTERNAL_ERROR);
            return SendBody::new(Outlet::Closed);
        }
        let end = end || length.is_nothing();
        let outlet = match self.way.take() {
            None => Outlet::Closed,
            Some(Way::Http1(slot)) => Outlet::Http1(slot.answer(head, end)),
            Some(Way::Http2(stream)) => {
                stream.half().respond(head, end);
                Outlet::Server(stream)
            }
        };
        SendBody::answer(outlet, length)
    }

    /// Sends a whole answer that is in memory. The cheapest way to answer.
    pub fn respond_full(self, head: Response<()>, body: Bytes, trailers: Option<HeaderMap>) {
        // Is in the log.
        let _wrong_length = self.try_respond_full(head, body, trailers);
    }

    /// The same for a head that may have a `content-length`, which is held to.
    ///
    /// # Errors
    /// [`SendError::Length`]; an answer that is too short is not sent, but cut off.
    pub fn try_respond_full(
        mut self,
        mut head: Response<()>,
        body: Bytes,
        trailers: Option<HeaderMap>,
    ) -> Result<(), SendError> {
        let mut length = Length::of(&mut head, self.asked.to_head);
        let mut body = Chunk::from(body);
        length.give(&mut body);
        let right = length.at_end();
        if length.is_short() {
            self.reset(Reason::INTERNAL_ERROR);
            return right;
        }
        let (body, _no_more) = body.into_pieces();
        let trailers = trailers.filter(|_| !length.is_nothing());
        match self.way.take() {
            None => {}
            Some(Way::Http1(slot)) => slot.answer_full(head, body, trailers),
            Some(Way::Http2(stream)) => stream.half().respond_full(head, body, trailers),
        }
        right
    }

    /// Refuses to answer: RST_STREAM with this error code; on HTTP/1.1 the connection is closed.
    pub fn reset(mut self, reason: Reason) {
        match self.way.take() {
            None => {}
            Some(Way::Http1(slot)) => slot.cut(),
            Some(Way::Http2(stream)) => stream.reset(reason),
        }
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        match self.way.take() {
            // The slot's own drop answers 500.
            None | Some(Way::Http1(_)) => {}
            Some(Way::Http2(stream)) => stream.reset(Reason::INTERNAL_ERROR),
        }
    }
}

/// One stream of an HTTP/2 client: its sending half, and its place among the requests in flight.
#[derive(Debug)]
pub(crate) struct ServerStream {
    half: H2SendHalf,
    /// What the handler has let go of before its end.
    unread: Mutex<Option<UnreadStream>>,
    pub(super) in_flight: InFlight,
}

impl ServerStream {
    pub(super) fn new(half: H2SendHalf, in_flight: InFlight) -> Arc<Self> {
        Arc::new(Self { half, unread: Mutex::new(None), in_flight })
    }

    pub(crate) fn half(&self) -> &H2SendHalf {
        &self.half
    }

    /// Takes over content that the handler has let go of.
    pub(crate) fn leave(&self, content: h2::RecvStream) {
        *self.unread() = Some(UnreadStream::new(content));
    }

    /// Discards what has come of content that the handler has let go of. Ready when nothing of it is left.
    pub(super) fn poll_discard(&self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut *self.unread() {
            Some(unread) => unread.poll_discard(cx),
            None => Poll::Ready(()),
        }
    }

    pub(super) fn take_unread(&self) -> Option<UnreadStream> {
        self.unread().take()
    }

    fn unread(&self) -> MutexGuard<'_, Option<UnreadStream>> {
        self.unread.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives up, unless everything was sent or the client is gone.
    pub(crate) fn reset(&self, reason: Reason) {
        if self.half.reset(reason) {
            self.in_flight.connection.server.stats.resets_sent.increment();
        }
    }

    fn connection(&self) -> &Arc<Connection> {
        &self.in_flight.connection
    }
}
