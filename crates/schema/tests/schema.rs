//! Schemas from descriptor sets.
#![allow(clippy::unwrap_used, reason = "what panics here fails its test")]

mod support;

use buffa::MessageField;
use buffa_descriptor::generated::descriptor::feature_set::{
    EnumType, FieldPresence, MessageEncoding, RepeatedFieldEncoding,
};
use buffa_descriptor::generated::descriptor::{
    Edition, FeatureSet, FieldOptions, FileDescriptorProto, FileOptions,
};
use landbridge_schema::{Schema, SchemaError, StreamKind};
use support::{compile, compile_files, schema, set, to_binary, to_json};

#[test]
fn methods_are_found_by_path_with_their_kind_and_types() {
    let schema = schema(&["shop.proto"]);
    assert_eq!(schema.services().collect::<Vec<_>>(), ["shop.v1.Shop", "shop.v1.Returns"]);
    for (name, kind, no_side_effects, input, output) in [
        ("Find", StreamKind::Unary, true, "shop.v1.FindRequest", "shop.v1.Order"),
        ("Place", StreamKind::Unary, false, "shop.v1.Order", "google.protobuf.Empty"),
        ("Watch", StreamKind::ServerStream, false, "shop.v1.FindRequest", "shop.v1.Order"),
        ("Upload", StreamKind::ClientStream, false, "shop.v1.Order", "google.protobuf.Empty"),
        ("Chat", StreamKind::BidiStream, false, "shop.v1.Order", "shop.v1.Order"),
    ] {
        let path = format!("/shop.v1.Shop/{name}");
        let method = schema.method(&path).unwrap();
        assert_eq!(method.path(), path);
        assert_eq!((method.kind(), method.no_side_effects()), (kind, no_side_effects), "{name}");
        assert_eq!((method.input().full_name(), method.output().full_name()), (input, output), "{name}");
    }
    assert_eq!(schema.methods().count(), 6);
    for absent in ["shop.v1.Shop/Find", "/shop.v1.Shop/find", "/shop.v1.Shop/Find/", "/shop.v1.Shop", "/", ""]
    {
        assert!(schema.method(absent).is_none(), "{absent}");
    }
}

#[test]
fn the_methods_of_a_service_come_in_the_order_of_their_declaration() {
    let schema = schema(&["shop.proto"]);
    let paths: Vec<_> = schema.methods_of("shop.v1.Shop").map(|method| method.path()).collect();
    let names = ["Find", "Place", "Watch", "Upload", "Chat"];
    assert_eq!(paths, names.map(|name| format!("/shop.v1.Shop/{name}")));
    assert_eq!(schema.methods_of("shop.v1.Nobody").count(), 0);
}

#[test]
fn the_usual_types_of_error_details_are_at_hand() {
    let details = Schema::of_error_details();
    let json =
        r#"{"fieldViolations":[{"field":"a.b","description":"c","localizedMessage":{"locale":"en"}}]}"#;
    let bad_request = details.message("google.rpc.BadRequest").unwrap();
    assert_eq!(to_json(&bad_request, &to_binary(&bad_request, json).unwrap()).unwrap(), json);
    for name in ["ErrorInfo", "RetryInfo", "DebugInfo", "QuotaFailure", "PreconditionFailure"] {
        assert!(details.message(&format!("google.rpc.{name}")).is_some(), "{name}");
    }
}

