//! Unary calls by GET: the message travels in the query.

use std::borrow::Cow;
use std::fmt::Write as _;

use base64::Engine as _;
use bytes::Bytes;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::compression::known_request_encoding;
use crate::metadata::{BASE64, BASE64_URL};
use crate::{Accepted, Code, Codec, Compression, Message, RpcError};

/// What a query may hold unescaped (RFC 3986, "unreserved").
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Why a GET request is no call that can be served.
#[derive(Debug)]
pub(crate) enum GetError {
    /// The codec is not one of ours: HTTP 415.
    UnknownCodec,
    /// Something is missing, doubled or malformed.
    Rpc(RpcError),
}

/// A call's parts that a POST has in its headers and body.
#[derive(Debug)]
pub(crate) struct GetCall {
    pub(crate) codec: Codec,
    pub(crate) encoding: Compression,
    pub(crate) message: Message,
}

/// Whether the query has any of the parameters that make a GET request a Connect call.
pub(crate) fn is_get_call(query: &str) -> bool {
    form_urlencoded::parse(query.as_bytes())
        .any(|(name, _)| matches!(&*name, "message" | "encoding" | "connect"))
}

/// Reads the query, whose message may be under one of `ours`. Parameters may stand in any order; unknown ones are passed
/// over.
pub(crate) fn read_get(query: &str, ours: &Accepted, max_message_bytes: usize) -> Result<GetCall, GetError> {
    let parameters = Parameters::read(query).map_err(GetError::Rpc)?;
    if let Some(version) = &parameters.connect
        && version != "v1"
    {
        return Err(invalid(format!("the query parameter connect is {version:?}: only v1 is supported")));
    }
    let encoding =
        parameters.encoding.ok_or_else(|| invalid("the query parameter encoding is missing".into()))?;
    let codec = Codec::from_name(&encoding).ok_or(GetError::UnknownCodec)?;
    let text = parameters.message.ok_or_else(|| invalid("the query parameter message is missing".into()))?;
    let encoding = known_request_encoding(parameters.compression.as_deref(), ours).map_err(GetError::Rpc)?;
    let data = if parameters.base64.as_deref() == Some("1") {
        decode_base64(text).ok_or_else(|| invalid("the query parameter message is not base64".into()))?
    } else {
        // As in a form, `+` is a space. What is escaped may be any bytes, not only text.
        percent_decode_str(&text.replace('+', " ")).collect::<Vec<u8>>().into()
    };
    if data.len() > max_message_bytes {
        return Err(GetError::Rpc(crate::envelope::too_large(data.len(), max_message_bytes)));
    }
    let compressed = !encoding.is_identity() && !data.is_empty();
    Ok(GetCall { codec, encoding, message: Message { payload: data.into(), compressed } })
}

/// The query of a call by GET, in the order that caches see most often.
pub(crate) fn get_query(codec: Codec, encoding: Compression, message: &Message) -> String {
    let payload = message.payload.to_bytes();
    let mut query = String::from("?connect=v1");
    let text =
        (codec == Codec::Json && !message.compressed).then(|| std::str::from_utf8(&payload).ok()).flatten();
    if text.is_none() {
        query.push_str("&base64=1");
    }
    if message.compressed {
        query.push_str("&compression=");
        query.push_str(encoding.name());
    }
    query.push_str("&encoding=");
    query.push_str(codec.name());
    query.push_str("&message=");
    match text {
        // Writing to a `String` cannot fail.
        Some(text) => _ = write!(query, "{}", utf8_percent_encode(text, ESCAPED)),
        None => BASE64_URL.encode_string(&payload, &mut query),
    }
    query
}

#[derive(Default)]
struct Parameters<'a> {
    connect: Option<Cow<'a, str>>,
    base64: Option<Cow<'a, str>>,
    compression: Option<Cow<'a, str>>,
    encoding: Option<Cow<'a, str>>,
    /// Not unescaped: in base64 `+` stands for itself.
    message: Option<&'a str>,
}

