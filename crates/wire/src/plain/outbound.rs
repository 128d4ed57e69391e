//! The outbound half for clients.

use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{HeaderMap, Request, Response};

use super::{Content, Packing, packed};
use crate::call::{End, ResponseEvent, ResponseHead};
use crate::message::Message;
use crate::metadata::{keep_metadata, normalize};
use crate::outbound::{self, OpenedCall, RequestWriter, ResponseReader};
use crate::output::Output;
use crate::{Code, Compression, RpcError, Target};

/// Prepares a call to this target, as [`outbound::open`]. Of the metadata, what belongs to HTTP or to a protocol is left
/// out. Messages are compressed as `packing` says.
///
/// # Errors
/// `invalid_argument` for a binary header (`-bin`) that is not base64.
pub fn open(
    path: PathAndQuery,
    mut metadata: HeaderMap,
    target: &Target,
    packing: Packing,
) -> Result<(PlainRequestWriter, PlainResponseReader), RpcError> {
    if !metadata.is_empty() {
        keep_metadata(&mut metadata);
        normalize(&mut metadata)?;
    }
    let OpenedCall { writer, reader } = outbound::open(path, metadata, target);
    let writer = PlainRequestWriter { writer, compression: target.encoding, packing };
    let max_message_bytes = target.limits.max_message_bytes;
    let reader = PlainResponseReader {
        reader,
        encoding: Compression::Identity,
        max_message_bytes,
        expected_one: None,
        ended: false,
    };
    Ok((writer, reader))
}

/// Writes a request from plain messages. Made by [`open`].
#[derive(Debug)]
pub struct PlainRequestWriter {
    writer: RequestWriter,
    compression: Compression,
    packing: Packing,
}

impl PlainRequestWriter {
    /// As [`RequestWriter::flush`].
    pub fn flush(&mut self, out: &mut Output<Request<()>>) {
        self.writer.flush(out);
    }

    /// Sends a message, compressed where that is worth it and not done.
    ///
    /// # Errors
    /// As [`RequestWriter::message`].
    pub fn message(&mut self, message: Content, out: &mut Output<Request<()>>) -> Result<(), RpcError> {
        let message = match message {
            Content::Plain(message) => packed(message, self.compression, self.packing)?,
            Content::Compressed(message) => Message { payload: message.into(), compressed: true },
        };
        self.writer.message(message, out)
    }

    /// As [`RequestWriter::half_close`].
    ///
    /// # Errors
    /// The same.
    pub fn half_close(&mut self, out: &mut Output<Request<()>>) -> Result<(), RpcError> {
        self.writer.half_close(out)
    }
}

/// Reads a response's messages without their compression. Made by [`open`].
#[derive(Debug)]
pub struct PlainResponseReader {
    reader: ResponseReader,
    encoding: Compression,
    max_message_bytes: usize,
    /// Messages so far, where exactly one is expected.
    expected_one: Option<usize>,
    ended: bool,
}

/// What a response consists of: at most one head, messages, exactly one end.
#[derive(Debug, PartialEq, Eq)]
pub enum PlainResponseEvent {
    /// The response started.
    Head(ResponseHead),
    /// One message.
    Message(Content),
    /// The end; nothing follows.
    End(End),
}

impl PlainResponseReader {
    /// Says that the method gives exactly one message: any other number fails the call.
    pub fn expect_one(&mut self) {
        self.expected_one = Some(0);
    }

    /// As [`ResponseReader::head`].
    pub fn head(&mut self, response: Response<()>, ended: bool) {
        self.reader.head(response, ended);
    }

    /// As [`ResponseReader::push`].
    pub fn push(&mut self, data: Bytes) {
        self.reader.push(data);
    }

    /// As [`ResponseReader::trailers`].
    pub fn trailers(&mut self, trailers: HeaderMap) {
        self.reader.trailers(trailers);
    }

    /// As [`ResponseReader::end`].
    pub fn end(&mut self) {
        self.reader.end();
    }

    /// As [`ResponseReader::awaits_only_the_end`].
    pub fn awaits_only_the_end(&self) -> bool {
        self.reader.awaits_only_the_end()
    }

    /// As [`ResponseReader::fail`].
    pub fn fail(&mut self, error: RpcError) {
        self.reader.fail(error);
    }

    /// The next event; none until more is given. A message that cannot be decompressed, or not within the limit, ends
    /// the response.
    pub fn event(&mut self) -> Option<PlainResponseEvent> {
        if self.ended {
            return None;
        }
        let event = match self.reader.event()? {
            ResponseEvent::Head(head) => {
                self.encoding = head.encoding;
                PlainResponseEvent::Head(head)
            }
            ResponseEvent::Message(message) => {
                self.message(message).unwrap_or_else(|error| PlainResponseEvent::End(End::failed(error)))
            }
            ResponseEvent::End(End { result: Ok(()), trailers }) if self.expected_one == Some(0) => {
                PlainResponseEvent::End(End { result: Err(wrong_number("no message")), trailers })
            }
            ResponseEvent::End(end) => PlainResponseEvent::End(end),
        };
        self.ended = matches!(event, PlainResponseEvent::End(_));
        Some(event)
    }

    fn message(&mut self, message: Message) -> Result<PlainResponseEvent, RpcError> {
        if let Some(messages) = &mut self.expected_one {
            *messages += 1;
            if *messages > 1 {
                return Err(wrong_number("more than one message"));
            }
        }
        Content::received(message, self.encoding, self.max_message_bytes, Code::Internal)
            .map(PlainResponseEvent::Message)
    }
}

fn wrong_number(what: &str) -> RpcError {
    let message = format!("the server answered with {what}, and the method gives exactly one");
    RpcError::new(Code::Unimplemented, message)
}
