//! The law of ends: whatever end was read from one protocol can be told in every protocol.

use http::{HeaderMap, HeaderName};
use landbridge_wire::{Codec, End, Message, Output, Protocol, Shape};

use crate::{accepting, deliver, opened, post};

/// Writes the end in every protocol and form, reads it back, and compares.
pub fn assert_end_survives(end: &End) {
    for (content_type, protocol, shape) in [
        ("application/proto", Protocol::Connect, Shape::Unary),
        ("application/connect+proto", Protocol::Connect, Shape::Stream),
        ("application/grpc", Protocol::Grpc, Shape::Stream),
        ("application/grpc-web+proto", Protocol::GrpcWeb, Shape::Stream),
    ] {
        let mut writer = accepting(post(content_type)).writer;
        let mut out = Output::new();
        // A unary success has a message.
        writer.message(Message::plain(""), &mut out).expect("the first message is always taken");
        writer.end(end.clone(), &mut out);
        let mut reader = opened(protocol, shape, Codec::Proto, false, usize::MAX).reader;
        let read = deliver(out, &mut reader, |body| vec![bytes::Bytes::copy_from_slice(body)]).end;
        assert_eq!(bare(read.clone()).result, bare(end.clone()).result, "through {content_type}");
        for name in end.trailers.keys().filter(|name| is_plain(name, &end.trailers)) {
            let values = |trailers: &HeaderMap| trailers.get_all(name).iter().cloned().collect::<Vec<_>>();
            assert_eq!(values(&read.trailers), values(&end.trailers), "{name} through {content_type}");
        }
    }
}

/// The end with details that name their type as Connect does; in gRPC there is a URL in front of the name.
pub fn bare(mut end: End) -> End {
    if let Err(error) = &mut end.result {
        for detail in &mut error.details {
            detail.type_url = detail.type_name().to_owned();
        }
    }
    end
}

/// Whether every protocol can carry this trailer: gRPC has fewer names than HTTP. And its values as they are: text,
/// without white space around it.
fn is_plain(name: &HeaderName, trailers: &HeaderMap) -> bool {
    let grpc = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if !name.as_str().bytes().all(grpc) {
        return false;
    }
    let text =
        trailers.get_all(name).iter().all(|value| value.to_str().is_ok_and(|text| text.trim() == text));
    text && !name.as_str().ends_with("-bin") && !name.as_str().starts_with("trailer-")
}
