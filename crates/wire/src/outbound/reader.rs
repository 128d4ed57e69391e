//! Reads a server's answer.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Response, StatusCode};

use crate::call::{End, Limits, ResponseEvent, ResponseHead};
use crate::compression::{Accepted, Compression, decompress};
use crate::envelope::{COMPRESSED, Envelope, EnvelopeReader, compressed_by_nothing, too_large};
use crate::grpc_web::{TextDecoder, is_trailers, read_trailers};
use crate::message::{Chunks, Message, Payload};
use crate::outbound::Target;
use crate::outbound::fault::{as_server_fault, http_failure};
use crate::protocol::Form;
use crate::{Code, Codec, RpcError, connect, grpc};

/// The most bytes of a response's end where it stands in the content, however little a message may have: it is no
/// message, and holds what other responses have in their trailers.
const MAX_END: usize = 64 << 10;

/// Reads a server's answer.
///
/// Give it the [`head`](Self::head), then the body by [`push`](Self::push), then [`trailers`](Self::trailers) or the
/// [`end`](Self::end), or [`fail`](Self::fail) wherever the transport dies; take [`event`](Self::event) until it has
/// nothing more. It always comes to exactly one [`ResponseEvent::End`], whatever the server sends.
#[derive(Debug)]
pub struct ResponseReader {
    form: Form,
    codec: Codec,
    accepts: Accepted,
    limits: Limits,
    body: Body,
    /// Read, and not yet given out.
    head: Option<ResponseHead>,
    /// A unary response's message, not yet given out.
    unary: Option<Message>,
    /// Known, and not yet given out: messages that came before go first.
    end: Option<End>,
    done: bool,
}

#[derive(Debug)]
enum Body {
    /// The head has not come.
    Awaited,
    Envelopes {
        reader: EnvelopeReader,
        text: Option<TextDecoder>,
        encoding: Compression,
        /// The head's headers if it carries a status: they count if neither messages nor trailers come.
        status_in_head: Option<HeaderMap>,
        started: bool,
    },
    Unary {
        status: StatusCode,
        /// Of a failure.
        content_type: Option<HeaderValue>,
        encoding: Compression,
        trailers: HeaderMap,
        chunks: Chunks,
        len: usize,
        /// The most bytes that are read.
        limit: usize,
    },
    /// The end stood in the body, so nothing may follow it there.
    Told { end: End, surplus: usize },
    /// The end is known; what still comes is passed over.
    Ignored,
}

impl ResponseReader {
    pub(super) fn new(form: Form, target: &Target) -> Self {
        Self {
            form,
            codec: target.codec,
            accepts: target.accepts,
            limits: target.limits,
            body: Body::Awaited,
            head: None,
            unary: None,
            end: None,
            done: false,
        }
    }

    /// Takes the head; `ended` if nothing follows it.
    pub fn head(&mut self, response: Response<()>, ended: bool) {
        let (http::response::Parts { status, headers, .. }, ()) = response.into_parts();
        match self.form {
            Form::ConnectUnary => self.unary_head(status, headers),
            Form::ConnectStream => {
                match connect::read_stream_response_head(self.codec, status, headers, &self.accepts) {
                    Ok(head) => self.stream(head, None),
                    Err(error) => self.finish(End::failed(error)),
                }
            }
            form => {
                if ended && status == StatusCode::OK && grpc::has_status(&headers) {
                    return self.finish(grpc::read_end(headers));
                }
                let status_in_head = grpc::has_status(&headers).then(|| headers.clone());
                match grpc::read_response_head(form, self.codec, status, headers, &self.accepts) {
                    Ok(head) => self.stream(head, status_in_head),
                    Err(end) => self.finish(*end),
                }
            }
        }
        if ended {
            self.end();
        }
    }

    /// Takes more of the body.
    pub fn push(&mut self, data: Bytes) {
        match &mut self.body {
            Body::Envelopes { reader, text: None, started, .. } => {
                *started |= !data.is_empty();
                reader.push(data);
            }
            Body::Envelopes { reader, text: Some(text), started, .. } => {
                *started |= !data.is_empty();
                match text.push(&data) {
                    Ok(data) => reader.push(data),
                    Err(error) => self.finish(End::failed(error)),
                }
            }
            Body::Unary { chunks, len, limit, .. } => {
                *len += data.len();
                if *len > *limit {
                    self.overrun();
                } else if !data.is_empty() {
                    chunks.push(data);
                }
            }
            Body::Told { surplus, .. } => *surplus += data.len(),
            Body::Awaited | Body::Ignored => {}
        }
    }

