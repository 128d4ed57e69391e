//! Any query of a GET is refused, or holds a message that the same call can be made with again.
#![no_main]

use http::{Method, Request};
use landbridge_fuzz::{LIMIT, opened, read_request};
use landbridge_wire::{Limits, Offer, Output, Protocol, RequestEvent, Shape, inbound};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|query: &str| {
    let Ok(uri) = format!("/fuzz.Service/Method?{query}").parse() else { return };
    let mut request = Request::new(());
    *request.method_mut() = Method::GET;
    *request.uri_mut() = uri;
    let limits = Limits { max_message_bytes: LIMIT };
    let Ok(mut accepted) = inbound::accept(request, &Offer::all(limits), None) else { return };
    let read = read_request(&mut accepted.reader, &[]);
    assert!(read.error.is_none(), "a query that was taken holds its message");
    let [RequestEvent::Message(message), RequestEvent::HalfClose] = &read.events[..] else {
        panic!("a GET has exactly one message")
    };
    if message.compressed {
        return;
    }

    let mut writer = opened(Protocol::Connect, Shape::Unary, accepted.call.codec, true, LIMIT).writer;
    let mut out = Output::new();
    writer.message(message.clone(), &mut out).expect("the first message is always taken");
    writer.half_close(&mut out).expect("a call with a message can be closed");
    let again = out.head.expect("a whole request has a head");
    assert_eq!(again.method(), Method::GET, "messages below the limit fit into a query");
    let mut again = inbound::accept(again, &Offer::all(limits), None).expect("our own request");
    assert_eq!(again.call.codec, accepted.call.codec);
    assert_eq!(read_request(&mut again.reader, &[]).events, read.events);
});
