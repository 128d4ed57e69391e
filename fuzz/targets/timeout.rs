//! A timeout that is read can be written, and never grows on the way.
#![no_main]

use http::HeaderValue;
use landbridge_wire::timeout::{format_connect, format_grpc, parse_connect, parse_grpc};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|value: &[u8]| {
    let Ok(value) = HeaderValue::from_bytes(value) else { return };
    for timeout in [parse_grpc(&value), parse_connect(&value)].into_iter().flatten() {
        for again in [parse_grpc(&format_grpc(timeout)), parse_connect(&format_connect(timeout))] {
            assert!(again.expect("what we write can be read") <= timeout);
        }
    }
});
