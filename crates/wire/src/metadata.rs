//! Which headers are the user's, and what they may hold.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
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
    if !headers.keys().any(|name| is_reserved(name.as_str())) {
        return;
    }
    // Few of a head's headers are the user's: to put those back costs less than to take the others out one by one.
    let mut kept: SmallVec<[(Option<HeaderName>, HeaderValue); 4]> = SmallVec::new();
    let mut keep = true;
    for (name, value) in headers.drain() {
        // Only the first of several values under one name comes with it.
        if let Some(name) = &name {
            keep = !is_reserved(name.as_str());
        }
        if keep {
            kept.push((name, value));
        }
    }
    headers.extend(kept.drain(..));
}

/// Whether a header, named in lower case, belongs to HTTP or to one of the protocols.
pub fn is_reserved(name: &str) -> bool {
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
        _ => {
            is_of_the_connection(name)
                || matches!(
                    name,
                    "trailer"
                        | "host"
                        | "expect"
                        | "content-length"
                        | "content-type"
                        | "content-encoding"
                        | "accept-encoding"
                        | "accept-post"
                        | "date"
                )
        }
    }
}

/// Whether a header, named in lower case, is about one connection and not about the message, so that nobody passes it
/// on (RFC 9110 section 7.6.1) and HTTP/2 does not have it (RFC 9113 section 8.2.2; of `te` only `trailers`, which the
/// client of each connection says itself). `http2-settings` was one as long as HTTP/1.1 could turn into HTTP/2 (RFC
/// 7540 section 3.2.1).
///
/// `trailer` is none: it is about the message, and stands in HTTP/2 too (RFC 9110 section 6.6.2).
pub fn is_of_the_connection(name: &str) -> bool {
    matches!(
        name,
        "connection"
            | "http2-settings"
            | "keep-alive"
            | "proxy-connection"
            | "te"
            | "transfer-encoding"
            | "upgrade"
    )
}

/// The value of a header that says how the message is to be read, and so must not say two things: of two lines, one
/// reader may take the first and another the last.
///
/// # Errors
/// `invalid_argument`, naming a header that is there more than once.
pub(crate) fn only<'h>(
    headers: &'h HeaderMap,
    name: &HeaderName,
) -> Result<Option<&'h HeaderValue>, RpcError> {
    let mut only = None;
    for value in headers.get_all(name) {
        once(&mut only, name, value)?;
    }
    Ok(only)
}

/// The same for those who come upon the lines one by one.
///
/// # Errors
/// As [`only`].
pub(crate) fn once<'h>(
    place: &mut Option<&'h HeaderValue>,
    name: &HeaderName,
    value: &'h HeaderValue,
) -> Result<(), RpcError> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(invalid(format!("the header {name} is there more than once"))),
    }
}

/// Brings a request's metadata into the form that every server reads. Some servers take down the whole connection for a
/// header that they cannot read (CVE-2023-32732), or refuse that header to all calls that come after.
///
/// Binary headers get the form of [`normalize_binary`].
///
/// # Errors
/// `invalid_argument`, naming a header that is not base64, or not a number where gRPC wants one, or that has a name
/// which gRPC does not have.
pub(crate) fn normalize(headers: &mut HeaderMap) -> Result<(), RpcError> {
    let mut odd: SmallVec<[HeaderName; 1]> = SmallVec::new();
    for (name, value) in headers.iter() {
        if !is_grpc_name(name) {
            return Err(invalid(format!(
                "the header {name} cannot be metadata: names consist of letters, digits, `_`, `-` and `.`"
            )));
        }
        if is_binary(name) {
            if !is_normal_binary(value) {
                odd.push(name.clone());
            }
        } else if is_number(name.as_str()) && !is_small_number(value) {
            return Err(invalid(format!("the header {name} is {value:?}: it must be a number")));
        }
    }
    respell(headers, odd)
}

/// Gives each value of a binary header (`-bin`) a line of its own, in base64 without padding. It may come joined to others
/// by commas, padded, and with bits left over at the end.
///
/// # Errors
/// `invalid_argument`, naming a header that is not base64.
pub fn normalize_binary(headers: &mut HeaderMap) -> Result<(), RpcError> {
    let odd = headers.iter().filter(|(name, value)| is_binary(name) && !is_normal_binary(value));
    let odd = odd.map(|(name, _)| name.clone()).collect();
    respell(headers, odd)
}

