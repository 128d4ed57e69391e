//! Any trailers envelope of gRPC-Web is an end, and every protocol can tell it.
#![no_main]

use bytes::Bytes;
use http::Response;
use landbridge_fuzz::{Ending, LIMIT, assert_end_survives, opened, read_response};
use landbridge_wire::{Codec, Protocol, Shape};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|lines: &[u8]| {
    let mut head = Response::new(());
    head.headers_mut().insert("content-type", "application/grpc-web+proto".parse().expect("a header value"));
    let len = u32::try_from(lines.len()).expect("the fuzzer's inputs are short");
    let body = [&[0x80], &len.to_be_bytes()[..], lines].concat();
    let mut reader = opened(Protocol::GrpcWeb, Shape::Stream, Codec::Proto, false, LIMIT).reader;
    let answer = read_response(&mut reader, &head, &[Bytes::from(body)], Ending::Body);
    assert_end_survives(&answer.end);
});
