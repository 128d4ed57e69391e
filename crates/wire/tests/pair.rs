//! Both halves of every protocol joined in memory, with no sockets and no clock: what a client writes a server reads,
//! and back, however the bytes are split.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use bytes::Bytes;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, Version};
use landbridge_wire::inbound::{self, RequestEvent};
use landbridge_wire::outbound::{self, Target};
use landbridge_wire::{
    Accepted, Code, Codec, Compression, Detail, End, Finish, Limits, Message, Offer, Output, Protocol,
    ResponseEvent, ResponseHead, RpcError, Shape,
};
use proptest::prelude::*;

/// A call and its answer, as both sides see it.
#[derive(Clone, Debug, PartialEq)]
struct Exchange {
    metadata: HeaderMap,
    requests: Vec<Message>,
    head: HeaderMap,
    responses: Vec<Message>,
    end: End,
}

#[derive(Clone, Copy, Debug)]
struct Mode {
    protocol: Protocol,
    shape: Shape,
    codec: Codec,
    get: bool,
}

/// Takes the exchange over the wire in this mode, every body cut into pieces of `split` bytes; what arrived comes back.
fn over_the_wire(sent: &Exchange, mode: Mode, split: usize) -> Exchange {
    let target = Target {
        protocol: mode.protocol,
        shape: mode.shape,
        codec: mode.codec,
        scheme: Scheme::HTTP,
        authority: Authority::from_static("test.local"),
        timeout: None,
        encoding: Compression::Gzip,
        accepts: [Compression::Gzip].into_iter().collect(),
        get: mode.get,
        limits: Limits::default(),
    };
    let path = PathAndQuery::from_static("/pkg.Service/Method");
    let mut opened = outbound::open(path, sent.metadata.clone(), &target);
    let mut out = Output::new();
    for message in &sent.requests {
        opened.writer.message(message.clone(), &mut out).unwrap();
    }
    opened.writer.half_close(&mut out).unwrap();
    assert_eq!(out.finish, Some(Finish::Body));

    let mut head: Request<()> = out.head.unwrap();
    *head.version_mut() = Version::HTTP_2;
    let inbound::Accepted { call, mut reader, mut writer } =
        inbound::accept(head, &Offer::all(Limits::default()), None).unwrap();
    assert_eq!(call.path, "/pkg.Service/Method");
    assert_eq!(
        (call.protocol, call.shape, call.codec, call.get),
        (mode.protocol, mode.shape, mode.codec, mode.get)
    );
    assert!(call.accepts.contains(Compression::Gzip));
    let mut requests = Vec::new();
    let mut half_closes = 0;
    let mut take = |reader: &mut inbound::RequestReader| {
        while let Some(event) = reader.event().unwrap() {
            match event {
                RequestEvent::Message(message) => requests.push(message),
                RequestEvent::HalfClose => half_closes += 1,
            }
        }
    };
    for piece in pieces(&out.body, split) {
        reader.push(piece).unwrap();
        take(&mut reader);
    }
    reader.end().unwrap();
    take(&mut reader);
    assert_eq!(half_closes, 1);

    let mut out: Output<Response<()>> = Output::new();
    writer.head(ResponseHead { metadata: sent.head.clone(), encoding: Compression::Gzip, accepts: None });
    for message in &sent.responses {
        writer.message(message.clone(), &mut out).unwrap();
    }
    writer.end(sent.end.clone(), &mut out);
    assert!(writer.is_done());

    let mut events = Vec::new();
    let nothing_follows = out.body.is_empty() && out.finish == Some(Finish::Body);
    opened.reader.head(out.head.unwrap(), nothing_follows);
    events.extend(std::iter::from_fn(|| opened.reader.event()));
    for piece in pieces(&out.body, split) {
        opened.reader.push(piece);
        events.extend(std::iter::from_fn(|| opened.reader.event()));
    }
    match out.finish.unwrap() {
        Finish::Trailers(trailers) => opened.reader.trailers(trailers),
        Finish::Body => opened.reader.end(),
    }
    events.extend(std::iter::from_fn(|| opened.reader.event()));
    read_back(call.metadata, requests, events)
}

fn read_back(mut metadata: HeaderMap, requests: Vec<Message>, events: Vec<ResponseEvent>) -> Exchange {
    // The reader leaves what the user did not send.
    metadata.remove("user-agent");
    let mut head = HeaderMap::new();
    let mut responses = Vec::new();
    let mut ends = Vec::new();
    for event in events {
        assert!(ends.is_empty(), "{event:?} came behind the end");
        match event {
            ResponseEvent::Head(read) => head = read.metadata,
            ResponseEvent::Message(message) => responses.push(message),
            ResponseEvent::End(end) => ends.push(end),
        }
    }
    assert_eq!(ends.len(), 1);
    Exchange { metadata, requests, head, responses, end: ends.remove(0) }
}

fn pieces(body: &[Bytes], split: usize) -> Vec<Bytes> {
    body.concat().chunks(split).map(Bytes::copy_from_slice).collect()
}

