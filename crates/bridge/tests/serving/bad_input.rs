//! What a careless or hostile caller sends: it gets an error in its own protocol, it is counted, and nobody else
//! notices anything.

use bytes::Bytes;
use http::Request;
use landbridge_net::UpstreamHttp;
use landbridge_wire::Code;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::world::{Answer, File, MESSAGE, World, grpc, within};

/// How a caller speaks, and where the code of an answer stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Caller {
    Unary,
    Stream,
    Grpc,
    Web,
    WebText,
}

impl Caller {
    fn content_type(self) -> &'static str {
        match self {
            Self::Unary => "application/proto",
            Self::Stream => "application/connect+proto",
            Self::Grpc => "application/grpc",
            Self::Web => "application/grpc-web",
            Self::WebText => "application/grpc-web-text",
        }
    }

    /// As statistics name it.
    fn protocol(self) -> &'static str {
        match self {
            Self::Unary | Self::Stream => "connect",
            Self::Grpc => "grpc",
            Self::Web | Self::WebText => "grpc_web",
        }
    }

    /// The name of the code that an answer ends with.
    fn code(self, answer: &Answer) -> String {
        let of_json = |json: &[u8]| {
            let json: serde_json::Value = serde_json::from_slice(json).expect("JSON");
            let error = json.get("error").unwrap_or(&json);
            error["code"].as_str().expect("a code").to_owned()
        };
        let of_number =
            |text: &str| Code::from_number(text.parse().expect("a number")).expect("a code").name();
        match self {
            Self::Unary => of_json(&answer.body),
            Self::Stream => {
                assert_eq!((answer.status, answer.body[0]), (200, 2), "{answer:?}");
                of_json(&answer.body[5..])
            }
            Self::Grpc => of_number(answer.grpc_status()).to_owned(),
            Self::Web | Self::WebText => {
                assert_eq!(answer.status, 200, "{answer:?}");
                let text = answer.text();
                let body = if self == Self::WebText { unarmored(&text) } else { text };
                let (_, after) = body.split_once("grpc-status: ").expect("a status");
                of_number(after.split("\r\n").next().expect("a line")).to_owned()
            }
        }
    }
}

fn unarmored(text: &str) -> String {
    use base64::Engine as _;
    let bytes = base64::engine::general_purpose::STANDARD.decode(text).expect("base64");
    String::from_utf8_lossy(&bytes).into_owned()
}

fn request(
    caller: Caller,
    headers: &[(&'static str, &'static str)],
    body: &'static [u8],
) -> Request<&'static [u8]> {
    let mut request = Request::post("/test.S/Echo").header("content-type", caller.content_type());
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(body).expect("a request")
}

