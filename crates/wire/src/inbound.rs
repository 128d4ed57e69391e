//! The inbound half: a request is read into a [`Call`] and its messages; the answer is written in the same protocol.

use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, ALLOW, CONTENT_TYPE};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Version};

use crate::call::{Call, End, Limits, MethodInfo, Offer, ResponseHead, Shape};
use crate::compression::{Accepted as AcceptedCompressions, Compression, listed};
use crate::connect::{self, GetError};
use crate::envelope::{Envelope, EnvelopeReader, compressed_by_nothing, too_large};
use crate::grpc_web::{TextDecoder, encode_text, write_trailers};
use crate::message::{Chunks, Message};
use crate::metadata::{keep_metadata, normalize, only};
use crate::output::{Finish, Output};
use crate::protocol::{ContentType, Form, Protocol, accept_post};
use crate::{Code, Codec, RpcError, grpc};

/// A request that is a call.
#[derive(Debug)]
pub struct Accepted {
    /// What it asks for.
    pub call: Call,
    /// Reads its messages.
    pub reader: RequestReader,
    /// Writes its answer.
    pub writer: ResponseWriter,
}

/// A request that is none, or one that can be refused by its head alone.
#[derive(Debug)]
pub struct Refusal {
    /// The whole answer, in the caller's protocol where it speaks one.
    pub output: Output<Response<()>>,
    /// Why.
    pub error: RpcError,
    /// What the caller speaks, if that much was clear.
    pub protocol: Option<Protocol>,
}

/// Whether a request looks like a call in any of the protocols: by its content-type, or its query for GET.
pub fn is_call(request: &Request<()>) -> bool {
    match *request.method() {
        Method::POST => content_type(request.headers()).is_some(),
        Method::GET => request.uri().query().is_some_and(connect::is_get_call),
        _ => false,
    }
}

/// What the head says that the body is; none if it says it twice, which two readers could read differently.
fn content_type(headers: &HeaderMap) -> Option<ContentType> {
    only(headers, &CONTENT_TYPE).ok().flatten().and_then(ContentType::parse)
}

/// Whether a request looks like a call in gRPC or gRPC-Web, whose content-types nothing else uses: those of Connect's
/// unary calls are also everybody else's.
pub fn is_grpc_or_web<B>(request: &Request<B>) -> bool {
    let form = content_type(request.headers()).map(|content_type| content_type.form);
    request.method() == Method::POST && matches!(form, Some(Form::Grpc | Form::GrpcWeb | Form::GrpcWebText))
}

/// Reads the head of a request, for the method that its path names where that is known; see
/// [`ResponseWriter::method_is`] for one that becomes known later.
///
/// # Errors
/// The answer to send instead: 405 for an HTTP method that the method is not called by, 415 for a content-type or codec
/// that is not ours or is not one for the method, 505 for gRPC over HTTP/1, and an error in the caller's protocol for
/// malformed timeouts, encodings, binary metadata and queries.
pub fn accept(
    request: Request<()>,
    offer: &Offer,
    method: Option<MethodInfo>,
) -> Result<Accepted, Box<Refusal>> {
    let (head, ()) = request.into_parts();
    match head.method {
        Method::POST => read_post(head, offer, method),
        Method::GET => read_get(head, offer, method),
        _ => Err(refuse_http(
            StatusCode::METHOD_NOT_ALLOWED,
            (ALLOW, allowed(method)),
            format!("{} is not a method that calls are made with", head.method),
        )),
    }
}

/// What a method can be called by; one that nothing is known of may be any.
fn allowed(method: Option<MethodInfo>) -> HeaderValue {
    HeaderValue::from_static(if method.is_none_or(MethodInfo::takes_get) { "GET, POST" } else { "POST" })
}

fn read_post(
    head: http::request::Parts,
    offer: &Offer,
    method: Option<MethodInfo>,
) -> Result<Accepted, Box<Refusal>> {
    let limits = offer.limits();
    let served = match content_type(&head.headers) {
        Some(ContentType { form, codec: Some(codec) }) if offer.codecs().contains(&codec) => {
            Some((form, codec))
        }
        _ => None,
    };
    let Some((form, codec)) = served else {
        let value: Vec<_> = head.headers.get_all(CONTENT_TYPE).iter().collect();
        let message = format!("the content-type {value:?} belongs to no protocol and codec served here");
        return Err(refuse_type(offer, method, message));
    };
    if form == Form::Grpc && head.version < Version::HTTP_2 {
        return Err(refuse_version(codec, offer));
    }
    let mut writer = ResponseWriter::new(form, codec, offer);
    if let Some(Err(error)) = method.map(|method| writer.method_is(method, offer)) {
        return Err(refuse(writer, error));
    }
    let mut call = new_call(&head, form, codec);
    let ours = &offer.compressions();
    let read = match form {
        Form::ConnectUnary => connect::read_unary_head(&head.headers, &mut call, ours),
        Form::ConnectStream => connect::read_stream_head(&head.headers, &mut call, ours),
        Form::Grpc | Form::GrpcWeb | Form::GrpcWebText => grpc::read_head(&head.headers, &mut call, ours),
    };
    match read.and_then(|()| metadata(head.headers)) {
        Ok(metadata) => call.metadata = metadata,
        Err(error) => return Err(refuse(writer, error)),
    }
    let source = match form {
        Form::ConnectUnary => Source::Whole { chunks: Chunks::new(), len: 0 },
        Form::GrpcWebText => {
            Source::Text(TextDecoder::default(), EnvelopeReader::new(limits.max_message_bytes))
        }
        _ => Source::Envelopes(EnvelopeReader::new(limits.max_message_bytes)),
    };
    let reader = RequestReader::new(form, call.encoding, limits, source);
    Ok(Accepted { call, reader, writer })
}