    /// Takes the HTTP trailers, which end the response.
    pub fn trailers(&mut self, trailers: HeaderMap) {
        match &mut self.body {
            Body::Envelopes { .. } if self.form == Form::Grpc => {
                // A status in the head is nothing once there are trailers.
                self.end = Some(grpc::read_end(trailers));
            }
            _ => self.end(),
        }
    }

    /// The body has ended, without trailers.
    pub fn end(&mut self) {
        if self.end.is_some() || self.done {
            return;
        }
        match std::mem::replace(&mut self.body, Body::Ignored) {
            Body::Unary { status, content_type, encoding, trailers, chunks, len, .. } => {
                self.end_unary(status, content_type, encoding, trailers, chunks, len);
            }
            Body::Envelopes { started: false, status_in_head: Some(headers), .. } => {
                self.finish(grpc::read_end(headers));
            }
            body @ Body::Envelopes { .. } => {
                // The end may still stand in the body; `event` comes upon it first.
                self.body = body;
                let what = if self.form == Form::Grpc {
                    "trailers"
                } else {
                    "its last part, which tells the status"
                };
                let message = format!("the server's response ended without {what}");
                self.end = Some(End::failed(RpcError::new(Code::Internal, message)));
            }
            Body::Awaited => {
                self.finish(End::failed(RpcError::new(
                    Code::Internal,
                    "the server's response ended before its head",
                )));
            }
            // The server's own error says more than what follows it.
            Body::Told { end, surplus } if surplus == 0 || end.result.is_err() => self.end = Some(end),
            Body::Told { surplus, .. } => {
                let message = format!("the server sent {surplus} bytes behind the end of its response");
                self.end = Some(End::failed(RpcError::new(Code::Internal, message)));
            }
            Body::Ignored => {}
        }
    }

    /// Whether the server has told the end of the call in the body, which is not over yet. Whoever does not want to
    /// wait for that any longer says [`end`](Self::end).
    pub fn awaits_only_the_end(&self) -> bool {
        matches!(self.body, Body::Told { .. })
    }

    /// The transport died: the call ends with this error, unless its end was already known.
    pub fn fail(&mut self, error: RpcError) {
        if self.awaits_only_the_end() {
            // All there was to be told has come.
            self.end();
        } else if self.end.is_none() && !self.done {
            self.end = Some(End::failed(error));
            if !matches!(self.body, Body::Envelopes { .. }) {
                self.body = Body::Ignored;
            }
        }
    }

    /// The next event; none until more is given. After the end, none forever.
    pub fn event(&mut self) -> Option<ResponseEvent> {
        if self.done {
            return None;
        }
        // A head that may turn out to be the whole response waits for what comes next.
        let undecided = matches!(&self.body, Body::Envelopes { status_in_head: Some(_), started: false, .. });
        if !(undecided && self.end.is_none())
            && let Some(head) = self.head.take()
        {
            return Some(ResponseEvent::Head(head));
        }
        if let Some(message) = self.unary.take() {
            return Some(ResponseEvent::Message(message));
        }
        match self.next_message() {
            Ok(Some(message)) => return Some(ResponseEvent::Message(message)),
            Ok(None) => {}
            Err(error) => self.finish(End::failed(error)),
        }
        let end = self.end.take()?;
        self.done = true;
        self.body = Body::Ignored;
        Some(ResponseEvent::End(end))
    }

    fn next_message(&mut self) -> Result<Option<Message>, RpcError> {
        match &mut self.body {
            Body::Envelopes { reader, encoding, .. } => match reader.next()? {
                Some(envelope) => {
                    let encoding = *encoding;
                    self.read_envelope(envelope, encoding)
                }
                None if self.end.as_ref().is_some_and(|end| end.result.is_ok()) && reader.buffered() > 0 => {
                    Err(reader.cut_error(Code::Internal))
                }
                None => Ok(None),
            },
            Body::Unary { .. } | Body::Told { .. } | Body::Awaited | Body::Ignored => Ok(None),
        }
    }

