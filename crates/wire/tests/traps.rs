//! What a hostile or careless peer can send, each with the answer that its own protocol has for it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use bytes::Bytes;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, Version};
use landbridge_wire::inbound::{self, RequestEvent};
use landbridge_wire::outbound::{self, Target};
use landbridge_wire::{
    Accepted, Code, Codec, Compression, Detail, End, Finish, Limits, Message, MethodInfo, Offer, Output,
    Protocol, ResponseEvent, ResponseHead, ResponseReader, RpcError, Shape,
};

const LIMITS: Limits = Limits { max_message_bytes: 100 };

fn post(headers: &[(&str, &str)]) -> Request<()> {
    let mut request = Request::post("/pkg.Service/Method").version(Version::HTTP_2);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap()
}

/// The status and the gRPC status or Connect code of a refusal.
fn refusal(request: Request<()>) -> (u16, String) {
    let refusal =
        inbound::accept(request, &Offer::all(LIMITS), None).expect_err("the request is to be refused");
    let head = refusal.output.head.unwrap();
    assert!(refusal.output.finish.is_some(), "a refusal is a whole answer");
    let code = head.headers().get("grpc-status").map(|status| status.to_str().unwrap().to_owned());
    let body = String::from_utf8(refusal.output.body.concat()).unwrap();
    (head.status().as_u16(), code.unwrap_or(body))
}

fn events(request: Request<()>, body: &'static [u8]) -> Result<Vec<RequestEvent>, RpcError> {
    let mut reader = inbound::accept(request, &Offer::all(LIMITS), None).unwrap().reader;
    reader.push(Bytes::from_static(body))?;
    reader.end()?;
    let mut events = Vec::new();
    while let Some(event) = reader.event()? {
        events.push(event);
    }
    Ok(events)
}

fn error_code(request: Request<()>, body: &'static [u8]) -> Code {
    events(request, body).expect_err("the body is to be refused").code
}

#[test]
fn a_post_that_speaks_no_protocol_is_415_and_told_what_is_spoken() {
    for content_type in ["text/html", "image/jpeg", "application/foo", "application/grpc+foo", ""] {
        let refusal =
            inbound::accept(post(&[("content-type", content_type)]), &Offer::all(LIMITS), None).unwrap_err();
        let head = refusal.output.head.unwrap();
        assert_eq!(head.status(), 415, "{content_type}");
        assert!(head.headers()["accept-post"].to_str().unwrap().contains("application/grpc-web-text"));
    }
    assert_eq!(refusal(post(&[])).0, 415);
}

const UNARY: MethodInfo = MethodInfo { shape: Shape::Unary, no_side_effects: false };
const LOOK: MethodInfo = MethodInfo { shape: Shape::Unary, no_side_effects: true };
const STREAM: MethodInfo = MethodInfo { shape: Shape::Stream, no_side_effects: true };

