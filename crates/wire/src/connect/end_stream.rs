//! The last envelope of a stream's response: JSON with the error and the trailers.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};

use super::error_json::{ErrorJson, parse_object};
use crate::envelope::{COMPRESSED, Envelope};
use crate::metadata::keep_metadata;
use crate::{Code, End, Payload, RpcError};

/// Bit 1 of the flags: the payload is the end of the stream.
const END_STREAM: u8 = 0b0000_0010;

#[derive(Default, Serialize, Deserialize)]
struct EndStream<'a> {
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    error: Option<ErrorJson<'a>>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    metadata: BTreeMap<String, Vec<String>>,
}

/// Whether the envelope is the end of the stream, compressed or not.
pub(crate) fn is_end_stream(envelope: &Envelope) -> bool {
    envelope.flags & !COMPRESSED == END_STREAM
}

/// The envelope that ends a stream.
pub(crate) fn write_end_stream(end: &End) -> Bytes {
    let mut metadata: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in &end.trailers {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        metadata.entry(name.as_str().to_owned()).or_default().push(value);
    }
    let error = end.result.as_ref().err().map(ErrorJson::new);
    // Strings and lists of strings always serialize.
    let json = serde_json::to_vec(&EndStream { error, metadata }).unwrap_or_default();
    Payload::from(json).into_enveloped(END_STREAM).concat().into()
}

/// Reads the payload of the envelope that ends a stream. Trailers that are no legal headers are left out.
pub(crate) fn read_end_stream(payload: &[u8]) -> End {
    let end: EndStream<'_> = match parse_object(payload) {
        Ok(end) => end,
        Err(error) => {
            let message = format!("the end of the stream is not the JSON that it must be: {error}");
            return End::failed(RpcError::new(Code::Internal, message));
        }
    };
    let mut trailers = HeaderMap::new();
    for (name, values) in end.metadata {
        let Ok(name) = HeaderName::from_bytes(name.as_bytes()) else { continue };
        for value in values {
            if let Ok(value) = HeaderValue::from_bytes(value.as_bytes()) {
                trailers.append(name.clone(), value);
            }
        }
    }
    keep_metadata(&mut trailers);
    let result = end.error.map_or(Ok(()), |error| Err(error.into_error(Code::Unknown)));
    End { result, trailers }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_written_byte_for_byte_and_read_back() {
        assert_eq!(&write_end_stream(&End::success())[..], b"\x02\0\0\0\x02{}");
        let mut end = End::failed(RpcError::new(Code::Aborted, "no"));
        end.trailers.append("x-a", HeaderValue::from_static("1"));
        end.trailers.append("x-a", HeaderValue::from_static("2"));
        let written = write_end_stream(&end);
        let json = br#"{"error":{"code":"aborted","message":"no"},"metadata":{"x-a":["1","2"]}}"#;
        assert_eq!(&written[..5], [2, 0, 0, 0, json.len() as u8]);
        assert_eq!(&written[5..], json);
        assert_eq!(read_end_stream(json), end);
    }

    #[test]
    fn malformed_ends_are_errors_and_illegal_trailers_are_left_out() {
        for bad in [&b""[..], b"{", b"[]", b"null", b"{\"error\":1}", b"\xff"] {
            assert_eq!(read_end_stream(bad).result.unwrap_err().code, Code::Internal, "{bad:?}");
        }
        let end = read_end_stream(
            br#"{"metadata":{"a b":["1"],"x":["a\nb","ok"],"grpc-status":["3"]},"error":null}"#,
        );
        assert_eq!(end.result, Ok(()));
        assert_eq!(end.trailers.len(), 1);
        assert_eq!(end.trailers["x"], "ok");
        assert_eq!(read_end_stream(br#"{"error":{}}"#).result.unwrap_err().code, Code::Unknown);
    }
}