    /// A message, or the end that stands in the body.
    fn read_envelope(
        &mut self,
        envelope: Envelope,
        encoding: Compression,
    ) -> Result<Option<Message>, RpcError> {
        let compressed = envelope.flags & COMPRESSED != 0;
        if compressed && encoding.is_identity() {
            return Err(compressed_by_nothing());
        }
        let end = match self.form {
            Form::ConnectStream if connect::is_end_stream(&envelope) => {
                connect::read_end_stream(&self.plain(envelope.payload, compressed, encoding)?)
            }
            Form::GrpcWeb | Form::GrpcWebText if is_trailers(&envelope) => {
                grpc::read_end(read_trailers(&self.plain(envelope.payload, compressed, encoding)?)?)
            }
            Form::ConnectStream | Form::ConnectUnary => {
                return connect::read_message(envelope).map(Some).map_err(as_server_fault);
            }
            Form::Grpc | Form::GrpcWeb | Form::GrpcWebText => return grpc::read_message(envelope).map(Some),
        };
        let surplus = match &self.body {
            Body::Envelopes { reader, .. } => reader.buffered(),
            _ => 0,
        };
        self.body = Body::Told { end, surplus };
        if self.end.take().is_some() {
            // The body was over before this was read.
            self.end();
        }
        Ok(None)
    }

    fn plain(&self, payload: Payload, compressed: bool, encoding: Compression) -> Result<Bytes, RpcError> {
        let encoding = if compressed { encoding } else { Compression::Identity };
        decompress(&payload, encoding, self.max_end())
            .map_err(|error| RpcError::new(Code::Internal, format!("the end of the response: {error}")))
    }

    fn max_end(&self) -> usize {
        self.limits.max_message_bytes.max(MAX_END)
    }

    fn stream(&mut self, head: ResponseHead, status_in_head: Option<HeaderMap>) {
        self.body = Body::Envelopes {
            reader: EnvelopeReader::with_end(self.limits.max_message_bytes, self.max_end()),
            text: (self.form == Form::GrpcWebText).then(TextDecoder::default),
            encoding: head.encoding,
            status_in_head,
            started: false,
        };
        self.head = Some(head);
    }

    fn unary_head(&mut self, status: StatusCode, headers: HeaderMap) {
        let is_error = status != StatusCode::OK;
        let content_type = headers.get(CONTENT_TYPE).filter(|_| is_error).cloned();
        match connect::read_unary_response_head(self.codec, status, headers, &self.accepts) {
            Ok((head, trailers)) => {
                self.body = Body::Unary {
                    status,
                    content_type,
                    encoding: head.encoding,
                    trailers,
                    chunks: Chunks::new(),
                    len: 0,
                    limit: if is_error { self.max_end() } else { self.limits.max_message_bytes },
                };
                self.head = Some(head);
            }
            Err(error) => self.finish(End::failed(error)),
        }
    }

    fn end_unary(
        &mut self,
        status: StatusCode,
        content_type: Option<HeaderValue>,
        encoding: Compression,
        trailers: HeaderMap,
        chunks: Chunks,
        len: usize,
    ) {
        let payload: Payload = chunks.into_iter().collect();
        if status == StatusCode::OK {
            let compressed = !encoding.is_identity() && len > 0;
            self.unary = Some(Message { payload, compressed });
            self.end = Some(End { result: Ok(()), trailers });
            return;
        }
        let body = decompress(&payload, encoding, self.max_end()).unwrap_or_default();
        let result = Err(connect::read_unary_error(status, content_type.as_ref(), &body));
        self.end = Some(End { result, trailers });
    }

    /// More has come of a unary response than may.
    fn overrun(&mut self) {
        let Body::Unary { status, content_type, trailers, len, limit, .. } =
            std::mem::replace(&mut self.body, Body::Ignored)
        else {
            return;
        };
        let error = if status == StatusCode::OK {
            too_large(len, limit)
        } else {
            // Such as a page for people.
            http_failure(status, content_type.as_ref())
        };
        self.finish(End { result: Err(error), trailers });
    }

    /// The end is known, and what still comes in the body is of no more interest.
    fn finish(&mut self, end: End) {
        self.end = Some(end);
        self.body = Body::Ignored;
    }
}
