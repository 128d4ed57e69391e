//! JSON that is read as a message can be told in JSON again, and that JSON means the same message.
#![no_main]

use std::sync::LazyLock;

use landbridge_fuzz::{assert_json_is_stable, everything};
use landbridge_schema::{JsonOptions, MessageType};
use libfuzzer_sys::fuzz_target;

static EVERYTHING: LazyLock<MessageType> = LazyLock::new(everything);

fuzz_target!(|json: &[u8]| {
    let Ok(binary) = EVERYTHING.json_to_binary(json, &JsonOptions::default()) else { return };
    assert_json_is_stable(&EVERYTHING, &binary).expect("a message that came from JSON has a JSON form");
});