#[test]
fn symbols_are_described_in_the_language_of_proto_files() {
    let shop = schema(&["shop.proto"]);
    let find = "rpc Find(shop.v1.FindRequest) returns (shop.v1.Order) \
                { option idempotency_level = NO_SIDE_EFFECTS; }\n";
    for symbol in ["shop.v1.Shop.Find", "shop.v1.Shop/Find"] {
        assert_eq!(shop.describe(symbol).unwrap(), find);
    }
    let service = shop.describe("shop.v1.Shop").unwrap();
    assert!(service.starts_with("service shop.v1.Shop {\n  rpc Find("), "{service}");
    assert!(
        service.contains("  rpc Chat(stream shop.v1.Order) returns (stream shop.v1.Order);\n"),
        "{service}"
    );
    for absent in ["", "Shop", "shop.v1", "shop.v1.Shop.Nothing", "shop.v1.Nobody.Find"] {
        assert_eq!(shop.describe(absent), None, "{absent}");
    }

    let kinds = schema(&["kinds.proto"]);
    let color = "enum kinds.Color {\n  COLOR_UNSPECIFIED = 0;\n  COLOR_RED = 1;\n  COLOR_GREEN = 2;\n}\n";
    assert_eq!(kinds.describe("kinds.Color").unwrap(), color);
    let message = kinds.describe(".kinds.Kinds").unwrap();
    for line in [
        "  sfixed64 a_sfixed64 = 12;",
        "  kinds.Kinds a_message = 17;",
        "  optional kinds.Color maybe_color = 22;",
        "  repeated bytes blobs = 34;",
        "  map<uint64, kinds.Kinds> by_uint64 = 52;",
        "  oneof choice {\n    string text = 60;",
        "    bool flag = 66;\n  }\n  oneof second_choice {",
        "  }\n  google.protobuf.Timestamp timestamp = 70;",
    ] {
        assert!(message.contains(line), "{line}\n{message}");
    }
    assert!(schema(&["legacy.proto"]).describe("legacy.Legacy").unwrap().contains("  required "));
}

#[test]
fn a_schema_may_come_in_several_sets() {
    let both = [compile(&["shop.proto"]), compile(&["other.proto"]), compile(&["shop_types.proto"])];
    let schema = Schema::from_descriptor_sets(both.iter().map(Vec::as_slice)).unwrap();
    assert!(schema.method("/shop.v1.Shop/Find").is_some());
    assert!(schema.method("/other.Other/Ask").is_some());

    // Imports may come from a set of their own.
    let (types, rest): (Vec<_>, Vec<_>) = compile_files(&["shop.proto"])
        .into_iter()
        .partition(|file| file.name.as_deref() == Some("shop_types.proto"));
    let parts = [set(rest), set(types)];
    assert!(Schema::from_descriptor_sets(parts.iter().map(Vec::as_slice)).is_ok());
}

#[test]
fn sets_that_disagree_are_refused_by_the_name_of_the_file() {
    let mut files = compile_files(&["other.proto"]);
    files[0].message_type[0].name = Some("Query".into());
    let sets = [compile(&["other.proto"]), set(files)];
    let error = Schema::from_descriptor_sets(sets.iter().map(Vec::as_slice)).unwrap_err();
    assert_eq!(error, SchemaError::Conflict { file: "other.proto".into() });
}

fn without(files: &[&str], missing: impl Fn(&str) -> bool) -> Vec<u8> {
    set(compile_files(files)
        .into_iter()
        .filter(|file| !missing(file.name.as_deref().unwrap_or_default()))
        .collect())
}

#[test]
fn a_missing_import_is_named_with_the_way_to_include_it() {
    let error = Schema::from_descriptor_set(&without(&["shop.proto"], |name| name == "shop_types.proto"))
        .unwrap_err();
    let SchemaError::MissingImports { imports, type_name, needed_by } = &error else { panic!("{error}") };
    assert_eq!(
        (imports.as_slice(), type_name.as_str()),
        (&["shop_types.proto".to_owned()][..], "shop.v1.Order")
    );
    assert!(needed_by.starts_with("shop.v1.Shop."), "{needed_by}");
    assert!(error.to_string().contains("--include_imports"), "{error}");
}

#[test]
fn imports_for_options_alone_may_be_missing() {
    let schema =
        Schema::from_descriptor_set(&without(&["shop.proto"], |name| name == "shop_options.proto")).unwrap();
    assert!(schema.method("/shop.v1.Shop/Find").is_some());
}

#[test]
fn well_known_types_are_brought_along_where_a_set_leaves_them_out() {
    let bare = without(&["kinds.proto", "shop.proto"], |name| name.starts_with("google/protobuf/"));
    let bare = Schema::from_descriptor_set(&bare).unwrap().message("kinds.Kinds").unwrap();
    let full = schema(&["kinds.proto"]).message("kinds.Kinds").unwrap();
    let json = r#"{"timestamp":"2020-01-01T00:00:00Z","duration":"1s","mask":"a","struct":{"a":[null,1.5,true,"s"]},"value":null,"list":[{}],"any":{"@type":"x/google.protobuf.Empty"},"empty":{},"doubleValue":1.5,"floatValue":1.5,"int64Value":"1","uint64Value":"1","int32Value":1,"uint32Value":1,"boolValue":true,"stringValue":"s","bytesValue":"YQ=="}"#;
    let binary = to_binary(&bare, json).unwrap();
    assert_eq!(binary, to_binary(&full, json).unwrap());
    assert_eq!(to_json(&bare, &binary).unwrap(), to_json(&full, &binary).unwrap());
    assert_eq!(to_json(&bare, &binary).unwrap(), json);
}

