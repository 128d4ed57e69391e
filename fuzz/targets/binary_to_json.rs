//! A message that can be told in JSON is the same message when it is read back; none grows past the limit.
#![no_main]

use std::sync::LazyLock;

use landbridge_fuzz::{LIMIT, assert_json_is_stable, everything};
use landbridge_schema::{JsonOptions, MessageType};
use libfuzzer_sys::fuzz_target;

static EVERYTHING: LazyLock<MessageType> = LazyLock::new(everything);

fuzz_target!(|binary: &[u8]| {
    let small = JsonOptions { max_bytes: LIMIT, ..JsonOptions::default() };
    if let Ok(json) = EVERYTHING.binary_to_json(binary, &small) {
        assert!(json.len() <= LIMIT, "the JSON is over the limit");
    }
    // Bytes that are no message have no JSON form.
    let _ = assert_json_is_stable(&EVERYTHING, binary);
});
