//! Many frames, one system call.
//!
//! An HTTP/2 codec writes and flushes frame by frame. [`BatchedIo`] takes those writes into memory and answers the
//! codec's flushes at once; the connection's driver sends everything with [`BatchedIo::poll_send`] after each time it
//! has polled the codec. What many streams produced in one turn of the event loop so leaves in one write.
//!
//! The same the other way: a codec reads by the frame, so what the socket holds is read ahead, as far as one large
//! buffer goes that all connections of a thread share.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::header_block::HeaderBlocks;
use crate::transport::Transport;

/// Bytes that may wait; more makes the codec wait for the socket.
const HIGH_WATER: usize = 64 << 10;
/// What an idle connection keeps of its buffer.
const KEPT: usize = 16 << 10;
/// Bytes that are read ahead.
const READ_AHEAD: usize = 64 << 10;

thread_local! {
    /// Where reads land. Empty between two polls, so one serves all connections of the thread.
    static LANDING: RefCell<Vec<u8>> = RefCell::new(vec![0; READ_AHEAD]);
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
    ahead: Bytes,
    /// Where somebody minds how long header blocks take.
    blocks: Option<HeaderBlocks>,
}

impl BatchedIo {
    pub(crate) fn new(transport: Transport) -> Self {
        Self::with(transport, None)
    }

    /// One that follows the header blocks in what it reads.
    pub(crate) fn following(transport: Transport, blocks: HeaderBlocks) -> Self {
        Self::with(transport, Some(blocks))
    }

    fn with(transport: Transport, blocks: Option<HeaderBlocks>) -> Self {
        let inner = Inner { transport, waiting: Vec::new(), sent: 0, ahead: Bytes::new(), blocks };
        Self { inner: Arc::new(Mutex::new(inner)) }
    }

    /// The number of the header block that has begun to arrive and not ended, if these are followed.
    pub(crate) fn open_header_block(&self) -> Option<u64> {
        self.lock().blocks.as_ref().and_then(HeaderBlocks::open)
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
            self.waiting = Vec::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl Inner {
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.ahead.is_empty() {
            return LANDING.with_borrow_mut(|landing| {
                let mut landed = ReadBuf::new(landing);
                ready!(Pin::new(&mut self.transport).poll_read(cx, &mut landed))?;
                if let Some(blocks) = &mut self.blocks {
                    blocks.follow(landed.filled());
                }
                let (now, later) = landed.filled().split_at(buf.remaining().min(landed.filled().len()));
                buf.put_slice(now);
                self.ahead = Bytes::copy_from_slice(later);
                Poll::Ready(Ok(()))
            });
        }
        let now = self.ahead.split_to(buf.remaining().min(self.ahead.len()));
        buf.put_slice(&now);
        Poll::Ready(Ok(()))
    }

    fn push(&mut self, bytes: &[u8]) {
        if self.waiting.len() + bytes.len() > KEPT {
            // Once, and not by doubling.
            self.waiting.reserve(HIGH_WATER + bytes.len() - self.waiting.len().min(HIGH_WATER));
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
