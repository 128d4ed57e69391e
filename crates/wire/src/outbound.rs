//! The outbound half: a [`Call`](crate::Call) and its messages are written as a request; the answer is read from the
//! same protocol.

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri};

use std::time::Duration;

use crate::call::{End, Limits, ResponseEvent, ResponseHead, Shape};
use crate::compression::{Accepted, Compression, decompress};
use crate::envelope::{COMPRESSED, Envelope, EnvelopeReader, compressed_by_nothing, too_large};
use crate::grpc_web::{TextDecoder, is_trailers, read_trailers};
use crate::message::{Chunks, Message, Payload};
use crate::output::{Finish, Output};
use crate::protocol::{ContentType, Form, Protocol};
use crate::{Code, Codec, RpcError, connect, grpc};

/// How a call is made to a server.
#[derive(Clone, Debug)]
pub struct Target {
    /// What the server speaks.
    pub protocol: Protocol,
    /// Whether the method takes and gives exactly one message; decides the form of a Connect call.
    pub shape: Shape,
    /// The codec of messages both ways.
    pub codec: Codec,
    /// `http` or `https`.
    pub scheme: Scheme,
    /// The value of `:authority` or `host`.
    pub authority: Authority,
    /// How long the server may take.
    pub timeout: Option<Duration>,
    /// The compression of those request messages that say they are compressed.
    pub encoding: Compression,
    /// The compressions offered to the server for its responses.
    pub accepts: Accepted,
    /// Whether to call by GET, where the message is not too long for it; only for methods without side effects.
    pub get: bool,
    /// What the answer is held to.
    pub limits: Limits,
}

/// The two machines of an opened call.
#[derive(Debug)]
pub struct OpenedCall {
    /// Writes the request.
    pub writer: RequestWriter,
    /// Reads the answer.
    pub reader: ResponseReader,
}

/// Prepares a call to this target. `metadata` is the caller's own, checked.
pub fn open(path: PathAndQuery, metadata: HeaderMap, target: &Target) -> OpenedCall {
    let form = match (target.protocol, target.shape) {
        (Protocol::Connect, Shape::Unary) => Form::ConnectUnary,
        (Protocol::Connect, Shape::Stream) => Form::ConnectStream,
        (Protocol::Grpc, _) => Form::Grpc,
        (Protocol::GrpcWeb, _) => Form::GrpcWeb,
    };
    let mut request = Request::new(());
    *request.method_mut() = Method::POST;
    *request.uri_mut() = uri(target, path);
    let headers = request.headers_mut();
    *headers = metadata;
    match form {
        Form::ConnectUnary if target.get => connect::open_get(headers, target),
        Form::ConnectUnary => connect::open_unary(headers, target),
        Form::ConnectStream => connect::open_stream(headers, target),
        Form::Grpc | Form::GrpcWeb | Form::GrpcWebText => grpc::open(headers, form, target),
    }
    OpenedCall {
        writer: RequestWriter {
            form,
            codec: target.codec,
            encoding: target.encoding,
            get: target.get,
            head: Some(request),
            unary: None,
        },
        reader: ResponseReader::new(form, target),
    }
}

fn uri(target: &Target, path: PathAndQuery) -> Uri {
    let mut parts = http::uri::Parts::default();
    parts.scheme = Some(target.scheme.clone());
    parts.authority = Some(target.authority.clone());
    parts.path_and_query = Some(path);
    // All three parts are there, which is all that `from_parts` asks for.
    Uri::from_parts(parts).unwrap_or_default()
}

/// The most bytes of a response's end where it stands in the content, however little a message may have: it is no
/// message, and holds what other responses have in their trailers.
const MAX_END: usize = 64 << 10;

/// The compression that a response's header names; identity where it names none.
///
/// # Errors
/// `internal` for one that was not offered.
pub(crate) fn response_encoding(
    value: Option<&HeaderValue>,
    offered: &Accepted,
) -> Result<Compression, RpcError> {
    let Some(value) = value else { return Ok(Compression::Identity) };
    value
        .to_str()
        .ok()
        .and_then(Compression::from_name)
        .filter(|compression| offered.contains(*compression))
        .ok_or_else(|| {
            let message =
                format!("the server answered with the compression {value:?}, which was not offered to it");
            RpcError::new(Code::Internal, message)
        })
}

