//! What a handler leaves unread of a request.
//!
//! An answer may be complete before its request is. On HTTP/1.1 a socket that is closed with bytes in it that nobody has
//! read is reset by the system, and a reset destroys the answer wherever the client has not read it yet. So the client may
//! finish first. A small rest is read and discarded, and the connection goes on. Where a larger one is announced the
//! answer says that the connection closes, and so it does, but only after it has lingered: our side is shut down, then
//! what still comes is discarded (RFC 9112 section 9.6). Behind an answer that did not say so it closes only on a client
//! that is still sending after its time, for one that is done may have begun with its next request.
//!
//! On HTTP/2 the rest costs no more than its stream. RST_STREAM with NO_ERROR stops the client (RFC 9113 section 8.1), but
//! not every client keeps the answer then, so there too it may finish first.

use std::future::Future;
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http_body::Body;
use hyper::body::Incoming;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use crate::outbox::CollectedIo;
use crate::server::connection::Connection;
use crate::settings::ServerSettings;

/// The rest of a connection's last request, where there is one.
#[derive(Debug, Default)]
pub(super) struct Unread {
    /// Whether there is a rest: most connections never have one, and need no lock to see it.
    present: AtomicBool,
    /// The answer to the current request has begun, and did not say that the connection closes.
    promised: AtomicBool,
    left: Mutex<Left>,
}

#[derive(Debug, Default)]
struct Left {
    rest: Rest,
    /// Until when the client may go on sending.
    clock: Option<Pin<Box<Sleep>>>,
}

#[derive(Debug, Default)]
enum Rest {
    #[default]
    Nothing,
    /// To be discarded behind the answer.
    Little(Incoming),
    /// Not worth reading through, or not in time: the connection closes.
    TooMuch,
    /// Nobody knows where it ends: the connection closes.
    Broken,
}

impl Unread {
    /// Takes over content that its handler has let go of. A client that waits to be told to send it
    /// (`expect: 100-continue`) may well go on without: its connection has no certain next request.
    pub(super) fn leave(&self, content: Incoming, awaited: bool, settings: &ServerSettings) {
        let large = content.size_hint().lower() > settings.http1_discard_limit;
        let mut left = self.lock();
        left.rest = if awaited || large && !self.promised.load(Relaxed) {
            Rest::TooMuch
        } else {
            Rest::Little(content)
        };
        self.present.store(true, Relaxed);
    }

    /// The content of the request is malformed.
    pub(super) fn give_up(&self) {
        self.lock().rest = Rest::Broken;
        self.present.store(true, Relaxed);
    }

    pub(super) fn is_broken(&self) -> bool {
        self.is_present() && matches!(self.lock().rest, Rest::Broken)
    }

    pub(super) fn is_present(&self) -> bool {
        self.present.load(Relaxed)
    }

    /// Says of the answer that begins now whether it says that the connection closes; false before there is any.
    pub(super) fn promise(&self, goes_on: bool) {
        self.promised.store(goes_on, Relaxed);
    }

    /// Whether the connection will close because of it.
    pub(super) fn closes(&self) -> bool {
        self.is_present() && matches!(self.lock().rest, Rest::TooMuch | Rest::Broken)
    }

    /// Discards what has come. To be polled once the answer is complete. Ready when the connection has to close.
    pub(super) fn poll_discard(&self, cx: &mut Context<'_>, time: Duration) -> Poll<()> {
        if !self.is_present() {
            return Poll::Pending;
        }
        let mut left = self.lock();
        let Left { rest, clock } = &mut *left;
        let Rest::Little(content) = rest else { return Poll::Ready(()) };
        loop {
            let frame = Pin::new(&mut *content).poll_frame(cx);
            if matches!(frame, Poll::Ready(None | Some(Err(_))))
                || frame.is_ready() && content.is_end_stream()
            {
                break;
            }
            // Time passes for those who never stop sending, too.
            if poll_clock(clock, cx, time).is_ready() {
                *rest = Rest::TooMuch;
                return Poll::Ready(());
            }
            if frame.is_pending() {
                return Poll::Pending;
            }
        }
        *left = Left::default();
        self.present.store(false, Relaxed);
        Poll::Pending
    }

    fn lock(&self) -> MutexGuard<'_, Left> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is left of the content of an HTTP/2 request. Dropped, it makes the client stop.
#[derive(Debug)]
pub(super) struct UnreadStream(h2::RecvStream);

impl UnreadStream {
    pub(super) fn new(content: h2::RecvStream) -> Self {
        Self(content)
    }

    /// Discards what has come. Ready when it was the last.
    pub(super) fn poll_discard(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while let Some(Ok(data)) = ready!(self.0.poll_data(cx)) {
            // Fails only on giving back more than was received, which this is not.
            let _released = self.0.flow_control().release_capacity(data.len());
        }
        Poll::Ready(())
    }
}

/// Starts the clock the first time.
fn poll_clock(clock: &mut Option<Pin<Box<Sleep>>>, cx: &mut Context<'_>, time: Duration) -> Poll<()> {
    clock.get_or_insert_with(|| Box::pin(sleep(time))).as_mut().poll(cx)
}

/// A transport that lingers in its shutdown while the client may be in the middle of a request.
pub(super) struct Lingering {
    transport: CollectedIo,
    connection: Arc<Connection>,
    /// Set once our side is shut down.
    clock: Option<Pin<Box<Sleep>>>,
}

impl Lingering {
    pub(super) fn new(transport: CollectedIo, connection: Arc<Connection>) -> Self {
        Self { transport, connection, clock: None }
    }
}

impl AsyncRead for Lingering {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.transport).poll_read(cx, buf))?;
        if buf.filled().len() > before {
            self.connection.received_something();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Lingering {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.transport).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.transport).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.transport.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.transport).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { transport, connection, clock } = &mut *self;
        let time = connection.server.settings.lingering_time;
        if clock.is_none() {
            ready!(Pin::new(&mut *transport).poll_shutdown(cx))?;
        }
        // The rest of a head that broke the rules is as unread as the rest of a body.
        if !connection.unread.is_present() && connection.open_head().is_none() {
            return Poll::Ready(Ok(()));
        }
        let mut discarded = [MaybeUninit::uninit(); DISCARDED_AT_ONCE];
        while poll_clock(clock, cx, time).is_pending() {
            let mut buf = ReadBuf::uninit(&mut discarded);
            match ready!(Pin::new(&mut *transport).poll_read(cx, &mut buf)) {
                Ok(()) if !buf.filled().is_empty() => {}
                // The client has closed, too, or is gone.
                Ok(()) | Err(_) => break,
            }
        }
        Poll::Ready(Ok(()))
    }
}

/// Bytes that one read discards.
const DISCARDED_AT_ONCE: usize = 8 << 10;
