//! What holds for every message, tried on many.
#![allow(clippy::unwrap_used, reason = "what panics here fails its test")]

mod support;

use std::sync::{Arc, LazyLock};

use buffa_descriptor::{DescriptorPool, DynamicMessage};
use landbridge_schema::JsonOptions;
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use support::{compile, kinds, legacy, to_binary, to_json};

/// JSON of `kinds.Kinds` in canonical form, but for the order of its members.
fn kinds_json() -> BoxedStrategy<Value> {
    let leaf = vec(leaf_member(), 0..6).prop_map(members);
    leaf.prop_recursive(4, 24, 4, |inner| {
        let nested = prop_oneof![
            inner.clone().prop_map(|message| ("aMessage", message)),
            vec(inner.clone(), 1..3).prop_map(|messages| ("messages", messages.into())),
            inner.clone().prop_map(|message| ("byUint64", json!({ "7": message }))),
            inner.clone().prop_map(|message| ("message", message)),
            inner.prop_map(|mut message| {
                message["@type"] = "type.googleapis.com/kinds.Kinds".into();
                ("any", message)
            }),
        ];
        (vec(leaf_member(), 0..4), vec(nested, 0..3))
            .prop_map(|(leaves, nested)| members(leaves.into_iter().chain(nested).collect()))
    })
    .boxed()
}

fn members(list: Vec<(&'static str, Value)>) -> Value {
    const CHOICE: [&str; 3] = ["text", "number", "message"];
    let mut object = Map::new();
    for (name, value) in list {
        if !CHOICE.contains(&name) || !CHOICE.iter().any(|other| object.contains_key(*other)) {
            object.insert(name.to_owned(), value);
        }
    }
    object.into()
}

fn leaf_member() -> impl Strategy<Value = (&'static str, Value)> {
    let number = any::<f64>().prop_filter("JSON has finite numbers alone", |number| number.is_finite());
    let not_zero = number.clone().prop_filter("zero is absence", |number| *number != 0.0);
    prop_oneof![
        not_zero.prop_map(|value| ("aDouble", value.into())),
        any::<i32>().prop_map(|value| ("maybeInt32", value.into())),
        any::<i64>().prop_map(|value| ("int64Value", value.to_string().into())),
        vec(any::<i32>(), 1..5).prop_map(|values| ("int32s", values.into())),
        vec(any::<i32>(), 1..5).prop_map(|values| ("looseInt32s", values.into())),
        vec(number, 1..5).prop_map(|values| ("doubles", values.into())),
        vec(any::<String>(), 1..4).prop_map(|values| ("strings", values.into())),
        any::<String>().prop_map(|value| ("maybeString", value.into())),
        any::<String>().prop_map(|value| ("text", value.into())),
        any::<i32>().prop_map(|value| ("number", value.into())),
        btree_map(any::<String>(), any::<String>(), 1..4).prop_map(|map| ("byString", json!(map))),
        btree_map(any::<i32>(), any::<i32>(), 1..4).prop_map(|map| {
            let map: Map<_, _> =
                map.into_iter().map(|(key, value)| (key.to_string(), value.into())).collect();
            ("byInt32", map.into())
        }),
        any_json().prop_map(|value| ("value", value)),
        (-62_135_596_800_i64..253_402_300_800).prop_map(|second| {
            let text = buffa::json_helpers::wkt::fmt_timestamp(second, 120_000_000).unwrap();
            ("timestamp", text.into())
        }),
    ]
}

/// JSON whose numbers are all doubles, as `google.protobuf.Value` keeps them.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        any::<f64>().prop_filter("finite", |number| number.is_finite()).prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 16, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            btree_map(any::<String>(), inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn json_survives_the_way_through_binary(message in kinds_json()) {
        let kinds = kinds();
        let binary = to_binary(&kinds, &message.to_string()).unwrap();
        let back: Value = serde_json::from_str(&to_json(&kinds, &binary).unwrap()).unwrap();
        prop_assert_eq!(back, message);
    }

    #[test]
    fn another_implementation_writes_what_we_read_the_same(message in kinds_json()) {
        static POOL: LazyLock<Arc<DescriptorPool>> =
            LazyLock::new(|| Arc::new(DescriptorPool::decode(&compile(&["kinds.proto"])).unwrap()));
        let index = POOL.message_index("kinds.Kinds").unwrap();
        let theirs = DynamicMessage::from_json(Arc::clone(&POOL), index, &message.to_string()).unwrap();
        let back: Value = serde_json::from_str(&to_json(&kinds(), &theirs.encode_to_vec()).unwrap()).unwrap();
        prop_assert_eq!(back, message);
    }

    #[test]
    fn floats_of_32_bits_survive(bits in any::<u32>()) {
        let value = f32::from_bits(bits);
        prop_assume!(!value.is_nan() && bits != 0);
        let kinds = kinds();
        let mut binary = vec![0x15];
        binary.extend(bits.to_le_bytes());
        prop_assert_eq!(to_binary(&kinds, &to_json(&kinds, &binary).unwrap()).unwrap(), binary);
    }

    #[test]
    fn any_bytes_give_a_message_or_an_error(bytes in vec(any::<u8>(), 0..64)) {
        for message in [kinds(), legacy()] {
            if let Ok(json) = to_json(&message, &bytes) {
                let again = to_binary(&message, &json).unwrap();
                prop_assert_eq!(to_json(&message, &again).unwrap(), json);
            }
            let _ = message.json_to_binary(&bytes, &JsonOptions::default());
        }
    }

    #[test]
    fn a_message_with_a_byte_changed_gives_a_message_or_an_error(
        message in kinds_json(), place in any::<prop::sample::Index>(), byte in any::<u8>(),
    ) {
        let kinds = kinds();
        let mut binary = to_binary(&kinds, &message.to_string()).unwrap();
        if !binary.is_empty() {
            let place = place.index(binary.len());
            binary[place] = byte;
            if let Ok(json) = to_json(&kinds, &binary) {
                to_binary(&kinds, &json).unwrap();
            }
        }
        let mut json = message.to_string().into_bytes();
        let place = place.index(json.len());
        json[place] = byte;
        let _ = kinds.json_to_binary(&json, &JsonOptions::default());
    }
}

