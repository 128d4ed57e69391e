//! Any request head is either a call that can be made again as it was, or refused with a whole answer.
#![no_main]

use arbitrary::Arbitrary;
use http::uri::{Authority, Scheme};
use http::{Method, Request, Uri, Version};
use landbridge_fuzz::Headers;
use landbridge_wire::{Accepted, Finish, Limits, Message, Offer, Output, Target, inbound, outbound};
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    method: &'a [u8],
    post: bool,
    http1: bool,
    uri: &'a str,
    headers: Headers,
}

fuzz_target!(|input: Input<'_>| {
    let Ok(uri) = input.uri.parse::<Uri>() else { return };
    let method = if input.post { Ok(Method::POST) } else { Method::from_bytes(input.method) };
    let Ok(method) = method else { return };
    let mut request = Request::new(());
    *request.method_mut() = method;
    *request.uri_mut() = uri;
    *request.version_mut() = if input.http1 { Version::HTTP_11 } else { Version::HTTP_2 };
    *request.headers_mut() = input.headers.0;

    let accepted = match inbound::accept(request, &Offer::all(Limits::default()), None) {
        Ok(accepted) => accepted,
        Err(refusal) => {
            assert!(refusal.output.head.is_some_and(|head| !head.status().is_informational()));
            assert!(refusal.output.finish.is_some(), "a refusal is a whole answer");
            return;
        }
    };
    let call = accepted.call;
    assert_eq!(call.path.query(), None, "a query names no method");

    // Made again, it is the same call: nothing of the first hop's protocol is left in the metadata.
    let target = Target {
        protocol: call.protocol,
        shape: call.shape,
        codec: call.codec,
        scheme: Scheme::HTTP,
        authority: Authority::from_static("fuzz.test"),
        timeout: call.timeout,
        encoding: call.encoding,
        accepts: call.accepts,
        get: false,
        limits: Limits::default(),
    };
    let mut writer = outbound::open(call.path.clone(), call.metadata.clone(), &target).writer;
    let mut out = Output::new();
    let message = Message { compressed: !call.encoding.is_identity(), ..Message::plain("\0") };
    writer.message(message, &mut out).expect("the first message is always taken");
    writer.half_close(&mut out).expect("a call with a message can be closed");
    assert_eq!(out.finish, Some(Finish::Body));
    let mut again = out.head.expect("a whole request has a head");
    *again.version_mut() = Version::HTTP_2;
    let again = match inbound::accept(again, &Offer::all(Limits::default()), None) {
        Ok(again) => again.call,
        Err(refusal) => panic!("our own request was refused: {}", refusal.error),
    };
    assert_eq!(again.protocol, call.protocol);
    assert_eq!(again.path, call.path);
    assert_eq!(again.shape, call.shape);
    assert_eq!(again.codec, call.codec);
    assert_eq!(again.metadata, call.metadata);
    assert_eq!(again.encoding, call.encoding);
    assert_eq!(again.timeout.is_some(), call.timeout.is_some());
    assert!(again.timeout <= call.timeout, "a hop never adds time");
    assert_eq!(again.accepts.iter().collect::<Accepted>(), call.accepts);
});
