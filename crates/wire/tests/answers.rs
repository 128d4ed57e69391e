//! What a client makes of answers, above all of those that no server should give.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::io::Write as _;

use bytes::Bytes;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, HeaderName, Response};
use landbridge_wire::outbound::Target;
use landbridge_wire::plain::{self, Content, Packing, PlainResponseEvent, PlainResponseReader};
use landbridge_wire::{Accepted, Code, Codec, Compression, End, Limits, Protocol, Shape};

/// The largest message, in bytes.
const LIMIT: usize = 100;

/// What is called, by the form of its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    ConnectUnary,
    ConnectStream,
    Grpc,
    GrpcWeb,
}

const STREAMS: [Form; 3] = [Form::ConnectStream, Form::Grpc, Form::GrpcWeb];

impl Form {
    fn reader(self) -> PlainResponseReader {
        let (protocol, shape) = match self {
            Self::ConnectUnary => (Protocol::Connect, Shape::Unary),
            Self::ConnectStream => (Protocol::Connect, Shape::Stream),
            Self::Grpc => (Protocol::Grpc, Shape::Stream),
            Self::GrpcWeb => (Protocol::GrpcWeb, Shape::Stream),
        };
        let mut accepts = Accepted::NONE;
        accepts.add(Compression::Gzip);
        let target = Target {
            protocol,
            shape,
            codec: Codec::Proto,
            scheme: Scheme::HTTP,
            authority: Authority::from_static("test.local"),
            timeout: None,
            encoding: Compression::Identity,
            accepts,
            get: false,
            limits: Limits { max_message_bytes: LIMIT },
        };
        plain::open(PathAndQuery::from_static("/a.B/C"), HeaderMap::new(), &target, Packing::default())
            .unwrap()
            .1
    }

    fn content_type(self) -> &'static str {
        match self {
            Self::ConnectUnary => "application/proto",
            Self::ConnectStream => "application/connect+proto",
            Self::Grpc => "application/grpc+proto",
            Self::GrpcWeb => "application/grpc-web+proto",
        }
    }

    fn encoding(self) -> &'static str {
        match self {
            Self::ConnectUnary => "content-encoding",
            Self::ConnectStream => "connect-content-encoding",
            Self::Grpc | Self::GrpcWeb => "grpc-encoding",
        }
    }

    /// An answer of this form, with this body.
    fn answer(self, body: impl Into<Vec<u8>>) -> Answer {
        Answer {
            form: self,
            status: 200,
            headers: vec![("content-type", self.content_type())],
            body: body.into(),
            trailers: None,
        }
    }

    /// A whole answer with these messages.
    fn success(self, messages: &[&[u8]]) -> Answer {
        if self == Self::ConnectUnary {
            return self.answer(messages.concat());
        }
        let mut body: Vec<u8> = messages.iter().flat_map(|message| enveloped(0, message)).collect();
        match self {
            Self::ConnectStream => body.extend(enveloped(2, b"{}")),
            Self::GrpcWeb => body.extend(enveloped(0x80, b"grpc-status: 0\r\n")),
            _ => {}
        }
        let answer = self.answer(body);
        if self == Self::Grpc { answer.trailing("grpc-status", "0") } else { answer }
    }
}

#[derive(Clone, Debug)]
struct Answer {
    form: Form,
    status: u16,
    headers: Vec<(&'static str, &'static str)>,
    body: Vec<u8>,
    trailers: Option<HeaderMap>,
}

impl Answer {
    fn status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    fn header(mut self, name: &'static str, value: &'static str) -> Self {
        self.headers.retain(|(other, _)| *other != name);
        self.headers.push((name, value));
        self
    }

    fn trailing(mut self, name: &'static str, value: &'static str) -> Self {
        let trailers = self.trailers.get_or_insert_default();
        trailers.append(HeaderName::from_static(name), value.parse().unwrap());
        self
    }

