//! Writes the answer.

use http::header::{ACCEPT_ENCODING, ALLOW};
use http::{HeaderName, HeaderValue, Response, StatusCode};

use crate::call::{End, MethodInfo, Offer, ResponseHead, Shape};
use crate::compression::{Accepted, listed};
use crate::grpc_web::{encode_text, write_trailers};
use crate::inbound::refusal::ACCEPT_POST;
use crate::message::Message;
use crate::output::{Finish, Output};
use crate::protocol::{Form, Protocol, accept_post};
use crate::{Code, Codec, RpcError, connect, grpc};

/// Writes the answer to a call: give it the head, messages and the end, and send what it puts out.
///
/// ```text
///            message (streams), flush                    end
///  [waiting] ------------------------> [head is out] ----------> [done]
///      | end: head, body and end at once                           ^
///      +-----------------------------------------------------------+
/// ```
///
/// The head waits for the first message or the end, so that a call which fails at once can still say so in its head.
#[derive(Debug)]
pub struct ResponseWriter {
    form: Form,
    pub(super) codec: Codec,
    /// Whether the call came by GET.
    pub(super) get: bool,
    /// The compressions that requests may be under, of which gRPC's heads tell.
    ours: Accepted,
    state: WriterState,
    /// Until it is sent.
    head: ResponseHead,
    /// A unary message waits for the end, which decides its fate.
    unary: Option<Message>,
    unimplemented: Unimplemented,
}

/// What an `unimplemented` error is about, which callers in Connect are told by HTTP.
#[derive(Debug)]
enum Unimplemented {
    /// There is no such method.
    Method,
    /// The method cannot be called by GET.
    Get,
    /// The method cannot be called in this form, but in one of these content-types.
    Form(HeaderValue),
    /// Something else.
    Otherwise,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WriterState {
    Waiting,
    HeadSent,
    Done,
}

impl ResponseWriter {
    pub(super) fn new(form: Form, codec: Codec, offer: &Offer) -> Self {
        Self {
            form,
            codec,
            get: false,
            ours: offer.compressions(),
            state: WriterState::Waiting,
            head: ResponseHead::default(),
            unary: None,
            unimplemented: Unimplemented::Otherwise,
        }
    }

    /// What the caller speaks.
    pub fn protocol(&self) -> Protocol {
        self.form.protocol()
    }

    /// Takes the head of the response. It is sent with what comes next. What it says of compressions in requests is passed
    /// over: here the offer decides.
    pub fn head(&mut self, head: ResponseHead) {
        self.head = head;
    }

    /// Sends the head now, where the protocol allows: a unary Connect response has to wait for its end.
    pub fn flush(&mut self, out: &mut Output<Response<()>>) {
        if self.form != Form::ConnectUnary && self.state == WriterState::Waiting {
            out.head = Some(self.stream_head());
            self.state = WriterState::HeadSent;
        }
    }

    /// Sends a message.
    ///
    /// # Errors
    /// `unimplemented` for a second message in a unary response; the call is then to be ended with that error.
    pub fn message(&mut self, message: Message, out: &mut Output<Response<()>>) -> Result<(), RpcError> {
        if self.form == Form::ConnectUnary {
            return match self.unary.replace(message) {
                None => Ok(()),
                Some(_) => {
                    let message = "the server answered a unary call with more than one message";
                    Err(RpcError::new(Code::Unimplemented, message))
                }
            };
        }
        self.flush(out);
        if self.state == WriterState::HeadSent {
            let chunks = message.into_enveloped();
            if self.form == Form::GrpcWebText {
                out.push(encode_text(&chunks.concat()));
            } else {
                out.body.extend(chunks);
            }
        }
        Ok(())
    }

    /// Says that the method is not known here: an `unimplemented` error is then a 404 to unary Connect callers.
    pub fn method_is_unknown(&mut self) {
        self.unimplemented = Unimplemented::Method;
    }

    /// Says what the method is. The call was accepted by this offer, and nothing is answered yet.
    ///
    /// # Errors
    /// `unimplemented` for a method that cannot be called as this caller has; the call is then to be ended with that
    /// error, which is a 405 where the method has side effects and came by GET, and a 415 where one of Connect's two
    /// forms, unary and stream, was used for a method of the other.
    pub fn method_is(&mut self, method: MethodInfo, offer: &Offer) -> Result<(), RpcError> {
        let message = if self.get && !method.takes_get() {
            self.unimplemented = Unimplemented::Get;
            "the method is not declared to be without side effects: call it by POST"
        } else if !self.form.carries(method.shape) {
            self.unimplemented = Unimplemented::Form(accept_post(offer.codecs(), Some(method.shape)));
            match method.shape {
                Shape::Unary => {
                    "the method is unary: call it without envelopes, as application/json or alike"
                }
                Shape::Stream => {
                    "the method streams: call it with envelopes, as application/connect+json or alike"
                }
            }
        } else {
            return Ok(());
        };
        Err(RpcError::new(Code::Unimplemented, message))
    }