impl<'a> Parameters<'a> {
    fn read(query: &'a str) -> Result<Self, RpcError> {
        let mut parameters = Self::default();
        for pair in query.split('&') {
            // None where the pair is empty.
            let Some((name, value)) = form_urlencoded::parse(pair.as_bytes()).next() else { continue };
            let doubled = match &*name {
                "connect" => parameters.connect.replace(value).is_some(),
                "base64" => parameters.base64.replace(value).is_some(),
                "compression" => parameters.compression.replace(value).is_some(),
                "encoding" => parameters.encoding.replace(value).is_some(),
                "message" => {
                    let raw = pair.split_once('=').map_or("", |(_, raw)| raw);
                    parameters.message.replace(raw).is_some()
                }
                _ => false,
            };
            // Two readers could take two different ones for the call.
            if doubled {
                let message = format!("the query parameter {name} is given more than once");
                return Err(RpcError::new(Code::InvalidArgument, message));
            }
        }
        Ok(parameters)
    }
}

/// Either alphabet, padded or not, escaped or not.
fn decode_base64(raw: &str) -> Option<Bytes> {
    let text: Cow<'_, [u8]> = percent_decode_str(raw).into();
    let standard = text.iter().any(|byte| matches!(byte, b'+' | b'/'));
    let engine = if standard { &BASE64 } else { &BASE64_URL };
    engine.decode(text).ok().map(Bytes::from)
}

fn invalid(message: String) -> GetError {
    GetError::Rpc(RpcError::new(Code::InvalidArgument, message))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn data(query: &str) -> Option<Vec<u8>> {
        read_get(query, &Accepted::ALL, 1000).ok().map(|call| call.message.payload.to_bytes().to_vec())
    }

    #[test]
    fn base64_is_read_in_both_alphabets_padded_or_not() {
        for message in ["-_8", "-_8=", "-_8%3D", "%2B%2F8", "+/8=", "%2B%2F8%3D"] {
            let query = format!("encoding=proto&base64=1&message={message}");
            assert_eq!(data(&query).as_deref(), Some(&[0xfb, 0xff][..]), "{message}");
        }
    }

    #[test]
    fn a_message_that_is_not_base64_may_hold_any_bytes() {
        assert_eq!(data("encoding=proto&message=%0A%FF").as_deref(), Some(&[0x0a, 0xff][..]));
        assert_eq!(data("encoding=json&message=%22a+b%2B%22").as_deref(), Some(&b"\"a b+\""[..]));
    }

    #[test]
    fn bad_queries_are_refused() {
        for query in [
            "encoding=proto&base64=1&message=A",
            "encoding=proto&base64=1&message=@@",
            "encoding=proto&base64=1&message=%20_8",
            "message=a",
            "encoding=proto",
            "encoding=foo&message=a",
            "encoding=json&message={}&message={}",
            "encoding=json&encoding=proto&message={}",
            "encoding=json&message={}&connect=v2",
            "encoding=json&message={}&compression=foo",
            "",
        ] {
            assert_eq!(data(query), None, "{query}");
        }
        let long = format!("encoding=json&message={}", "a".repeat(1001));
        assert!(
            matches!(read_get(&long, &Accepted::ALL, 1000), Err(GetError::Rpc(error)) if error.code == Code::ResourceExhausted)
        );
    }

    #[test]
    fn unknown_parameters_and_other_values_of_base64_are_passed_over() {
        assert_eq!(data("x=y&message=%7B%7D&encoding=json&base64=0").as_deref(), Some(&b"{}"[..]));
    }

    proptest! {
        #[test]
        fn every_message_comes_back(bytes in prop::collection::vec(any::<u8>(), 0..200), json in any::<bool>()) {
            let codec = if json { Codec::Json } else { Codec::Proto };
            let message = Message::plain(bytes);
            let query = get_query(codec, Compression::Identity, &message);
            let call = read_get(&query[1..], &Accepted::ALL, 1000).unwrap();
            prop_assert_eq!(call.message, message);
            prop_assert_eq!(call.codec, codec);
        }

        #[test]
        fn no_query_panics(query in ".*") {
            let _ = (is_get_call(&query), read_get(&query, &Accepted::ALL, 100).is_ok());
        }
    }
}
