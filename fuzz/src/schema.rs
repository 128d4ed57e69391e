//! A schema with every kind of field, as a descriptor set.

use arbitrary::Arbitrary;
use landbridge_schema::{MessageType, Schema};
use prost::Message;
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{
    DescriptorProto, EnumDescriptorProto, EnumValueDescriptorProto, FieldDescriptorProto,
    FileDescriptorProto, FileDescriptorSet, MessageOptions, MethodDescriptorProto, OneofDescriptorProto,
    ServiceDescriptorProto,
};

const SCALARS: [Type; 15] = [
    Type::Double,
    Type::Float,
    Type::Int64,
    Type::Uint64,
    Type::Int32,
    Type::Fixed64,
    Type::Fixed32,
    Type::Bool,
    Type::String,
    Type::Bytes,
    Type::Uint32,
    Type::Sfixed32,
    Type::Sfixed64,
    Type::Sint32,
    Type::Sint64,
];

const WELL_KNOWN: [&str; 12] = [
    "Any",
    "Duration",
    "Empty",
    "FieldMask",
    "ListValue",
    "Struct",
    "Timestamp",
    "Value",
    "BoolValue",
    "BytesValue",
    "DoubleValue",
    "Int64Value",
];

/// The message `fuzz.Everything`.
pub fn everything() -> MessageType {
    Schema::from_descriptor_set(&FileDescriptorSet { file: vec![file()] }.encode_to_vec())
        .expect("a schema that is right")
        .message("fuzz.Everything")
        .expect("its message")
}

/// A descriptor file with some of its bytes changed.
#[derive(Arbitrary, Clone, Debug)]
pub struct ChangedFile(Vec<(u16, u8)>);

impl ChangedFile {
    /// The bytes of the file, alone.
    pub fn file(&self) -> Vec<u8> {
        self.change(file().encode_to_vec())
    }

    /// The bytes of a set that holds the file.
    pub fn set(&self) -> Vec<u8> {
        self.change(FileDescriptorSet { file: vec![file()] }.encode_to_vec())
    }

    fn change(&self, mut bytes: Vec<u8>) -> Vec<u8> {
        for (place, byte) in &self.0 {
            let place = usize::from(*place) % bytes.len();
            bytes[place] = *byte;
        }
        bytes
    }
}

fn file() -> FileDescriptorProto {
    let mut fields = Vec::new();
    for kind in SCALARS {
        let name = kind.as_str_name().to_lowercase();
        fields.push(field(&name, Label::Optional, kind, None));
        fields.push(field(&format!("{name}_list"), Label::Repeated, kind, None));
    }
    for known in WELL_KNOWN {
        let type_name = format!(".google.protobuf.{known}");
        fields.push(field(&format!("wkt{known}"), Label::Optional, Type::Message, Some(&type_name)));
    }
    fields.push(field("self", Label::Optional, Type::Message, Some(".fuzz.Everything")));
    fields.push(field("selves", Label::Repeated, Type::Message, Some(".fuzz.Everything")));
    fields.push(field("color", Label::Optional, Type::Enum, Some(".fuzz.Color")));
    fields.push(field("by_name", Label::Repeated, Type::Message, Some(".fuzz.Everything.ByNameEntry")));
    fields.push(field("by_number", Label::Repeated, Type::Message, Some(".fuzz.Everything.ByNumberEntry")));
    for (name, kind) in [("this", Type::String), ("that", Type::Int32)] {
        fields
            .push(FieldDescriptorProto { oneof_index: Some(0), ..field(name, Label::Optional, kind, None) });
    }
    let everything = DescriptorProto {
        nested_type: vec![entry("ByNameEntry", Type::String), entry("ByNumberEntry", Type::Int64)],
        oneof_decl: vec![OneofDescriptorProto { name: Some("either".into()), ..Default::default() }],
        ..message("Everything", fields)
    };
    let color = EnumDescriptorProto {
        name: Some("Color".into()),
        value: [("COLOR_UNSPECIFIED", 0), ("COLOR_RED", 1), ("COLOR_DARK", -1)]
            .map(|(name, number)| EnumValueDescriptorProto {
                name: Some(name.into()),
                number: Some(number),
                ..Default::default()
            })
            .into(),
        ..Default::default()
    };
    let method = MethodDescriptorProto {
        name: Some("Method".into()),
        input_type: Some(".fuzz.Everything".into()),
        output_type: Some(".fuzz.Everything".into()),
        ..Default::default()
    };
    FileDescriptorProto {
        name: Some("fuzz.proto".into()),
        package: Some("fuzz".into()),
        dependency: ["any", "duration", "empty", "field_mask", "struct", "timestamp", "wrappers"]
            .map(|stem| format!("google/protobuf/{stem}.proto"))
            .into(),
        message_type: vec![everything],
        enum_type: vec![color],
        service: vec![ServiceDescriptorProto {
            name: Some("Service".into()),
            method: vec![method],
            ..Default::default()
        }],
        syntax: Some("proto3".into()),
        ..Default::default()
    }
}

fn entry(name: &str, key: Type) -> DescriptorProto {
    let value = field("value", Label::Optional, Type::Message, Some(".fuzz.Everything"));
    DescriptorProto {
        options: Some(MessageOptions { map_entry: Some(true), ..Default::default() }),
        ..message(name, vec![field("key", Label::Optional, key, None), value])
    }
}

/// A message whose fields are numbered in their order.
fn message(name: &str, mut fields: Vec<FieldDescriptorProto>) -> DescriptorProto {
    for (number, field) in (1..).zip(&mut fields) {
        field.number = Some(number);
    }
    DescriptorProto { name: Some(name.into()), field: fields, ..Default::default() }
}

fn field(name: &str, label: Label, kind: Type, type_name: Option<&str>) -> FieldDescriptorProto {
    FieldDescriptorProto {
        name: Some(name.into()),
        label: Some(label.into()),
        r#type: Some(kind.into()),
        type_name: type_name.map(str::to_owned),
        ..Default::default()
    }
}