fn read_get(
    head: http::request::Parts,
    offer: &Offer,
    method: Option<MethodInfo>,
) -> Result<Accepted, Box<Refusal>> {
    let limits = offer.limits();
    let query = head.uri.query().unwrap_or_default();
    if !connect::is_get_call(query) && !method.is_some_and(MethodInfo::takes_get) {
        return Err(refuse_http(
            StatusCode::METHOD_NOT_ALLOWED,
            (ALLOW, HeaderValue::from_static("POST")),
            "a GET request is a call only with the query parameters encoding and message".into(),
        ));
    }
    let form = Form::ConnectUnary;
    let mut writer = ResponseWriter::new(form, Codec::Json, offer);
    writer.get = true;
    if let Some(Err(error)) = method.map(|method| writer.method_is(method, offer)) {
        return Err(refuse(writer, error));
    }
    let ours = &offer.compressions();
    let get = match connect::read_get(query, ours, limits.max_message_bytes) {
        Ok(get) if offer.codecs().contains(&get.codec) => get,
        Ok(_) | Err(GetError::UnknownCodec) => {
            let message = "the query parameter encoding names a codec that is not served here";
            return Err(refuse_type(offer, method, message.into()));
        }
        Err(GetError::Rpc(error)) => return Err(refuse(writer, error)),
    };
    writer.codec = get.codec;
    let mut call = new_call(&head, form, get.codec);
    call.get = true;
    let read = connect::read_unary_head(&head.headers, &mut call, ours);
    call.encoding = get.encoding;
    if !head.headers.contains_key(http::header::ACCEPT_ENCODING) {
        call.accepts.add(get.encoding);
    }
    match read.and_then(|()| metadata(head.headers)) {
        Ok(metadata) => call.metadata = metadata,
        Err(error) => return Err(refuse(writer, error)),
    }
    let reader = RequestReader::new(form, call.encoding, limits, Source::Given(Some(get.message)));
    Ok(Accepted { call, reader, writer })
}

/// The caller's own headers, in the form that every server reads.
///
/// # Errors
/// See [`normalize`].
fn metadata(mut headers: HeaderMap) -> Result<HeaderMap, RpcError> {
    keep_metadata(&mut headers);
    normalize(&mut headers)?;
    Ok(headers)
}

fn new_call(head: &http::request::Parts, form: Form, codec: Codec) -> Call {
    Call {
        protocol: match form {
            Form::ConnectUnary | Form::ConnectStream => Protocol::Connect,
            Form::Grpc => Protocol::Grpc,
            Form::GrpcWeb | Form::GrpcWebText => Protocol::GrpcWeb,
        },
        path: method_path(&head.uri),
        shape: if form == Form::ConnectUnary { Shape::Unary } else { Shape::Stream },
        codec,
        timeout: None,
        encoding: Compression::Identity,
        accepts: AcceptedCompressions::NONE,
        get: false,
        metadata: HeaderMap::new(),
    }
}

/// The path without its query, which names no method.
fn method_path(uri: &http::Uri) -> PathAndQuery {
    match uri.path_and_query() {
        Some(path) if path.query().is_none() => path.clone(),
        _ => uri.path().parse().unwrap_or_else(|_| PathAndQuery::from_static("/")),
    }
}

/// The compression that a request's header names, which has to be one of `ours`; identity where it names none.
///
/// # Errors
/// `unimplemented`, as all three protocols ask for, with the list of what could be used.
pub(crate) fn request_encoding(
    value: Option<&HeaderValue>,
    ours: &AcceptedCompressions,
) -> Result<Compression, RpcError> {
    known_request_encoding(value.map(|value| value.to_str().unwrap_or("?")), ours)
}

/// The same for a name out of a query.
pub(crate) fn known_request_encoding(
    name: Option<&str>,
    ours: &AcceptedCompressions,
) -> Result<Compression, RpcError> {
    let Some(name) = name else { return Ok(Compression::Identity) };
    Compression::from_name(name.trim()).filter(|named| ours.contains(*named)).ok_or_else(|| {
        let ours: String = ours.iter().map(|ours| format!("{}, ", ours.name())).collect();
        let message = format!("the compression {name:?} is not supported: use one of {ours}identity");
        RpcError::new(Code::Unimplemented, message)
    })
}

