//! What a call costs on its way through both halves, as the bridge joins them. Counted, not timed: how often it
//! allocates, and how many bytes of its messages are copied, which is none.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use bytes::Bytes;
use http::uri::{Authority, Scheme};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, Version};
use landbridge_wire::inbound::{self, RequestEvent};
use landbridge_wire::outbound::{self, Target};
use landbridge_wire::{Finish, Limits, Offer, Output, Protocol, ResponseEvent, Shape};

/// The most allocations of a small gRPC call to a gRPC server; 8 when this was written.
const GRPC: u64 = 9;

/// The most allocations of a small unary Connect call to a gRPC server; 9 when this was written.
const CONNECT: u64 = 10;

/// The most allocations of a small gRPC-Web call to a gRPC server; 3 when this was written.
const GRPC_WEB: u64 = 4;

/// Bytes of an envelope's prefix: flags and length.
const PREFIX: usize = 5;

/// The flags of the envelope that ends a gRPC-Web response.
const TRAILERS: u8 = 0x80;

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
        inbound::accept(head, &Offer::all(limits), None).unwrap();
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

/// The head that browsers send for generated gRPC-Web clients.
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
    let (body, answer) = (vec![body], answer(vec![enveloped(b"hello back")]));
    let mut carried = None;
    let counted = allocation_counter::measure(|| carried = Some(carry(head, body, answer)));
    // A call that failed would be cheap.
    let Carried { request, response } = carried.unwrap();
    assert_eq!(request.finish, Some(Finish::Body));
    assert_eq!(request.body.concat(), enveloped(b"hello world"));
    assert_eq!(response.head.unwrap().status(), 200);
    assert_eq!(response.body[0].slice(response.body[0].len() - 10..), "hello back");
    counted.count_total
}

/// A mebibyte in an envelope, in pieces as large as HTTP/2's usual frames, each in memory of its own.
fn large() -> Vec<Bytes> {
    enveloped(&vec![7; 1 << 20]).chunks(16 << 10).map(Bytes::copy_from_slice).collect()
}

/// The same without the envelope's prefix.
fn without_prefix(pieces: &[Bytes]) -> Vec<Bytes> {
    let mut bare = pieces.to_vec();
    bare[0] = bare[0].slice(PREFIX..);
    bare
}

/// How many bytes were put in front, between and behind those that were given, all of which have to leave in their
/// order and from the very memory they came in.
fn added(out: &[Bytes], given: &[Bytes]) -> usize {
    let mut places = out.iter().flatten().map(std::ptr::from_ref);
    let mut added = 0;
    for given in given.iter().flatten().map(std::ptr::from_ref) {
        added += places.by_ref().position(|place| place == given).expect("a byte was copied, moved or lost");
    }
    added + places.count()
}

#[test]
fn a_small_grpc_call_to_a_grpc_server_stays_within_its_allocations() {
    let counted = allocations(grpc_head(), enveloped(b"hello world"));
    assert!(counted <= GRPC, "{counted} allocations, and {GRPC} are allowed");
}

#[test]
fn a_small_connect_call_to_a_grpc_server_stays_within_its_allocations() {
    let counted = allocations(connect_head(), Bytes::from_static(b"hello world"));
    assert!(counted <= CONNECT, "{counted} allocations, and {CONNECT} are allowed");
}

#[test]
fn a_small_grpc_web_call_to_a_grpc_server_stays_within_its_allocations() {
    let counted = allocations(grpc_web_head(), enveloped(b"hello world"));
    assert!(counted <= GRPC_WEB, "{counted} allocations, and {GRPC_WEB} are allowed");
}

#[test]
fn no_byte_of_a_large_grpc_message_is_copied_on_its_way_to_a_grpc_server_and_back() {
    let (there, back) = (large(), large());
    let carried = carry(grpc_head(), there.clone(), answer(back.clone()));
    assert_eq!(added(&carried.request.body, &there), 0);
    assert_eq!(added(&carried.response.body, &back), 0);
}

#[test]
fn no_byte_of_a_large_connect_message_is_copied_on_its_way_to_a_grpc_server_and_back() {
    let (there, back) = (without_prefix(&large()), large());
    let carried = carry(connect_head(), there.clone(), answer(back.clone()));
    assert_eq!(added(&carried.request.body, &there), PREFIX);
    assert_eq!(added(&carried.response.body, &without_prefix(&back)), 0);
}

#[test]
fn no_byte_of_a_large_grpc_web_message_is_copied_on_its_way_to_a_grpc_server_and_back() {
    let (there, back) = (large(), large());
    let mut carried = carry(grpc_web_head(), there.clone(), answer(back.clone()));
    let end = carried.response.body.pop().unwrap();
    assert_eq!(end[0], TRAILERS);
    assert_eq!(added(&carried.request.body, &there), 0);
    assert_eq!(added(&carried.response.body, &back), 0);
}