    /// All that a caller sees of it, if exactly one message is wanted or any number.
    fn read(&self, wants_one: bool) -> (Vec<Content>, End) {
        let mut reader = self.form.reader();
        if wants_one {
            reader.expect_one();
        }
        let mut head = Response::builder().status(self.status);
        for (name, value) in &self.headers {
            head = head.header(*name, *value);
        }
        reader.head(head.body(()).unwrap(), self.body.is_empty() && self.trailers.is_none());
        reader.push(Bytes::from(self.body.clone()));
        match &self.trailers {
            Some(trailers) => reader.trailers(trailers.clone()),
            None => reader.end(),
        }
        let mut messages = Vec::new();
        let mut end = None;
        while let Some(event) = reader.event() {
            assert_eq!(end, None, "nothing follows the end of {self:?}");
            match event {
                PlainResponseEvent::Head(_) => assert!(messages.is_empty()),
                PlainResponseEvent::Message(message) => messages.push(message),
                PlainResponseEvent::End(last) => end = Some(last),
            }
        }
        (messages, end.expect("every answer comes to an end"))
    }

    fn code(&self) -> Code {
        self.read(false).1.result.expect_err("the answer is to be an error").code
    }
}

fn enveloped(flags: u8, payload: &[u8]) -> Vec<u8> {
    let len = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&[flags][..], &len, payload].concat()
}