#[test]
fn bytes_that_are_no_descriptor_set_are_refused_with_the_way_to_write_one() {
    let whole = compile(&["shop.proto"]);
    for bytes in [&b"syntax = \"proto3\";"[..], &whole[..whole.len() - 1], &[0xff; 64]] {
        let error = Schema::from_descriptor_set(bytes).unwrap_err();
        assert!(matches!(error, SchemaError::NotADescriptorSet { .. }), "{error}");
        assert!(error.to_string().contains("--descriptor_set_out"), "{error}");
    }
    assert_eq!(Schema::from_descriptor_set(b"").unwrap().services().count(), 0);
}

#[test]
fn descriptors_cut_or_changed_anywhere_give_a_schema_or_an_error() {
    let whole = compile(&["other.proto"]);
    for place in 0..whole.len() {
        let _ = Schema::from_descriptor_set(&whole[..place]);
        for byte in [0, 1, 0x7f, 0xff] {
            let mut changed = whole.clone();
            changed[place] = byte;
            if let Ok(schema) = Schema::from_descriptor_set(&changed) {
                for method in schema.methods() {
                    let _ = to_binary(method.input(), r#"{"text":"t","1":[{}]}"#);
                    let _ = to_json(method.input(), b"\x0a\x01t\x08\x01");
                }
            }
        }
    }
}

fn edition(file: &mut FileDescriptorProto, edition: Edition, features: FeatureSet) {
    file.syntax = Some("editions".into());
    file.edition = Some(edition);
    file.options = FileOptions { features: MessageField::some(features), ..Default::default() }.into();
}

/// The compiler of these tests knows no editions, so that their descriptors are made of proto3's by hand.
#[test]
fn editions_take_their_behaviour_from_features() {
    for number in [Edition::EDITION_2023, Edition::EDITION_2024] {
        let mut files = compile_files(&["kinds.proto"]);
        for file in files.iter_mut().filter(|file| file.name.as_deref() == Some("kinds.proto")) {
            edition(
                file,
                number,
                FeatureSet {
                    field_presence: Some(FieldPresence::EXPLICIT),
                    enum_type: Some(EnumType::CLOSED),
                    repeated_field_encoding: Some(RepeatedFieldEncoding::EXPANDED),
                    message_encoding: Some(MessageEncoding::DELIMITED),
                    ..Default::default()
                },
            );
            let fields = &mut file.message_type[0].field;
            for field in fields.iter_mut() {
                field.proto3_optional = None;
                match field.name.as_deref() {
                    Some("an_int64") => field.options = presence(FieldPresence::IMPLICIT).into(),
                    Some("a_string") => field.options = presence(FieldPresence::LEGACY_REQUIRED).into(),
                    _ => {}
                }
            }
        }
        let kinds = Schema::from_descriptor_set(&set(files)).unwrap().message("kinds.Kinds").unwrap();
        let json =
            r#"{"anInt32":0,"aString":"","aMessage":{"anInt32":7},"int32s":[1,2],"byUint64":{"1":{}}}"#;
        let binary = to_binary(&kinds, &json.replace("\"aString\"", "\"anInt64\":0,\"aString\"")).unwrap();
        assert_eq!(
            binary,
            b"\x18\x00\x72\x00\x8b\x01\x18\x07\x8c\x01\xf0\x01\x01\xf0\x01\x02\xa2\x03\x04\x08\x01\x12\x00"
        );
        assert_eq!(to_json(&kinds, &binary).unwrap(), json);
        assert_eq!(to_json(&kinds, b"\x80\x01\x63").unwrap(), "{}", "99 is no value of the closed enum");
        assert!(to_binary(&kinds, r#"{"aColor":99}"#).is_err());
    }
}

fn presence(presence: FieldPresence) -> FieldOptions {
    let features = FeatureSet { field_presence: Some(presence), ..Default::default() };
    FieldOptions { features: MessageField::some(features), ..Default::default() }
}
