//! What a symbol stands for, in the language of `.proto` files. Types have their full names; comments and most options
//! are left out.

use std::fmt::Write as _;

use buffa::editions::FieldPresence;
use buffa_descriptor::generated::descriptor::method_options::IdempotencyLevel;
use buffa_descriptor::{
    DescriptorPool, EnumDescriptor, FieldDescriptor, FieldKind, MessageDescriptor, MethodDescriptor,
    ScalarType, ServiceDescriptor, SingularKind,
};

pub(crate) fn describe(pool: &DescriptorPool, symbol: &str) -> Option<String> {
    let symbol = symbol.trim_start_matches('.');
    if let Some(service) = pool.service_by_name(symbol) {
        return Some(Writer { pool, text: String::new() }.service(service));
    }
    if let Some(message) = pool.message_by_name(symbol) {
        return Some(Writer { pool, text: String::new() }.message(message));
    }
    if let Some(kind) = pool.enum_by_name(symbol) {
        return Some(enumeration(kind));
    }
    let (service, method) = symbol.rsplit_once(['.', '/'])?;
    let method = pool.service_by_name(service)?.method(method)?;
    Some(Writer { pool, text: String::new() }.method(method) + "\n")
}

struct Writer<'a> {
    pool: &'a DescriptorPool,
    text: String,
}

impl Writer<'_> {
    fn service(mut self, service: &ServiceDescriptor) -> String {
        self.put(format_args!("service {} {{\n", service.full_name()));
        for method in service.methods() {
            let method = Writer { pool: self.pool, text: String::new() }.method(method);
            self.put(format_args!("  {method}\n"));
        }
        self.text + "}\n"
    }

    fn method(mut self, method: &MethodDescriptor) -> String {
        let stream = |streams| if streams { "stream " } else { "" };
        let (input, output) = (self.pool.message(method.input()), self.pool.message(method.output()));
        self.put(format_args!(
            "rpc {}({}{}) returns ({}{})",
            method.name(),
            stream(method.is_client_streaming()),
            input.full_name(),
            stream(method.is_server_streaming()),
            output.full_name()
        ));
        let promise = match method.options().and_then(|options| options.idempotency_level) {
            Some(IdempotencyLevel::NO_SIDE_EFFECTS) => " { option idempotency_level = NO_SIDE_EFFECTS; }",
            Some(IdempotencyLevel::IDEMPOTENT) => " { option idempotency_level = IDEMPOTENT; }",
            _ => ";",
        };
        self.text + promise
    }

    fn message(mut self, message: &MessageDescriptor) -> String {
        self.put(format_args!("message {} {{\n", message.full_name()));
        let mut open = None;
        for field in message.fields() {
            let oneof = field.oneof_index().filter(|index| {
                message.oneofs().get(usize::from(*index)).is_some_and(|oneof| !oneof.is_synthetic())
            });
            if open != oneof {
                if open.is_some() {
                    self.put(format_args!("  }}\n"));
                }
                if let Some(oneof) = oneof.and_then(|index| message.oneofs().get(usize::from(index))) {
                    self.put(format_args!("  oneof {} {{\n", oneof.name()));
                }
                open = oneof;
            }
            let indent = if open.is_some() { "    " } else { "  " };
            let label = if open.is_some() { "" } else { label(field) };
            let kind = self.field_kind(field.kind());
            self.put(format_args!("{indent}{label}{kind} {} = {};\n", field.name(), field.number()));
        }
        if open.is_some() {
            self.put(format_args!("  }}\n"));
        }
        self.text + "}\n"
    }

    fn field_kind(&self, kind: FieldKind) -> String {
        match kind {
            FieldKind::Singular(kind) | FieldKind::List(kind) => self.kind(kind).to_owned(),
            FieldKind::Map { key, value } => format!("map<{}, {}>", scalar(key), self.kind(value)),
        }
    }

    fn kind(&self, kind: SingularKind) -> &str {
        match kind {
            SingularKind::Scalar(kind) => scalar(kind),
            SingularKind::Enum(index) => self.pool.enumeration(index).full_name(),
            SingularKind::Message(index) => self.pool.message(index).full_name(),
        }
    }

    fn put(&mut self, text: std::fmt::Arguments<'_>) {
        // A string takes all.
        let _written = self.text.write_fmt(text);
    }
}

fn enumeration(kind: &EnumDescriptor) -> String {
    let values = kind.values().iter().map(|value| format!("  {} = {};\n", value.name(), value.number()));
    format!("enum {} {{\n{}}}\n", kind.full_name(), values.collect::<String>())
}

fn label(field: &FieldDescriptor) -> &'static str {
    match field.kind() {
        FieldKind::List(_) => "repeated ",
        FieldKind::Map { .. } => "",
        // Messages tell whether they are set, without being declared so.
        FieldKind::Singular(SingularKind::Message(_)) if field.presence() == FieldPresence::Explicit => "",
        FieldKind::Singular(_) => match field.presence() {
            FieldPresence::Explicit => "optional ",
            FieldPresence::LegacyRequired => "required ",
            _ => "",
        },
    }
}

fn scalar(kind: ScalarType) -> &'static str {
    match kind {
        ScalarType::Double => "double",
        ScalarType::Float => "float",
        ScalarType::Int64 => "int64",
        ScalarType::Uint64 => "uint64",
        ScalarType::Int32 => "int32",
        ScalarType::Fixed64 => "fixed64",
        ScalarType::Fixed32 => "fixed32",
        ScalarType::Bool => "bool",
        ScalarType::String => "string",
        ScalarType::Bytes => "bytes",
        ScalarType::Uint32 => "uint32",
        ScalarType::Sfixed32 => "sfixed32",
        ScalarType::Sfixed64 => "sfixed64",
        ScalarType::Sint32 => "sint32",
        ScalarType::Sint64 => "sint64",
    }
}
