//! The well-known types, for descriptor sets and servers that leave them out.
//!
//! The shapes come from the protobuf language's own definition of these files. `descriptor.proto` is only a frame: files
//! import it to declare custom options, which have no part in messages.

mod error_details;

pub(crate) use error_details::error_details;

use buffa_descriptor::generated::descriptor::descriptor_proto::ExtensionRange;
use buffa_descriptor::generated::descriptor::field_descriptor_proto::{Label, Type};
use buffa_descriptor::generated::descriptor::{
    DescriptorProto, EnumDescriptorProto, EnumValueDescriptorProto, FieldDescriptorProto,
    FileDescriptorProto, MessageOptions, OneofDescriptorProto,
};

/// Every bundled file.
pub(crate) fn files() -> [FileDescriptorProto; 8] {
    [any(), descriptor(), duration(), empty(), field_mask(), structure(), timestamp(), wrappers()]
}

fn any() -> FileDescriptorProto {
    let fields = vec![singular("type_url", 1, Type::TYPE_STRING), singular("value", 2, Type::TYPE_BYTES)];
    file("any", vec![message("Any", fields)])
}

fn duration() -> FileDescriptorProto {
    file("duration", vec![message("Duration", seconds_and_nanos())])
}

fn timestamp() -> FileDescriptorProto {
    file("timestamp", vec![message("Timestamp", seconds_and_nanos())])
}

fn seconds_and_nanos() -> Vec<FieldDescriptorProto> {
    vec![singular("seconds", 1, Type::TYPE_INT64), singular("nanos", 2, Type::TYPE_INT32)]
}

fn empty() -> FileDescriptorProto {
    file("empty", vec![message("Empty", Vec::new())])
}

fn field_mask() -> FileDescriptorProto {
    file("field_mask", vec![message("FieldMask", vec![repeated(singular("paths", 1, Type::TYPE_STRING))])])
}

fn wrappers() -> FileDescriptorProto {
    let wrapper = |name: &str, kind| message(name, vec![singular("value", 1, kind)]);
    file(
        "wrappers",
        vec![
            wrapper("DoubleValue", Type::TYPE_DOUBLE),
            wrapper("FloatValue", Type::TYPE_FLOAT),
            wrapper("Int64Value", Type::TYPE_INT64),
            wrapper("UInt64Value", Type::TYPE_UINT64),
            wrapper("Int32Value", Type::TYPE_INT32),
            wrapper("UInt32Value", Type::TYPE_UINT32),
            wrapper("BoolValue", Type::TYPE_BOOL),
            wrapper("StringValue", Type::TYPE_STRING),
            wrapper("BytesValue", Type::TYPE_BYTES),
        ],
    )
}

fn structure() -> FileDescriptorProto {
    let entry = DescriptorProto {
        options: MessageOptions { map_entry: Some(true), ..Default::default() }.into(),
        ..message(
            "FieldsEntry",
            vec![singular("key", 1, Type::TYPE_STRING), typed("value", 2, Type::TYPE_MESSAGE, "Value")],
        )
    };
    let structure = DescriptorProto {
        nested_type: vec![entry],
        ..message("Struct", vec![repeated(typed("fields", 1, Type::TYPE_MESSAGE, "Struct.FieldsEntry"))])
    };
    let kinds = vec![
        typed("null_value", 1, Type::TYPE_ENUM, "NullValue"),
        singular("number_value", 2, Type::TYPE_DOUBLE),
        singular("string_value", 3, Type::TYPE_STRING),
        singular("bool_value", 4, Type::TYPE_BOOL),
        typed("struct_value", 5, Type::TYPE_MESSAGE, "Struct"),
        typed("list_value", 6, Type::TYPE_MESSAGE, "ListValue"),
    ];
    let value = DescriptorProto {
        oneof_decl: vec![OneofDescriptorProto { name: Some("kind".into()), ..Default::default() }],
        ..message(
            "Value",
            kinds.into_iter().map(|field| FieldDescriptorProto { oneof_index: Some(0), ..field }).collect(),
        )
    };
    let list = message("ListValue", vec![repeated(typed("values", 1, Type::TYPE_MESSAGE, "Value"))]);
    let null = EnumDescriptorProto {
        name: Some("NullValue".into()),
        value: vec![EnumValueDescriptorProto {
            name: Some("NULL_VALUE".into()),
            number: Some(0),
            ..Default::default()
        }],
        ..Default::default()
    };
    FileDescriptorProto { enum_type: vec![null], ..file("struct", vec![structure, value, list]) }
}

fn descriptor() -> FileDescriptorProto {
    /// One past the highest field number of the language.
    const END: i32 = 1 << 29;
    let options = |kind: &str| DescriptorProto {
        extension_range: vec![ExtensionRange { start: Some(1000), end: Some(END), ..Default::default() }],
        ..message(kind, Vec::new())
    };
    let kinds =
        ["File", "Message", "Field", "Oneof", "ExtensionRange", "Enum", "EnumValue", "Service", "Method"];
    FileDescriptorProto {
        syntax: Some("proto2".into()),
        ..file("descriptor", kinds.iter().map(|kind| options(&format!("{kind}Options"))).collect())
    }
}

fn file(stem: &str, messages: Vec<DescriptorProto>) -> FileDescriptorProto {
    FileDescriptorProto {
        name: Some(format!("google/protobuf/{stem}.proto")),
        package: Some("google.protobuf".into()),
        message_type: messages,
        syntax: Some("proto3".into()),
        ..Default::default()
    }
}

fn message(name: &str, fields: Vec<FieldDescriptorProto>) -> DescriptorProto {
    DescriptorProto { name: Some(name.into()), field: fields, ..Default::default() }
}

fn singular(name: &str, number: i32, kind: Type) -> FieldDescriptorProto {
    FieldDescriptorProto {
        name: Some(name.into()),
        number: Some(number),
        label: Some(Label::LABEL_OPTIONAL),
        r#type: Some(kind),
        ..Default::default()
    }
}

fn typed(name: &str, number: i32, kind: Type, type_name: &str) -> FieldDescriptorProto {
    FieldDescriptorProto {
        type_name: Some(format!(".google.protobuf.{type_name}")),
        ..singular(name, number, kind)
    }
}

fn repeated(field: FieldDescriptorProto) -> FieldDescriptorProto {
    FieldDescriptorProto { label: Some(Label::LABEL_REPEATED), ..field }
}
