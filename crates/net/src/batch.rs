//! Many frames, one system call.
//!
//! An HTTP/2 codec writes and flushes frame by frame. [`BatchedIo`] takes those writes into memory and answers the
//! codec's flushes at once; the connection's driver sends everything with [`BatchedIo::poll_send`] after each time it
//! has polled the codec. What many streams produced in one turn of the event loop so leaves in one write.
//!
//! The same the other way: a codec reads by the frame, so what the socket holds is read ahead, as far as one large
//! buffer goes that all connections of a thread share.

use std::cell::Cell;
use std::io;
use std::ops::Range;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::client_frames::ClientFrames;
use crate::transport::Transport;

/// Bytes that may wait; more makes the codec wait for the socket.
const HIGH_WATER: usize = 64 << 10;
/// What an idle connection keeps of its buffer.
const KEPT: usize = 16 << 10;
/// What a thread keeps of it for connections that write much.
const MOST_ROOM: usize = 256 << 10;
/// A write of more bytes than this seldom comes alone.
const LARGE_WRITE: usize = 4 << 10;
/// Bytes that are read ahead.
const READ_AHEAD: usize = 64 << 10;

thread_local! {
    /// Where reads land: a buffer that nobody has anything in, so that one serves nearly all connections of the thread.
    static LANDING: Cell<Option<Box<[u8]>>> = const { Cell::new(None) };
    /// Where large writes are collected, likewise.
    static ROOMY: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// A transport whose writes are collected. Clones are one transport: the codec holds one, its driver the other.
#[derive(Clone, Debug)]
pub(crate) struct BatchedIo {
    /// Never contended: the codec and the driver live in one task.
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug)]
struct Inner {
    transport: Transport,
    waiting: Vec<u8>,
    /// How much of `waiting` the socket has taken.
    sent: usize,
    /// Read ahead, and not yet asked for.
    ahead: Option<Landed>,
    /// Those of a client.
    frames: Option<ClientFrames>,
}

/// A part of a landing buffer.
#[derive(Debug)]
struct Landed {
    buffer: Box<[u8]>,
    part: Range<usize>,
}

impl BatchedIo {
    pub(crate) fn new(transport: Transport) -> Self {
        Self::with(transport, None)
    }

    /// One that follows the frames in what it reads.
    pub(crate) fn following(transport: Transport, frames: ClientFrames) -> Self {
        Self::with(transport, Some(frames))
    }

    fn with(transport: Transport, frames: Option<ClientFrames>) -> Self {
        let inner = Inner { transport, waiting: Vec::new(), sent: 0, ahead: None, frames };
        Self { inner: Arc::new(Mutex::new(inner)) }
    }

    /// The number of the header block that has begun to arrive and not ended, if these are followed.
    pub(crate) fn open_header_block(&self) -> Option<u64> {
        self.lock().frames.as_ref().and_then(ClientFrames::open_header_block)
    }

    /// Sends what was collected. Pending means that the socket is full and will wake the task.
    pub(crate) fn poll_send(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.lock().poll_send(cx)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.waiting.is_empty() {
            return Poll::Ready(Ok(()));
        }
        while self.sent < self.waiting.len() {
            let rest = &self.waiting[self.sent..];
            let len = ready!(Pin::new(&mut self.transport).poll_write(cx, rest))?;
            if len == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.sent += len;
        }
        ready!(Pin::new(&mut self.transport).poll_flush(cx))?;
        self.sent = 0;
        self.waiting.clear();
        if self.waiting.capacity() > KEPT {
            let roomy = std::mem::take(&mut self.waiting);
            if roomy.capacity() <= MOST_ROOM {
                ROOMY.set(roomy);
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl Inner {
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut landed = match self.ahead.take() {
            Some(landed) => landed,
            None => ready!(self.poll_land(cx))?,
        };
        let len = buf.remaining().min(landed.part.len());
        buf.put_slice(&landed.buffer[landed.part.start..][..len]);
        landed.part.start += len;
        if landed.part.is_empty() {
            LANDING.set(Some(landed.buffer));
        } else {
            self.ahead = Some(landed);
        }
        Poll::Ready(Ok(()))
    }

    fn poll_land(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Landed>> {
        let mut buffer = LANDING.take().unwrap_or_else(|| vec![0; READ_AHEAD].into_boxed_slice());
        let mut read = ReadBuf::new(&mut buffer);
        let result = Pin::new(&mut self.transport).poll_read(cx, &mut read);
        let part = 0..read.filled().len();
        if let Poll::Ready(Ok(())) = result {
            if let Some(frames) = &mut self.frames {
                frames.follow(&mut buffer[part.clone()]);
            }
            return Poll::Ready(Ok(Landed { buffer, part }));
        }
        LANDING.set(Some(buffer));
        ready!(result)?;
        Poll::Pending
    }

    fn push(&mut self, bytes: &[u8]) {
        let large = self.waiting.len() + bytes.len() > KEPT || bytes.len() > LARGE_WRITE;
        if large && self.waiting.capacity() <= KEPT {
            let mut roomy = ROOMY.take();
            roomy.reserve(HIGH_WATER + bytes.len());
            roomy.extend_from_slice(&self.waiting);
            self.waiting = roomy;
        }
        self.waiting.extend_from_slice(bytes);
    }
}

impl AsyncRead for BatchedIo {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.lock().poll_read(cx, buf)
    }
}

impl AsyncWrite for BatchedIo {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let mut inner = self.lock();
        if inner.waiting.len() >= HIGH_WATER {
            ready!(inner.poll_send(cx))?;
        }
        inner.push(buf);
        Poll::Ready(Ok(buf.len()))
    }

    /// Separate pieces gain nothing here, and the codec copies small frames together by itself when told so.
    fn is_write_vectored(&self) -> bool {
        false
    }

    /// Left to the driver, see the module's documentation.
    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut inner = self.lock();
        ready!(inner.poll_send(cx))?;
        Pin::new(&mut inner.transport).poll_shutdown(cx)
    }
}
