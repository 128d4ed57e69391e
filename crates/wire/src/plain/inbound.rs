//! The inbound half for servers.

use bytes::Bytes;
use http::{HeaderMap, Response};

use super::{Content, Packing, packed};
use crate::call::{Call, End, Offer, ResponseHead};
use crate::compression::Accepted;
use crate::inbound::{RequestEvent, RequestReader, ResponseWriter};
use crate::message::Message;
use crate::metadata::keep_metadata;
use crate::output::Output;
use crate::{Code, Compression, RpcError};

/// Reads a request's messages without their compression.
#[derive(Debug)]
pub struct PlainReader {
    reader: RequestReader,
    encoding: Compression,
    max_message_bytes: usize,
}

/// What a request consists of.
#[derive(Debug, PartialEq, Eq)]
pub enum PlainEvent {
    /// One message.
    Message(Content),
    /// The caller has sent its last message; comes once, after all of them.
    HalfClose,
}

impl PlainReader {
    /// Of the reader that came with the call.
    pub fn new(reader: RequestReader, call: &Call, offer: &Offer) -> Self {
        let max_message_bytes = offer.limits().max_message_bytes;
        Self { reader, encoding: call.encoding, max_message_bytes }
    }

    /// As [`RequestReader::expect_one`].
    pub fn expect_one(&mut self) {
        self.reader.expect_one();
    }

    /// As [`RequestReader::push`].
    ///
    /// # Errors
    /// The same.
    pub fn push(&mut self, data: Bytes) -> Result<(), RpcError> {
        self.reader.push(data)
    }

    /// As [`RequestReader::end`].
    ///
    /// # Errors
    /// The same.
    pub fn end(&mut self) -> Result<(), RpcError> {
        self.reader.end()
    }

    /// The next message, or the half-close after the last; none until more is pushed.
    ///
    /// # Errors
    /// As [`RequestReader::event`], and for a message that cannot be decompressed, or not within the limit.
    pub fn event(&mut self) -> Result<Option<PlainEvent>, RpcError> {
        Ok(match self.reader.event()? {
            None => None,
            Some(RequestEvent::HalfClose) => Some(PlainEvent::HalfClose),
            Some(RequestEvent::Message(message)) => {
                let fault = Code::InvalidArgument;
                let content = Content::received(message, self.encoding, self.max_message_bytes, fault)?;
                Some(PlainEvent::Message(content))
            }
        })
    }
}

/// Writes an answer from plain messages.
#[derive(Debug)]
pub struct PlainWriter {
    writer: ResponseWriter,
    /// What goes into the head, until the writer has it.
    head: Option<HeaderMap>,
    compression: Compression,
    /// What the caller takes.
    accepted: Accepted,
    packing: Packing,
}

impl PlainWriter {
    /// Of the writer that came with the call. Messages are compressed as `packing` says.
    pub fn new(writer: ResponseWriter, call: &Call, offer: &Offer, packing: Packing) -> Self {
        let compression = call.accepts.choose(&offer.compressions());
        Self { writer, head: Some(HeaderMap::new()), compression, accepted: call.accepts, packing }
    }

    /// The compression of messages.
    pub fn compression(&self) -> Compression {
        self.compression
    }

    /// Changes the compression, and says whether it did: not where the caller does not take it, nor once the head was
    /// sent.
    pub fn set_compression(&mut self, compression: Compression) -> bool {
        let may = self.head.is_some() && self.accepted.contains(compression);
        if may {
            self.compression = compression;
        }
        may
    }

    /// Takes the server's own headers, to be sent with what comes next; passed over once the head was sent. Headers
    /// that belong to HTTP or a protocol are left out.
    pub fn head(&mut self, mut metadata: HeaderMap) {
        if let Some(head) = &mut self.head {
            keep_metadata(&mut metadata);
            *head = metadata;
        }
    }

    /// As [`ResponseWriter::flush`].
    pub fn flush(&mut self, out: &mut Output<Response<()>>) {
        self.give_head();
        self.writer.flush(out);
    }

    /// Sends a message, compressed where that is worth it.
    ///
    /// # Errors
    /// As [`ResponseWriter::message`].
    pub fn message(&mut self, message: Bytes, out: &mut Output<Response<()>>) -> Result<(), RpcError> {
        let message = packed(message, self.compression, self.packing)?;
        self.send(message, out)
    }

    /// Sends a message that the application has put under its own [`compression`](Self::compression).
    ///
    /// # Errors
    /// As [`ResponseWriter::message`]; `internal` where the answer's compression is none of the application's.
    pub fn compressed(&mut self, message: Bytes, out: &mut Output<Response<()>>) -> Result<(), RpcError> {
        if self.compression.is_ours() {
            let message =
                "a message came compressed, and the answer has no compression of the application's own";
            return Err(RpcError::new(Code::Internal, message));
        }
        self.send(Message { payload: message.into(), compressed: true }, out)
    }

    /// As [`ResponseWriter::method_is_unknown`].
    pub fn method_is_unknown(&mut self) {
        self.writer.method_is_unknown();
    }

    /// Ends the answer. Trailers that belong to HTTP or a protocol are left out.
    pub fn end(&mut self, mut end: End, out: &mut Output<Response<()>>) {
        self.give_head();
        keep_metadata(&mut end.trailers);
        self.writer.end(end, out);
    }

    /// Whether the end was written.
    pub fn is_done(&self) -> bool {
        self.writer.is_done()
    }

    fn send(&mut self, message: Message, out: &mut Output<Response<()>>) -> Result<(), RpcError> {
        self.give_head();
        self.writer.message(message, out)
    }

    fn give_head(&mut self) {
        if let Some(metadata) = self.head.take() {
            self.writer.head(ResponseHead { metadata, encoding: self.compression, accepts: None });
        }
    }
}
