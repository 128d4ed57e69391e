//! Reads a request's body.

use bytes::Bytes;

use crate::call::Limits;
use crate::envelope::{Envelope, EnvelopeReader, compressed_by_nothing, too_large};
use crate::grpc_web::TextDecoder;
use crate::message::{Chunks, Message};
use crate::protocol::Form;
use crate::{Code, Compression, RpcError, connect, grpc};

/// Reads a request's body into messages.
///
/// [`push`](Self::push) what arrives, [`end`](Self::end) at its end, and take [`event`](Self::event) until it has
/// nothing more. After an error there is nothing more to read.
#[derive(Debug)]
pub struct RequestReader {
    form: Form,
    encoding: Compression,
    limits: Limits,
    source: Source,
    ended: bool,
    half_closed: bool,
    /// How many messages may still come, where that is known.
    allowed: Option<u32>,
}

#[derive(Debug)]
pub(super) enum Source {
    /// The body is one bare message.
    Whole { chunks: Chunks, len: usize },
    /// The body is a stream of envelopes.
    Envelopes(EnvelopeReader),
    /// The same, in base64.
    Text(TextDecoder, EnvelopeReader),
    /// There is no body: the message was in the head.
    Given(Option<Message>),
}

/// What a request consists of.
#[derive(Debug, PartialEq, Eq)]
pub enum RequestEvent {
    /// One message.
    Message(Message),
    /// The caller has sent its last message; comes once, after all of them.
    HalfClose,
}

impl RequestReader {
    pub(super) fn new(form: Form, encoding: Compression, limits: Limits, source: Source) -> Self {
        Self { form, encoding, limits, source, ended: false, half_closed: false, allowed: None }
    }

    /// Says that the method takes exactly one message, which only its schema tells where the protocol's form does not.
    pub fn expect_one(&mut self) {
        self.allowed = Some(1);
    }

    /// Takes more of the body.
    ///
    /// # Errors
    /// `resource_exhausted` for a bare message past the limit, `invalid_argument` for text that is not base64.
    pub fn push(&mut self, data: Bytes) -> Result<(), RpcError> {
        match &mut self.source {
            Source::Whole { chunks, len } => {
                *len += data.len();
                if *len > self.limits.max_message_bytes {
                    chunks.clear();
                    return Err(too_large(*len, self.limits.max_message_bytes));
                }
                if !data.is_empty() {
                    chunks.push(data);
                }
            }
            Source::Envelopes(envelopes) => envelopes.push(data),
            Source::Text(text, envelopes) => envelopes.push(text.push(&data)?),
            Source::Given(_) if data.is_empty() => {}
            Source::Given(_) => {
                let message = "a call by GET has its message in the query, not in a body";
                return Err(RpcError::new(Code::InvalidArgument, message));
            }
        }
        Ok(())
    }

    /// The body has ended.
    ///
    /// # Errors
    /// `invalid_argument` for text that ends inside a byte.
    pub fn end(&mut self) -> Result<(), RpcError> {
        self.ended = true;
        if let Source::Text(text, envelopes) = &mut self.source {
            envelopes.push(text.finish()?);
        }
        Ok(())
    }

    /// The next message, or the half-close after the last; none until more is pushed.
    ///
    /// # Errors
    /// For more or fewer messages than the method takes, a message past the limit, flags that mean nothing, a compressed
    /// message without a compression, and a body that ends inside a message.
    pub fn event(&mut self) -> Result<Option<RequestEvent>, RpcError> {
        let message = match &mut self.source {
            Source::Whole { .. } if !self.ended => None,
            Source::Whole { chunks, len } => {
                // Zero bytes are never compressed, whatever the header says.
                let compressed = !self.encoding.is_identity() && *len > 0;
                let payload = std::mem::take(chunks).into_iter().collect();
                self.source = Source::Given(None);
                Some(Message { payload, compressed })
            }
            Source::Given(_) if !self.ended => None,
            Source::Given(message) => message.take(),
            Source::Envelopes(envelopes) | Source::Text(_, envelopes) => match envelopes.next()? {
                Some(envelope) => Some(read_message(self.form, self.encoding, envelope)?),
                None if self.ended && envelopes.buffered() > 0 => {
                    return Err(envelopes.cut_error(Code::InvalidArgument));
                }
                None => None,
            },
        };
        Ok(match message {
            Some(message) => {
                if let Some(allowed) = &mut self.allowed {
                    *allowed = allowed.checked_sub(1).ok_or_else(|| cardinality("more than one message"))?;
                }
                Some(RequestEvent::Message(message))
            }
            None if self.ended && !self.half_closed => {
                if self.allowed.is_some_and(|allowed| allowed > 0) {
                    return Err(cardinality("no message"));
                }
                self.half_closed = true;
                Some(RequestEvent::HalfClose)
            }
            None => None,
        })
    }
}

fn cardinality(came: &str) -> RpcError {
    RpcError::new(
        Code::Unimplemented,
        format!("the method takes exactly one message, and the request has {came}"),
    )
}

fn read_message(form: Form, encoding: Compression, envelope: Envelope) -> Result<Message, RpcError> {
    let message = match form {
        Form::ConnectStream | Form::ConnectUnary => connect::read_message(envelope)?,
        Form::Grpc | Form::GrpcWeb | Form::GrpcWebText => grpc::read_message(envelope)?,
    };
    if message.compressed && encoding.is_identity() {
        return Err(compressed_by_nothing());
    }
    Ok(message)
}
