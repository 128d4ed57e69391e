//! The request of one call on its way upstream.

use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::Request;
use landbridge_net::{Frame, RecvBody, SendBody};
use landbridge_wire::inbound::RequestEvent;
use landbridge_wire::{Chunks, Output, RequestReader, RequestWriter, RpcError};

use super::failure::request_cut;
use super::pace::Pace;
use super::transcode::Transcode;

/// The most bytes of a request that are kept so that it can be sent again, as long as no server has looked at it.
const REPLAY_BYTES: usize = 64 << 10;

/// Reads the caller's request and writes it upstream.
///
/// Everything that was taken from the caller stands in `out` or `replay` before the next await, so [`run`](Self::run)
/// can be dropped anywhere and started again on another stream.
#[derive(Debug)]
pub(crate) struct RequestSide<'a> {
    body: &'a mut RecvBody,
    reader: &'a mut RequestReader,
    writer: &'a mut RequestWriter,
    transcode: Transcode,
    /// Written, and not yet sent.
    out: Output<Request<()>>,
    replay: &'a Replay,
    /// The half-close was written to `out`.
    half_closed: bool,
}

/// What was sent, kept until it is clear that it will not be sent again.
#[derive(Debug)]
pub(crate) struct Replay {
    /// None once it is not the whole: too much was sent, or the server has begun to answer.
    sent: Mutex<Option<Chunks>>,
}

impl<'a> RequestSide<'a> {
    pub(crate) fn new(
        body: &'a mut RecvBody,
        reader: &'a mut RequestReader,
        writer: &'a mut RequestWriter,
        transcode: Transcode,
        replay: &'a Replay,
    ) -> Self {
        Self { body, reader, writer, transcode, out: Output::new(), replay, half_closed: false }
    }

    /// The head to send upstream: at once for streams; for unary calls (`whole`) once the request is complete, so that
    /// a request that is refused here never reaches a server.
    ///
    /// # Errors
    /// What is wrong with the request.
    pub(crate) async fn head(&mut self, whole: bool, pace: &Pace) -> Result<Request<()>, RpcError> {
        loop {
            if !whole || self.half_closed {
                self.writer.flush(&mut self.out);
                if let Some(head) = self.out.head.take() {
                    return Ok(head);
                }
            }
            self.step(pace).await?;
        }
    }

    /// Whether the head is all there is to send.
    pub(crate) fn is_bare(&self) -> bool {
        self.half_closed && self.out.body.is_empty() && self.replay.so_far().is_empty()
    }

    /// What is kept of the request so that it can be sent again.
    pub(crate) fn replay(&self) -> &'a Replay {
        self.replay
    }

    /// Sends the rest of the request, from the start.
    ///
    /// # Errors
    /// What is wrong with the request. That the server takes no more of it is no error: its answer tells.
    pub(crate) async fn run(&mut self, mut send: SendBody, pace: &Pace) -> Result<(), RpcError> {
        let complete = self.half_closed && self.out.body.is_empty();
        let before = self.replay.so_far();
        if !before.is_empty() && send.data_chunks(before, complete).await.is_err() {
            return Ok(());
        }
        if complete {
            pace.half_close();
            return Ok(());
        }
        loop {
            let chunks = &mut self.out.body;
            self.replay.keep(chunks);
            if (!chunks.is_empty() || self.half_closed)
                && send.data_chunks(chunks.drain(..), self.half_closed).await.is_err()
            {
                return Ok(());
            }
            if self.half_closed {
                pace.half_close();
                return Ok(());
            }
            self.step(pace).await?;
            pace.touch();
        }
    }

    /// Takes the next frame from the caller.
    async fn step(&mut self, pace: &Pace) -> Result<(), RpcError> {
        match self.body.frame().await {
            Some(Ok(Frame::Data(data))) => {
                pace.received(data.len());
                self.reader.push(data)?;
                // Known at once in HTTP/2, the end goes out together with the last message.
                if self.body.is_end_stream() {
                    self.reader.end()?;
                }
            }
            Some(Ok(Frame::Trailers(_))) | None => self.reader.end()?,
            Some(Err(error)) => return Err(request_cut(&error)),
        }
        while let Some(event) = self.reader.event()? {
            match event {
                RequestEvent::Message(message) => {
                    let message = self.transcode.message(message)?;
                    self.writer.message(message, &mut self.out)?;
                }
                RequestEvent::HalfClose => {
                    self.writer.half_close(&mut self.out)?;
                    self.half_closed = true;
                    pace.request_ended();
                }
            }
        }
        Ok(())
    }
}

impl Replay {
    /// Of a request of which nothing was sent.
    pub(crate) fn new() -> Self {
        Self { sent: Mutex::new(Some(Chunks::new())) }
    }

    /// Whether everything that was sent is still here to be sent again.
    pub(crate) fn is_whole(&self) -> bool {
        self.lock().is_some()
    }

    /// It will not be sent again: lets go of the bytes, and with them of the buffers that they were received in.
    pub(crate) fn give_up(&self) {
        *self.lock() = None;
    }

    fn so_far(&self) -> Chunks {
        self.lock().clone().unwrap_or_default()
    }

    fn keep(&self, chunks: &[Bytes]) {
        let mut sent = self.lock();
        let Some(kept) = &mut *sent else { return };
        let bytes: usize = kept.iter().chain(chunks).map(Bytes::len).sum();
        if bytes > REPLAY_BYTES {
            *sent = None;
        } else {
            kept.extend(chunks.iter().cloned());
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Chunks>> {
        // Every change under the lock is one assignment or one push, so what a panicking holder leaves is sound.
        self.sent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
