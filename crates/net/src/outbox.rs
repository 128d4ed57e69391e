//! The answers of a whole turn of the event loop, sent one right after the other.
//!
//! Many HTTP/1.1 connections are served in one turn, and each has little to send. What they write is collected, and
//! goes to the sockets when the tasks that were ready are done. So the kernel's work and ours do not take turns with
//! each answer, and a peer that wakes up for the first one finds the others.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::transport::Transport;

/// Bytes of a connection that may wait for the end of the turn; more goes to the socket at once.
const COLLECTED: usize = 8 << 10;

/// Where the connections of one listener leave what they have to send.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    due: Mutex<Due>,
}

#[derive(Debug, Default)]
struct Due {
    /// Connections that have left something since the last delivery.
    connections: Vec<Arc<Mutex<Inner>>>,
    /// Runs the delivery.
    courier: Option<Waker>,
}

impl Outbox {
    /// An outbox, and a task that empties it for as long as somebody has it.
    pub(crate) fn open() -> Arc<Self> {
        let outbox = Arc::new(Self::default());
        tokio::spawn(deliver(Arc::downgrade(&outbox)));
        outbox
    }

    fn leave(&self, connection: &Arc<Mutex<Inner>>) {
        let mut due = lock(&self.due);
        due.connections.push(Arc::clone(connection));
        if let (1, Some(courier)) = (due.connections.len(), &due.courier) {
            courier.wake_by_ref();
        }
    }
}

impl Drop for Outbox {
    fn drop(&mut self) {
        if let Some(courier) = lock(&self.due).courier.take() {
            courier.wake();
        }
    }
}

async fn deliver(outbox: Weak<Outbox>) {
    let mut connections = Vec::new();
    poll_fn(|cx| {
        let Some(outbox) = outbox.upgrade() else { return Poll::Ready(()) };
        {
            let mut due = lock(&outbox.due);
            due.courier.get_or_insert_with(|| cx.waker().clone()).clone_from(cx.waker());
            std::mem::swap(&mut due.connections, &mut connections);
        }
        for connection in connections.drain(..) {
            lock(&connection).deliver();
        }
        Poll::Pending
    })
    .await;
}

/// A transport whose small writes leave with the outbox.
#[derive(Debug)]
pub(crate) struct CollectedIo {
    /// Contended only where connections move between threads.
    inner: Arc<Mutex<Inner>>,
    outbox: Arc<Outbox>,
}

#[derive(Debug)]
struct Inner {
    transport: Transport,
    waiting: Vec<u8>,
    /// How much of `waiting` the socket has taken.
    sent: usize,
    /// What waits is in the outbox.
    left: bool,
    /// What delivering it came to, where that concerns the connection.
    failure: Option<io::Error>,
    /// The connection's task.
    owner: Option<Waker>,
}

impl CollectedIo {
    pub(crate) fn new(transport: Transport, outbox: Arc<Outbox>) -> Self {
        let inner =
            Inner { transport, waiting: Vec::new(), sent: 0, left: false, failure: None, owner: None };
        Self { inner: Arc::new(Mutex::new(inner)), outbox }
    }

    fn collect(&self, inner: &mut Inner, bytes: &[u8], cx: &mut Context<'_>) {
        inner.waiting.extend_from_slice(bytes);
        if !inner.left {
            inner.left = true;
            match &mut inner.owner {
                Some(owner) => owner.clone_from(cx.waker()),
                owner => *owner = Some(cx.waker().clone()),
            }
            self.outbox.leave(&self.inner);
        }
    }
}

impl Inner {
    /// Sends what was left.
    fn deliver(&mut self) {
        self.left = false;
        let Some(owner) = self.owner.clone() else { return };
        // Where the socket is full, its owner is woken once it is not, and sends the rest.
        if let Poll::Ready(Err(error)) = self.poll_send(&mut Context::from_waker(&owner)) {
            self.failure = Some(error);
            owner.wake();
        }
    }

    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(failure) = self.failure.take() {
            return Poll::Ready(Err(failure));
        }
        while self.sent < self.waiting.len() {
            let len = ready!(Pin::new(&mut self.transport).poll_write(cx, &self.waiting[self.sent..]))?;
            if len == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.sent += len;
        }
        if self.sent > 0 {
            ready!(Pin::new(&mut self.transport).poll_flush(cx))?;
            self.sent = 0;
            self.waiting.clear();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for CollectedIo {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut lock(&self.inner).transport).poll_read(cx, buf)
    }
}

