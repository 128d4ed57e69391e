//! The answer to one call on its way to the caller.

use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use landbridge_client::server_gone;
use landbridge_net::{Frame, RecvBody, RecvError, Responder, SendBody};
use landbridge_wire::output::Finish;
use landbridge_wire::{
    End, Limits, MethodInfo, Offer, Output, Protocol, ResponseEvent, ResponseReader, ResponseWriter, RpcError,
};

use super::pace::Pace;
use super::plan::{Exchange, Plan};
use crate::proxy::{Record, ResponseHeaders};

/// Pieces of a whole answer are copied together up to this size, in bytes: one write is cheaper than several.
const COPY_TOGETHER: usize = 4 << 10;
/// A whole answer up to this size, in bytes, is handed over without waiting for the caller to take it. A larger one stays
/// the call's until it is taken: so the call's limits hold for it, and a caller who reads nothing cannot pile up answers of
/// calls that are over.
const HANDED_OVER: usize = 64 << 10;
/// How much of an answer is sent in one go at most, in bytes, if it comes in many small pieces.
const SEND_TOGETHER: usize = 16 << 10;

/// Writes the answer in the caller's protocol, whatever becomes of the call.
#[derive(Debug)]
pub(crate) struct Answer<'a> {
    way: Way,
    writer: ResponseWriter,
    extra: ResponseHeaders<'a>,
    out: Output<Response<()>>,
    /// Whether a piece of a message is out and the rest is not.
    broken_off: bool,
    record: Record<'a>,
}

#[derive(Debug)]
enum Way {
    /// The head is not out.
    Unanswered(Responder),
    Started(SendBody),
    Over,
}

/// The caller takes no more.
#[derive(Debug)]
pub(crate) struct CallerGone;

impl<'a> Answer<'a> {
    pub(crate) fn new(
        responder: Responder,
        writer: ResponseWriter,
        extra: ResponseHeaders<'a>,
        record: Record<'a>,
    ) -> Self {
        Self { way: Way::Unanswered(responder), writer, extra, out: Output::new(), broken_off: false, record }
    }

    /// See [`ResponseWriter::method_is_unknown`].
    pub(crate) fn method_is_unknown(&mut self) {
        self.writer.method_is_unknown();
    }

    /// See [`ResponseWriter::method_is`].
    ///
    /// # Errors
    /// The same.
    pub(crate) fn method_is(&mut self, method: MethodInfo) -> Result<(), RpcError> {
        self.writer.method_is(method, &Offer::all(Limits::default()))
    }