/// A message with a bit of everything.
const FULL: &str = r#"{
  "aDouble": 1.5, "aFixed64": "9", "aString": "é", "aBytes": "+/8=", "aColor": "COLOR_RED",
  "aMessage": {"aSint64": "-3"}, "int32s": [1, 300], "messages": [{}, {"aBool": true}],
  "byUint64": {"1": {"text": "t"}}, "value": {"a": [null, {"b": "c"}]}, "timestamp": "2020-01-01T00:00:00Z",
  "any": {"anInt32": 1, "@type": "x/kinds.Kinds", "any": {"@type": "x/google.protobuf.Duration", "value": "3s"}},
  "mask": "a.b,c", "stringValue": "s"
}"#;

#[test]
fn json_cut_anywhere_is_an_error() {
    let kinds = kinds();
    for end in 0..FULL.len() {
        assert!(kinds.json_to_binary(&FULL.as_bytes()[..end], &JsonOptions::default()).is_err(), "{end}");
    }
}

#[test]
fn binary_cut_anywhere_is_a_shorter_message_or_an_error() {
    let kinds = kinds();
    let binary = to_binary(&kinds, FULL).unwrap();
    let mut whole = 0;
    for end in 0..binary.len() {
        if let Ok(json) = to_json(&kinds, &binary[..end]) {
            to_binary(&kinds, &json).unwrap();
            whole += 1;
        }
    }
    // A cut before a field leaves a message; `FULL` has 15 on the wire, one of its 14 being a list of two messages.
    assert_eq!(whole, 15);
}

#[test]
fn the_limit_holds_at_every_size() {
    let kinds = kinds();
    let binary = to_binary(&kinds, FULL).unwrap();
    let json = to_json(&kinds, &binary).unwrap();
    for max_bytes in 0..=json.len() {
        let options = JsonOptions { max_bytes, ..JsonOptions::default() };
        let written = kinds.binary_to_json(&binary, &options);
        assert_eq!(written.is_ok(), max_bytes == json.len(), "{max_bytes}: {written:?}");
        let read = kinds.json_to_binary(FULL.as_bytes(), &options);
        assert_eq!(read.is_ok(), max_bytes >= binary.len(), "{max_bytes}: {read:?}");
    }
}