impl AsyncWrite for CollectedIo {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut inner = lock(&self.inner);
        let len = bufs.iter().map(|buf| buf.len()).sum::<usize>();
        if inner.waiting.len() + len <= COLLECTED {
            for buf in bufs {
                self.collect(&mut inner, buf, cx);
            }
            return Poll::Ready(Ok(len));
        }
        ready!(inner.poll_send(cx))?;
        Pin::new(&mut inner.transport).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        lock(&self.inner).transport.is_write_vectored()
    }

    /// Ready at once where the outbox sees to it.
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut inner = lock(&self.inner);
        if inner.left {
            return Poll::Ready(Ok(()));
        }
        ready!(inner.poll_send(cx))?;
        Pin::new(&mut inner.transport).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut inner = lock(&self.inner);
        ready!(inner.poll_send(cx))?;
        Pin::new(&mut inner.transport).poll_shutdown(cx)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::UnixStream;

    use super::*;
    use crate::stats::Traffic;
    use crate::transport::{Meter, Socket};

    fn collected(outbox: &Arc<Outbox>) -> (CollectedIo, UnixStream) {
        let (ours, theirs) = UnixStream::pair().expect("a pair");
        let transport = Transport::plain(Socket::Unix(ours), Meter::new(&Arc::<Traffic>::default()));
        (CollectedIo::new(transport, Arc::clone(outbox)), theirs)
    }

    #[tokio::test]
    async fn what_is_written_in_one_turn_leaves_when_it_is_over() {
        let outbox = Outbox::open();
        let (mut one, mut of_one) = collected(&outbox);
        let (mut other, mut of_other) = collected(&outbox);
        // The courier takes its place.
        tokio::task::yield_now().await;
        one.write_all(b"head").await.expect("taken");
        one.write_all(b"content").await.expect("taken");
        one.flush().await.expect("taken");
        other.write_all(b"more").await.expect("taken");
        let mut bytes = [0; 32];
        for theirs in [&of_one, &of_other] {
            assert_eq!(theirs.try_read(&mut bytes).expect_err("later").kind(), io::ErrorKind::WouldBlock);
        }
        let len = of_one.read(&mut bytes).await.expect("bytes");
        assert_eq!(&bytes[..len], b"headcontent");
        let len = of_other.read(&mut bytes).await.expect("bytes");
        assert_eq!(&bytes[..len], b"more");
    }

    #[tokio::test]
    async fn a_reader_that_rests_holds_the_writer_back_and_gets_everything() {
        let outbox = Outbox::open();
        let (mut ours, mut theirs) = collected(&outbox);
        const PIECE: [u8; 1000] = [7; 1000];
        const PIECES: usize = 4_000;
        let mut written = 0;
        let mut full = false;
        while !full {
            full = !poll_fn(|cx| Poll::Ready(Pin::new(&mut ours).poll_write(cx, &PIECE).is_ready())).await;
            written += usize::from(!full);
            assert!(written < PIECES, "nobody held it back");
        }
        let writing = async {
            for _ in written..PIECES {
                ours.write_all(&PIECE).await.expect("taken");
            }
            ours.shutdown().await.expect("taken");
        };
        let mut received = Vec::new();
        let (_, read) = tokio::join!(writing, theirs.read_to_end(&mut received));
        assert_eq!(
            (read.expect("bytes"), received.iter().all(|byte| *byte == 7)),
            (PIECES * PIECE.len(), true)
        );
    }

    #[tokio::test]
    async fn a_connection_that_broke_is_told_so() {
        let outbox = Outbox::open();
        let (mut ours, theirs) = collected(&outbox);
        drop(theirs);
        tokio::task::yield_now().await;
        ours.write_all(b"lost").await.expect("collected");
        tokio::task::yield_now().await;
        ours.flush().await.expect_err("broken");
    }

    #[tokio::test]
    async fn the_courier_leaves_with_the_last_that_has_the_outbox() {
        let outbox = Outbox::open();
        let (ours, _theirs) = collected(&outbox);
        drop(outbox);
        drop(ours);
        while tokio::runtime::Handle::current().metrics().num_alive_tasks() > 0 {
            tokio::task::yield_now().await;
        }
    }
}