fn headers() -> impl Strategy<Value = HeaderMap> {
    prop::collection::vec(("x-[a-z]{1,3}", "[a-z0-9]{1,6}( [a-z0-9]{1,3})?"), 0..4).prop_map(|pairs| {
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            let name: HeaderName = name.parse().unwrap();
            map.append(name, HeaderValue::from_str(&value).unwrap());
        }
        map
    })
}

fn message() -> impl Strategy<Value = Message> {
    (prop::collection::vec(any::<u8>(), 1..60), any::<bool>())
        .prop_map(|(data, compressed)| Message { payload: data.into(), compressed })
}

fn error() -> impl Strategy<Value = RpcError> {
    (1u32..=16, ".{0,12}", prop::collection::vec(prop::collection::vec(any::<u8>(), 0..9), 0..2)).prop_map(
        |(code, message, values)| RpcError {
            code: Code::from_number(code).unwrap(),
            message,
            details: values
                .into_iter()
                .map(|value| Detail { type_url: "type.googleapis.com/a.B".into(), value: value.into() })
                .collect(),
        },
    )
}

fn exchange(messages: std::ops::Range<usize>) -> impl Strategy<Value = Exchange> {
    let messages = || prop::collection::vec(message(), messages.clone());
    (headers(), messages(), headers(), messages(), prop::option::of(error()), headers()).prop_map(
        |(metadata, requests, head, responses, error, trailers)| {
            let end = End { result: error.map_or(Ok(()), Err), trailers };
            Exchange { metadata, requests, head, responses, end }
        },
    )
}

/// Connect names types without their URL, so only the names can be compared.
fn bare_types(mut exchange: Exchange) -> Exchange {
    if let Err(error) = &mut exchange.end.result {
        for detail in &mut error.details {
            detail.type_url = detail.type_name().to_owned();
        }
    }
    exchange
}

fn check(sent: &Exchange, mode: Mode) -> Result<(), TestCaseError> {
    for split in [1, 2, 3, 7, 1000] {
        let got = over_the_wire(sent, mode, split);
        prop_assert_eq!(bare_types(got), bare_types(sent.clone()), "split at {} in {:?}", split, mode);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn streams_arrive_as_they_were_sent(sent in exchange(0..4), json in any::<bool>()) {
        let codec = if json { Codec::Json } else { Codec::Proto };
        for protocol in [Protocol::Connect, Protocol::Grpc, Protocol::GrpcWeb] {
            check(&sent, Mode { protocol, shape: Shape::Stream, codec, get: false })?;
        }
    }

    #[test]
    fn unary_calls_arrive_as_they_were_sent(mut sent in exchange(1..2), get in any::<bool>()) {
        // A failed unary call has no message.
        if sent.end.result.is_err() {
            sent.responses.clear();
        }
        check(&sent, Mode { protocol: Protocol::Connect, shape: Shape::Unary, codec: Codec::Proto, get })?;
    }

    #[test]
    fn no_answer_makes_the_reader_panic_or_end_twice(
        status in prop::sample::select(vec![200u16, 204, 400, 404, 500, 503]),
        content_type in prop::sample::select(vec![
            "application/grpc", "application/grpc-web+proto", "application/grpc-web-text", "application/proto",
            "application/json", "application/connect+proto", "text/html", "",
        ]),
        body in prop::collection::vec(any::<u8>(), 0..64),
        grpc_status in prop::option::of("[0-9]{1,2}"),
        cut in 0usize..4,
    ) {
        for (protocol, shape) in [
            (Protocol::Connect, Shape::Unary), (Protocol::Connect, Shape::Stream),
            (Protocol::Grpc, Shape::Stream), (Protocol::GrpcWeb, Shape::Stream),
        ] {
            let target = Target {
                protocol, shape, codec: Codec::Proto, scheme: Scheme::HTTP,
                authority: Authority::from_static("x"), timeout: None, encoding: Compression::Identity,
                accepts: Accepted::NONE, get: false, limits: Limits { max_message_bytes: 32 },
            };
            let mut reader = outbound::open(PathAndQuery::from_static("/a/b"), HeaderMap::new(), &target).reader;
            let mut response = Response::builder().status(status).header("content-type", content_type);
            if let Some(grpc_status) = &grpc_status {
                response = response.header("grpc-status", grpc_status);
            }
            reader.head(response.body(()).unwrap(), cut == 0);
            let mut ends = 0;
            let mut drain = |reader: &mut outbound::ResponseReader| {
                while let Some(event) = reader.event() {
                    ends += usize::from(matches!(event, ResponseEvent::End(_)));
                }
            };
            drain(&mut reader);
            for piece in body.chunks(5) {
                reader.push(Bytes::copy_from_slice(piece));
                drain(&mut reader);
            }
            match cut {
                1 => reader.fail(RpcError::new(Code::Unavailable, "cut")),
                2 => reader.trailers(HeaderMap::new()),
                _ => reader.end(),
            }
            drain(&mut reader);
            prop_assert_eq!(ends, 1);
        }
    }
}
