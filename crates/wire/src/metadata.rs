//! Which headers are the user's, and what they may hold.

use base64::Engine as _;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use smallvec::SmallVec;

use crate::{Code, RpcError};

/// Standard base64, written without padding, read with or without (all three protocols, binary metadata).
pub(crate) const BASE64: GeneralPurpose = GeneralPurpose::new(&base64::alphabet::STANDARD, LENIENT);
/// The URL-safe alphabet, likewise (Connect GET).
pub(crate) const BASE64_URL: GeneralPurpose = GeneralPurpose::new(&base64::alphabet::URL_SAFE, LENIENT);
const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_encode_padding(false)
    .with_decode_allow_trailing_bits(true)
    .with_decode_padding_mode(DecodePaddingMode::Indifferent);

/// Removes every header that belongs to HTTP or to a protocol, whichever the message spoke: what is left is the
/// user's metadata. So nobody can smuggle one protocol's control headers through another.
pub(crate) fn keep_metadata(headers: &mut HeaderMap) {
    let reserved: SmallVec<[HeaderName; 8]> =
        headers.keys().filter(|name| is_reserved(name.as_str())).cloned().collect();
    for name in &reserved {
        headers.remove(name);
    }
}

/// Whether a header, named in lower case, belongs to HTTP or to one of the protocols.
pub(crate) fn is_reserved(name: &str) -> bool {
    match name.as_bytes() {
        // gRPC lets applications use `grpc-` names beside its own (grpc-trace-bin, say).
        [b'g', b'r', b'p', b'c', b'-', rest @ ..] => {
            matches!(
                rest,
                b"status"
                    | b"message"
                    | b"status-details-bin"
                    | b"encoding"
                    | b"accept-encoding"
                    | b"timeout"
            ) || rest.starts_with(b"internal-")
        }
        [b'c', b'o', b'n', b'n', b'e', b'c', b't', b'-', ..] => true,
        _ => matches!(
            name,
            "connection"
                | "keep-alive"
                | "proxy-connection"
                | "transfer-encoding"
                | "upgrade"
                | "http2-settings"
                | "te"
                | "trailer"
                | "host"
                | "expect"
                | "content-length"
                | "content-type"
                | "content-encoding"
                | "accept-encoding"
                | "accept-post"
                | "date"
        ),
    }
}

/// Checks that every binary header (`-bin`) holds base64, which some servers take a whole connection down for
/// (CVE-2023-32732). Several values may be joined by commas.
///
/// # Errors
/// `invalid_argument`, naming the first that does not.
pub fn check_binary(headers: &HeaderMap) -> Result<(), RpcError> {
    for (name, value) in headers {
        if name.as_str().ends_with("-bin") && decode_binary(value).is_none() {
            let message = format!("the value of the binary header {name} is not base64");
            return Err(RpcError::new(Code::InvalidArgument, message));
        }
    }
    Ok(())
}

/// The values of a binary header; none if one is not base64.
pub fn decode_binary(value: &HeaderValue) -> Option<Vec<Bytes>> {
    value
        .as_bytes()
        .split(|byte| *byte == b',')
        .map(|part| BASE64.decode(part.trim_ascii()).ok().map(Bytes::from))
        .collect()
}

/// The value of a binary header that holds these bytes: base64 without padding.
pub fn encode_binary(bytes: &[u8]) -> HeaderValue {
    // Base64 is always a legal header value.
    HeaderValue::from_str(&BASE64.encode(bytes)).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// Adds all of `more` behind what is there.
pub(crate) fn append(headers: &mut HeaderMap, more: HeaderMap) {
    if headers.is_empty() {
        *headers = more;
        return;
    }
    let mut last = None;
    for (name, value) in more {
        // `HeaderMap` names only the first of several values under one name.
        last = name.or(last);
        if let Some(name) = &last {
            headers.append(name.clone(), value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_users_headers_are_metadata() {
        let mut headers = HeaderMap::new();
        for name in [
            "x-user",
            "user-agent",
            "grpc-trace-bin",
            "authorization",
            "grpc-status",
            "grpc-encoding",
            "connect-timeout-ms",
            "content-length",
            "te",
            "host",
        ] {
            headers.append(name, HeaderValue::from_static("aa"));
            headers.append(name, HeaderValue::from_static("bb"));
        }
        keep_metadata(&mut headers);
        let names: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
        assert_eq!(names, ["x-user", "user-agent", "grpc-trace-bin", "authorization"]);
        assert_eq!(headers.get_all("x-user").iter().count(), 2);
    }

    #[test]
    fn binary_headers_are_base64_with_or_without_padding() {
        let mut headers = HeaderMap::new();
        for good in ["", "AAEC", "AAE", "AAE=", "AA==, AQ", "+/+/"] {
            headers.insert("x-bin", HeaderValue::from_static(good));
            assert!(check_binary(&headers).is_ok(), "{good}");
        }
        for bad in ["A", "a b c", "@@@", "-_-_", "AA=A"] {
            headers.insert("x-bin", HeaderValue::from_static(bad));
            let error = check_binary(&headers).unwrap_err();
            assert!(error.message.contains("x-bin"), "{bad}");
        }
        assert_eq!(encode_binary(&[0xfb, 0xff]), "+/8");
    }

    #[test]
    fn appending_keeps_every_value() {
        let mut headers = HeaderMap::new();
        headers.append("a", HeaderValue::from_static("1"));
        let mut more = HeaderMap::new();
        more.append("a", HeaderValue::from_static("2"));
        more.append("a", HeaderValue::from_static("3"));
        more.append("b", HeaderValue::from_static("4"));
        append(&mut headers, more);
        assert_eq!(headers.get_all("a").iter().collect::<Vec<_>>(), ["1", "2", "3"]);
        assert_eq!(headers["b"], "4");
    }
}