#[test]
fn connects_two_forms_are_for_the_methods_of_their_shape() {
    for (content_type, fits, wanted) in [
        ("application/proto", UNARY, "application/connect+proto"),
        ("application/json", UNARY, "application/connect+json"),
        ("application/connect+proto", STREAM, "application/proto"),
        ("application/connect+json", STREAM, "application/json"),
    ] {
        let other = if fits == UNARY { STREAM } else { UNARY };
        let request = || post(&[("content-type", content_type)]);
        assert!(inbound::accept(request(), &Offer::all(LIMITS), Some(fits)).is_ok(), "{content_type}");
        let refusal = inbound::accept(request(), &Offer::all(LIMITS), Some(other)).unwrap_err();
        assert_eq!(refusal.error.code, Code::Unimplemented, "{content_type}");
        let head = refusal.output.head.unwrap();
        assert_eq!(head.status(), 415, "{content_type}");
        let listed: Vec<&str> = head.headers()["accept-post"].to_str().unwrap().split(", ").collect();
        assert!(listed.contains(&wanted) && !listed.contains(&content_type), "{listed:?}");
        // What tells people more than the status; it is all of the answer in both forms.
        assert_eq!(head.headers()["content-type"], "application/json");
        assert!(
            refusal.output.body.concat().starts_with(br#"{"code":"unimplemented","message":"the method "#)
        );
        assert_eq!(refusal.output.finish, Some(Finish::Body));
    }
    for content_type in ["application/grpc", "application/grpc-web", "application/grpc-web-text"] {
        for method in [UNARY, STREAM] {
            let request = post(&[("content-type", content_type)]);
            assert!(inbound::accept(request, &Offer::all(LIMITS), Some(method)).is_ok(), "{content_type}");
        }
    }
}

#[test]
fn a_method_that_becomes_known_later_is_held_to_the_same() {
    for (content_type, method, status) in [
        ("application/proto", STREAM, Some(415)),
        ("application/connect+proto", UNARY, Some(415)),
        ("application/proto", UNARY, None),
        ("application/grpc", STREAM, None),
    ] {
        let offer = Offer::all(LIMITS);
        let mut writer =
            inbound::accept(post(&[("content-type", content_type)]), &offer, None).unwrap().writer;
        let refused = writer.method_is(method, &offer).err().map(|error| {
            let mut out = Output::new();
            writer.end(End::failed(error), &mut out);
            out.head.unwrap().status().as_u16()
        });
        assert_eq!(refused, status, "{content_type} {method:?}");
    }
}

#[test]
fn only_unary_methods_without_side_effects_are_called_by_get() {
    let get = || Request::get("/pkg.Service/Method?encoding=proto&message=").body(()).unwrap();
    for method in [None, Some(LOOK)] {
        assert!(inbound::accept(get(), &Offer::all(LIMITS), method).is_ok(), "{method:?}");
    }
    for method in [UNARY, STREAM] {
        let refusal = inbound::accept(get(), &Offer::all(LIMITS), Some(method)).unwrap_err();
        assert_eq!(refusal.error.code, Code::Unimplemented, "{method:?}");
        let head = refusal.output.head.unwrap();
        assert_eq!((head.status().as_u16(), &head.headers()["allow"]), (405, &"POST".parse().unwrap()));
    }
}

#[test]
fn other_http_methods_are_told_what_the_method_is_called_by() {
    for (method, allow) in
        [(None, "GET, POST"), (Some(LOOK), "GET, POST"), (Some(UNARY), "POST"), (Some(STREAM), "POST")]
    {
        let put = Request::put("/pkg.Service/Method").body(()).unwrap();
        let head = inbound::accept(put, &Offer::all(LIMITS), method).unwrap_err().output.head.unwrap();
        assert_eq!((head.status().as_u16(), head.headers()["allow"].to_str().unwrap()), (405, allow));
    }
    // A GET that is no call is the wrong thing for some, and an incomplete one for others.
    for (method, status) in [(None, 405), (Some(UNARY), 405), (Some(STREAM), 405), (Some(LOOK), 400)] {
        let get = Request::get("/pkg.Service/Method").body(()).unwrap();
        let head = inbound::accept(get, &Offer::all(LIMITS), method).unwrap_err().output.head.unwrap();
        assert_eq!(head.status(), status, "{method:?}");
    }
}

#[test]
fn other_http_methods_are_405() {
    for method in ["DELETE", "PUT", "OPTIONS", "HEAD", "PATCH"] {
        let mut request = post(&[("content-type", "application/proto")]);
        *request.method_mut() = method.parse().unwrap();
        assert_eq!(refusal(request).0, 405, "{method}");
    }
    assert_eq!(refusal(Request::get("/a.B/C").body(()).unwrap()).0, 405);
}

#[test]
fn grpc_over_http1_is_refused_with_a_status_that_needs_no_trailers() {
    let mut request = post(&[("content-type", "application/grpc")]);
    *request.version_mut() = Version::HTTP_11;
    assert_eq!(refusal(request), (505, "13".to_owned()));
}

#[test]
fn malformed_timeouts_are_invalid_argument() {
    for value in ["", "-1m", "+1m", "1", "123456789m", "1x"] {
        let request = post(&[("content-type", "application/grpc"), ("grpc-timeout", value)]);
        assert_eq!(refusal(request), (200, "3".to_owned()), "{value:?}");
    }
    for value in ["", "-1", "+1", "12345678901", "1m"] {
        let request = post(&[("content-type", "application/proto"), ("connect-timeout-ms", value)]);
        let (status, body) = refusal(request);
        assert_eq!(status, 400, "{value:?}");
        assert!(body.starts_with(r#"{"code":"invalid_argument""#), "{body}");
    }
}

#[test]
fn a_timeout_of_zero_is_a_timeout() {
    for (content_type, name, value) in
        [("application/grpc", "grpc-timeout", "0n"), ("application/proto", "connect-timeout-ms", "0")]
    {
        let accepted = inbound::accept(
            post(&[("content-type", content_type), (name, value)]),
            &Offer::all(LIMITS),
            None,
        )
        .unwrap();
        assert_eq!(accepted.call.timeout, Some(std::time::Duration::ZERO), "{name}");
    }
}

#[test]
fn headers_that_may_be_read_in_two_ways_are_refused() {
    for (content_type, name, values) in [
        ("application/proto", "connect-timeout-ms", ["1", "2"]),
        ("application/connect+proto", "connect-timeout-ms", ["1", "1"]),
        ("application/grpc", "grpc-timeout", ["1S", "2S"]),
        ("application/grpc-web", "grpc-timeout", ["1S", "2S"]),
        ("application/grpc", "grpc-encoding", ["gzip", "identity"]),
        ("application/proto", "content-encoding", ["gzip", "identity"]),
        ("application/connect+proto", "connect-content-encoding", ["gzip", "br"]),
        ("application/proto", "connect-protocol-version", ["1", "2"]),
    ] {
        let doubled = post(&[("content-type", content_type), (name, values[0]), (name, values[1])]);
        let error = inbound::accept(doubled, &Offer::all(LIMITS), None).unwrap_err().error;
        assert_eq!(error.code, Code::InvalidArgument, "{name}: {error}");
        assert!(error.message.contains(name), "{error}");
    }
    let two_types = [("content-type", "application/proto"), ("content-type", "application/grpc")];
    assert_eq!(refusal(post(&two_types)).0, 415);
    assert!(!inbound::is_call(&post(&two_types)));
}

#[test]
fn names_that_grpc_servers_fail_calls_for_never_get_past_the_edge() {
    for content_type in ["application/grpc", "application/proto", "application/grpc-web"] {
        let request = post(&[("content-type", content_type), ("x!", "1")]);
        let error = inbound::accept(request, &Offer::all(LIMITS), None).unwrap_err().error;
        assert_eq!(error.code, Code::InvalidArgument, "{content_type}");
        assert!(error.message.contains("x!"), "{error}");
    }
}

#[test]
fn json_is_utf8_whatever_the_content_type_says() {
    for charset in ["utf-16", "\"UTF-16LE\"", "latin1"] {
        let content_type = format!("application/json; charset={charset}");
        assert_eq!(refusal(post(&[("content-type", &content_type)])).0, 415, "{charset}");
    }
}

#[test]
fn only_the_callers_own_protocols_timeout_counts() {
    let both = [("content-type", "application/proto"), ("grpc-timeout", "1S"), ("connect-timeout-ms", "7")];
    let accepted = inbound::accept(post(&both), &Offer::all(LIMITS), None).unwrap();
    assert_eq!(accepted.call.timeout.unwrap().as_millis(), 7);
    assert!(accepted.call.metadata.is_empty(), "{:?}", accepted.call.metadata);
}

#[test]
fn unknown_compressions_are_unimplemented_and_the_known_ones_listed() {
    let (status, body) = refusal(post(&[("content-type", "application/proto"), ("content-encoding", "lz4")]));
    assert_eq!(status, 501);
    assert!(body.contains("gzip, zstd, br, deflate"), "{body}");
    let (status, code) = refusal(post(&[("content-type", "application/grpc"), ("grpc-encoding", "lz4")]));
    assert_eq!((status, code.as_str()), (200, "12"));
}

#[test]
fn what_an_application_does_not_accept_is_unimplemented_and_what_it_accepts_is_listed() {
    let only_zstd = Offer::of(vec![Codec::Proto], [Compression::Zstd].into_iter().collect(), LIMITS);
    let nothing = Offer::of(vec![Codec::Proto], Accepted::NONE, LIMITS);
    for (content_type, encoding, accept_encoding) in [
        ("application/proto", "content-encoding", "accept-encoding"),
        ("application/connect+proto", "connect-content-encoding", "connect-accept-encoding"),
        ("application/grpc", "grpc-encoding", "grpc-accept-encoding"),
        ("application/grpc-web", "grpc-encoding", "grpc-accept-encoding"),
    ] {
        for (offer, sent, listed, said) in [
            (&only_zstd, "gzip", "zstd", "use one of zstd, identity"),
            (&only_zstd, "lz4", "zstd", "use one of zstd, identity"),
            (&nothing, "zstd", "identity", "use one of identity"),
        ] {
            let request = post(&[("content-type", content_type), (encoding, sent)]);
            let refusal = inbound::accept(request, offer, None).unwrap_err();
            assert_eq!(refusal.error.code, Code::Unimplemented, "{content_type} {sent}");
            assert!(refusal.error.message.contains(said), "{content_type}: {}", refusal.error);
            let head = refusal.output.head.unwrap();
            assert_eq!(head.headers()[accept_encoding], listed, "{content_type} {sent}");
        }
        let request = post(&[("content-type", content_type), (encoding, "zstd")]);
        assert!(inbound::accept(request, &only_zstd, None).is_ok(), "{content_type}");
    }
    let get = Request::get("/pkg.Service/Method?encoding=proto&message=a&compression=gzip").body(()).unwrap();
    let refusal = inbound::accept(get, &only_zstd, None).unwrap_err();
    assert_eq!(refusal.error.code, Code::Unimplemented);
    assert_eq!(refusal.output.head.unwrap().headers()["accept-encoding"], "zstd");
}

#[test]
fn answers_in_grpc_list_the_compressions_that_the_application_accepts() {
    let only_gzip = Offer::of(vec![Codec::Proto], [Compression::Gzip].into_iter().collect(), LIMITS);
    for content_type in ["application/grpc", "application/grpc-web", "application/grpc-web-text"] {
        let mut writer =
            inbound::accept(post(&[("content-type", content_type)]), &only_gzip, None).unwrap().writer;
        // What a server behind a proxy takes is nothing to the proxy's callers.
        writer.head(ResponseHead { accepts: Some(Accepted::ALL), ..ResponseHead::default() });
        let mut out = Output::new();
        writer.end(End::success(), &mut out);
        assert_eq!(out.head.unwrap().headers()["grpc-accept-encoding"], "gzip", "{content_type}");
    }
}

#[test]
fn binary_metadata_that_is_not_base64_never_gets_past_the_edge() {
    for content_type in
        ["application/grpc", "application/proto", "application/connect+json", "application/grpc-web"]
    {
        let request = post(&[("content-type", content_type), ("x-bin", "@@@")]);
        assert_eq!(
            inbound::accept(request, &Offer::all(LIMITS), None).unwrap_err().error.code,
            Code::InvalidArgument,
            "{content_type}"
        );
    }
}

#[test]
fn control_headers_of_any_protocol_are_not_metadata() {
    let accepted = inbound::accept(
        post(&[
            ("content-type", "application/connect+proto"),
            ("grpc-status", "0"),
            ("grpc-encoding", "gzip"),
            ("connect-accept-encoding", "gzip"),
            ("te", "x"),
            ("x-own", "kept"),
        ]),
        &Offer::all(LIMITS),
        None,
    )
    .unwrap();
    assert_eq!(accepted.call.metadata.len(), 1);
    assert_eq!(accepted.call.metadata["x-own"], "kept");
    assert_eq!(accepted.call.encoding, Compression::Identity);
}

#[test]
fn envelopes_with_meaningless_flags_are_refused() {
    let grpc = || post(&[("content-type", "application/grpc")]);
    let web = || post(&[("content-type", "application/grpc-web")]);
    let connect = || post(&[("content-type", "application/connect+proto")]);
    assert_eq!(error_code(grpc(), b"\x02\0\0\0\0"), Code::Internal);
    assert_eq!(error_code(web(), b"\x80\0\0\0\0"), Code::Internal);
    // A client does not end streams; only a server does.
    assert_eq!(error_code(connect(), b"\x02\0\0\0\x02{}"), Code::InvalidArgument);
    // Compressed by nothing.
    assert_eq!(error_code(grpc(), b"\x01\0\0\0\0"), Code::Internal);
    assert_eq!(error_code(connect(), b"\x01\0\0\0\0"), Code::Internal);
}

#[test]
fn envelopes_that_are_cut_or_too_long_are_refused() {
    let grpc = || post(&[("content-type", "application/grpc")]);
    assert_eq!(error_code(grpc(), b"\0\0\0"), Code::InvalidArgument);
    assert_eq!(error_code(grpc(), b"\0\0\0\0\x05abc"), Code::InvalidArgument);
    assert_eq!(error_code(grpc(), b"\0\xff\xff\xff\xff"), Code::ResourceExhausted);
    assert_eq!(error_code(grpc(), b"\0\0\0\0\x65"), Code::ResourceExhausted);
}

#[test]
fn a_bare_message_past_the_limit_is_resource_exhausted() {
    let body: &'static [u8] = &[0; 101];
    assert_eq!(error_code(post(&[("content-type", "application/proto")]), body), Code::ResourceExhausted);
    assert!(events(post(&[("content-type", "application/proto")]), &body[..100]).is_ok());
}

#[test]
fn zero_bytes_are_a_message_that_is_not_compressed() {
    let request = post(&[("content-type", "application/proto"), ("content-encoding", "gzip")]);
    let empty = RequestEvent::Message(Message::plain(""));
    assert_eq!(events(request, b"").unwrap(), [empty, RequestEvent::HalfClose]);
}

#[test]
fn a_method_that_takes_one_message_gets_neither_none_nor_two() {
    for (body, ok) in [(&b""[..], false), (b"\0\0\0\0\0", true), (b"\0\0\0\0\0\0\0\0\0\0", false)] {
        let mut reader =
            inbound::accept(post(&[("content-type", "application/grpc")]), &Offer::all(LIMITS), None)
                .unwrap()
                .reader;
        reader.expect_one();
        reader.push(Bytes::from_static(body)).unwrap();
        reader.end().unwrap();
        let result = std::iter::from_fn(|| reader.event().transpose()).collect::<Result<Vec<_>, _>>();
        assert_eq!(
            result.map_err(|error| error.code).err(),
            (!ok).then_some(Code::Unimplemented),
            "{body:?}"
        );
    }
}

#[test]
fn get_calls_are_refused_where_they_are_ambiguous() {
    for query in [
        "encoding=proto&base64=1&message=A",
        "encoding=json&message={}&message={}",
        "encoding=json",
        "message={}",
        "encoding=json&message={}&connect=v2",
        "encoding=json&message={}&compression=lz4",
    ] {
        let request = Request::get(format!("/a.B/C?{}", query.replace(['{', '}'], "x"))).body(()).unwrap();
        let (status, body) = refusal(request);
        assert!(status == 400 || status == 501, "{query}: {status} {body}");
        assert!(body.starts_with(r#"{"code":""#), "{body}");
    }
    let with_body = Request::get("/a.B/C?encoding=json&message=x").body(()).unwrap();
    assert_eq!(error_code(with_body, b"body"), Code::InvalidArgument);
    assert_eq!(refusal(Request::get("/a.B/C?encoding=yaml&message=x").body(()).unwrap()).0, 415);
}

fn reader(protocol: Protocol, shape: Shape) -> ResponseReader {
    let target = Target {
        protocol,
        shape,
        codec: Codec::Proto,
        scheme: Scheme::HTTP,
        authority: Authority::from_static("test.local"),
        timeout: None,
        encoding: Compression::Identity,
        accepts: Accepted::NONE,
        get: false,
        limits: LIMITS,
    };
    outbound::open(PathAndQuery::from_static("/a.B/C"), HeaderMap::new(), &target).reader
}

fn response(status: u16, headers: &[(&str, &str)]) -> Response<()> {
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    response.body(()).unwrap()
}

fn end_of(mut reader: ResponseReader) -> End {
    let events: Vec<ResponseEvent> = std::iter::from_fn(|| reader.event()).collect();
    match events.into_iter().last() {
        Some(ResponseEvent::End(end)) => end,
        other => panic!("the response has no end: {other:?}"),
    }
}

#[test]
fn a_grpc_status_in_the_head_counts_only_if_nothing_follows() {
    let head = || response(200, &[("content-type", "application/grpc"), ("grpc-status", "5")]);
    let mut trailers_only = reader(Protocol::Grpc, Shape::Stream);
    trailers_only.head(head(), true);
    assert_eq!(end_of(trailers_only).result.unwrap_err().code, Code::NotFound);

    let mut followed = reader(Protocol::Grpc, Shape::Stream);
    followed.head(head(), false);
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", "0".parse().unwrap());
    followed.trailers(trailers);
    assert_eq!(end_of(followed).result, Ok(()));

    let mut with_body = reader(Protocol::Grpc, Shape::Stream);
    with_body.head(head(), false);
    with_body.push(Bytes::from_static(b"\0\0\0\0\0"));
    with_body.end();
    assert_eq!(end_of(with_body).result.unwrap_err().code, Code::Internal);
}

#[test]
fn answers_that_are_no_grpc_become_the_code_of_their_http_status() {
    for (status, code) in [
        (400, Code::Internal),
        (401, Code::Unauthenticated),
        (403, Code::PermissionDenied),
        (404, Code::Unimplemented),
        (429, Code::Unavailable),
        (502, Code::Unavailable),
        (503, Code::Unavailable),
        (504, Code::Unavailable),
        (418, Code::Unknown),
        (302, Code::Unknown),
    ] {
        for (protocol, shape) in [
            (Protocol::Grpc, Shape::Stream),
            (Protocol::GrpcWeb, Shape::Stream),
            (Protocol::Connect, Shape::Stream),
            (Protocol::Connect, Shape::Unary),
        ] {
            let mut reader = reader(protocol, shape);
            reader.head(response(status, &[("content-type", "text/html")]), false);
            reader.push(Bytes::from_static(b"<html>"));
            reader.end();
            assert_eq!(end_of(reader).result.unwrap_err().code, code, "{status} to {protocol:?}");
        }
    }
}

#[test]
fn a_stream_that_dies_ends_with_an_error_behind_its_messages() {
    for (protocol, content_type) in [
        (Protocol::Grpc, "application/grpc"),
        (Protocol::GrpcWeb, "application/grpc-web+proto"),
        (Protocol::Connect, "application/connect+proto"),
    ] {
        let mut reader = reader(protocol, Shape::Stream);
        reader.head(response(200, &[("content-type", content_type)]), false);
        reader.push(Bytes::from_static(b"\0\0\0\0\x01a\0\0\0"));
        reader.fail(RpcError::new(Code::Unavailable, "cut"));
        assert!(matches!(reader.event(), Some(ResponseEvent::Head(_))));
        assert!(matches!(reader.event(), Some(ResponseEvent::Message(_))));
        assert_eq!(end_of(reader).result.unwrap_err().code, Code::Unavailable, "{protocol:?}");
    }
}

/// A message and the end, in the protocols whose end stands in the body.
const TOLD_IN_THE_BODY: [(Protocol, &str, &[u8]); 2] = [
    (Protocol::Connect, "application/connect+proto", b"\0\0\0\0\x01a\x02\0\0\0\x02{}"),
    (Protocol::GrpcWeb, "application/grpc-web+proto", b"\0\0\0\0\x01a\x80\0\0\0\x10grpc-status: 0\r\n"),
];

#[test]
fn what_a_server_sends_behind_its_end_fails_the_call() {
    for (protocol, content_type, whole) in TOLD_IN_THE_BODY {
        for behind in [&b"x"[..], whole] {
            let body = [whole, behind].concat();
            for at in 0..=body.len() {
                let mut reader = reader(protocol, Shape::Stream);
                reader.head(response(200, &[("content-type", content_type)]), false);
                let mut events = Vec::new();
                for part in [&body[..at], &body[at..]] {
                    reader.push(Bytes::copy_from_slice(part));
                    events.extend(std::iter::from_fn(|| reader.event()));
                }
                reader.end();
                events.extend(std::iter::from_fn(|| reader.event()));
                let [ResponseEvent::Head(_), ResponseEvent::Message(_), ResponseEvent::End(end)] =
                    &events[..]
                else {
                    panic!("{protocol:?}, cut at {at}: {events:?}");
                };
                let error = end.result.as_ref().unwrap_err();
                assert_eq!(error.code, Code::Internal, "{protocol:?}, cut at {at}");
                assert!(error.message.contains(&format!("{} bytes behind the end", behind.len())), "{error}");
            }
        }
    }
}

#[test]
fn a_response_that_dies_behind_its_end_is_whole() {
    for (protocol, content_type, whole) in TOLD_IN_THE_BODY {
        let mut reader = reader(protocol, Shape::Stream);
        reader.head(response(200, &[("content-type", content_type)]), false);
        reader.push(Bytes::from_static(whole));
        assert_eq!(std::iter::from_fn(|| reader.event()).count(), 2, "the head and the message");
        assert!(reader.awaits_only_the_end());
        reader.fail(RpcError::new(Code::Unavailable, "cut"));
        assert_eq!(end_of(reader).result, Ok(()), "{protocol:?}");
    }
}

#[test]
fn success_behind_half_a_message_is_no_success() {
    let mut reader = reader(Protocol::Grpc, Shape::Stream);
    reader.head(response(200, &[("content-type", "application/grpc")]), false);
    reader.push(Bytes::from_static(b"\0\0\0\0\x05abc"));
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", "0".parse().unwrap());
    reader.trailers(trailers);
    assert_eq!(end_of(reader).result.unwrap_err().code, Code::Internal);
}

#[test]
fn details_that_no_peer_would_take_are_left_out_and_the_status_stays() {
    let mut writer =
        inbound::accept(post(&[("content-type", "application/grpc")]), &Offer::all(LIMITS), None)
            .unwrap()
            .writer;
    let detail = Detail { type_url: "type.googleapis.com/a.B".into(), value: vec![0; 1 << 20].into() };
    let error = RpcError { code: Code::Aborted, message: "large".into(), details: vec![detail] };
    let mut out = Output::new();
    writer.end(End::failed(error), &mut out);
    let head = out.head.unwrap();
    assert_eq!(head.headers()["grpc-status"], "10");
    assert_eq!(head.headers()["grpc-message"], "large");
    assert!(!head.headers().contains_key("grpc-status-details-bin"));
}

#[test]
fn a_unary_answer_of_two_messages_is_an_error_and_none_of_it_is_shown() {
    let mut writer =
        inbound::accept(post(&[("content-type", "application/proto")]), &Offer::all(LIMITS), None)
            .unwrap()
            .writer;
    let mut out = Output::new();
    writer.message(Message::plain("one"), &mut out).unwrap();
    let error = writer.message(Message::plain("two"), &mut out).unwrap_err();
    writer.end(End::failed(error), &mut out);
    assert_eq!(out.head.unwrap().status(), 501);
    assert_eq!(out.finish, Some(Finish::Body));
    let body = String::from_utf8_lossy(&out.body.concat()).into_owned();
    assert!(body.starts_with(r#"{"code":"unimplemented""#), "{body}");
}

#[test]
fn a_unary_success_without_a_message_is_an_error() {
    let mut writer =
        inbound::accept(post(&[("content-type", "application/json")]), &Offer::all(LIMITS), None)
            .unwrap()
            .writer;
    let mut out = Output::new();
    writer.end(End::success(), &mut out);
    assert_eq!(out.head.unwrap().status(), 501);
}

#[test]
fn servers_cannot_pass_headers_off_as_trailers() {
    let mut writer =
        inbound::accept(post(&[("content-type", "application/proto")]), &Offer::all(LIMITS), None)
            .unwrap()
            .writer;
    let mut metadata = HeaderMap::new();
    metadata.insert("trailer-x", "forged".parse().unwrap());
    writer.head(landbridge_wire::ResponseHead { metadata, ..Default::default() });
    let mut out = Output::new();
    writer.message(Message::plain(""), &mut out).unwrap();
    let mut end = End::success();
    end.trailers.insert("x", "real".parse().unwrap());
    writer.end(end, &mut out);
    let head = out.head.unwrap();
    let values: Vec<_> = head.headers().get_all("trailer-x").iter().collect();
    assert_eq!(values, ["real"]);
}

#[test]
fn names_that_grpc_does_not_have_do_not_reach_its_clients() {
    // Connect servers may send them; C-core fails a call for one.
    let mut writer =
        inbound::accept(post(&[("content-type", "application/grpc-web+proto")]), &Offer::all(LIMITS), None)
            .unwrap()
            .writer;
    let named = |names: [&'static str; 2]| -> HeaderMap {
        names.into_iter().map(|name| (HeaderName::from_static(name), HeaderValue::from_static("1"))).collect()
    };
    writer.head(landbridge_wire::ResponseHead { metadata: named(["x!", "x"]), ..Default::default() });
    let mut out = Output::new();
    writer.flush(&mut out);
    let headers = out.head.take().unwrap();
    assert!(headers.headers().contains_key("x") && !headers.headers().contains_key("x!"), "{headers:?}");
    writer.end(End { trailers: named(["y~", "y"]), ..End::success() }, &mut out);
    let trailers = String::from_utf8_lossy(&out.body.concat()).into_owned();
    assert!(trailers.contains("y: 1") && !trailers.contains("y~"), "{trailers:?}");
}

#[test]
fn servers_cannot_pass_metadata_off_as_another_protocols_status() {
    let forged = [
        ("content-type", "application/proto"),
        ("grpc-status", "0"),
        ("trailer-grpc-status", "0"),
        ("trailer-grpc-message", "fine"),
        ("trailer-x", "real"),
    ];
    let mut unary = reader(Protocol::Connect, Shape::Unary);
    unary.head(response(200, &forged), false);
    unary.end();
    let events: Vec<ResponseEvent> = std::iter::from_fn(|| unary.event()).collect();
    let [ResponseEvent::Head(head), ResponseEvent::Message(_), ResponseEvent::End(end)] = &events[..] else {
        panic!("{events:?}");
    };
    assert!(head.metadata.is_empty(), "{head:?}");
    assert_eq!(end.trailers.keys().collect::<Vec<_>>(), ["x"]);

    let mut stream = reader(Protocol::Connect, Shape::Stream);
    stream.head(response(200, &[("content-type", "application/connect+proto")]), false);
    let json = br#"{"metadata":{"grpc-status":["0"],"connect-x":["1"],"x":["real"]}}"#;
    stream.push(Bytes::from([&[2, 0, 0, 0, json.len() as u8][..], json].concat()));
    stream.end();
    assert_eq!(end_of(stream).trailers.keys().collect::<Vec<_>>(), ["x"]);
}