/// Refuses a call by its head.
fn refuse(mut writer: ResponseWriter, error: RpcError) -> Box<Refusal> {
    // Here it is the compression; gRPC lists in every head what could be used.
    let is_compression =
        error.code == Code::Unimplemented && matches!(writer.unimplemented, Unimplemented::Otherwise);
    let accept_encoding = match writer.form {
        Form::ConnectUnary if is_compression => Some(ACCEPT_ENCODING),
        Form::ConnectStream if is_compression => Some(connect::STREAM_ACCEPT_ENCODING),
        _ => None,
    };
    let mut output = Output::new();
    let protocol = Some(writer.protocol());
    writer.end(End::failed(error.clone()), &mut output);
    if let (Some(name), Some(head)) = (accept_encoding, &mut output.head) {
        head.headers_mut().insert(name, listed(&writer.ours));
    }
    Box::new(Refusal { output, error, protocol })
}

/// An answer in plain HTTP, for those that speak no protocol; the specification has no body for it.
fn refuse_http(
    status: StatusCode,
    (name, value): (HeaderName, HeaderValue),
    message: String,
) -> Box<Refusal> {
    let mut response = Response::new(());
    *response.status_mut() = status;
    response.headers_mut().insert(name, value);
    response.headers_mut().insert(http::header::CONTENT_LENGTH, HeaderValue::from_static("0"));
    let error = RpcError::new(Code::from_http_status(status), message);
    let output = Output { head: Some(response), body: Chunks::new(), finish: Some(Finish::Body) };
    Box::new(Refusal { output, error, protocol: None })
}

fn refuse_type(offer: &Offer, method: Option<MethodInfo>, message: String) -> Box<Refusal> {
    let types = accept_post(offer.codecs(), method.map(|method| method.shape));
    refuse_http(StatusCode::UNSUPPORTED_MEDIA_TYPE, (ACCEPT_POST, types), message)
}

const ACCEPT_POST: HeaderName = HeaderName::from_static("accept-post");

fn refuse_version(codec: Codec, offer: &Offer) -> Box<Refusal> {
    let error = RpcError::new(
        Code::Internal,
        "gRPC needs HTTP/2, because it ends calls with trailers; over HTTP/1.1 use Connect or gRPC-Web",
    );
    let end = End::failed(error.clone());
    let ours = &offer.compressions();
    let mut response = grpc::trailers_only(Form::Grpc, codec, ours, ResponseHead::default(), end);
    *response.status_mut() = StatusCode::HTTP_VERSION_NOT_SUPPORTED;
    response.headers_mut().insert(http::header::CONTENT_LENGTH, HeaderValue::from_static("0"));
    let output = Output { head: Some(response), body: Chunks::new(), finish: Some(Finish::Body) };
    Box::new(Refusal { output, error, protocol: Some(Protocol::Grpc) })
}

/// The answer to gRPC of a server that has no trailers. In plain HTTP: an end in the head would have to be the end of the
/// stream too, which such servers do not do either.
pub fn no_trailers() -> Output<Response<()>> {
    const MESSAGE: &str = "gRPC needs HTTP trailers, which this server does not send: use a server that does, such as \
                           landbridge serve, or the Connect protocol\n";
    let mut response = Response::new(());
    *response.status_mut() = StatusCode::NOT_IMPLEMENTED;
    let text = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, text);
    let mut body = Chunks::new();
    body.push(Bytes::from_static(MESSAGE.as_bytes()));
    Output { head: Some(response), body, finish: Some(Finish::Body) }
}

/// The same answer with its end in trailers, where it is in the head: for servers that have trailers, and whose heads
/// cannot be the end of a stream.
pub fn end_in_trailers(mut output: Output<Response<()>>) -> Output<Response<()>> {
    let Some(head) = output.head.as_mut().filter(|head| head.status() == StatusCode::OK) else {
        return output;
    };
    let trailers = grpc::take_end(head.headers_mut());
    if !trailers.is_empty() {
        output.finish = Some(Finish::Trailers(trailers));
    }
    output
}

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
enum Source {
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
    fn new(form: Form, encoding: Compression, limits: Limits, source: Source) -> Self {
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
    codec: Codec,
    /// Whether the call came by GET.
    get: bool,
    /// The compressions that requests may be under, of which gRPC's heads tell.
    ours: AcceptedCompressions,
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
    fn new(form: Form, codec: Codec, offer: &Offer) -> Self {
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
        match self.form {
            Form::ConnectUnary | Form::ConnectStream => Protocol::Connect,
            Form::Grpc => Protocol::Grpc,
            Form::GrpcWeb | Form::GrpcWebText => Protocol::GrpcWeb,
        }
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
