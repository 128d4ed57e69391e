//! The end of a call as trailers: `grpc-status`, `grpc-message`, `grpc-status-details-bin`.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use percent_encoding::{AsciiSet, CONTROLS, percent_decode, utf8_percent_encode};
use prost::Message as _;

use crate::metadata::{append, decode_binary, encode_binary, keep_grpc_names, keep_metadata};
use crate::{Code, Detail, End, RpcError};

const STATUS: HeaderName = HeaderName::from_static("grpc-status");
const MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
const DETAILS: HeaderName = HeaderName::from_static("grpc-status-details-bin");

/// Takes the end out of a head that has one.
pub(crate) fn take_end(head: &mut HeaderMap) -> HeaderMap {
    [STATUS, MESSAGE, DETAILS]
        .into_iter()
        .filter_map(|name| Some((name.clone(), head.remove(name)?)))
        .collect()
}

/// What `grpc-message` must escape (PROTOCOL-HTTP2, "Percent-Encoded"): all but printable ASCII, and `%` itself.
const ESCAPED: &AsciiSet = &CONTROLS.add(b'%');

/// Details larger than this, in bytes, are left out: most peers refuse header lists of more than 8 KiB, and losing the
/// details is better than losing the status.
const MAX_DETAILS: usize = 64 << 10;

/// Whether these headers carry a status at all.
pub(crate) fn has_status(headers: &HeaderMap) -> bool {
    headers.contains_key(STATUS)
}

/// Reads the end of a call from trailers, or from the head of a response that has nothing else.
///
/// A status that is missing is `internal`; one that is no code of gRPC's is `unknown`. A message or details that are
/// malformed lose only themselves.
pub(crate) fn read_end(mut headers: HeaderMap) -> End {
    let result = read_status(&headers);
    keep_metadata(&mut headers);
    End { result, trailers: headers }
}

fn read_status(headers: &HeaderMap) -> Result<(), RpcError> {
    let mut statuses = headers.get_all(STATUS).iter();
    let Some(status) = statuses.next() else {
        return Err(RpcError::new(Code::Internal, "the server ended the call without a grpc-status"));
    };
    if statuses.any(|other| other != status) {
        return Err(RpcError::new(
            Code::Internal,
            "the server ended the call with several different grpc-status",
        ));
    }
    let number = status.to_str().ok().and_then(|text| match text.as_bytes() {
        digits if digits.len() <= 10 && digits.iter().all(u8::is_ascii_digit) => text.parse::<u32>().ok(),
        _ => None,
    });
    if number == Some(0) {
        return Ok(());
    }
    let Some(code) = number.and_then(Code::from_number) else {
        let message = format!("the server ended the call with grpc-status {status:?}, which is no status");
        return Err(RpcError::new(Code::Unknown, message));
    };
    let message = headers
        .get(MESSAGE)
        .map(|message| percent_decode(message.as_bytes()).decode_utf8_lossy().into_owned())
        .unwrap_or_default();
    let details = headers.get(DETAILS).and_then(|value| read_details(value, code)).unwrap_or_default();
    Err(RpcError { code, message, details })
}

/// The details, if they are well-formed and belong to the same status.
fn read_details(value: &HeaderValue, code: Code) -> Option<Vec<Detail>> {
    let [bytes] = <[Bytes; 1]>::try_from(decode_binary(value)?).ok()?;
    let status = Status::decode(bytes).ok()?;
    (status.code == i32::from(code.number())).then(|| {
        status.details.into_iter().map(|any| Detail { type_url: any.type_url, value: any.value }).collect()
    })
}

/// Writes the end of a call as trailers.
pub(crate) fn write_end(mut end: End) -> HeaderMap {
    keep_grpc_names(&mut end.trailers);
    let mut trailers = HeaderMap::with_capacity(4 + end.trailers.len());
    match end.result {
        Ok(()) => {
            trailers.insert(STATUS, const { HeaderValue::from_static("0") });
        }
        Err(error) => {
            trailers.insert(STATUS, HeaderValue::from_static(error.code.digits()));
            let message = escape(&error.message);
            // What is left after escaping is printable ASCII.
            if let (false, Ok(message)) = (message.is_empty(), HeaderValue::from_str(&message)) {
                trailers.insert(MESSAGE, message);
            }
            if let Some(details) = write_details(error) {
                trailers.insert(DETAILS, details);
            }
        }
    }
    append(&mut trailers, end.trailers);
    trailers
}

/// The message as a header value. Spaces at its ends are escaped too: HTTP strips them.
fn escape(message: &str) -> String {
    let inner = message.trim_matches(' ');
    let leading = message.len() - message.trim_start_matches(' ').len();
    let trailing = message.len() - inner.len() - leading;
    let mut escaped = "%20".repeat(leading);
    escaped.extend(utf8_percent_encode(inner, ESCAPED));
    escaped.push_str(&"%20".repeat(trailing));
    escaped
}

