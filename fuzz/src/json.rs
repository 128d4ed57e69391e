//! The law of JSON: what a message is told as means that message.

use landbridge_schema::{JsonError, JsonOptions, MessageType};

/// Tells the message in JSON, reads that, and tells it again: both must be the same text.
///
/// # Errors
/// Where the message has no JSON form.
pub fn assert_json_is_stable(kind: &MessageType, binary: &[u8]) -> Result<(), JsonError> {
    let options = JsonOptions::default();
    let json = kind.binary_to_json(binary, &options)?;
    let text = String::from_utf8_lossy(&json);
    let again = match kind.json_to_binary(&json, &options) {
        Ok(again) => again,
        Err(error) => panic!("our own JSON was refused: {error}\n{text}"),
    };
    let json_again =
        kind.binary_to_json(&again, &options).expect("a message that came from JSON has a JSON form");
    assert_eq!(String::from_utf8_lossy(&json_again), text);
    Ok(())
}