fn respell(headers: &mut HeaderMap, odd: SmallVec<[HeaderName; 1]>) -> Result<(), RpcError> {
    for name in odd {
        // A name that stands here twice was seen to at its first place; what is normal decodes as well.
        let decoded: Option<Vec<Vec<Bytes>>> = headers.get_all(&name).iter().map(decode_binary).collect();
        let values =
            decoded.ok_or_else(|| invalid(format!("the value of the binary header {name} is not base64")))?;
        headers.remove(&name);
        for value in values.concat() {
            headers.append(&name, encode_binary(&value));
        }
    }
    Ok(())
}

/// HTTP lets more characters stand in a name than gRPC does (PROTOCOL-HTTP2, "Header-Name"), whose servers fail the call
/// for them. Upper case has become lower case on the way here.
fn is_grpc_name(name: &HeaderName) -> bool {
    name.as_str().bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.'))
}

/// Leaves out of a response what a gRPC client would fail the call for.
pub(crate) fn keep_grpc_names(headers: &mut HeaderMap) {
    let odd: SmallVec<[HeaderName; 1]> = headers.keys().filter(|name| !is_grpc_name(name)).cloned().collect();
    for name in odd {
        headers.remove(name);
    }
}

/// Headers of gRPC's own retries, which pass as metadata.
fn is_number(name: &str) -> bool {
    matches!(name, "grpc-previous-rpc-attempts" | "grpc-retry-pushback-ms")
}

fn is_small_number(value: &HeaderValue) -> bool {
    (1..=9).contains(&value.len()) && value.as_bytes().iter().all(u8::is_ascii_digit)
}

fn invalid(message: String) -> RpcError {
    RpcError::new(Code::InvalidArgument, message)
}

fn is_binary(name: &HeaderName) -> bool {
    name.as_str().ends_with("-bin")
}

fn is_normal_binary(value: &HeaderValue) -> bool {
    STANDARD_NO_PAD.decode(value).is_ok()
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
    fn binary_headers_get_a_line_for_each_value_in_base64_without_padding() {
        let mut headers = HeaderMap::new();
        for (good, normal) in [
            ("", &[""][..]),
            ("AAEC", &["AAEC"]),
            ("AAE", &["AAE"]),
            ("AAE=", &["AAE"]),
            ("AA==, AQ", &["AA", "AQ"]),
            ("AAEC,AAEC", &["AAEC", "AAEC"]),
            ("AAEC,", &["AAEC", ""]),
            ("AB", &["AA"]),
            ("+/+/", &["+/+/"]),
        ] {
            headers.insert("x-bin", HeaderValue::from_static(good));
            for normalize in [normalize, normalize_binary] {
                let mut headers = headers.clone();
                assert!(normalize(&mut headers).is_ok(), "{good}");
                assert_eq!(headers.get_all("x-bin").iter().collect::<Vec<_>>(), normal, "{good}");
            }
        }
        for bad in ["A", "a b c", "@@@", "-_-_", "AA=A", "AAEC,A"] {
            headers.insert("x-bin", HeaderValue::from_static(bad));
            for normalize in [normalize, normalize_binary] {
                let error = normalize(&mut headers).unwrap_err();
                assert!(error.message.contains("x-bin"), "{bad}");
            }
        }
        assert_eq!(encode_binary(&[0xfb, 0xff]), "+/8");
    }

    #[test]
    fn headers_that_grpc_reads_as_numbers_are_numbers() {
        for name in ["grpc-previous-rpc-attempts", "grpc-retry-pushback-ms"] {
            for (value, good) in
                [("1", true), ("", false), ("-1", false), ("x", false), ("1234567890", false)]
            {
                let mut headers = HeaderMap::new();
                headers.insert(name, HeaderValue::from_static(value));
                assert_eq!(normalize(&mut headers).is_ok(), good, "{name}: {value}");
            }
        }
    }

    #[test]
    fn names_that_grpc_does_not_have_are_refused_by_name() {
        for (name, good) in [
            ("x-a.b_9", true),
            ("x!", false),
            ("x'y", false),
            ("x~y", false),
            ("x*-bin", false),
            ("x|y", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_static("AA"));
            let refused = normalize(&mut headers).err();
            assert_eq!(refused.is_none(), good, "{name}");
            assert!(refused.is_none_or(|error| error.message.contains(name)), "{name}");
        }
    }

    #[test]
    fn binary_headers_of_several_lines_keep_all_values_in_order() {
        let mut headers = HeaderMap::new();
        for line in ["AA==", "AQ", "Ag==,Aw"] {
            headers.append("x-bin", HeaderValue::from_static(line));
        }
        normalize(&mut headers).unwrap();
        assert_eq!(headers.get_all("x-bin").iter().collect::<Vec<_>>(), ["AA", "AQ", "Ag", "Aw"]);
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
