//! Messages made to hurt: deep, growing, quadratic.
#![allow(clippy::unwrap_used, reason = "what panics here fails its test")]

mod support;

use std::time::{Duration, Instant};

use landbridge_schema::{JsonError, JsonOptions, MAX_DEPTH, MessageType};
use support::{kinds, legacy, schema, to_binary, to_json};

fn varint(mut value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value > 127 {
        bytes.push(value as u8 | 128);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

/// `content` as the length-delimited field whose tag is `tag`.
fn field(tag: &[u8], content: &[u8]) -> Vec<u8> {
    [tag, &varint(content.len()), content].concat()
}

/// `inner` wrapped `times` times.
fn nested(times: usize, inner: &[u8], wrap: impl Fn(&[u8]) -> Vec<u8>) -> Vec<u8> {
    (0..times).fold(inner.to_vec(), |message, _| wrap(&message))
}

fn assert_too_deep<T: std::fmt::Debug>(result: Result<T, JsonError>, case: &str) {
    match result {
        Err(JsonError::Invalid { reason, .. }) => {
            assert!(reason.contains("nested too deeply") || case.contains("group"), "{case}: {reason}");
        }
        other => panic!("{case}: {other:?}"),
    }
}

const LEVELS: usize = 20_000;

#[test]
fn deep_json_is_refused_without_using_up_the_stack() {
    let kinds = kinds();
    let deep = |open: &str, close: &str| format!("{}{}", open.repeat(LEVELS), close.repeat(LEVELS));
    for (case, json) in [
        ("messages", format!("{}{{}}{}", "{\"aMessage\":".repeat(LEVELS), "}".repeat(LEVELS))),
        ("lists", format!("{{\"messages\":{}}}", deep("[{\"messages\":", "}]"))),
        ("values", format!("{{\"value\":{}}}", deep("[", "]"))),
        ("structs", format!("{{\"value\":{}1{}}}", "{\"a\":".repeat(LEVELS), "}".repeat(LEVELS))),
        (
            "any",
            format!(
                "{{\"any\":{}{{}}{}}}",
                "{\"@type\":\"x/google.protobuf.Any\",\"value\":".repeat(LEVELS),
                "}".repeat(LEVELS)
            ),
        ),
        (
            "any, its type last",
            format!(
                "{{\"any\":{}{{}}{}}}",
                "{\"value\":".repeat(LEVELS),
                ",\"@type\":\"x/google.protobuf.Any\"}".repeat(LEVELS)
            ),
        ),
        (
            "any with members",
            format!(
                "{{\"any\":{}{{}}{}}}",
                "{\"@type\":\"x/kinds.Kinds\",\"any\":".repeat(LEVELS),
                "}".repeat(LEVELS)
            ),
        ),
    ] {
        assert_too_deep(to_binary(&kinds, &json), case);
    }
    // What is read over does not count, and does not hurt.
    let unknown = format!("{{\"nobody\":{},\"anInt32\":1}}", deep("[", "]"));
    assert_eq!(to_binary(&kinds, &unknown).unwrap(), [0x18, 1]);
}

#[test]
fn deep_binary_is_refused_without_using_up_the_stack() {
    let schema = schema(&["kinds.proto"]);
    let message = |name: &str| schema.message(name).unwrap();
    let kinds = message("kinds.Kinds");
    let any = |url: &str, tag: &'static [u8]| {
        let url = field(&[0x0a], url.as_bytes());
        move |content: &[u8]| {
            let any = [url.clone(), field(&[0x12], content)].concat();
            if tag.is_empty() { any } else { field(tag, &any) }
        }
    };
    for (case, message, binary) in [
        ("messages", kinds.clone(), nested(LEVELS, b"", |m| field(&[0x8a, 1], m))),
        ("map values", kinds.clone(), nested(LEVELS / 10, b"", |m| field(&[0xa2, 3], &field(&[0x12], m)))),
        (
            "lists",
            message("google.protobuf.ListValue"),
            nested(LEVELS, b"", |m| field(&[0x0a], &field(&[0x32], m))),
        ),
        ("any in any", message("google.protobuf.Any"), nested(500, b"", any("x/google.protobuf.Any", b""))),
        ("any in a message", kinds.clone(), nested(500, b"", any("x/kinds.Kinds", &[0xea, 4]))),
        ("groups", legacy(), [vec![0x33; LEVELS], vec![0x34; LEVELS]].concat()),
        ("unknown groups", kinds, [[0xc3, 0x3e].repeat(LEVELS), [0xc4, 0x3e].repeat(LEVELS)].concat()),
    ] {
        assert_too_deep(to_json(&message, &binary), case);
    }
}

#[test]
fn the_deepest_message_allowed_goes_both_ways() {
    let kinds = kinds();
    let depth = MAX_DEPTH as usize;
    let json =
        |levels: usize| format!("{}{{}}{}", "{\"aMessage\":".repeat(levels - 1), "}".repeat(levels - 1));
    let binary = to_binary(&kinds, &json(depth)).unwrap();
    assert_eq!(to_json(&kinds, &binary).unwrap(), json(depth));
    assert_too_deep(to_binary(&kinds, &json(depth + 1)), "one more");
    let lists = format!("{}{{}}{}", "{\"messages\":[".repeat(depth - 1), "]}".repeat(depth - 1));
    assert_eq!(to_json(&kinds, &to_binary(&kinds, &lists).unwrap()).unwrap(), lists);
    assert_too_deep(to_json(&kinds, &field(&[0x8a, 1], &binary)), "one more");
    let shallow = JsonOptions { max_depth: 1, ..JsonOptions::default() };
    assert_too_deep(kinds.json_to_binary(json(2).as_bytes(), &shallow), "two of one");
    kinds.json_to_binary(json(1).as_bytes(), &shallow).unwrap();
    let none = JsonOptions { max_depth: 0, ..JsonOptions::default() };
    assert_too_deep(kinds.json_to_binary(b"{}", &none), "one of none");
}

/// Few bytes that become many stop at the limit.
#[test]
fn growth_stops_at_the_limit() {
    let kinds = kinds();
    let options = JsonOptions { max_bytes: 1 << 20, ..JsonOptions::default() };
    for (case, binary) in [
        ("escapes", field(&[0x72], &vec![1; 1 << 18])),
        ("names of enum values", field(&[0x9a, 2], &vec![1; 1 << 18])),
        ("floats", field(&[0x82, 2], &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xef, 0x7f].repeat(1 << 16))),
        ("booleans", field(&[0xb2, 2], &vec![0; 1 << 18])),
        ("empty messages", [0xa2, 2, 0].repeat(1 << 19)),
        ("base64", field(&[0x7a], &vec![0; 900_000])),
        ("timestamps", [0x8a, 5, 0].repeat(1 << 17)),
    ] {
        let result = kinds.binary_to_json(&binary, &options);
        assert!(matches!(result, Err(JsonError::TooLarge { max_bytes: 0x10_0000 })), "{case}");
    }
    let json = format!("{{\"int32s\":[{}-1]}}", "-1,".repeat(1 << 17));
    assert_eq!(
        kinds.json_to_binary(json.as_bytes(), &options),
        Err(JsonError::TooLarge { max_bytes: 1 << 20 })
    );
    let doubles = format!("{{\"doubles\":[{}1]}}", "1,".repeat(1 << 18));
    assert_eq!(
        kinds.json_to_binary(doubles.as_bytes(), &options),
        Err(JsonError::TooLarge { max_bytes: 1 << 20 })
    );
}