/// Every one of them is answered with its code and counted, and the connections are good for calls afterwards.
fn check(cases: &[(&str, Caller, Request<&'static [u8]>, Code)]) {
    let world = World::start(File { workers: Some(1), ..File::default() });
    for http in [UpstreamHttp::Http2, UpstreamHttp::Http1] {
        let front = world.front(http);
        let exchange = |request: &Request<&'static [u8]>| {
            let (head, content) = request.clone().into_parts();
            world.runtime.block_on(within(async {
                let (response, mut body) =
                    front.open(Request::from_parts(head, ()), false).await.expect("a connection");
                // It may be refused before it is read.
                let _taken = body.data(Bytes::from_static(content), true).await;
                Answer::of(response.await.expect("an answer")).await
            }))
        };
        let fine = request(Caller::Web, &[], MESSAGE);
        assert_eq!(exchange(&fine).status, 200);
        for (what, caller, request, code) in cases {
            if *caller == Caller::Grpc && http == UpstreamHttp::Http1 {
                continue;
            }
            let counters = ["other", request.uri().path()]
                .map(|method| format!("landbridge.calls.{}.{method}.{}", caller.protocol(), code.name()));
            let counted = || counters.iter().map(|name| world.stat(name)).sum::<u64>();
            let before = counted();
            let answer = exchange(request);
            assert_eq!(caller.code(&answer), code.name(), "{what}, {http:?}: {answer:?}");
            world.until(&format!("{what}, {http:?}: {counters:?}"), || counted() == before + 1);
            let echo = exchange(&fine);
            assert_eq!(echo.body[..MESSAGE.len()], *MESSAGE, "{what}, {http:?}");
        }
    }
    assert_eq!(world.stat("cluster.backend.upstream_cx_total"), 1, "the server's connection was lost");
    world.until_stat("cluster.backend.upstream_rq_active", 0);
    world.until_stat("http.front.downstream_rq_active", 0);
}

const EVERY: [Caller; 5] = [Caller::Unary, Caller::Stream, Caller::Grpc, Caller::Web, Caller::WebText];

#[test]
fn heads_that_cannot_be_a_calls() {
    let mut cases = Vec::new();
    let mut add = |what, caller, headers: &[_], code| {
        let body = if caller == Caller::WebText { b"AAAAAAJoaQ==" } else { MESSAGE };
        cases.push((what, caller, request(caller, headers, body), code));
    };
    for caller in EVERY {
        let (timeout, encoding) = match caller {
            Caller::Unary => ("connect-timeout-ms", "content-encoding"),
            Caller::Stream => ("connect-timeout-ms", "connect-content-encoding"),
            _ => ("grpc-timeout", "grpc-encoding"),
        };
        let late = if timeout == "grpc-timeout" { "0m" } else { "0" };
        for (what, headers, code) in [
            ("an empty timeout", vec![(timeout, "")], Code::InvalidArgument),
            ("a negative timeout", vec![(timeout, "-1")], Code::InvalidArgument),
            ("a signed timeout", vec![(timeout, "+1m")], Code::InvalidArgument),
            ("a timeout of too many digits", vec![(timeout, "12345678901")], Code::InvalidArgument),
            ("two timeouts", vec![(timeout, late), (timeout, late)], Code::InvalidArgument),
            ("a timeout of nothing", vec![(timeout, late)], Code::DeadlineExceeded),
            ("an unknown compression", vec![(encoding, "lz4")], Code::Unimplemented),
            ("two compressions", vec![(encoding, "gzip"), (encoding, "gzip")], Code::InvalidArgument),
            ("binary metadata that is not base64", vec![("x-bin", "@")], Code::InvalidArgument),
            ("a name that gRPC does not have", vec![("x!", "1")], Code::InvalidArgument),
            ("a number that is none", vec![("grpc-previous-rpc-attempts", "x")], Code::InvalidArgument),
        ] {
            add(what, caller, &headers, code);
        }
    }
    check(&cases);
}

#[test]
fn bodies_that_cannot_be_a_calls() {
    let mut cases = Vec::new();
    let mut add = |what, caller, headers: &[_], body, code| {
        cases.push((what, caller, request(caller, headers, body), code));
    };
    for caller in [Caller::Stream, Caller::Grpc, Caller::Web] {
        let connect = caller == Caller::Stream;
        let encoding = if connect { "connect-content-encoding" } else { "grpc-encoding" };
        let flags = if connect { Code::InvalidArgument } else { Code::Internal };
        let gzip = [(encoding, "gzip")];
        for (what, headers, body, code) in [
            ("a prefix that is cut", &[][..], &b"\0\0\0"[..], Code::InvalidArgument),
            ("a message that is cut", &[], b"\0\0\0\0\x05ab", Code::InvalidArgument),
            ("the largest length", &[], b"\0\xff\xff\xff\xff", Code::ResourceExhausted),
            ("reserved flags", &[], b"\x40\0\0\0\0", flags),
            ("an end that only servers send", &[], b"\x02\0\0\0\x02{}", flags),
            ("trailers that only servers send", &[], b"\x80\0\0\0\0", flags),
            ("compressed by nothing", &[], b"\x01\0\0\0\x01x", Code::Internal),
            ("no gzip", &gzip, b"\x01\0\0\0\x02hi", Code::InvalidArgument),
        ] {
            add(what, caller, headers, body, code);
        }
    }
    for (what, body) in [
        ("text that is no base64", &b"@@@@"[..]),
        ("text that ends in a byte", b"AAAAAAJ"),
        ("a message that is cut", b"AAAAAAU="),
    ] {
        add(what, Caller::WebText, &[], body, Code::InvalidArgument);
    }
    add("no gzip", Caller::Unary, &[("content-encoding", "gzip")], b"hi", Code::InvalidArgument);
    check(&cases);
}

#[test]
fn a_body_whose_chunks_are_malformed_is_an_error_in_the_callers_protocol() {
    let world = World::start(File::default());
    for content_type in ["application/proto", "application/grpc-web"] {
        let errors = world.stat("http.front.downstream_cx_protocol_error");
        let text = world.runtime.block_on(within(async {
            let mut socket = TcpStream::connect(world.address()).await.expect("connected");
            let head = format!(
                "POST /test.S/Echo HTTP/1.1\r\nhost: a\r\ncontent-type: {content_type}\r\n\
                 transfer-encoding: chunked\r\n\r\nnonsense\r\nPOST /test.S/Echo HTTP/1.1\r\nhost: a\r\n\r\n"
            );
            socket.write_all(head.as_bytes()).await.expect("sent");
            let mut text = Vec::new();
            socket.read_to_end(&mut text).await.expect("closed in order");
            String::from_utf8_lossy(&text).into_owned()
        }));
        assert_eq!(text.matches("HTTP/1.1").count(), 1, "{text}");
        assert!(text.contains("invalid_argument") || text.contains("grpc-status: 3"), "{text}");
        assert_eq!(world.stat("http.front.downstream_cx_protocol_error"), errors + 1);
    }
    assert_eq!(world.call(grpc("/test.S/Echo", &[])).grpc_status(), "0");
}

#[test]
fn no_path_leads_past_the_routes() {
    let world = World::start(File::default());
    // What the route matches is what the server gets, byte by byte; there is no second reading of it.
    for (path, served_as) in [
        ("/test.S/Echo", Some("/test.S/Echo")),
        ("/test.S/Echo?x=/gone.S/M", Some("/test.S/Echo")),
        ("/test.S/../gone.S/M", Some("/test.S/../gone.S/M")),
        ("/test.S/%2e%2e/Echo", Some("/test.S/%2e%2e/Echo")),
        ("/test.S%2FEcho", Some("/test.S%2FEcho")),
        ("/test.S//Echo", Some("/test.S//Echo")),
        ("//test.S/Echo", None),
        ("/./test.S/Echo", None),
        ("/x/../test.S/Echo", None),
        ("/%74est.S/Echo", None),
        ("/Test.S/Echo", None),
        ("/x?/test.S/Echo", None),
        ("/", None),
    ] {
        let before = world.stat("http.front.no_route");
        let answer = world.call(grpc(path, &[]));
        match served_as {
            Some(served_as) => assert_eq!(answer.headers["x-path"], served_as),
            None => {
                assert_eq!(answer.grpc_status(), "12", "{path}: {answer:?}");
                assert_eq!(world.stat("http.front.no_route"), before + 1, "{path}");
            }
        }
    }
}

#[test]
fn what_belongs_to_a_protocol_or_a_proxy_does_not_pass_for_metadata() {
    let world = World::start(File::default());
    for caller in [Caller::Unary, Caller::Stream, Caller::Grpc, Caller::Web] {
        let spoofed = [
            ("grpc-status", "0"),
            ("grpc-message", "fine"),
            ("grpc-status-details-bin", "AA"),
            ("grpc-accept-encoding", "made-up"),
            ("connect-made-up", "1"),
            ("x-envoy-original-path", "/gone.S/M"),
            ("x-envoy-internal", "true"),
            ("x-own", "kept"),
        ];
        world.call(request(caller, &spoofed, MESSAGE));
        let seen = world.seen();
        assert_eq!(seen["x-own"], "kept");
        assert_ne!(seen.get("grpc-accept-encoding").map(|value| value.as_bytes()), Some(&b"made-up"[..]));
        for (name, _) in spoofed.iter().filter(|(name, _)| !matches!(*name, "x-own" | "grpc-accept-encoding"))
        {
            assert!(!seen.contains_key(*name), "{caller:?}: {name}");
        }
    }
}
