//! Any gRPC trailers are an end, and every protocol can tell it.
#![no_main]

use http::Response;
use landbridge_fuzz::{Ending, Headers, LIMIT, assert_end_survives, opened, read_response};
use landbridge_wire::{Codec, Protocol, Shape};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|trailers: Headers| {
    let mut head = Response::new(());
    head.headers_mut().insert("content-type", "application/grpc".parse().expect("a header value"));
    let mut reader = opened(Protocol::Grpc, Shape::Stream, Codec::Proto, false, LIMIT).reader;
    let answer = read_response(&mut reader, &head, &[], Ending::Trailers(trailers));
    assert_end_survives(&answer.end);
});
