//! One byte stream: a socket, with or without TLS on it, counted.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsStream;

use crate::address::Address;
use crate::open_sockets::OpenSocket;
use crate::stats::Traffic;
use crate::tls::TlsProblem;
use crate::upstream::Greeting;

/// A connected socket of either family.
#[derive(Debug)]
pub(crate) enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Socket {
    pub(crate) fn local_address(&self) -> io::Result<Address> {
        match self {
            Self::Tcp(socket) => socket.local_addr().map(Address::Tcp),
            Self::Unix(socket) => socket.local_addr().map(|address| unix_address(&address)),
        }
    }
}

/// The path of a Unix socket address; unnamed sockets have an empty one.
pub(crate) fn unix_address(address: &tokio::net::unix::SocketAddr) -> Address {
    Address::Unix(address.as_pathname().map(Into::into).unwrap_or_default())
}

/// What went over one connection.
#[derive(Debug)]
pub(crate) struct Meter {
    received: AtomicU64,
    greeting: OnceLock<Greeting>,
    tls_problem: OnceLock<TlsProblem>,
    traffic: Arc<Traffic>,
}

impl Meter {
    pub(crate) fn new(traffic: &Arc<Traffic>) -> Arc<Self> {
        Arc::new(Self {
            received: AtomicU64::new(0),
            greeting: OnceLock::new(),
            tls_problem: OnceLock::new(),
            traffic: Arc::clone(traffic),
        })
    }

    /// Bytes received so far: moves whenever the peer gives a sign of life.
    pub(crate) fn received(&self) -> u64 {
        self.received.load(Relaxed)
    }

    /// How the peer began, if the bytes of its first packet tell.
    pub(crate) fn greeting(&self) -> Option<Greeting> {
        self.greeting.get().copied()
    }

    /// What the peer has against our certificate, if it has said so.
    pub(crate) fn tls_problem(&self) -> Option<&TlsProblem> {
        self.tls_problem.get()
    }

    fn take_in_failure(&self, error: io::Error) -> io::Error {
        if self.received() == 0
            && let Some(problem) = TlsProblem::of_first_read(&error)
        {
            // The first is what ended the connection.
            let _new = self.tls_problem.set(problem);
        }
        error
    }

    fn take_in(&self, bytes: &[u8]) {
        if self.received.fetch_add(bytes.len() as u64, Relaxed) == 0
            && let Some(greeting) = Greeting::of(bytes)
        {
            // Only the first bytes come here.
            let _new = self.greeting.set(greeting);
        }
        self.traffic.received.add(bytes.len() as u64);
    }
}

#[derive(Debug)]
enum Layer {
    Plain(Socket),
    /// Boxed: a TLS session is large, and most connections have none.
    Tls(Box<TlsStream<Socket>>),
}

/// A byte stream that HTTP can be spoken over.
#[derive(Debug)]
pub(crate) struct Transport {
    /// Above the socket, so that its descriptor is not recorded any more when another may get it.
    _open: Option<OpenSocket>,
    layer: Layer,
    /// Bytes that were looked at to find out which HTTP this is, and still have to be read.
    replay: Bytes,
    /// What a write has failed with, while the peer's last words are not read.
    broken: Option<io::Error>,
    meter: Arc<Meter>,
}

impl Transport {
    pub(crate) fn plain(socket: Socket, meter: Arc<Meter>) -> Self {
        Self { _open: None, layer: Layer::Plain(socket), replay: Bytes::new(), broken: None, meter }
    }

    pub(crate) fn tls(stream: impl Into<TlsStream<Socket>>, meter: Arc<Meter>) -> Self {
        Self {
            _open: None,
            layer: Layer::Tls(Box::new(stream.into())),
            replay: Bytes::new(),
            broken: None,
            meter,
        }
    }

    /// Its socket is recorded for as long as this lives.
    pub(crate) fn recorded(self, open: Option<OpenSocket>) -> Self {
        Self { _open: open, ..self }
    }

