//! A call written by one side is read as the same call by the other, in every protocol and cut anywhere.
#![no_main]

use arbitrary::Arbitrary;
use bytes::Bytes;
use http::HeaderMap;
use landbridge_fuzz::{LIMIT, Pieces, accepting, bare, deliver, opened, read_request};
use landbridge_wire::metadata::encode_binary;
use landbridge_wire::{
    Code, Codec, Detail, End, Message, Output, Protocol, RequestEvent, ResponseEvent, RpcError, Shape,
};
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Debug)]
struct Input {
    protocol: Spoken,
    requests: Vec<Vec<u8>>,
    responses: Vec<Vec<u8>>,
    failure: Option<Failure>,
    trailer: Option<Vec<u8>>,
    pieces: Pieces,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Spoken {
    ConnectUnary,
    ConnectStream,
    Grpc,
    GrpcWeb,
}

#[derive(Arbitrary, Debug)]
struct Failure {
    code: u8,
    message: String,
    details: Vec<(String, Vec<u8>)>,
}

fuzz_target!(|input: Input| {
    let (protocol, shape) = match input.protocol {
        Spoken::ConnectUnary => (Protocol::Connect, Shape::Unary),
        Spoken::ConnectStream => (Protocol::Connect, Shape::Stream),
        Spoken::Grpc => (Protocol::Grpc, Shape::Stream),
        Spoken::GrpcWeb => (Protocol::GrpcWeb, Shape::Stream),
    };
    let at_most = if shape == Shape::Unary { 1 } else { usize::MAX };
    let messages = |payloads: &[Vec<u8>]| -> Vec<Message> {
        let within = payloads.iter().filter(|payload| payload.len() <= LIMIT).take(at_most);
        within.cloned().map(Message::plain).collect()
    };
    let mut requests = messages(&input.requests);
    let mut responses = messages(&input.responses);
    let end = end(input.failure, input.trailer.as_deref());
    if shape == Shape::Unary {
        // One request always, and one response exactly if the call succeeds.
        requests.resize(1, Message::default());
        responses.resize(usize::from(end.result.is_ok()), Message::default());
    }

    // An error in JSON may be longer than its message: the answer is read without a limit.
    let mut call = opened(protocol, shape, Codec::Proto, false, usize::MAX);
    let mut out = Output::new();
    for message in &requests {
        call.writer.message(message.clone(), &mut out).expect("as many messages as the shape lets flow");
    }
    call.writer.half_close(&mut out).expect("as many messages as the shape asks for");
    let mut head = out.head.take().expect("a whole request has a head");
    *head.version_mut() = http::Version::HTTP_2;
    let mut accepted = accepting(head);
    let read = read_request(&mut accepted.reader, &input.pieces.of(&out.body.concat()));
    assert_eq!(read.error, None);
    let expected = requests.into_iter().map(RequestEvent::Message).chain([RequestEvent::HalfClose]);
    assert_eq!(read.events, expected.collect::<Vec<_>>());

    let mut out = Output::new();
    for message in &responses {
        accepted.writer.message(message.clone(), &mut out).expect("as many messages as the shape lets flow");
    }
    accepted.writer.end(end.clone(), &mut out);
    let answer = deliver(out, &mut call.reader, |body| input.pieces.of(body));
    let read: Vec<Message> = answer
        .events
        .into_iter()
        .filter_map(|event| match event {
            ResponseEvent::Message(message) => Some(message),
            ResponseEvent::Head(_) | ResponseEvent::End(_) => None,
        })
        .collect();
    assert_eq!(read, responses);
    assert_eq!(bare(answer.end), bare(end));
});

fn end(failure: Option<Failure>, trailer: Option<&[u8]>) -> End {
    let mut trailers = HeaderMap::new();
    if let Some(value) = trailer {
        trailers.insert("x-user-bin", encode_binary(value));
    }
    let result = failure.map_or(Ok(()), |failure| {
        Err(RpcError {
            code: Code::ALL[usize::from(failure.code) % Code::ALL.len()],
            message: failure.message,
            details: failure
                .details
                .into_iter()
                .map(|(type_url, value)| Detail { type_url, value: Bytes::from(value) })
                .collect(),
        })
    });
    End { result, trailers }
}