fn write_details(error: RpcError) -> Option<HeaderValue> {
    if error.details.is_empty() {
        return None;
    }
    let details = error
        .details
        .into_iter()
        .map(|detail| Any {
            type_url: if detail.type_url.contains('/') {
                detail.type_url
            } else {
                format!("type.googleapis.com/{}", detail.type_url)
            },
            value: detail.value,
        })
        .collect();
    let status = Status { code: i32::from(error.code.number()), message: error.message, details };
    (status.encoded_len() <= MAX_DETAILS).then(|| encode_binary(&status.encode_to_vec()))
}

/// `google.rpc.Status`.
#[derive(Clone, PartialEq, prost::Message)]
struct Status {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
    #[prost(message, repeated, tag = "3")]
    details: Vec<Any>,
}

/// `google.protobuf.Any`.
#[derive(Clone, PartialEq, prost::Message)]
struct Any {
    #[prost(string, tag = "1")]
    type_url: String,
    #[prost(bytes = "bytes", tag = "2")]
    value: Bytes,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn trailers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            map.append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        map
    }

    fn code(pairs: &[(&'static str, &str)]) -> Option<Code> {
        read_end(trailers(pairs)).result.err().map(|error| error.code)
    }

    #[test]
    fn statuses_that_are_none_are_errors() {
        assert_eq!(code(&[("grpc-status", "0")]), None);
        assert_eq!(code(&[("grpc-status", "5")]), Some(Code::NotFound));
        assert_eq!(code(&[]), Some(Code::Internal));
        for bad in ["17", "-1", "x", "", "4294967296", "1 ", "0x1", "99999999999"] {
            assert_eq!(code(&[("grpc-status", bad)]), Some(Code::Unknown), "{bad:?}");
        }
        assert_eq!(code(&[("grpc-status", "0"), ("grpc-status", "5")]), Some(Code::Internal));
        assert_eq!(code(&[("grpc-status", "5"), ("grpc-status", "5")]), Some(Code::NotFound));
    }

    #[test]
    fn messages_are_percent_decoded_and_never_fail() {
        for (sent, read) in [
            ("nope %C3%A9 %25", "nope é %"),
            ("%", "%"),
            ("%G1", "%G1"),
            ("abc%2", "abc%2"),
            ("%FF", "\u{fffd}"),
            ("a%0Ab", "a\nb"),
        ] {
            let error =
                read_end(trailers(&[("grpc-status", "2"), ("grpc-message", sent)])).result.unwrap_err();
            assert_eq!(error.message, read);
        }
    }

    #[test]
    fn malformed_or_disagreeing_details_lose_only_themselves() {
        let disagreeing = encode_binary(&Status { code: 3, ..Status::default() }.encode_to_vec());
        for details in ["@@", "////", disagreeing.to_str().unwrap()] {
            let pairs =
                [("grpc-status", "5"), ("grpc-message", "gone"), ("grpc-status-details-bin", details)];
            let error = read_end(trailers(&pairs)).result.unwrap_err();
            assert_eq!(error, RpcError::new(Code::NotFound, "gone"));
        }
    }

    #[test]
    fn padded_details_are_read() {
        let any = Any { type_url: "type.googleapis.com/a.B".into(), value: Bytes::from_static(b"\x01") };
        let status = Status { code: 5, message: String::new(), details: vec![any] };
        let mut padded = encode_binary(&status.encode_to_vec()).to_str().unwrap().to_owned();
        while !padded.len().is_multiple_of(4) {
            padded.push('=');
        }
        let error = read_end(trailers(&[("grpc-status", "5"), ("grpc-status-details-bin", &padded)]))
            .result
            .unwrap_err();
        assert_eq!(error.details[0].type_name(), "a.B");
    }

    #[test]
    fn an_error_is_written_byte_for_byte() {
        let error = RpcError::new(Code::Aborted, "é%\r\n");
        let written = write_end(End::failed(error));
        assert_eq!(written["grpc-status"], "10");
        assert_eq!(written["grpc-message"], "%C3%A9%25%0D%0A");
        assert_eq!(written.len(), 2);
        let spaces = write_end(End::failed(RpcError::new(Code::Aborted, " a b  ")));
        assert_eq!(spaces["grpc-message"], "%20a b%20%20");
        let blank = write_end(End::failed(RpcError::new(Code::Aborted, "  ")));
        assert_eq!(blank["grpc-message"], "%20%20");
    }

    proptest! {
        #[test]
        fn every_error_comes_back(number in 1u32..=16, message in ".*", values in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 0..3)) {
            let details = values
                .into_iter()
                .map(|value| Detail { type_url: "type.googleapis.com/x.Y".into(), value: value.into() })
                .collect();
            let error = RpcError { code: Code::from_number(number).unwrap(), message, details };
            let end = End::failed(error);
            prop_assert_eq!(read_end(write_end(end.clone())), end);
        }
    }
}