    /// Puts bytes back in front of what is still to be read.
    pub(crate) fn unread(&mut self, bytes: Bytes) {
        debug_assert!(self.replay.is_empty(), "the bytes put back before were not read");
        self.replay = bytes;
    }

    pub(crate) fn meter(&self) -> &Arc<Meter> {
        &self.meter
    }

    /// Counts a write. One that fails does so when the peer's last words are read.
    fn after_write(
        &mut self,
        cx: &mut Context<'_>,
        result: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        match result {
            Poll::Ready(Ok(len)) => self.meter.traffic.sent.add(len as u64),
            Poll::Ready(Err(error)) => {
                self.broken = Some(error);
                return self.poll_broken(cx);
            }
            Poll::Pending => {}
        }
        result
    }

    /// Reads why the peer has closed, and fails with what has broken then. A peer that does not take our certificate has
    /// said so, and nobody reads on from a connection that breaks before anything was received on it.
    fn poll_broken(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if let Layer::Tls(stream) = &mut self.layer
            && self.meter.received() == 0
        {
            let mut room = [0; 256];
            let mut buf = ReadBuf::new(&mut room);
            // The other direction of a broken socket is over, too, so that this does not wait for the peer.
            match ready!(Pin::new(stream).poll_read(cx, &mut buf)) {
                Ok(()) => {
                    self.meter.take_in(buf.filled());
                    self.unread(Bytes::copy_from_slice(buf.filled()));
                }
                Err(error) => drop(self.meter.take_in_failure(error)),
            }
        }
        let error = self.broken.take().unwrap_or_else(|| io::ErrorKind::BrokenPipe.into());
        Poll::Ready(Err(error))
    }
}

impl AsyncRead for Transport {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.replay.is_empty() {
            let len = self.replay.len().min(buf.remaining());
            buf.put_slice(&self.replay[..len]);
            self.replay.advance(len);
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        ready!(match &mut self.layer {
            Layer::Plain(socket) => Pin::new(socket).poll_read(cx, buf),
            Layer::Tls(stream) => {
                Pin::new(stream).poll_read(cx, buf).map_err(|error| self.meter.take_in_failure(error))
            }
        })?;
        self.meter.take_in(&buf.filled()[before..]);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Transport {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if self.broken.is_some() {
            return self.poll_broken(cx);
        }
        let result = match &mut self.layer {
            Layer::Plain(socket) => Pin::new(socket).poll_write(cx, buf),
            Layer::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        };
        self.after_write(cx, result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.broken.is_some() {
            return self.poll_broken(cx);
        }
        let result = match &mut self.layer {
            Layer::Plain(socket) => Pin::new(socket).poll_write_vectored(cx, bufs),
            Layer::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
        };
        self.after_write(cx, result)
    }

    fn is_write_vectored(&self) -> bool {
        match &self.layer {
            Layer::Plain(socket) => socket.is_write_vectored(),
            Layer::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.layer {
            Layer::Plain(socket) => Pin::new(socket).poll_flush(cx),
            Layer::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.layer {
            Layer::Plain(socket) => Pin::new(socket).poll_shutdown(cx),
            Layer::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Tcp(socket) => Pin::new(socket).poll_read(cx, buf),
            Self::Unix(socket) => Pin::new(socket).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match &mut *self {
            Self::Tcp(socket) => Pin::new(socket).poll_write(cx, buf),
            Self::Unix(socket) => Pin::new(socket).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut *self {
            Self::Tcp(socket) => Pin::new(socket).poll_write_vectored(cx, bufs),
            Self::Unix(socket) => Pin::new(socket).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Tcp(socket) => socket.is_write_vectored(),
            Self::Unix(socket) => socket.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Tcp(socket) => Pin::new(socket).poll_flush(cx),
            Self::Unix(socket) => Pin::new(socket).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Tcp(socket) => Pin::new(socket).poll_shutdown(cx),
            Self::Unix(socket) => Pin::new(socket).poll_shutdown(cx),
        }
    }
}