    /// The header that tells which compressions a request could have been under, for a call that this error refuses by its
    /// head. gRPC has it in every head.
    pub(super) fn usable_encodings(&self, error: &RpcError) -> Option<(HeaderName, HeaderValue)> {
        // What else is unimplemented is known for what it is.
        if error.code != Code::Unimplemented || !matches!(self.unimplemented, Unimplemented::Otherwise) {
            return None;
        }
        let name = match self.form {
            Form::ConnectUnary => ACCEPT_ENCODING,
            Form::ConnectStream => connect::STREAM_ACCEPT_ENCODING,
            Form::Grpc | Form::GrpcWeb | Form::GrpcWebText => return None,
        };
        Some((name, listed(&self.ours)))
    }

    /// Ends the response. What comes after is passed over.
    pub fn end(&mut self, end: End, out: &mut Output<Response<()>>) {
        match (std::mem::replace(&mut self.state, WriterState::Done), self.form) {
            (WriterState::Waiting, Form::ConnectUnary) => self.end_unary(end, out),
            (WriterState::Waiting, Form::ConnectStream)
                if matches!(self.unimplemented, Unimplemented::Form(_)) =>
            {
                self.end_unary(end, out);
            }
            (WriterState::Waiting, Form::Grpc) if self.head.metadata.is_empty() => {
                let head = std::mem::take(&mut self.head);
                out.head = Some(grpc::trailers_only(self.form, self.codec, &self.ours, head, end));
                out.finish = Some(Finish::Body);
            }
            (WriterState::Waiting, _) => {
                out.head = Some(self.stream_head());
                self.end_stream(end, out);
            }
            (WriterState::HeadSent, _) => self.end_stream(end, out),
            (WriterState::Done, _) => {}
        }
    }

    /// Whether the end was written.
    pub fn is_done(&self) -> bool {
        self.state == WriterState::Done
    }

    fn stream_head(&mut self) -> Response<()> {
        let head = std::mem::take(&mut self.head);
        match self.form {
            Form::ConnectStream | Form::ConnectUnary => connect::stream_head(self.codec, head),
            form => grpc::response_head(form, self.codec, &self.ours, head),
        }
    }

    fn end_stream(&self, end: End, out: &mut Output<Response<()>>) {
        out.finish = Some(match self.form {
            Form::Grpc => Finish::Trailers(grpc::write_end(end)),
            Form::GrpcWeb => {
                out.push(write_trailers(&grpc::write_end(end)));
                Finish::Body
            }
            Form::GrpcWebText => {
                out.push(encode_text(&write_trailers(&grpc::write_end(end))));
                Finish::Body
            }
            Form::ConnectStream | Form::ConnectUnary => {
                out.push(connect::write_end_stream(&end));
                Finish::Body
            }
        });
    }

    fn end_unary(&mut self, end: End, out: &mut Output<Response<()>>) {
        let head = std::mem::take(&mut self.head);
        let error = match (end.result, self.unary.take()) {
            (Ok(()), Some(message)) => {
                return connect::unary_success(self.codec, head, message, &end.trailers, out);
            }
            (Ok(()), None) => RpcError::new(
                Code::Unimplemented,
                "the server ended a unary call with success and without a message",
            ),
            (Err(error), _) => error,
        };
        let (status, more) = match (error.code, &self.unimplemented) {
            (Code::Unimplemented, Unimplemented::Method) => (StatusCode::NOT_FOUND, None),
            (Code::Unimplemented, Unimplemented::Get) => {
                (StatusCode::METHOD_NOT_ALLOWED, Some((ALLOW, HeaderValue::from_static("POST"))))
            }
            (Code::Unimplemented, Unimplemented::Form(types)) => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, Some((ACCEPT_POST, types.clone())))
            }
            (code, _) => (code.http_status(), None),
        };
        let mut metadata = head.metadata;
        metadata.extend(more);
        connect::unary_failure(status, metadata, &error, &end.trailers, out);
    }
}
