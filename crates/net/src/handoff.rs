//! A bounded hand-off of body pieces to hyper's HTTP/1.1 side.
//!
//! hyper pulls a message's body while it writes; those who produce it push. Between them stands one queue, bounded in
//! bytes. What is complete before hyper looks is announced with its exact length, so a short answer goes out with a
//! content-length and not in chunks.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::{Buf, Bytes};
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};

use crate::chunk::Chunk;
use crate::error::SendError;

/// The two ends of a queue that takes pieces while it holds less than `limit` bytes.
pub(crate) fn handoff(limit: usize) -> (Producer, Consumer) {
    let shared = Arc::new(Mutex::new(Shared {
        queue: VecDeque::new(),
        queued: 0,
        limit,
        end: End::Open,
        consumer_gone: false,
        consumer: None,
        producer: None,
    }));
    (Producer { shared: Arc::clone(&shared) }, Consumer { shared })
}

#[derive(Debug)]
struct Shared {
    queue: VecDeque<Bytes>,
    queued: usize,
    limit: usize,
    end: End,
    consumer_gone: bool,
    consumer: Option<Waker>,
    producer: Option<Waker>,
}

#[derive(Debug)]
enum End {
    Open,
    Whole(Option<HeaderMap>),
    /// The producer gave up: the reader has to see a cut, not an end.
    Broken,
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    fn wake_consumer(&mut self) {
        if let Some(waker) = self.consumer.take() {
            waker.wake();
        }
    }
}

/// The pushing end. Dropped before the end, it breaks the message.
#[derive(Debug)]
pub(crate) struct Producer {
    shared: Arc<Mutex<Shared>>,
}

impl Producer {
    /// Takes `chunk` once there is room. Pending leaves it where it is.
    pub(crate) fn poll_push(
        &self,
        cx: &mut Context<'_>,
        chunk: &mut Chunk,
        end: bool,
    ) -> Poll<Result<(), SendError>> {
        let mut shared = lock(&self.shared);
        if !matches!(shared.end, End::Open) {
            return Poll::Ready(Err(SendError::AlreadyEnded));
        }
        if shared.consumer_gone {
            return Poll::Ready(Err(SendError::Closed));
        }
        if shared.queued >= shared.limit && chunk.has_remaining() {
            shared.producer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let (first, second) = std::mem::take(chunk).into_pieces();
        for piece in [first, second] {
            if !piece.is_empty() {
                shared.queued += piece.len();
                shared.queue.push_back(piece);
            }
        }
        if end {
            shared.end = End::Whole(None);
        }
        shared.wake_consumer();
        Poll::Ready(Ok(()))
    }

    pub(crate) fn finish(&self, trailers: Option<HeaderMap>) -> Result<(), SendError> {
        let mut shared = lock(&self.shared);
        if !matches!(shared.end, End::Open) {
            return Err(SendError::AlreadyEnded);
        }
        if shared.consumer_gone {
            return Err(SendError::Closed);
        }
        shared.end = End::Whole(trailers);
        shared.wake_consumer();
        Ok(())
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        let mut shared = lock(&self.shared);
        if matches!(shared.end, End::Open) {
            shared.end = End::Broken;
            shared.wake_consumer();
        }
    }
}

/// The message was given up by the side that produced it.
#[derive(Debug, thiserror::Error)]
#[error("the message was given up before its end")]
pub(crate) struct Broken;

/// The pulling end: a body for hyper.
#[derive(Debug)]
pub(crate) struct Consumer {
    shared: Arc<Mutex<Shared>>,
}

impl Body for Consumer {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let mut shared = lock(&self.shared);
        if let Some(piece) = shared.queue.pop_front() {
            shared.queued -= piece.len();
            if shared.queued < shared.limit
                && let Some(waker) = shared.producer.take()
            {
                waker.wake();
            }
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
        match &mut shared.end {
            End::Whole(trailers) => {
                Poll::Ready(trailers.take().map(|trailers| Ok(Frame::trailers(trailers))))
            }
            End::Broken => Poll::Ready(Some(Err(Broken))),
            End::Open => {
                shared.consumer = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        let shared = lock(&self.shared);
        shared.queue.is_empty() && matches!(shared.end, End::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        let shared = lock(&self.shared);
        match shared.end {
            End::Whole(None) => SizeHint::with_exact(shared.queued as u64),
            _ => {
                let mut hint = SizeHint::new();
                hint.set_lower(shared.queued as u64);
                hint
            }
        }
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        let mut shared = lock(&self.shared);
        shared.consumer_gone = true;
        shared.queue.clear();
        if let Some(waker) = shared.producer.take() {
            waker.wake();
        }
    }
}
