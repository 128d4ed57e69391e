//! The usual types of error details (`google/rpc/error_details.proto`): servers attach them to errors without having them
//! in their schemas.

use buffa_descriptor::generated::descriptor::field_descriptor_proto::Type;
use buffa_descriptor::generated::descriptor::{
    DescriptorProto, FieldDescriptorProto, FileDescriptorProto, MessageOptions, OneofDescriptorProto,
};

use super::{message, repeated, singular, typed};

/// The file.
pub(crate) fn error_details() -> FileDescriptorProto {
    let retry_info = message("RetryInfo", vec![typed("retry_delay", 1, Type::TYPE_MESSAGE, "Duration")]);
    let debug_info = message("DebugInfo", vec![repeated(text("stack_entries", 1)), text("detail", 2)]);
    let request_info = message("RequestInfo", texts(&["request_id", "serving_data"]));
    let resource_info =
        message("ResourceInfo", texts(&["resource_type", "resource_name", "owner", "description"]));
    let localized_message = message("LocalizedMessage", texts(&["locale", "message"]));
    let precondition_failure = list_of(
        "PreconditionFailure",
        "violations",
        message("Violation", texts(&["type", "subject", "description"])),
    );
    let mut field_violation = message("FieldViolation", texts(&["field", "description", "reason"]));
    field_violation.field.push(own("localized_message", 4, "LocalizedMessage"));
    FileDescriptorProto {
        name: Some("google/rpc/error_details.proto".into()),
        package: Some("google.rpc".into()),
        dependency: vec!["google/protobuf/duration.proto".into()],
        message_type: vec![
            error_info(),
            retry_info,
            debug_info,
            list_of("QuotaFailure", "violations", quota_violation()),
            precondition_failure,
            list_of("BadRequest", "field_violations", field_violation),
            request_info,
            resource_info,
            list_of("Help", "links", message("Link", texts(&["description", "url"]))),
            localized_message,
        ],
        syntax: Some("proto3".into()),
        ..Default::default()
    }
}

fn error_info() -> DescriptorProto {
    let mut info = message("ErrorInfo", texts(&["reason", "domain"]));
    info.field.push(repeated(own("metadata", 3, "ErrorInfo.MetadataEntry")));
    info.nested_type.push(texts_by_text("MetadataEntry"));
    info
}

fn quota_violation() -> DescriptorProto {
    let mut violation =
        message("Violation", texts(&["subject", "description", "api_service", "quota_metric", "quota_id"]));
    violation.field.extend([
        repeated(own("quota_dimensions", 6, "QuotaFailure.Violation.QuotaDimensionsEntry")),
        singular("quota_value", 7, Type::TYPE_INT64),
        FieldDescriptorProto {
            proto3_optional: Some(true),
            oneof_index: Some(0),
            ..singular("future_quota_value", 8, Type::TYPE_INT64)
        },
    ]);
    violation.nested_type.push(texts_by_text("QuotaDimensionsEntry"));
    let name = Some("_future_quota_value".into());
    violation.oneof_decl.push(OneofDescriptorProto { name, ..Default::default() });
    violation
}

/// A message that is a list of messages of a type of its own.
fn list_of(name: &str, field: &str, element: DescriptorProto) -> DescriptorProto {
    let element_name = element.name.clone().unwrap_or_default();
    let list = repeated(own(field, 1, &format!("{name}.{element_name}")));
    DescriptorProto { nested_type: vec![element], ..message(name, vec![list]) }
}

/// The entry of a `map<string, string>`.
fn texts_by_text(name: &str) -> DescriptorProto {
    DescriptorProto {
        options: MessageOptions { map_entry: Some(true), ..Default::default() }.into(),
        ..message(name, texts(&["key", "value"]))
    }
}

/// Strings, numbered from one.
fn texts(names: &[&str]) -> Vec<FieldDescriptorProto> {
    names.iter().zip(1..).map(|(name, number)| text(name, number)).collect()
}

fn text(name: &str, number: i32) -> FieldDescriptorProto {
    singular(name, number, Type::TYPE_STRING)
}

/// A message of this file.
fn own(name: &str, number: i32, type_name: &str) -> FieldDescriptorProto {
    FieldDescriptorProto {
        type_name: Some(format!(".google.rpc.{type_name}")),
        ..singular(name, number, Type::TYPE_MESSAGE)
    }
}