    /// What is taken down of the call.
    pub(crate) fn record(&mut self) -> &mut Record<'a> {
        &mut self.record
    }

    /// Takes down that the server's response broke off, and says what the call ends with. See [`server_gone`].
    pub(crate) fn server_gone(&mut self, error: &RecvError, left: Option<Duration>) -> RpcError {
        self.record.server_gone(error);
        server_gone(error, left)
    }

    /// Ends the call with an error of our own.
    pub(crate) async fn fail(&mut self, error: RpcError) {
        // An end in the content would be taken for the rest of the message.
        let takes_no_end = self.broken_off && self.writer.protocol() != Protocol::Grpc;
        if self.writer.is_done() || takes_no_end {
            // Some of what comes before the end cannot be sent any more: only a cut tells that.
            self.record.cut(error.code);
            self.way = Way::Over;
            return;
        }
        self.end(End::failed(error));
        // A caller who is gone needs no answer.
        let _gone = self.send().await;
    }

    /// Refuses a call of which nothing was answered yet.
    pub(crate) fn refuse(mut self, error: RpcError) {
        self.end(End::failed(error));
        // All of it is there, so that nothing is left to wait for.
        let _gone = self.send_head();
    }

    /// Passes the server's response on, to its end.
    ///
    /// # Errors
    /// The caller went away; the server is to be told.
    pub(crate) async fn relay(
        &mut self,
        reader: &mut ResponseReader,
        body: &mut RecvBody,
        exchange: &Exchange,
        plan: &Plan<'_>,
        pace: &Pace,
    ) -> Result<(), CallerGone> {
        let mut transcode = None;
        let mut flushed = false;
        loop {
            while let Some(event) = reader.event() {
                match event {
                    ResponseEvent::Head(head) => {
                        let (head, change) = plan.response(exchange, head);
                        self.writer.head(head);
                        transcode = Some(change);
                    }
                    ResponseEvent::Message(message) => {
                        let changed = match &transcode {
                            Some(transcode) => transcode.message(message),
                            None => Ok(message),
                        };
                        let written = changed.and_then(|message| self.writer.message(message, &mut self.out));
                        if let Err(error) = written {
                            self.end(End::failed(error));
                            break;
                        }
                    }
                    ResponseEvent::End(end) => {
                        pace.response_ended();
                        plan.before_end(exchange, &end, &mut self.writer);
                        self.end(end);
                    }
                }
            }
            if self.writer.is_done() {
                return self.send().await;
            }
            let frame = match self.at_hand(body).await {
                Some(frame) => frame,
                None => {
                    // The server takes its time. If it has started to answer, the caller may be waiting for just the head.
                    if transcode.is_some() && !flushed {
                        flushed = true;
                        self.writer.flush(&mut self.out);
                    }
                    if !self.out.is_empty() {
                        self.send().await?;
                    }
                    body.frame().await
                }
            };
            pace.touch();
            match frame {
                Some(Ok(Frame::Data(data))) => reader.push(data),
                Some(Ok(Frame::Trailers(trailers))) => reader.trailers(trailers),
                Some(Err(error)) => reader.fail(self.server_gone(&error, exchange.time_left(pace))),
                None => reader.end(),
            }
        }
    }

    /// The next frame, if it is here already and little is waiting to be sent: then it goes out together with what is
    /// written. The usual unary answer is whole by that.
    async fn at_hand(&self, body: &mut RecvBody) -> Option<Option<Result<Frame, RecvError>>> {
        if self.out.body.iter().map(Bytes::len).sum::<usize>() >= SEND_TOGETHER {
            return None;
        }
        poll_fn(|cx| match body.poll_frame(cx) {
            Poll::Ready(frame) => Poll::Ready(Some(frame)),
            Poll::Pending => Poll::Ready(None),
        })
        .await
    }

    /// Whether what is written is one piece, or so little that it may be made one, and may be handed over.
    fn is_small(&self) -> bool {
        let body = &self.out.body;
        let len = body.iter().map(Bytes::len).sum::<usize>();
        len <= COPY_TOGETHER || (body.len() <= 1 && len <= HANDED_OVER)
    }

    fn end(&mut self, end: End) {
        self.record.ended(end.result.as_ref().map(|&()| ()).map_err(|error| error.code));
        self.writer.end(end, &mut self.out);
    }

    /// Sends what is written.
    async fn send(&mut self) -> Result<(), CallerGone> {
        self.send_head()?;
        let ends_with_body = self.out.finish == Some(Finish::Body);
        if !self.out.body.is_empty() || ends_with_body {
            let Way::Started(send) = &mut self.way else { return Err(CallerGone) };
            let body = self.out.body.drain(..);
            self.broken_off = true;
            send.data_chunks(body, ends_with_body).await.map_err(|_| CallerGone)?;
            self.broken_off = false;
        }
        if let Some(Finish::Trailers(trailers)) = self.out.finish.take() {
            let Way::Started(send) = &mut self.way else { return Err(CallerGone) };
            send.trailers(trailers).map_err(|_| CallerGone)?;
        }
        Ok(())
    }

    /// Sends the head, if that is next; and all the rest with it, where the answer is complete, as unary ones are.
    fn send_head(&mut self) -> Result<(), CallerGone> {
        self.record.sent(self.out.body.iter().map(Bytes::len).sum());
        if let Some(Finish::Trailers(trailers)) = &self.out.finish {
            self.record.trailers(trailers);
        }
        let Some(mut head) = self.out.head.take() else { return Ok(()) };
        self.extra.apply(head.headers_mut(), &self.record);
        self.record.answered(&head);
        let Way::Unanswered(responder) = std::mem::replace(&mut self.way, Way::Over) else {
            return Err(CallerGone);
        };
        if self.out.finish.is_some() && self.is_small() {
            let body = match std::mem::take(&mut self.out.body) {
                mut one if one.len() <= 1 => one.pop().unwrap_or_default(),
                several => several.concat().into(),
            };
            let trailers = match self.out.finish.take() {
                Some(Finish::Trailers(trailers)) => Some(trailers),
                Some(Finish::Body) | None => None,
            };
            responder.respond_full(head, body, trailers);
        } else {
            self.way = Way::Started(responder.respond(head, false));
        }
        Ok(())
    }
}
