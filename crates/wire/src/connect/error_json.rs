//! Errors as JSON: `{"code": ..., "message": ..., "details": [{"type": ..., "value": ...}]}`.

use base64::Engine as _;
use serde::{Deserialize, Serialize};

use crate::metadata::BASE64;
use crate::{Code, Detail, RpcError};

/// The error as it stands in a body or an end-stream message.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ErrorJson<'a> {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    code: Option<serde_json::Value>,
    #[serde(default, skip_serializing_if = "str::is_empty")]
    message: std::borrow::Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    details: Vec<DetailJson>,
}

#[derive(Debug, Serialize, Deserialize)]
struct DetailJson {
    #[serde(rename = "type")]
    type_name: String,
    value: String,
}

impl<'a> ErrorJson<'a> {
    pub(super) fn new(error: &'a RpcError) -> Self {
        Self {
            code: Some(error.code.name().into()),
            message: error.message.as_str().into(),
            details: error
                .details
                .iter()
                .map(|detail| DetailJson {
                    type_name: detail.type_name().to_owned(),
                    value: BASE64.encode(&detail.value),
                })
                .collect(),
        }
    }

    /// The error, with this code where the JSON has none that we know. Details that are not base64 are left out.
    pub(super) fn into_error(self, otherwise: Code) -> RpcError {
        let code = self.code.as_ref().and_then(|code| code.as_str()).and_then(Code::from_name);
        RpcError {
            code: code.unwrap_or(otherwise),
            message: self.message.into_owned(),
            details: self
                .details
                .into_iter()
                .filter_map(|detail| {
                    let value = BASE64.decode(&detail.value).ok()?.into();
                    Some(Detail { type_url: detail.type_name, value })
                })
                .collect(),
        }
    }
}

/// The body of a failed unary call.
pub(crate) fn write_error(error: &RpcError) -> Vec<u8> {
    // Strings and lists of strings always serialize.
    serde_json::to_vec(&ErrorJson::new(error)).unwrap_or_default()
}

/// Reads the body of a failed unary call; none if it is no such JSON.
pub(super) fn read_error(body: &[u8], otherwise: Code) -> Option<RpcError> {
    let json: ErrorJson<'_> = parse_object(body).ok()?;
    Some(json.into_error(otherwise))
}

/// Reads a JSON object. Serde alone would take an array of the fields' values, too.
pub(super) fn parse_object<'a, T: Deserialize<'a>>(json: &'a [u8]) -> serde_json::Result<T> {
    match json.trim_ascii_start().first() {
        Some(b'{') => serde_json::from_slice(json),
        _ => Err(serde::de::Error::custom("it is no JSON object")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_written_byte_for_byte() {
        let detail = Detail { type_url: "type.googleapis.com/a.B".into(), value: (&b"\xff"[..]).into() };
        let error = RpcError { code: Code::NotFound, message: "no \"é\"".into(), details: vec![detail] };
        let json = r#"{"code":"not_found","message":"no \"é\"","details":[{"type":"a.B","value":"/w"}]}"#;
        assert_eq!(String::from_utf8(write_error(&error)).unwrap(), json);
        assert_eq!(write_error(&RpcError::new(Code::Unknown, "")), br#"{"code":"unknown"}"#);
    }

    #[test]
    fn what_is_missing_or_unknown_is_made_up_for() {
        let read = |text: &str| read_error(text.as_bytes(), Code::Unavailable);
        assert_eq!(read("{}").unwrap().code, Code::Unavailable);
        assert_eq!(read(r#"{"code":"nonsense"}"#).unwrap().code, Code::Unavailable);
        assert_eq!(read(r#"{"code":7}"#).unwrap().code, Code::Unavailable);
        assert_eq!(read(r#"{"code":"aborted","more":1}"#).unwrap().code, Code::Aborted);
        let padded = r#"{"code":"aborted","details":[{"type":"a.B","value":"/w==","debug":{}}, {"type":"c","value":"@"}]}"#;
        assert_eq!(read(padded).unwrap().details.len(), 1);
        for bad in ["", "[", "[]", "<html>", "null", r#"{"message":1}"#] {
            assert!(read(bad).is_none(), "{bad}");
        }
    }
}