/// Writes a request: give it messages and the half-close, and send what it puts out.
#[derive(Debug)]
pub struct RequestWriter {
    form: Form,
    codec: Codec,
    encoding: Compression,
    get: bool,
    /// Until it is sent.
    head: Option<Request<()>>,
    /// A unary message waits for the half-close, which proves that it is the only one.
    unary: Option<Message>,
}

impl RequestWriter {
    /// A query longer than this, in bytes, is sent by POST instead: servers and proxies refuse long URLs.
    pub const MAX_GET_QUERY: usize = 4096;

    /// Sends the head now, where the protocol allows: a unary Connect request has to wait for its message.
    pub fn flush(&mut self, out: &mut Output<Request<()>>) {
        if self.form != Form::ConnectUnary
            && let Some(head) = self.head.take()
        {
            out.head = Some(head);
        }
    }

    /// Sends a message.
    ///
    /// # Errors
    /// `unimplemented` for a second message in a unary request.
    pub fn message(&mut self, message: Message, out: &mut Output<Request<()>>) -> Result<(), RpcError> {
        if self.form == Form::ConnectUnary {
            return match self.unary.replace(message) {
                None => Ok(()),
                Some(_) => Err(RpcError::new(
                    Code::Unimplemented,
                    "a unary call was made with more than one message",
                )),
            };
        }
        self.flush(out);
        out.body.extend(message.into_enveloped());
        Ok(())
    }

    /// Says that no message follows.
    ///
    /// # Errors
    /// `unimplemented` for a unary request without a message.
    pub fn half_close(&mut self, out: &mut Output<Request<()>>) -> Result<(), RpcError> {
        self.flush(out);
        if let (Form::ConnectUnary, Some(head)) = (self.form, self.head.take()) {
            let Some(message) = self.unary.take() else {
                return Err(RpcError::new(Code::Unimplemented, "a unary call was made without a message"));
            };
            self.write_unary(head, message, out);
        }
        out.finish = Some(Finish::Body);
        Ok(())
    }

    fn write_unary(&self, mut head: Request<()>, message: Message, out: &mut Output<Request<()>>) {
        if self.get {
            let query = connect::get_query(self.codec, self.encoding, &message);
            if query.len() <= Self::MAX_GET_QUERY
                && let Some(uri) = with_query(head.uri(), &query)
            {
                *head.method_mut() = Method::GET;
                *head.uri_mut() = uri;
                out.head = Some(head);
                return;
            }
            connect::make_post(head.headers_mut(), Form::ConnectUnary, self.codec);
        }
        let headers = head.headers_mut();
        if message.compressed {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static(self.encoding.name()));
        }
        headers.insert(CONTENT_LENGTH, message.payload.len().into());
        out.head = Some(head);
        out.body.extend(message.payload.into_chunks());
    }
}

fn with_query(uri: &Uri, query: &str) -> Option<Uri> {
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some([uri.path(), query].concat().parse().ok()?);
    Uri::from_parts(parts).ok()
}

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
    fn new(form: Form, target: &Target) -> Self {
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

/// The failure of a response that no protocol has written, such as a proxy's page for people.
pub(crate) fn http_failure(status: StatusCode, content_type: Option<&HeaderValue>) -> RpcError {
    let what = content_type.map(|value| format!(" and content of the type {value:?}")).unwrap_or_default();
    RpcError::new(
        Code::from_http_status(status),
        format!("the server answered with HTTP status {status}{what}"),
    )
}

/// The failure of a response in another form or codec than that of its request.
pub(crate) fn wrong_content_type(
    code: Code,
    value: Option<&HeaderValue>,
    form: Form,
    codec: Codec,
) -> RpcError {
    let expected = ContentType::header(form, codec);
    let message = match value {
        None => format!("the response has no content-type; {expected:?} is expected"),
        Some(value) => format!("the response's content-type is {value:?}; {expected:?} is expected"),
    };
    RpcError::new(code, message)
}

/// The same finding is the caller's fault in a request and the server's in a response.
fn as_server_fault(error: RpcError) -> RpcError {
    RpcError { code: Code::Internal, ..error }
}
