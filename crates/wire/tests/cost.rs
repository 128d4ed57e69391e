//! What a call costs on its way through both halves, as the bridge joins them. Counted, not timed: how often it
//! allocates, and how many bytes of its messages are copied, which is none.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::cell::Cell;
use std::time::Duration;

use bytes::Bytes;
use http::uri::{Authority, Scheme};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, Version};
use landbridge_wire::inbound::{self, RequestEvent};
use landbridge_wire::outbound::{self, Target};
use landbridge_wire::{Chunks, Finish, Limits, Output, Protocol, ResponseEvent, Shape};

/// Allocations of a small gRPC call that goes to a gRPC server: 5 when this was written.
const GRPC_THROUGH: u64 = 6;

/// Allocations of a small unary Connect call that goes to a gRPC server: 11 when this was written.
const CONNECT_TO_GRPC: u64 = 12;

/// What leaves towards the server, and what leaves towards the caller.
struct Carried {
    request: Output<Request<()>>,
    response: Output<Response<()>>,
}

/// What a gRPC server answers.
struct Answer {
    head: Response<()>,
    body: Vec<Bytes>,
    trailers: HeaderMap,
}

/// Takes a call to a gRPC server and its answer back to the caller.
fn carry(head: Request<()>, body: Vec<Bytes>, answer: Answer) -> Carried {
    let limits = Limits::default();
    let inbound::Accepted { call, reader: mut requests, writer: mut responses } =
        inbound::accept(head, limits).unwrap();
    let target = Target {
        protocol: Protocol::Grpc,
        shape: Shape::Stream,
        codec: call.codec,
        scheme: Scheme::HTTP,
        authority: Authority::from_static("server.test"),
        timeout: call.timeout,
        encoding: call.encoding,
        accepts: call.accepts,
        get: false,
        limits,
    };
    let mut opened = outbound::open(call.path, call.metadata, &target);

    let mut request = Output::new();
    let mut take = |requests: &mut inbound::RequestReader| {
        while let Some(event) = requests.event().unwrap() {
            match event {
                RequestEvent::Message(message) => opened.writer.message(message, &mut request).unwrap(),
                RequestEvent::HalfClose => opened.writer.half_close(&mut request).unwrap(),
            }
        }
    };
    for piece in body {
        requests.push(piece).unwrap();
        take(&mut requests);
    }
    requests.end().unwrap();
    take(&mut requests);

    let mut response = Output::new();
    let mut take = |reader: &mut outbound::ResponseReader| {
        while let Some(event) = reader.event() {
            match event {
                ResponseEvent::Head(head) => responses.head(head),
                ResponseEvent::Message(message) => responses.message(message, &mut response).unwrap(),
                ResponseEvent::End(end) => responses.end(end, &mut response),
            }
        }
    };
    opened.reader.head(answer.head, false);
    take(&mut opened.reader);
    for piece in answer.body {
        opened.reader.push(piece);
        take(&mut opened.reader);
    }
    opened.reader.trailers(answer.trailers);
    take(&mut opened.reader);
    Carried { request, response }
}

/// The head that grpc-python sends.
fn grpc_head() -> Request<()> {
    head(&[
        ("content-type", "application/grpc"),
        ("te", "trailers"),
        ("user-agent", "grpc-python/1.85.1"),
        ("grpc-accept-encoding", "identity, deflate, gzip"),
        ("grpc-timeout", "10S"),
        ("x-request-id", "7c0e"),
    ])
}

fn grpc_web_head() -> Request<()> {
    head(&[
        ("content-type", "application/grpc-web+proto"),
        ("x-grpc-web", "1"),
        ("accept-encoding", "gzip, br"),
        ("x-request-id", "7c0e"),
    ])
}

/// The head that Connect-Python sends.
fn connect_head() -> Request<()> {
    head(&[
        ("content-type", "application/proto"),
        ("connect-protocol-version", "1"),
        ("connect-timeout-ms", "10000"),
        ("accept-encoding", "gzip, br, zstd"),
        ("user-agent", "connect-python/0.13.0"),
        ("x-request-id", "7c0e"),
    ])
}

fn head(headers: &[(&'static str, &'static str)]) -> Request<()> {
    let mut head = Request::new(());
    *head.method_mut() = http::Method::POST;
    *head.version_mut() = Version::HTTP_2;
    *head.uri_mut() = "http://bridge.test/talk.v1.TalkService/Say".parse().unwrap();
    *head.headers_mut() = map(headers);
    head
}

fn map(headers: &[(&'static str, &'static str)]) -> HeaderMap {
    let pairs = headers.iter();
    pairs.map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
}

/// A success of grpc-python.
fn answer(body: Vec<Bytes>) -> Answer {
    let mut head = Response::new(());
    *head.headers_mut() =
        map(&[("content-type", "application/grpc"), ("grpc-accept-encoding", "identity, deflate, gzip")]);
    Answer { head, body, trailers: map(&[("grpc-status", "0"), ("grpc-message", "")]) }
}

/// A message in the envelope that streams have around it, flags and length first.
fn enveloped(payload: &[u8]) -> Bytes {
    let len = u32::try_from(payload.len()).unwrap();
    Bytes::from([&[0], &len.to_be_bytes()[..], payload].concat())
}

/// How often a small call allocates. What it is made of is built before counting starts.
fn allocations(head: Request<()>, body: Bytes) -> u64 {
    let (body, answer) = (vec![body], answer(vec![enveloped(b"hello world")]));
    let mut carried = None;
    let counted = allocation_counter::measure(|| carried = Some(carry(head, body, answer)));
    // A call that failed would be cheap.
    let Carried { request, response } = carried.unwrap();
    assert_eq!(request.finish, Some(Finish::Body));
    assert!(request.body.concat().ends_with(b"hello world"));
    assert_eq!(response.head.unwrap().status(), 200);
    assert!(response.body.concat().starts_with(b"hello world") || response.body[0].ends_with(b"hello world"));
    counted.count_total
}

/// How many of these bytes are not, in the same memory, among those that were given; in order, and all of those.
fn copied(out: &[Bytes], given: &[Bytes]) -> usize {
    let mut places = out.iter().flatten().map(std::ptr::from_ref).peekable();
    let mut copied = 0;
    for place in given.iter().flatten().map(std::ptr::from_ref) {
        copied += std::iter::from_fn(|| places.next_if(|out| *out != place)).count();
        assert_eq!(places.next(), Some(place), "a byte is missing, or in other memory than it came in");
    }
    copied + places.count()
}
