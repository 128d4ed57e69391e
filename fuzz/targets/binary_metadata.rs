//! Binary metadata comes back as it was written, and any header value is read or refused.
#![no_main]

use http::HeaderValue;
use landbridge_wire::metadata::{decode_binary, encode_binary};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    assert_eq!(decode_binary(&encode_binary(bytes)).expect("our own base64"), [bytes]);
    let Ok(value) = HeaderValue::from_bytes(bytes) else { return };
    for part in decode_binary(&value).into_iter().flatten() {
        assert!(part.len() <= bytes.len(), "base64 only shrinks when it is read");
    }
});
