//! The request of one call on its way upstream.

use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use http::Request;
use landbridge_net::{Frame, RecvBody, SendBody};
use landbridge_wire::inbound::RequestEvent;
use landbridge_wire::{Output, RequestReader, RequestWriter, RpcError};

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
pub(crate) struct RequestSide {
    body: RecvBody,
    reader: RequestReader,
    writer: RequestWriter,
    transcode: Transcode,
    /// Written, and not yet sent.
    out: Output<Request<()>>,
    replay: Replay,
    /// The half-close was written to `out`.
    half_closed: bool,
}

/// What was sent, kept until it is clear that it will not be sent again.
#[derive(Debug)]
struct Replay {
    chunks: Vec<Bytes>,
    bytes: usize,
    /// More was sent than is kept: `chunks` is not the whole.
    given_up: bool,
}

impl RequestSide {
    pub(crate) fn new(
        body: RecvBody,
        reader: RequestReader,
        writer: RequestWriter,
        transcode: Transcode,
    ) -> Self {
        Self {
            body,
            reader,
            writer,
            transcode,
            out: Output::new(),
            replay: Replay { chunks: Vec::new(), bytes: 0, given_up: false },
            half_closed: false,
        }
    }

    /// The head to send upstream: at once for streams; for unary calls (`whole`) once the request is complete, so that
    /// a request that is refused here never reaches a server.
    ///
    /// # Errors
    /// What is wrong with the request.
    pub(crate) async fn head(&mut self, whole: bool, pace: &Pace) -> Result<Request<()>, RpcError> {
        if !whole {
            self.writer.flush(&mut self.out);
        }
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
        self.half_closed && self.out.body.is_empty() && self.replay.bytes == 0
    }

    /// Sends the rest of the request, from the start. From when the server has `answered`, nothing is kept any more.
    ///
    /// # Errors
    /// What is wrong with the request. That the server takes no more of it is no error: its answer tells.
    pub(crate) async fn run(
        &mut self,
        mut send: SendBody,
        answered: &AtomicBool,
        pace: &Pace,
    ) -> Result<(), RpcError> {
        let complete = self.half_closed && self.out.body.is_empty();
        if self.replay.bytes > 0 && send.data_chunks(self.replay.chunks.clone(), complete).await.is_err() {
            return Ok(());
        }
        if complete {
            pace.half_close();
            return Ok(());
        }
        loop {
            let chunks = std::mem::take(&mut self.out.body);
            if answered.load(Ordering::Relaxed) {
                self.replay.give_up();
            } else {
                self.replay.keep(&chunks);
            }
            if (!chunks.is_empty() || self.half_closed)
                && send.data_chunks(chunks, self.half_closed).await.is_err()
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

    /// Whether everything that was sent is still here to be sent again.
    pub(crate) fn can_start_again(&self) -> bool {
        !self.replay.given_up
    }

    /// Takes the next frame from the caller.
    async fn step(&mut self, pace: &Pace) -> Result<(), RpcError> {
        match self.body.frame().await {
            Some(Ok(Frame::Data(data))) => {
                pace.received(data.len());
                self.reader.push(data)?;
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
    fn keep(&mut self, chunks: &[Bytes]) {
        if self.given_up {
            return;
        }
        self.bytes += chunks.iter().map(Bytes::len).sum::<usize>();
        if self.bytes > REPLAY_BYTES {
            self.give_up();
        } else {
            self.chunks.extend_from_slice(chunks);
        }
    }

    fn give_up(&mut self) {
        *self = Self { chunks: Vec::new(), bytes: 0, given_up: true };
    }
}
