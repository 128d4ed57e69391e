//! Sending a message's content.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use h2::Reason;
use http::HeaderMap;

use crate::chunk::Chunk;
use crate::error::SendError;
use crate::h2_stream::H2SendHalf;
use crate::handoff::Producer;
use crate::server::{Length, ServerStream};
use crate::upstream::ClientStream;

/// The content of a response or of an upstream request that is being sent.
///
/// Each write waits until the peer takes it (HTTP/2: the flow-control windows), so a slow reader holds the writer back
/// with bounded memory. Bytes are not copied, save small ones next to others. Dropped before its end, the message is
/// cut where the peer can tell: RST_STREAM with CANCEL, or an unfinished HTTP/1.1 message.
#[derive(Debug)]
pub struct SendBody {
    outlet: Outlet,
    length: Length,
}

/// Where the content goes.
#[derive(Debug)]
pub(crate) enum Outlet {
    /// All was sent with the head, or cut off.
    Closed,
    Server(Arc<ServerStream>),
    Client(Arc<ClientStream>),
    Http1(Producer),
}

impl SendBody {
    pub(crate) fn new(outlet: Outlet) -> Self {
        Self { outlet, length: Length::Open }
    }

    /// The content of an answer with this length.
    pub(crate) fn answer(outlet: Outlet, length: Length) -> Self {
        Self { outlet, length }
    }

    /// Sends bytes, waiting for room; `end` says that they are the last.
    ///
    /// Cancelling the wait keeps what was sent so far sent: the message can then only be given up.
    ///
    /// # Errors
    /// The peer will not take them: it reset the stream, or the connection is gone. At the end of an answer, its
    /// content is not as long as its head says.
    pub async fn data(&mut self, bytes: Bytes, end: bool) -> Result<(), SendError> {
        self.push(&mut bytes.into(), end).await
    }

    /// Sends several pieces as one write, pairs of neighbours in one DATA frame; `end` belongs to the last of them.
    ///
    /// # Errors
    /// As for [`data`](Self::data).
    pub async fn data_chunks(
        &mut self,
        pieces: impl IntoIterator<Item = Bytes>,
        end: bool,
    ) -> Result<(), SendError> {
        let mut pieces = pieces.into_iter();
        let mut next = next_pair(&mut pieces);
        while let Some(mut chunk) = next {
            next = next_pair(&mut pieces);
            let last = next.is_none();
            self.push(&mut chunk, end && last).await?;
            if last {
                return Ok(());
            }
        }
        if end { self.end() } else { Ok(()) }
    }

    /// Ends the message with trailers. On HTTP/1.1 they are sent only if the receiver said `te: trailers` and the head
    /// announced their names in `trailer`; otherwise the message just ends.
    ///
    /// # Errors
    /// The peer will not take them, or the message had ended.
    pub fn trailers(&mut self, trailers: HeaderMap) -> Result<(), SendError> {
        self.finish(Some(trailers))
    }

    /// Ends the message without trailers.
    ///
    /// # Errors
    /// The peer will not take it, or the message had ended.
    pub fn end(&mut self) -> Result<(), SendError> {
        self.finish(None)
    }

    /// Cuts the message off with this error code; HTTP/1.1 has no codes and just closes.
    pub fn reset(mut self, reason: Reason) {
        self.cut(reason);
    }

    async fn push(&mut self, chunk: &mut Chunk, end: bool) -> Result<(), SendError> {
        if self.length.is_nothing() {
            return Ok(());
        }
        self.length.give(chunk);
        let right = if end { self.length.at_end() } else { Ok(()) };
        if end && self.length.is_short() {
            self.cut(Reason::INTERNAL_ERROR);
            return right;
        }
        poll_fn(|cx| self.poll_push(cx, chunk, end)).await?;
        right
    }

    fn poll_push(
        &mut self,
        cx: &mut Context<'_>,
        chunk: &mut Chunk,
        end: bool,
    ) -> Poll<Result<(), SendError>> {
        match &self.outlet {
            Outlet::Closed if chunk.has_remaining() => Poll::Ready(Err(SendError::AlreadyEnded)),
            Outlet::Closed => Poll::Ready(Ok(())),
            Outlet::Http1(producer) => producer.poll_push(cx, chunk, end),
            Outlet::Server(stream) => stream.half().poll_push(cx, chunk, end),
            Outlet::Client(stream) => stream.half().poll_push(cx, chunk, end),
        }
    }

    fn finish(&mut self, trailers: Option<HeaderMap>) -> Result<(), SendError> {
        if self.length.is_nothing() {
            return Ok(());
        }
        let right = self.length.at_end();
        if self.length.is_short() {
            self.cut(Reason::INTERNAL_ERROR);
            return right;
        }
        match &self.outlet {
            Outlet::Closed => Err(SendError::AlreadyEnded),
            Outlet::Http1(producer) => producer.finish(trailers),
            Outlet::Server(stream) => stream.half().finish(trailers),
            Outlet::Client(stream) => stream.half().finish(trailers),
        }?;
        right
    }

    fn cut(&mut self, reason: Reason) {
        match std::mem::replace(&mut self.outlet, Outlet::Closed) {
            // The producer's own drop breaks the message.
            Outlet::Closed | Outlet::Http1(_) => {}
            Outlet::Server(stream) => stream.reset(reason),
            Outlet::Client(stream) => stream.reset(reason),
        }
    }
}

impl Drop for SendBody {
    fn drop(&mut self) {
        self.cut(Reason::CANCEL);
    }
}

fn next_pair(pieces: &mut impl Iterator<Item = Bytes>) -> Option<Chunk> {
    let first = pieces.next()?;
    Some(Chunk::pair(first, pieces.next().unwrap_or_default()))
}

impl std::fmt::Debug for H2SendHalf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("H2SendHalf").field("outcome", &self.outcome()).finish()
    }
}
