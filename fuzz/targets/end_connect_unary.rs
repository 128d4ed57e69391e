//! Any body of a failed unary Connect call is an error, and every protocol can tell it.
#![no_main]

use bytes::Bytes;
use http::{Response, StatusCode};
use landbridge_fuzz::{Ending, LIMIT, assert_end_survives, opened, read_response};
use landbridge_wire::{Codec, Protocol, Shape};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    let mut head = Response::new(());
    *head.status_mut() = StatusCode::BAD_REQUEST;
    head.headers_mut().insert("content-type", "application/json".parse().expect("a header value"));
    let mut reader = opened(Protocol::Connect, Shape::Unary, Codec::Proto, false, LIMIT).reader;
    let answer = read_response(&mut reader, &head, &[Bytes::copy_from_slice(body)], Ending::Body);
    assert!(answer.end.result.is_err(), "a status that is not 200 is a failure");
    assert_end_survives(&answer.end);
});
