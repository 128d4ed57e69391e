//! What a field is in Python.

use buffa_descriptor::features::{self, FieldPresence, ResolvedFeatures};
use buffa_descriptor::generated::descriptor::FieldDescriptorProto;
use buffa_descriptor::generated::descriptor::field_descriptor_proto::{Label, Type};

/// One value of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    /// As Python's own type, with its name.
    Scalar(&'static str),
    /// By its full name.
    Enum(String),
    /// By its full name.
    Message(String),
}

impl Value {
    pub(super) fn of(field: &FieldDescriptorProto) -> Self {
        let name = || field.type_name.clone().unwrap_or_default();
        match field.r#type {
            Some(Type::TYPE_DOUBLE | Type::TYPE_FLOAT) => Self::Scalar("float"),
            Some(Type::TYPE_BOOL) => Self::Scalar("bool"),
            Some(Type::TYPE_STRING) => Self::Scalar("str"),
            Some(Type::TYPE_BYTES) => Self::Scalar("bytes"),
            Some(Type::TYPE_ENUM) => Self::Enum(name()),
            Some(Type::TYPE_MESSAGE | Type::TYPE_GROUP) => Self::Message(name()),
            _ => Self::Scalar("int"),
        }
    }
}

/// Whether a field holds several values.
pub(super) fn is_repeated(field: &FieldDescriptorProto) -> bool {
    field.label == Some(Label::LABEL_REPEATED)
}

/// Whether a field can tell that it was not set, which `HasField` then says.
pub(super) fn has_presence(field: &FieldDescriptorProto, message: &ResolvedFeatures) -> bool {
    if is_repeated(field) {
        return false;
    }
    let features = features::resolve_child(message, features::field_features(field));
    matches!(Value::of(field), Value::Message(_))
        || field.oneof_index.is_some()
        || field.label == Some(Label::LABEL_REQUIRED)
        || features.field_presence != FieldPresence::Implicit
}