fn gzipped(data: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn an_answer_that_is_cut_anywhere_is_an_error_behind_what_came_whole() {
    for form in STREAMS {
        let whole = form.success(&[b"one", b"two"]);
        let (messages, end) = whole.read(false);
        assert_eq!((messages.len(), &end.result), (2, &Ok(())), "{form:?}");
        let length = whole.body.len() + usize::from(form == Form::Grpc);
        for cut in 0..length {
            let mut answer = whole.clone();
            answer.trailers = None;
            answer.body.truncate(cut);
            let (some, end) = answer.read(false);
            assert_eq!(end.result.unwrap_err().code, Code::Internal, "{form:?}, cut at {cut}");
            assert_eq!(some[..], messages[..some.len()], "{form:?}, cut at {cut}");
            assert_eq!(some.len(), usize::from(cut >= 8) + usize::from(cut >= 16));
        }
    }
}

#[test]
fn successes_that_are_none_are_unknown_or_internal() {
    let [unary, stream, grpc, web] = [Form::ConnectUnary, Form::ConnectStream, Form::Grpc, Form::GrpcWeb];
    let mut no_content_type = grpc.success(&[b"x"]);
    no_content_type.headers.clear();
    for (what, answer, code) in [
        ("a page", unary.answer("<html>").header("content-type", "text/html"), Code::Unknown),
        ("a page", stream.answer("<html>").header("content-type", "text/html"), Code::Unknown),
        ("a page", grpc.answer("<html>").header("content-type", "text/html"), Code::Unknown),
        ("a page", web.answer("<html>").header("content-type", "text/html"), Code::Unknown),
        ("nothing", no_content_type, Code::Unknown),
        ("the other form", unary.answer("").header("content-type", stream.content_type()), Code::Unknown),
        ("the other form", stream.answer("").header("content-type", unary.content_type()), Code::Unknown),
        ("another protocol", grpc.answer("").header("content-type", web.content_type()), Code::Unknown),
        ("another protocol", web.answer("").header("content-type", grpc.content_type()), Code::Unknown),
        ("another codec", unary.answer("{}").header("content-type", "application/json"), Code::Internal),
        (
            "another codec",
            stream.answer("").header("content-type", "application/connect+json"),
            Code::Internal,
        ),
        ("another codec", grpc.answer("").header("content-type", "application/grpc+json"), Code::Internal),
        ("no status", grpc.answer(enveloped(0, b"x")).trailing("x-more", "1"), Code::Internal),
        ("no status", web.answer(enveloped(0x80, b"x-more: 1\r\n")), Code::Internal),
        ("a status that is none", grpc.answer("").trailing("grpc-status", "99"), Code::Unknown),
        ("lines that are no headers", web.answer(enveloped(0x80, b"grpc-status 0\r\n")), Code::Internal),
        ("an end that is no JSON", stream.answer(enveloped(2, b"grpc-status: 0")), Code::Internal),
        ("an error without a code", stream.answer(enveloped(2, br#"{"error":{}}"#)), Code::Unknown),
        ("an end in gRPC", grpc.answer(enveloped(2, b"{}")).trailing("grpc-status", "0"), Code::Internal),
        ("trailers in Connect", stream.answer(enveloped(0x80, b"grpc-status: 0\r\n")), Code::Internal),
    ] {
        assert_eq!(answer.code(), code, "{what}: {answer:?}");
    }
}

#[test]
fn compressions_that_were_not_offered_or_not_named_or_not_true_are_internal() {
    for form in STREAMS {
        let message = form.success(&[b"x"]);
        assert_eq!(message.clone().header(form.encoding(), "br").code(), Code::Internal, "{form:?}");
        let mut flagged = message;
        flagged.body[0] = 1;
        assert_eq!(flagged.code(), Code::Internal, "{form:?}: compressed by nothing");
        assert_eq!(flagged.header(form.encoding(), "gzip").code(), Code::Internal, "{form:?}: no gzip");
    }
    let unary = Form::ConnectUnary.success(&[b"x"]);
    assert_eq!(unary.clone().header("content-encoding", "br").code(), Code::Internal);
    assert_eq!(unary.header("content-encoding", "gzip").code(), Code::Internal);
}

#[test]
fn messages_past_the_limit_are_resource_exhausted_before_and_after_decompression() {
    let (largest, too_large) = ([7; LIMIT], [7; LIMIT + 1]);
    for form in [Form::ConnectUnary, Form::ConnectStream, Form::Grpc, Form::GrpcWeb] {
        let (messages, end) = form.success(&[&largest]).read(true);
        assert_eq!(messages, [Content::Plain(Bytes::copy_from_slice(&largest))], "{form:?}");
        assert_eq!(end.result, Ok(()), "{form:?}");
        assert_eq!(form.success(&[&too_large]).code(), Code::ResourceExhausted, "{form:?}");

        let bomb = gzipped(&[0; 100 * LIMIT]);
        assert!(bomb.len() < LIMIT, "small until it is decompressed");
        let mut answer = form.success(&[&bomb]);
        if form != Form::ConnectUnary {
            answer.body[0] = 1;
        }
        assert_eq!(answer.header(form.encoding(), "gzip").code(), Code::ResourceExhausted, "{form:?}");
    }
}

#[test]
fn ends_in_the_content_are_read_however_small_messages_have_to_be() {
    let long = "x".repeat(3 * LIMIT);
    let end = format!(r#"{{"error":{{"code":"aborted","message":"{long}"}}}}"#);
    let trailers = format!("grpc-status: 10\r\ngrpc-message: {long}\r\n");
    for answer in [
        Form::ConnectStream.answer(enveloped(2, end.as_bytes())),
        Form::ConnectStream
            .answer(enveloped(3, &gzipped(end.as_bytes())))
            .header("connect-content-encoding", "gzip"),
        Form::GrpcWeb.answer(enveloped(0x80, trailers.as_bytes())),
        Form::GrpcWeb.answer(enveloped(0x81, &gzipped(trailers.as_bytes()))).header("grpc-encoding", "gzip"),
    ] {
        let error = answer.read(false).1.result.unwrap_err();
        assert_eq!((error.code, error.message), (Code::Aborted, long.clone()));
    }
    let endless = vec![b'x'; (64 << 10) + 1];
    assert_eq!(Form::GrpcWeb.answer(enveloped(0x80, &endless)).code(), Code::ResourceExhausted);
}

#[test]
fn unary_errors_are_read_where_they_can_be_and_else_told_by_the_http_status() {
    let long = "x".repeat(3 * LIMIT);
    let json = format!(r#"{{"code":"aborted","message":"{long}"}}"#);
    let error =
        Form::ConnectUnary.answer(json.clone()).header("content-type", "application/json").status(503);
    assert_eq!(error.code(), Code::Aborted, "larger than a message may be");
    let packed =
        Form::ConnectUnary.answer(gzipped(json.as_bytes())).header("content-type", "application/json");
    assert_eq!(packed.clone().header("content-encoding", "gzip").status(503).code(), Code::Aborted);
    assert_eq!(packed.header("content-encoding", "br").status(503).code(), Code::Unavailable);

    let page = Form::ConnectUnary.answer(vec![b'<'; 1 << 20]).header("content-type", "text/html").status(502);
    let error = page.read(true).1.result.unwrap_err();
    assert_eq!(error.code, Code::Unavailable);
    assert!(error.message.contains("502"), "{error}");
}

#[test]
fn a_method_with_one_response_has_neither_none_nor_two() {
    for form in STREAMS {
        for messages in [&[][..], &[&b"a"[..], b"b"]] {
            let (_, end) = form.success(messages).read(true);
            assert_eq!(
                end.result.unwrap_err().code,
                Code::Unimplemented,
                "{form:?}, {} of them",
                messages.len()
            );
        }
        assert_eq!(form.success(&[b"a"]).read(true).1.result, Ok(()));
    }
}
