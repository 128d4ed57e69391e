//! The message types that have a JSON form of their own.

use buffa::json_helpers::wkt;
use buffa_descriptor::{MessageDescriptor, ScalarType};

/// Which special JSON form a message has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WellKnown {
    Text(Text),
    /// One of the wrappers: the value by itself.
    Wrapper(ScalarType),
    Struct,
    Value,
    ListValue,
    Any,
}

/// A message written as one string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Text {
    Timestamp,
    Duration,
    FieldMask,
}

impl WellKnown {
    pub(super) fn of(message: &MessageDescriptor) -> Option<Self> {
        let name = message.full_name().strip_prefix("google.protobuf.")?;
        Some(match name {
            "Timestamp" => Self::Text(Text::Timestamp),
            "Duration" => Self::Text(Text::Duration),
            "FieldMask" => Self::Text(Text::FieldMask),
            "Struct" => Self::Struct,
            "Value" => Self::Value,
            "ListValue" => Self::ListValue,
            "Any" => Self::Any,
            "DoubleValue" => Self::Wrapper(ScalarType::Double),
            "FloatValue" => Self::Wrapper(ScalarType::Float),
            "Int64Value" => Self::Wrapper(ScalarType::Int64),
            "UInt64Value" => Self::Wrapper(ScalarType::Uint64),
            "Int32Value" => Self::Wrapper(ScalarType::Int32),
            "UInt32Value" => Self::Wrapper(ScalarType::Uint32),
            "BoolValue" => Self::Wrapper(ScalarType::Bool),
            "StringValue" => Self::Wrapper(ScalarType::String),
            "BytesValue" => Self::Wrapper(ScalarType::Bytes),
            _ => return None,
        })
    }
}

/// Seconds and nanoseconds from an RFC 3339 time.
pub(super) fn parse_timestamp(text: &str) -> Result<(i64, i32), &'static str> {
    // The parser below takes a sign for a digit in places; the language does not.
    let signs = text.get(..19).is_none_or(|date_time| date_time.contains('+') || date_time.starts_with('-'));
    if signs { Err("expected a time such as 2025-01-31T12:00:00Z") } else { wkt::parse_timestamp(text) }
}

/// Seconds and nanoseconds from text such as `1.5s`.
pub(super) fn parse_duration(text: &str) -> Result<(i64, i32), &'static str> {
    if text.ends_with(".s") { Err("bad fractional seconds") } else { wkt::parse_duration(text) }
}

pub(super) fn format_timestamp(seconds: i64, nanos: i32) -> Result<String, &'static str> {
    wkt::fmt_timestamp(seconds, nanos)
}

pub(super) fn format_duration(seconds: i64, nanos: i32) -> Result<String, &'static str> {
    wkt::fmt_duration(seconds, nanos)
}

/// One path of a field mask, from `fooBar.baz` to `foo_bar.baz`.
pub(super) fn path_from_json(path: &str) -> Result<String, &'static str> {
    let snake = wkt::camel_to_snake(path);
    if wkt::field_mask_path_round_trips(&snake) && wkt::snake_to_camel(&snake) == path {
        Ok(snake)
    } else {
        Err("a field mask path must be field names in lowerCamelCase joined by dots")
    }
}

/// One path of a field mask, from `foo_bar.baz` to `fooBar.baz`.
pub(super) fn path_to_json(path: &str) -> Result<String, &'static str> {
    if wkt::field_mask_path_round_trips(path) {
        Ok(wkt::snake_to_camel(path))
    } else {
        Err("this field mask path cannot be written in lowerCamelCase")
    }
}