/// Both directions of `message` are done with `input` in a time that only work out of proportion would pass. The bound is
/// wide for slow machines and builds without optimization; what it must catch takes minutes.
fn assert_prompt(case: &str, work: impl FnOnce()) {
    let start = Instant::now();
    work();
    assert!(start.elapsed() < Duration::from_secs(20), "{case} took {:?}", start.elapsed());
}

fn convert(message: &MessageType, binary: &[u8]) {
    let options = JsonOptions { max_bytes: 64 << 20, ..JsonOptions::default() };
    let json = message.binary_to_json(binary, &options).unwrap();
    message.json_to_binary(&json, &options).unwrap();
}

#[test]
fn work_grows_with_the_size_and_not_faster() {
    let kinds = kinds();
    let size = 1 << 20;
    assert_prompt("fields in turns", || convert(&kinds, &[0xf0, 1, 1, 0xa8, 2, 1].repeat(size / 6)));
    assert_prompt("a oneof that flips", || convert(&kinds, &[0xe8, 3, 1, 0x90, 4, 1].repeat(size / 6)));
    assert_prompt("one map key", || convert(&kinds, &[0x9a, 3, 2, 8, 1].repeat(size / 5)));
    let keys: Vec<u8> =
        (0..size / 8).rev().flat_map(|key| field(&[0x9a, 3], &[&[8][..], &varint(key)].concat())).collect();
    assert_prompt("many map keys", || convert(&kinds, &keys));
    let bulk = field(&[0x72], &vec![b'a'; size]);
    assert_prompt("a deep message of one long string", || {
        convert(&kinds, &nested(MAX_DEPTH as usize - 1, &bulk, |m| field(&[0x8a, 1], m)));
    });
    let late = (0..40)
        .fold(format!("{{\"@type\":\"x/kinds.Kinds\",\"aString\":\"{}\"}}", "a".repeat(size)), |any, _| {
            format!("{{\"any\":{any},\"@type\":\"x/kinds.Kinds\"}}")
        });
    assert_prompt("an Any in an Any, types last", || {
        let json = format!("{{\"any\":{late}}}");
        kinds.json_to_binary(json.as_bytes(), &JsonOptions::default()).unwrap();
    });
}
