//! The proto3 JSON mapping, row by row.
#![allow(clippy::unwrap_used, reason = "what panics here fails its test")]

mod support;

use std::sync::Arc;

use buffa_descriptor::{DescriptorPool, DynamicMessage};
use landbridge_schema::{JsonError, JsonOptions, MessageType, UnknownFields};
use support::{compile, kinds, legacy, schema, to_binary, to_json};

/// JSON that may be read, and how it is written again.
const ACCEPTED: &[(&str, &str)] = &[
    (r#"{}"#, r#"{}"#),
    (" {\n}\t", r#"{}"#),
    // Numbers.
    (r#"{"anInt32":1}"#, r#"{"anInt32":1}"#),
    (r#"{"an_int32":-2147483648}"#, r#"{"anInt32":-2147483648}"#),
    (r#"{"anInt32":"12"}"#, r#"{"anInt32":12}"#),
    (r#"{"anInt32":1e3}"#, r#"{"anInt32":1000}"#),
    (r#"{"anInt32":100.0}"#, r#"{"anInt32":100}"#),
    (r#"{"anInt32":"1e2"}"#, r#"{"anInt32":100}"#),
    (r#"{"anInt32":0}"#, r#"{}"#),
    (r#"{"anInt32":-0}"#, r#"{}"#),
    (r#"{"anInt64":9223372036854775807}"#, r#"{"anInt64":"9223372036854775807"}"#),
    (r#"{"anInt64":"-9223372036854775808"}"#, r#"{"anInt64":"-9223372036854775808"}"#),
    (r#"{"aUint32":4294967295}"#, r#"{"aUint32":4294967295}"#),
    (r#"{"aUint64":"18446744073709551615"}"#, r#"{"aUint64":"18446744073709551615"}"#),
    (r#"{"aSint32":-2147483648,"aSint64":"-1"}"#, r#"{"aSint32":-2147483648,"aSint64":"-1"}"#),
    (r#"{"aFixed32":4294967295,"aFixed64":"7"}"#, r#"{"aFixed32":4294967295,"aFixed64":"7"}"#),
    (r#"{"aSfixed32":-1,"aSfixed64":-1}"#, r#"{"aSfixed32":-1,"aSfixed64":"-1"}"#),
    (r#"{"aDouble":0.1}"#, r#"{"aDouble":0.1}"#),
    (r#"{"aDouble":1}"#, r#"{"aDouble":1.0}"#),
    (r#"{"aDouble":"1.5e-7"}"#, r#"{"aDouble":1.5e-7}"#),
    (r#"{"aDouble":"NaN","aFloat":"-Infinity"}"#, r#"{"aDouble":"NaN","aFloat":"-Infinity"}"#),
    (r#"{"aDouble":"Infinity"}"#, r#"{"aDouble":"Infinity"}"#),
    (r#"{"aDouble":-0.0}"#, r#"{"aDouble":-0.0}"#),
    (r#"{"aDouble":1.7976931348623157e308}"#, r#"{"aDouble":1.7976931348623157e+308}"#),
    (r#"{"aDouble":2.2250738585072014e-308}"#, r#"{"aDouble":2.2250738585072014e-308}"#),
    (r#"{"aFloat":0.1}"#, r#"{"aFloat":0.1}"#),
    (r#"{"aFloat":16777216}"#, r#"{"aFloat":16777216.0}"#),
    // Booleans, strings, bytes.
    (r#"{"aBool":true}"#, r#"{"aBool":true}"#),
    (r#"{"aBool":false}"#, r#"{}"#),
    (r#"{"aString":"\u00e9\ud83d\ude00\"\\\n\u0000"}"#, "{\"aString\":\"é😀\\\"\\\\\\n\\u0000\"}"),
    (r#"{"aString":""}"#, r#"{}"#),
    (r#"{"aBytes":"+/8="}"#, r#"{"aBytes":"+/8="}"#),
    (r#"{"aBytes":"+/8"}"#, r#"{"aBytes":"+/8="}"#),
    (r#"{"aBytes":"-_8"}"#, r#"{"aBytes":"+/8="}"#),
    (r#"{"aBytes":"-_8="}"#, r#"{"aBytes":"+/8="}"#),
    // Names.
    (r#"{"otherName":"x"}"#, r#"{"otherName":"x"}"#),
    (r#"{"renamed":"x"}"#, r#"{"otherName":"x"}"#),
    (r#"{"\u0061_string":"x"}"#, r#"{"aString":"x"}"#),
    // Enums.
    (r#"{"aColor":"COLOR_RED"}"#, r#"{"aColor":"COLOR_RED"}"#),
    (r#"{"aColor":2}"#, r#"{"aColor":"COLOR_GREEN"}"#),
    (r#"{"aColor":-9}"#, r#"{"aColor":-9}"#),
    (r#"{"aColor":"COLOR_UNSPECIFIED"}"#, r#"{}"#),
    // Presence and null.
    (
        r#"{"maybeInt32":0,"maybeString":"","maybeColor":0}"#,
        r#"{"maybeInt32":0,"maybeString":"","maybeColor":"COLOR_UNSPECIFIED"}"#,
    ),
    (
        r#"{"maybeInt32":null,"aString":null,"aMessage":null,"int32s":null,"byString":null,"aColor":null,"timestamp":null,"any":null,"stringValue":null}"#,
        r#"{}"#,
    ),
    (r#"{"aMessage":{}}"#, r#"{"aMessage":{}}"#),
    (r#"{"aMessage":{"aMessage":{"anInt32":1}}}"#, r#"{"aMessage":{"aMessage":{"anInt32":1}}}"#),
    // Lists.
    (r#"{"int32s":[]}"#, r#"{}"#),
    (r#"{"int32s":[0,1,"2"],"looseInt32s":[0,-1]}"#, r#"{"int32s":[0,1,2],"looseInt32s":[0,-1]}"#),
    (
        r#"{"int64s":[1,"2"],"doubles":[0.5,"NaN"],"bools":[true,false]}"#,
        r#"{"int64s":["1","2"],"doubles":[0.5,"NaN"],"bools":[true,false]}"#,
    ),
    (
        r#"{"strings":["","a"],"blobs":["","YQ"],"colors":[0,"COLOR_RED",77]}"#,
        r#"{"strings":["","a"],"blobs":["","YQ=="],"colors":["COLOR_UNSPECIFIED","COLOR_RED",77]}"#,
    ),
    (r#"{"messages":[{},{"anInt32":1},{}]}"#, r#"{"messages":[{},{"anInt32":1},{}]}"#),
    (r#"{"fixed32s":[1,2]}"#, r#"{"fixed32s":[1,2]}"#),
    // Maps, written in the order of their keys.
    (r#"{"byString":{"b":"2","a":"1","":""}}"#, r#"{"byString":{"":"","a":"1","b":"2"}}"#),
    (r#"{"byString":{}}"#, r#"{}"#),
    (r#"{"byInt32":{"10":1,"-1":0,"9":2}}"#, r#"{"byInt32":{"-1":0,"9":2,"10":1}}"#),
    (
        r#"{"byUint64":{"18446744073709551615":{"anInt32":1},"0":{}}}"#,
        r#"{"byUint64":{"0":{},"18446744073709551615":{"anInt32":1}}}"#,
    ),
    (
        r#"{"byBool":{"true":"COLOR_RED","false":0}}"#,
        r#"{"byBool":{"false":"COLOR_UNSPECIFIED","true":"COLOR_RED"}}"#,
    ),
    (r#"{"bySint64":{"-5":"YQ=="}}"#, r#"{"bySint64":{"-5":"YQ=="}}"#),
    (r#"{"values":{"a":null,"b":[1]}}"#, r#"{"values":{"a":null,"b":[1.0]}}"#),
    // Oneofs: the default value is a choice too.
    (r#"{"text":""}"#, r#"{"text":""}"#),
    (r#"{"number":0}"#, r#"{"number":0}"#),
    (r#"{"flag":false,"left":"l"}"#, r#"{"flag":false,"left":"l"}"#),
    (r#"{"color":0}"#, r#"{"color":"COLOR_UNSPECIFIED"}"#),
    (r#"{"text":null,"number":1,"message":null}"#, r#"{"number":1}"#),
    (r#"{"nothing":null}"#, r#"{"nothing":null}"#),
    (r#"{"json":null}"#, r#"{"json":null}"#),
    // Well-known types.
    (r#"{"timestamp":"1970-01-01T00:00:00Z"}"#, r#"{"timestamp":"1970-01-01T00:00:00Z"}"#),
    (r#"{"timestamp":"0001-01-01T00:00:00Z"}"#, r#"{"timestamp":"0001-01-01T00:00:00Z"}"#),
    (
        r#"{"timestamp":"9999-12-31T23:59:59.999999999Z"}"#,
        r#"{"timestamp":"9999-12-31T23:59:59.999999999Z"}"#,
    ),
    (r#"{"timestamp":"2024-02-29T12:00:00.5+02:30"}"#, r#"{"timestamp":"2024-02-29T09:30:00.500Z"}"#),
    (
        r#"{"timestamps":["1969-12-31T23:59:59.000001Z"]}"#,
        r#"{"timestamps":["1969-12-31T23:59:59.000001Z"]}"#,
    ),
    (r#"{"duration":"0s"}"#, r#"{"duration":"0s"}"#),
    (r#"{"duration":"-1.5s"}"#, r#"{"duration":"-1.500s"}"#),
    (r#"{"duration":"315576000000.000000001s"}"#, r#"{"duration":"315576000000.000000001s"}"#),
    (r#"{"mask":"fooBar,baz.quxQuux"}"#, r#"{"mask":"fooBar,baz.quxQuux"}"#),
    (r#"{"mask":""}"#, r#"{"mask":""}"#),
    (r#"{"struct":{"a":[1,"x",null,true,{"b":{}}]}}"#, r#"{"struct":{"a":[1.0,"x",null,true,{"b":{}}]}}"#),
    (r#"{"struct":{}}"#, r#"{"struct":{}}"#),
    (r#"{"value":null}"#, r#"{"value":null}"#),
    (r#"{"value":"x","list":[]}"#, r#"{"value":"x","list":[]}"#),
    (r#"{"valueList":[null,1,[],{}]}"#, r#"{"valueList":[null,1.0,[],{}]}"#),
    (r#"{"nullValue":null,"nulls":[null,null]}"#, r#"{"nulls":[null,null]}"#),
    (r#"{"empty":{}}"#, r#"{"empty":{}}"#),
    (
        r#"{"doubleValue":0,"floatValue":0,"int64Value":"0","uint64Value":0,"int32Value":0,"uint32Value":0,"boolValue":false,"stringValue":"","bytesValue":""}"#,
        r#"{"doubleValue":0.0,"floatValue":0.0,"int64Value":"0","uint64Value":"0","int32Value":0,"uint32Value":0,"boolValue":false,"stringValue":"","bytesValue":""}"#,
    ),
    (
        r#"{"doubleValue":"NaN","int64Value":9,"bytesValue":"YQ","stringValues":["","a"]}"#,
        r#"{"doubleValue":"NaN","int64Value":"9","bytesValue":"YQ==","stringValues":["","a"]}"#,
    ),
    // Any.
    (r#"{"any":{}}"#, r#"{"any":{}}"#),
    (
        r#"{"any":{"@type":"type.googleapis.com/kinds.Kinds"}}"#,
        r#"{"any":{"@type":"type.googleapis.com/kinds.Kinds"}}"#,
    ),
    (
        r#"{"any":{"@type":"type.googleapis.com/kinds.Kinds","anInt32":1,"strings":["a"]}}"#,
        r#"{"any":{"@type":"type.googleapis.com/kinds.Kinds","anInt32":1,"strings":["a"]}}"#,
    ),
    (
        r#"{"any":{"anInt32":1,"@type":"example.com/a/kinds.Kinds","aString":"s"}}"#,
        r#"{"any":{"@type":"example.com/a/kinds.Kinds","anInt32":1,"aString":"s"}}"#,
    ),
    (
        r#"{"any":{"@type":"type.googleapis.com/google.protobuf.Duration","value":"1.5s"}}"#,
        r#"{"any":{"@type":"type.googleapis.com/google.protobuf.Duration","value":"1.500s"}}"#,
    ),
    (
        r#"{"any":{"value":{"a":1},"@type":"x/google.protobuf.Struct"}}"#,
        r#"{"any":{"@type":"x/google.protobuf.Struct","value":{"a":1.0}}}"#,
    ),
    (
        r#"{"any":{"@type":"x/google.protobuf.Int64Value","value":"5"}}"#,
        r#"{"any":{"@type":"x/google.protobuf.Int64Value","value":"5"}}"#,
    ),
    (
        r#"{"any":{"@type":"x/google.protobuf.Value","value":null}}"#,
        r#"{"any":{"@type":"x/google.protobuf.Value","value":null}}"#,
    ),
    (r#"{"any":{"@type":"x/google.protobuf.Empty"}}"#, r#"{"any":{"@type":"x/google.protobuf.Empty"}}"#),
    (
        r#"{"any":{"value":{"@type":"x/google.protobuf.Any","value":{"text":"t","@type":"x/kinds.Kinds"}},"@type":"x/google.protobuf.Any"}}"#,
        r#"{"any":{"@type":"x/google.protobuf.Any","value":{"@type":"x/google.protobuf.Any","value":{"@type":"x/kinds.Kinds","text":"t"}}}}"#,
    ),
    (r#"{"anys":[{"@type":"x/kinds.Kinds"},{}]}"#, r#"{"anys":[{"@type":"x/kinds.Kinds"},{}]}"#),
    // Unknown members are read over, whatever is in them.
    (r#"{"nobody":{"a":[1,{"b":null}],"c":1e999},"anInt32":1}"#, r#"{"anInt32":1}"#),
    (
        r#"{"aColor":"COLOR_OF_TOMORROW","colors":["COLOR_OF_TOMORROW","COLOR_RED"],"byBool":{"true":"COLOR_OF_TOMORROW"}}"#,
        r#"{"colors":["COLOR_RED"]}"#,
    ),
    (r#"{"colors":["COLOR_OF_TOMORROW"]}"#, r#"{}"#),
    (
        r#"{"any":{"@type":"x/google.protobuf.BoolValue","nobody":1,"value":true,"else":[]}}"#,
        r#"{"any":{"@type":"x/google.protobuf.BoolValue","value":true}}"#,
    ),
];

#[test]
fn accepted_json_is_read_and_written_canonically() {
    let kinds = kinds();
    for (json, canonical) in ACCEPTED {
        let binary = to_binary(&kinds, json).unwrap_or_else(|error| panic!("{json}: {error}"));
        assert_eq!(to_json(&kinds, &binary).as_deref(), Ok(*canonical), "{json}");
        let again = to_binary(&kinds, canonical).unwrap();
        assert_eq!(to_json(&kinds, &again).as_deref(), Ok(*canonical), "{canonical}");
    }
}

/// The descriptor library has a message tree and a JSON codec of its own. What we write, it must read the same.
#[test]
fn another_implementation_reads_the_same_message() {
    let pool = Arc::new(DescriptorPool::decode(&compile(&["kinds.proto"])).unwrap());
    let index = pool.message_index("kinds.Kinds").unwrap();
    let kinds = kinds();
    for (json, canonical) in ACCEPTED {
        let binary = to_binary(&kinds, json).unwrap();
        let theirs = DynamicMessage::decode(Arc::clone(&pool), index, &binary).unwrap();
        assert!(theirs.unknown_fields().is_empty(), "{json}");
        // Compared as messages: the texts may differ in the order of members and the digits of floats.
        let reread = DynamicMessage::from_json(Arc::clone(&pool), index, canonical)
            .unwrap_or_else(|error| panic!("{canonical}: {error}"));
        let ours = to_json(&kinds, &reread.encode_to_vec()).unwrap();
        assert_eq!(ours, *canonical);
        assert_eq!(to_json(&kinds, &theirs.encode_to_vec()).unwrap(), *canonical);
    }
}

/// Its shortest text is a little above it, and rounds down to it.
#[test]
fn the_largest_32_bit_float_is_no_overflow() {
    let binary = to_binary(&kinds(), r#"{"aFloat":3.4028235e38}"#).unwrap();
    assert_eq!(binary, [&[0x15][..], &f32::MAX.to_le_bytes()].concat());
    assert_eq!(to_json(&kinds(), &binary).unwrap(), r#"{"aFloat":3.4028235e+38}"#);
}

/// JSON that must not be read: the field that the error names, and a part of its reason.
const REJECTED: &[(&str, &str, &str)] = &[
    ("", "", "send {} for an empty message"),
    ("  \n", "", "send {} for an empty message"),
    ("null", "", "null"),
    ("[]", "", "an object"),
    ("1", "", "an object"),
    ("{", "", "EOF"),
    ("{}{}", "", "trailing"),
    (r#"{"anInt32":1,}"#, "", "trailing comma"),
    (r#"{'anInt32':1}"#, "", "key must be a string"),
    (r#"{"anInt32":1 "aString":""}"#, "", "expected `,` or `}`"),
    (r#"{"anInt32":1.5}"#, "anInt32", "signed 32-bit integer"),
    (r#"{"anInt32":2147483648}"#, "anInt32", "signed 32-bit integer, found 2147483648"),
    (r#"{"anInt32":" 1"}"#, "anInt32", "found the string \" 1\""),
    (r#"{"anInt32":"0x1"}"#, "anInt32", "integer"),
    (r#"{"anInt32":""}"#, "anInt32", "integer"),
    (r#"{"anInt32":true}"#, "anInt32", "integer"),
    (r#"{"anInt32":{}}"#, "anInt32", "signed 32-bit integer"),
    (r#"{"anInt32":01}"#, "anInt32", "invalid number"),
    (r#"{"aUint32":-1}"#, "aUint32", "unsigned 32-bit"),
    (r#"{"anInt64":9223372036854775808}"#, "anInt64", "signed 64-bit"),
    (r#"{"aUint64":"-1"}"#, "aUint64", "unsigned 64-bit"),
    (r#"{"aFloat":3.5e38}"#, "aFloat", "32-bit floating"),
    (r#"{"aDouble":1e999}"#, "aDouble", "number out of range"),
    (r#"{"aDouble":"1e999"}"#, "aDouble", "64-bit floating"),
    (r#"{"aDouble":"inf"}"#, "aDouble", "64-bit floating"),
    (r#"{"aDouble":NaN}"#, "aDouble", "expected value"),
    (r#"{"aBool":"true"}"#, "aBool", "true or false"),
    (r#"{"aBool":1}"#, "aBool", "true or false"),
    (r#"{"aString":1}"#, "aString", "a string"),
    (r#"{"aString":"\ud800"}"#, "aString", "hex escape"),
    (r#"{"aBytes":"!"}"#, "aBytes", "base64"),
    (r#"{"aBytes":"+_"}"#, "aBytes", "base64"),
    (r#"{"aColor":1.5}"#, "aColor", "kinds.Color"),
    (r#"{"aColor":4294967296}"#, "aColor", "kinds.Color"),
    (r#"{"aColor":true}"#, "aColor", "kinds.Color"),
    (r#"{"aMessage":[]}"#, "aMessage", "an object"),
    (r#"{"aMessage":{"messages":[{},{"anInt32":"x"}]}}"#, "aMessage.messages[1].anInt32", "integer"),
    (r#"{"int32s":1}"#, "int32s", "an array"),
    (r#"{"int32s":[1,null]}"#, "int32s[1]", "null is not a value"),
    (r#"{"messages":[null]}"#, "messages[0]", "null is not a value"),
    (r#"{"byString":{"a":null}}"#, r#"byString["a"]"#, "null is not a value"),
    (r#"{"byString":[]}"#, "byString", "an object"),
    (r#"{"byInt32":{"a":1}}"#, "byInt32", "integer"),
    (r#"{"byBool":{"1":0}}"#, "byBool", "true or false"),
    (r#"{"byUint64":{"1":{"anInt32":[]}}}"#, r#"byUint64["1"].anInt32"#, "integer"),
    (r#"{"anInt32":1,"anInt32":1}"#, "anInt32", "given twice"),
    (r#"{"anInt32":1,"an_int32":1}"#, "anInt32", "given twice"),
    (r#"{"aString":"a","anInt32":1,"aString":"b"}"#, "aString", "given twice"),
    (r#"{"anInt32":null,"anInt32":1}"#, "anInt32", "given twice"),
    (r#"{"text":"a","number":1}"#, "number", "oneof `choice`"),
    (r#"{"nothing":null,"json":null}"#, "json", "oneof `choice`"),
    (r#"{"timestamp":"1970-01-01T00:00:00"}"#, "timestamp", "timezone"),
    (r#"{"timestamp":"10000-01-01T00:00:00Z"}"#, "timestamp", ""),
    (r#"{"timestamp":"0000-01-01T00:00:00Z"}"#, "timestamp", "range"),
    (r#"{"timestamp":"2023-02-29T00:00:00Z"}"#, "timestamp", "date"),
    (r#"{"timestamp":"1970-01-01t00:00:00z"}"#, "timestamp", ""),
    (r#"{"timestamp":"+970-01-01T00:00:00Z"}"#, "timestamp", ""),
    (r#"{"timestamp":"1970-01-01T+1:00:00Z"}"#, "timestamp", ""),
    (r#"{"timestamp":5}"#, "timestamp", "a time in a string"),
    (r#"{"duration":"1"}"#, "duration", "suffix"),
    (r#"{"duration":"1.s"}"#, "duration", "fraction"),
    (r#"{"duration":"315576000001s"}"#, "duration", "range"),
    (r#"{"mask":"foo_bar"}"#, "mask", "lowerCamelCase"),
    (r#"{"mask":"a,,b"}"#, "mask", "lowerCamelCase"),
    (r#"{"list":{}}"#, "list", "an array"),
    (r#"{"struct":[]}"#, "struct", "an object"),
    (r#"{"struct":{"a":{"b":[1,2e999]}}}"#, r#"struct["a"]["b"][1]"#, "out of range"),
    (r#"{"int32Value":1.5}"#, "int32Value", "integer"),
    (r#"{"any":{"anInt32":1}}"#, "any", "`@type`"),
    (r#"{"any":{"@type":"x/no.Such","a":1}}"#, "any", "`no.Such`"),
    (r#"{"any":{"@type":1}}"#, "any", "string"),
    (r#"{"any":{"@type":"x/google.protobuf.Duration"}}"#, "any", "`value`"),
    (r#"{"any":{"@type":"x/google.protobuf.Duration","value":1}}"#, "any.value", "a duration in a string"),
    (r#"{"any":{"@type":"x/kinds.Kinds","anInt32":"x"}}"#, "any.anInt32", "integer"),
    (r#"{"any":{"anInt32":"x","@type":"x/kinds.Kinds"}}"#, "any.anInt32", "integer"),
];

#[test]
fn rejected_json_says_where_and_why() {
    let kinds = kinds();
    for (json, field, why) in REJECTED {
        match to_binary(&kinds, json) {
            Err(JsonError::Invalid { message_type, path, reason, .. }) => {
                assert_eq!(message_type, "kinds.Kinds", "{json}");
                assert_eq!(path, *field, "{json}: {reason}");
                assert!(reason.contains(why), "{json}: {reason}");
                assert!(!reason.contains("at line"), "{json}: {reason}");
            }
            other => panic!("{json}: {other:?}"),
        }
    }
}

#[test]
fn an_error_gives_line_and_column_even_inside_an_any_that_is_read_late() {
    let place = |json: &[u8]| match kinds().json_to_binary(json, &JsonOptions::default()) {
        Err(JsonError::Invalid { position, .. }) => position,
        other => panic!("{other:?}"),
    };
    assert_eq!(place(b"{\n  \"anInt32\": \"x\"\n}"), Some((2, 16)));
    assert_eq!(place(b"{\"aString\": \"\xff\"}"), Some((1, 14)));
    let direct = place(b"{\"any\":{\"@type\":\"x/kinds.Kinds\",\n \"anInt32\": [\n7]}}").unwrap();
    let late = place(b"{\"any\":{\n \"anInt32\": [\n7],\"@type\":\"x/kinds.Kinds\"}}").unwrap();
    assert_eq!(direct, late);
    let text = to_binary(&kinds(), "{\"aBool\":7}").unwrap_err().to_string();
    assert_eq!(text, "kinds.Kinds: aBool: expected true or false, found 7 at line 1 column 10");
}

#[test]
fn defaults_are_written_on_request_for_fields_that_cannot_tell_whether_they_were_set() {
    let options = JsonOptions { write_defaults: true, ..JsonOptions::default() };
    let kinds = kinds();
    let written = |json: &str| {
        let binary = to_binary(&kinds, json).unwrap();
        let json = kinds.binary_to_json(&binary, &options).unwrap();
        assert_eq!(to_binary(&kinds, std::str::from_utf8(&json).unwrap()).unwrap(), binary);
        String::from_utf8(json.into()).unwrap()
    };
    let numbers = concat!(
        r#"{"aDouble":0.0,"aFloat":0.0,"anInt32":0,"anInt64":"0","aUint32":0,"aUint64":"0","aSint32":0,"#,
        r#""aSint64":"0","aFixed32":0,"aFixed64":"0","aSfixed32":0,"aSfixed64":"0","aBool":false,"#,
        r#""aString":"","aBytes":"","aColor":"COLOR_UNSPECIFIED","otherName":"","int32s":[],"#,
    );
    let all = written("{}");
    assert!(all.starts_with(numbers), "{all}");
    for absent in ["aMessage", "maybeInt32", "text", "nothing", "timestamp"] {
        assert!(!all.contains(&format!("\"{absent}\"")), "{absent}: {all}");
    }
    assert!(all.contains(r#""byString":{}"#), "{all}");
    // What is there keeps its place among them, also in messages within.
    let some = written(r#"{"aBool":true,"aMessage":{"aString":"x"},"maybeInt32":0}"#);
    assert!(some.contains(r#""aBool":true,"aString":"","#), "{some}");
    assert!(some.contains(r#""maybeInt32":0,"int32s":[],"#), "{some}");
    assert!(some.contains(r#""aString":"x","aBytes":"","#), "{some}");
    // The limit holds for them too.
    let small = JsonOptions { max_bytes: all.len() - 1, ..options.clone() };
    assert!(matches!(kinds.binary_to_json(b"", &small), Err(JsonError::TooLarge { .. })));
}

#[test]
fn unknown_members_are_refused_on_request() {
    let strict = JsonOptions { unknown_fields: UnknownFields::Reject, ..JsonOptions::default() };
    let kinds = kinds();
    for (json, why) in [
        (r#"{"nobody":1}"#, "no field \"nobody\""),
        (r#"{"aMessage":{"[no.extension]":1}}"#, "no field \"[no.extension]\""),
        (r#"{"aColor":"COLOR_OF_TOMORROW"}"#, "no value \"COLOR_OF_TOMORROW\""),
        (r#"{"empty":{"a":1}}"#, "no field \"a\""),
        (r#"{"any":{"@type":"x/google.protobuf.BoolValue","value":true,"b":1}}"#, "\"b\""),
    ] {
        let error = kinds.json_to_binary(json.as_bytes(), &strict).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }
    kinds.json_to_binary(br#"{"anInt32":1}"#, &strict).unwrap();
}

/// Binary forms that JSON text alone does not produce.
#[test]
fn binary_is_read_by_the_rules_of_protobuf() {
    let kinds = kinds();
    for (case, binary, json) in [
        ("the last of several wins", &b"\x18\x01\x18\x02"[..], r#"{"anInt32":2}"#),
        ("a default that comes last wins too", b"\x18\x01\x18\x00", "{}"),
        ("order does not matter", b"\x28\x01\x18\x02", r#"{"anInt32":2,"aUint32":1}"#),
        (
            "occurrences of a message merge",
            b"\x8a\x01\x02\x18\x01\x28\x07\x8a\x01\x02\x28\x02",
            r#"{"aUint32":7,"aMessage":{"anInt32":1,"aUint32":2}}"#,
        ),
        ("unknown fields are left out", b"\xb8\x3e\x01\xc3\x3e\x08\x01\xc4\x3e\x18\x01", r#"{"anInt32":1}"#),
        ("another wire type is an unknown field", b"\x1a\x01a\x18\x01", r#"{"anInt32":1}"#),
        (
            "packed lists may come loose",
            b"\xf0\x01\x01\xf2\x01\x02\x02\x03\xf0\x01\x04",
            r#"{"int32s":[1,2,3,4]}"#,
        ),
        ("loose lists may come packed", b"\xaa\x02\x02\x01\x02", r#"{"looseInt32s":[1,2]}"#),
        ("an empty packed list is no list", b"\xf2\x01\x00", "{}"),
        ("of a oneof the last member wins", b"\xe2\x03\x01a\xe8\x03\x07", r#"{"number":7}"#),
        (
            "a oneof that goes back starts afresh",
            b"\xf2\x03\x02\x18\x01\xe8\x03\x07\xf2\x03\x02\x28\x02",
            r#"{"message":{"aUint32":2}}"#,
        ),
        (
            "oneofs do not disturb each other",
            b"\x9a\x04\x01l\xe8\x03\x07\xe2\x03\x01t",
            r#"{"text":"t","left":"l"}"#,
        ),
        (
            "the last of equal map keys wins",
            b"\x92\x03\x06\x0a\x01k\x12\x01a\x92\x03\x06\x0a\x01k\x12\x01b",
            r#"{"byString":{"k":"b"}}"#,
        ),
        (
            "a map entry may lack key and value",
            b"\x92\x03\x00\x9a\x03\x00\xa2\x03\x00\xaa\x03\x00",
            r#"{"byString":{"":""},"byInt32":{"0":0},"byUint64":{"0":{}},"byBool":{"false":"COLOR_UNSPECIFIED"}}"#,
        ),
        (
            "occurrences of a map value merge",
            b"\xa2\x03\x0a\x08\x05\x12\x02\x18\x01\x12\x02\x28\x02",
            r#"{"byUint64":{"5":{"anInt32":1,"aUint32":2}}}"#,
        ),
        (
            "long integers are cut to their kind",
            b"\x18\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x28\xff\xff\xff\xff\xff\x01",
            r#"{"anInt32":-1,"aUint32":4294967295}"#,
        ),
        ("what is cut to zero is a default", b"\x18\x80\x80\x80\x80\x10\x80\x01\x80\x80\x80\x80\x10", "{}"),
        ("an open enum keeps its unknown values", b"\x80\x01\x63", r#"{"aColor":99}"#),
        ("a value without a kind is null", b"\xd2\x04\x00", r#"{"value":null}"#),
        ("an empty timestamp is the epoch", b"\xb2\x04\x00", r#"{"timestamp":"1970-01-01T00:00:00Z"}"#),
        (
            "an empty wrapper is its default",
            b"\xd2\x05\x00\xea\x05\x00",
            r#"{"doubleValue":0.0,"uint64Value":"0"}"#,
        ),
    ] {
        assert_eq!(to_json(&kinds, binary).as_deref(), Ok(json), "{case}");
    }
}

#[test]
fn binary_without_a_json_form_says_where_and_why() {
    let kinds = kinds();
    let any = |url: &str, value: &[u8]| {
        let mut any = vec![0x0a, url.len() as u8];
        any.extend(url.as_bytes());
        any.extend([0x12, value.len() as u8]);
        any.extend(value);
        let mut message = vec![0xea, 0x04, any.len() as u8];
        message.extend(any);
        message
    };
    for (binary, field, why) in [
        (b"\x72\x01\xff".to_vec(), "aString", "not UTF-8"),
        (b"\xa2\x02\x00\xa2\x02\x03\x72\x01\xff".to_vec(), "messages[1].aString", "not UTF-8"),
        (b"\x72\x05a".to_vec(), "", "unexpected end"),
        (b"\x18".to_vec(), "", "unexpected end"),
        (b"\x18\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01".to_vec(), "", "varint"),
        (b"\x00\x00".to_vec(), "", "field number"),
        (b"\x1f\x00".to_vec(), "", "wire type"),
        (b"\x0c".to_vec(), "", "group"),
        (b"\xc3\x3e\x08\x01".to_vec(), "", "unexpected end"),
        (b"\xf2\x01\x01\x80".to_vec(), "int32s", "unexpected end"),
        (b"\xb2\x04\x07\x08\x80\x83\xd1\xff\xaf\x07".to_vec(), "timestamp", "range"),
        (b"\xb2\x04\x0b\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01".to_vec(), "timestamp", "nanos"),
        (b"\xd2\x04\x09\x11\x00\x00\x00\x00\x00\x00\xf0\x7f".to_vec(), "value", "NaN or infinite"),
        (b"\xc2\x04\x09\x0a\x07foo__ab".to_vec(), "mask", "lowerCamelCase"),
        (any("x/no.Such", b""), "any", "`no.Such`"),
        (any("", b"a"), "any", "no message ``"),
        (any("x/kinds.Kinds", b"\x18"), "any", "unexpected end"),
        (any("x/kinds.Kinds", b"\x72\x01\xff"), "any.aString", "UTF-8"),
    ] {
        match to_json(&kinds, &binary) {
            Err(JsonError::Invalid { path, reason, position: None, .. }) => {
                assert_eq!(path, field, "{binary:x?}: {reason}");
                assert!(reason.to_lowercase().contains(why) || reason.contains(why), "{binary:x?}: {reason}");
            }
            other => panic!("{binary:x?}: {other:?}"),
        }
    }
}

#[test]
fn proto2_keeps_its_groups_presence_and_extensions() {
    let legacy = legacy();
    for (json, canonical) in [
        (r#"{"name":"n","count":0}"#, r#"{"name":"n","count":0}"#),
        (r#"{"name":""}"#, r#"{"name":""}"#),
        (
            r#"{"level":"LEVEL_HIGH","levels":["LEVEL_LOW",2],"packedLevels":[1]}"#,
            r#"{"level":"LEVEL_HIGH","levels":["LEVEL_LOW","LEVEL_HIGH"],"packedLevels":["LEVEL_LOW"]}"#,
        ),
        (
            r#"{"box":{"label":"l","inside":{"name":"i"}},"item":[{"id":1},{}]}"#,
            r#"{"box":{"label":"l","inside":{"name":"i"}},"item":[{"id":1},{}]}"#,
        ),
        (
            r#"{"[legacy.nickname]":"nick","[legacy.scores]":[1,2],"[legacy.Scope.scope]":{"what":"w"}}"#,
            r#"{"[legacy.nickname]":"nick","[legacy.scores]":[1,2],"[legacy.Scope.scope]":{"what":"w"}}"#,
        ),
        (r#"{"[legacy.nobody]":1,"numbers":[1,2]}"#, r#"{"numbers":[1,2]}"#),
    ] {
        let binary = to_binary(&legacy, json).unwrap();
        assert_eq!(to_json(&legacy, &binary).as_deref(), Ok(canonical), "{json}");
    }
    assert_eq!(to_binary(&legacy, r#"{"box":{"label":"l"}}"#).unwrap(), b"\x33\x0a\x01l\x34");
    assert_eq!(to_binary(&legacy, r#"{"numbers":[1,2]}"#).unwrap(), b"\x48\x01\x48\x02");
    let error = to_binary(&legacy, r#"{"level":9}"#).unwrap_err().to_string();
    assert!(error.contains("legacy.Level has no value 9"), "{error}");
}

#[test]
fn unknown_values_of_a_closed_enum_are_unknown_fields() {
    let legacy = legacy();
    for (case, binary, json) in [
        ("alone", &b"\x18\x09"[..], "{}"),
        ("after a known one", b"\x18\x01\x18\x09", r#"{"level":"LEVEL_LOW"}"#),
        ("in a list", b"\x20\x01\x20\x09\x20\x02", r#"{"levels":["LEVEL_LOW","LEVEL_HIGH"]}"#),
        ("in a packed list", b"\x2a\x03\x01\x09\x02", r#"{"packedLevels":["LEVEL_LOW","LEVEL_HIGH"]}"#),
        ("as all of a packed list", b"\x2a\x01\x09", "{}"),
        (
            "as a map value",
            b"\x42\x05\x0a\x01a\x10\x09\x42\x05\x0a\x01b\x10\x01",
            r#"{"byName":{"b":"LEVEL_LOW"}}"#,
        ),
        ("in a oneof that is set", b"\x5a\x01o\x50\x09", r#"{"other":"o"}"#),
    ] {
        assert_eq!(to_json(&legacy, binary).as_deref(), Ok(json), "{case}");
    }
}

#[test]
fn well_known_types_are_messages_of_their_own_too() {
    let schema = schema(&["kinds.proto"]);
    let round_trip = |name: &str, json: &str| {
        let message: MessageType = schema.message(name).unwrap();
        to_json(&message, &to_binary(&message, json).unwrap()).unwrap()
    };
    assert_eq!(
        round_trip("google.protobuf.Timestamp", "\"2001-02-03T04:05:06Z\""),
        "\"2001-02-03T04:05:06Z\""
    );
    assert_eq!(round_trip("google.protobuf.Int64Value", "5"), "\"5\"");
    assert_eq!(round_trip("google.protobuf.Value", "null"), "null");
    assert_eq!(round_trip("google.protobuf.ListValue", "[[]]"), "[[]]");
    assert_eq!(round_trip("google.protobuf.Empty", "{}"), "{}");
    let wrapper = schema.message("google.protobuf.StringValue").unwrap();
    assert!(to_binary(&wrapper, "null").is_err());
}
