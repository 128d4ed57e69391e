//! The answer of one call on its way from Python.

use std::future::poll_fn;

use bytes::BytesMut;
use http::Response;
use landbridge_net::{Parting, Responder, SendBody};
use landbridge_wire::cors::CrossOrigin;
use landbridge_wire::output::Finish;
use landbridge_wire::plain::{Content, PlainWriter};
use landbridge_wire::{Chunks, Code, End, Output, RpcError};

use crate::handoff::{Channel, Outgoing};

/// Small pieces are sent as one, up to this size, in bytes: one write is cheaper than several.
const SEND_TOGETHER: usize = 16 << 10;

/// Writes the answer to one call.
#[derive(Debug)]
pub(super) struct Answering<'a> {
    way: Way,
    /// Where pages of other origins may call.
    cors: Option<CrossOrigin<'a>>,
    writer: PlainWriter,
    out: Output<Response<()>>,
    /// Whether a piece of a message is out and the rest is not.
    broken_off: bool,
}

#[derive(Debug)]
enum Way {
    /// The head is not out.
    Unanswered(Responder),
    Started(SendBody),
    Over,
}

/// Why an answer does not go on.
#[derive(Debug)]
pub(super) enum Stopped {
    /// The caller takes no more.
    CallerGone,
    /// The server stops, and all that was given has been sent.
    Parting,
}

impl<'a> Answering<'a> {
    pub(super) fn new(responder: Responder, writer: PlainWriter, cors: Option<CrossOrigin<'a>>) -> Self {
        Self { way: Way::Unanswered(responder), cors, writer, out: Output::new(), broken_off: false }
    }

    /// Answers that there is no such method.
    pub(super) async fn unknown_method(mut self, message: String) {
        self.writer.method_is_unknown();
        self.fail(RpcError::new(Code::Unimplemented, message)).await;
    }

    /// Ends the call with an error of our own. One that cannot follow what is already out breaks the answer off.
    pub(super) async fn fail(&mut self, error: RpcError) {
        if self.broken_off {
            self.way = Way::Over;
            return;
        }
        self.end(End::failed(error));
        // A caller who is gone needs no answer.
        let _gone = self.send().await;
    }

    /// Sends what Python gives, to the end of the answer or until the server stops.
    ///
    /// # Errors
    /// The caller went away, or the server stops.
    pub(super) async fn pass_on(&mut self, channel: &Channel, parting: &Parting) -> Result<(), Stopped> {
        loop {
            let (outgoing, bytes) = tokio::select! {
                biased;
                given = poll_fn(|cx| channel.poll_outgoing(cx)) => given,
                () = parting.due() => return Err(Stopped::Parting),
            };
            for outgoing in outgoing {
                self.write(outgoing);
            }
            self.send().await?;
            if self.writer.is_done() {
                return Ok(());
            }
            channel.sent(bytes);
        }
    }

    fn write(&mut self, outgoing: Outgoing) {
        let out = &mut self.out;
        let written = match outgoing {
            Outgoing::Message(Content::Plain(message)) => self.writer.message(message, out),
            Outgoing::Message(Content::Compressed(message)) => self.writer.compressed(message, out),
            Outgoing::Head(metadata) => return self.writer.head(*metadata),
            Outgoing::Compression(compression) => {
                self.writer.set_compression(compression);
                return;
            }
            Outgoing::Flush => return self.writer.flush(out),
            Outgoing::End(end) => return self.end(*end),
            // A call has none of these.
            Outgoing::HttpHead(_) | Outgoing::HttpEnd | Outgoing::HttpCut => return,
        };
        if let Err(error) = written {
            self.end(End::failed(error));
        }
    }

    fn end(&mut self, end: End) {
        self.writer.end(end, &mut self.out);
    }

    /// Sends what is written.
    async fn send(&mut self) -> Result<(), Stopped> {
        let nothing = self.out.head.is_none() && self.out.body.is_empty() && self.out.finish.is_none();
        if nothing {
            // What was given waits for what it goes out with.
            return Ok(());
        }
        self.broken_off = true;
        let body = joined(std::mem::take(&mut self.out.body));
        let mut finish = self.out.finish.take();
        if let Some(mut head) = self.out.head.take() {
            if let Some(cors) = &self.cors {
                cors.expose(head.headers_mut());
            }
            let Way::Unanswered(responder) = std::mem::replace(&mut self.way, Way::Over) else {
                return Err(Stopped::CallerGone);
            };
            if let Some(end) = finish.take_if(|_| body.len() <= 1) {
                let trailers = match end {
                    Finish::Trailers(trailers) => Some(trailers),
                    Finish::Body => None,
                };
                responder.respond_full(head, body.into_iter().next().unwrap_or_default(), trailers);
                return Ok(());
            }
            self.way = Way::Started(responder.respond(head, false));
        }
        let Way::Started(sending) = &mut self.way else { return Err(Stopped::CallerGone) };
        let ends_with_body = finish == Some(Finish::Body);
        if !body.is_empty() || ends_with_body {
            sending.data_chunks(body, ends_with_body).await.map_err(|_| Stopped::CallerGone)?;
        }
        if let Some(Finish::Trailers(trailers)) = finish {
            sending.trailers(trailers).map_err(|_| Stopped::CallerGone)?;
        }
        self.broken_off = false;
        Ok(())
    }
}

/// The same bytes, small pieces of them in one.
fn joined(pieces: Chunks) -> Chunks {
    if pieces.len() <= 1 {
        return pieces;
    }
    let mut joined = Chunks::new();
    let mut together = BytesMut::new();
    for piece in pieces {
        if together.len() + piece.len() > SEND_TOGETHER && !together.is_empty() {
            joined.push(together.split().freeze());
        }
        if piece.len() >= SEND_TOGETHER {
            joined.push(piece);
        } else {
            together.extend_from_slice(&piece);
        }
    }
    if !together.is_empty() {
        joined.push(together.freeze());
    }
    joined
}
