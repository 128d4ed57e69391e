//! Any response ends exactly once, and is read the same however the network cuts it.
#![no_main]

use arbitrary::Arbitrary;
use bytes::Bytes;
use http::{Response, StatusCode};
use landbridge_fuzz::{Ending, Headers, LIMIT, Pieces, opened, read_response};
use landbridge_wire::{Codec, Protocol, ResponseEvent, Shape};
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    form: Form,
    status: Option<u16>,
    right_type: bool,
    headers: Headers,
    ending: Ending,
    pieces: Pieces,
    body: &'a [u8],
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Form {
    ConnectUnary,
    ConnectStream,
    Grpc,
    GrpcWeb,
}

fuzz_target!(|input: Input<'_>| {
    let (protocol, shape, content_type) = match input.form {
        Form::ConnectUnary => (Protocol::Connect, Shape::Unary, "application/proto"),
        Form::ConnectStream => (Protocol::Connect, Shape::Stream, "application/connect+proto"),
        Form::Grpc => (Protocol::Grpc, Shape::Stream, "application/grpc"),
        Form::GrpcWeb => (Protocol::GrpcWeb, Shape::Stream, "application/grpc-web+proto"),
    };
    let status = input.status.map_or(Ok(StatusCode::OK), StatusCode::from_u16);
    let Ok(status) = status else { return };
    let mut head = Response::new(());
    *head.status_mut() = status;
    *head.headers_mut() = input.headers.0;
    if input.right_type {
        head.headers_mut().insert("content-type", content_type.parse().expect("a header value"));
    }
    let read = |pieces: &[Bytes]| {
        let mut reader = opened(protocol, shape, Codec::Proto, false, LIMIT).reader;
        read_response(&mut reader, &head, pieces, input.ending.clone())
    };
    let split = read(&input.pieces.of(input.body));
    let whole = if input.body.is_empty() { read(&[]) } else { read(&[Bytes::copy_from_slice(input.body)]) };
    for event in &split.events {
        if let ResponseEvent::Message(message) = event {
            assert!(message.payload.len() <= LIMIT, "a message is over the limit");
        }
    }
    match (&whole.end.result, &split.end.result) {
        (Err(whole_error), Err(split_error)) => {
            assert_eq!(whole_error.code, split_error.code);
            // In pieces, what came before the fault may have been given out already.
            assert!(split.events.starts_with(&whole.events));
        }
        _ => assert_eq!(whole, split),
    }
});
