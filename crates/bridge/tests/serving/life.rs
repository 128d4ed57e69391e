//! Peers that come and go: callers who leave, servers that leave, fall silent or were never there.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use http::Request;
use landbridge_net::UpstreamHttp;

use crate::raw::*;
use crate::world::{Answer, File, MESSAGE, World, grpc, until, within};

fn one_worker() -> File {
    File { workers: Some(1), ..File::default() }
}

#[test]
fn however_a_callers_stream_ends_the_servers_call_is_cancelled() {
    // Also where the reset is ours because the caller broke a rule (CVE-2025-8671).
    let world = World::start(one_worker());
    let fields = [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", "/test.S/Silent"),
        (":authority", "a"),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
    ];
    let whole = END_STREAM;
    for (what, frame) in [
        ("the caller cancels", Raw::encode(RST_STREAM, 0, 1, &8_u32.to_be_bytes())),
        ("the connection ends", Vec::new()),
        ("a window grows by nothing", Raw::encode(WINDOW_UPDATE, 0, 1, &[0; 4])),
        ("a window overflows", Raw::encode(WINDOW_UPDATE, 0, 1, &0x7fff_ffff_u32.to_be_bytes())),
        ("content behind the end", Raw::encode(DATA, 0, 1, b"x")),
        ("a head behind the end", Raw::encode(HEADERS, whole | END_HEADERS, 1, &block(&[("x", "y")]))),
        ("a stream that depends on itself", Raw::encode(PRIORITY, 0, 1, &[0, 0, 0, 1, 0])),
    ] {
        world.runtime.block_on(async {
            let mut raw = Raw::connect(world.address()).await;
            raw.start_http2().await;
            raw.headers(1, &fields, END_HEADERS).await;
            raw.frame(DATA, whole, 1, MESSAGE).await;
            until(what, || world.served.stats.requests_active.value() == 1).await;
            raw.write(&frame).await;
            if frame.is_empty() {
                drop(raw);
            }
            until(what, || world.served.stats.requests_active.value() == 0).await;
        });
    }
    world.until_stat("landbridge.calls.grpc.other.canceled", 7);
    assert_eq!(world.call(grpc("/test.S/Echo", &[])).grpc_status(), "0");
    assert_eq!(world.stat("cluster.backend.upstream_cx_total"), 1, "the server's connection was lost");
}

#[test]
fn a_refusal_reaches_a_caller_who_is_still_sending() {
    let world = World::start(one_worker());
    let large = Bytes::from(vec![b'x'; 2 << 20]);
    let prefix = Bytes::copy_from_slice(&[&[0], &(2_u32 << 20).to_be_bytes()[..]].concat());
    for (http, content_type) in [
        (UpstreamHttp::Http2, "application/grpc"),
        (UpstreamHttp::Http2, "application/grpc-web"),
        (UpstreamHttp::Http1, "application/grpc-web"),
    ] {
        let front = world.front(http);
        let head = || {
            let head = Request::post("/test.S/Refuse").header("content-type", content_type);
            head.header("host", "a").body(()).expect("a request")
        };
        world.runtime.block_on(within(async {
            let (response, mut body) = front.open(head(), false).await.expect("a connection");
            let answer = async { Answer::of(response.await.expect("an answer")).await };
            let answer = match content_type {
                // The answer comes while nothing of the request has.
                "application/grpc" => answer.await,
                _ => {
                    let upload = async {
                        // The answer may end it.
                        let _taken = body.data_chunks([prefix.clone(), large.clone()], true).await;
                    };
                    tokio::join!(answer, upload).0
                }
            };
            let text = answer.text();
            let refused = answer.headers.get("grpc-status").is_some_and(|status| status == "7")
                || text.contains("grpc-status: 7");
            assert!(refused, "{http:?}, {content_type}: {answer:?}");
        }));
    }
    world.until_stat("cluster.backend.upstream_rq_active", 0);
    assert_eq!(world.call(grpc("/test.S/Echo", &[])).grpc_status(), "0");
}

/// A hop between the bridge and the server: what `script` does with each connection, by its number.
struct Hop {
    address: SocketAddr,
    server: Arc<OnceLock<SocketAddr>>,
}

impl Hop {
    fn new(script: impl Fn(usize, TcpStream, SocketAddr) + Clone + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let server = Arc::new(OnceLock::new());
        let way = Arc::clone(&server);
        std::thread::spawn(move || {
            for (number, socket) in listener.incoming().enumerate() {
                let (script, server) = (script.clone(), *way.wait());
                std::thread::spawn(move || script(number, socket.expect("a connection"), server));
            }
        });
        Self { address, server }
    }

    fn start(self, file: File) -> World {
        let world = World::start(File { upstream: Some(self.address), ..file });
        self.server.set(world.server().tcp().expect("TCP")).expect("set once");
        world
    }
}

/// Carries a connection on to the server, until either side ends it.
fn forward(socket: TcpStream, server: SocketAddr) {
    let onward = TcpStream::connect(server).expect("connected");
    let copy = |mut from: TcpStream, mut to: TcpStream| {
        // However it ends, both are over.
        let _end = std::io::copy(&mut from, &mut to);
        let _gone = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
    };
    let there = (socket.try_clone().expect("a handle"), onward.try_clone().expect("a handle"));
    std::thread::spawn(move || copy(there.0, there.1));
    copy(onward, socket);
}

/// Reads what an HTTP/2 client sends, up to the first frame of this kind.
fn read_to(socket: &mut TcpStream, kind: u8) {
    let mut preface = [0; PREFACE.len()];
    socket.read_exact(&mut preface).expect("a preface");
    loop {
        let mut head = [0; 9];
        socket.read_exact(&mut head).expect("a frame");
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        socket.read_exact(&mut vec![0; length]).expect("a payload");
        if head[3] == kind {
            return;
        }
    }
}

/// Waits until the other side has closed, so that nothing of what was written to it is lost.
fn let_close(mut socket: TcpStream) {
    let _closed = socket.shutdown(Shutdown::Write);
    let _rest = std::io::copy(&mut socket, &mut std::io::sink());
}

/// A server's first connection takes a request and then leaves, by a GOAWAY whose last stream is this one.
fn leaving(last: u32) -> Hop {
    Hop::new(move |number, mut socket, server| {
        if number > 0 {
            return forward(socket, server);
        }
        socket.write_all(&Raw::encode(SETTINGS, 0, 0, &[])).expect("taken");
        read_to(&mut socket, HEADERS);
        let goaway = [last.to_be_bytes(), 0_u32.to_be_bytes()].concat();
        socket.write_all(&Raw::encode(GOAWAY, 0, 0, &goaway)).expect("taken");
        let_close(socket);
    })
}

#[test]
fn a_call_that_a_leaving_server_has_not_looked_at_is_made_again() {
    let world = leaving(0).start(one_worker());
    let answer = world.call(grpc("/test.S/Echo", &[]));
    assert_eq!((answer.grpc_status(), &answer.body[..]), ("0", MESSAGE));
    assert_eq!(world.served.stats.requests_total.value(), 1);
    assert_eq!(world.stat("cluster.backend.upstream_cx_total"), 2);
}

#[test]
fn a_call_that_a_leaving_server_may_have_looked_at_is_not_made_again() {
    let world = leaving(1).start(one_worker());
    assert_eq!(world.call(grpc("/test.S/Echo", &[])).grpc_status(), "14");
    assert_eq!(world.served.stats.requests_total.value(), 0);
    assert_eq!(world.call(grpc("/test.S/Echo", &[])).grpc_status(), "0");
}

#[test]
fn an_unary_call_that_a_leaving_server_has_not_looked_at_is_made_again() {
    let world = leaving(0).start(one_worker());
    let request = Request::post("/test.S/Echo").header("content-type", "application/proto");
    let answer = world.call(request.body(&b"hi"[..]).expect("a request"));
    assert_eq!((answer.status, &answer.body[..]), (200, &b"hi"[..]), "{answer:?}");
}

#[test]
fn a_server_that_is_killed_fails_the_calls_in_flight_and_no_other() {
    let (kill, killed) = std::sync::mpsc::channel::<()>();
    let killed = Arc::new(std::sync::Mutex::new(killed));
    let hop = Hop::new(move |number, socket, server| {
        if number == 0 {
            let (victim, killed) = (socket.try_clone().expect("a handle"), Arc::clone(&killed));
            std::thread::spawn(move || {
                killed.lock().expect("alone").recv().expect("it comes");
                let _killed = victim.shutdown(Shutdown::Both);
            });
        }
        forward(socket, server);
    });
    let world = hop.start(one_worker());
    let front = world.front(UpstreamHttp::Http2);
    let answers = world.runtime.block_on(within(async {
        let mut answers = Vec::new();
        for _ in 0..8 {
            let head = grpc("/test.S/Silent", &[]).map(|_| ());
            let (response, mut body) = front.open(head, false).await.expect("a connection");
            body.data(MESSAGE.into(), true).await.expect("taken");
            world.next_seen().await;
            answers.push(response);
        }
        kill.send(()).expect("somebody waits");
        let mut codes = Vec::new();
        for answer in answers {
            codes.push(Answer::of(answer.await.expect("an answer")).await.grpc_status().to_owned());
        }
        codes
    }));
    assert_eq!(answers, ["14"; 8]);
    assert_eq!(world.call(grpc("/test.S/Echo", &[])).grpc_status(), "0");
    world.until_stat("landbridge.calls.grpc.other.unavailable", 8);
}

/// The address of a server that takes no connection: a full backlog of one that does not accept lets further connects
/// hang, as a black hole would. And what keeps it so.
fn black_hole() -> (SocketAddr, impl Sized) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let (listener, address, filling) = runtime.block_on(async {
        let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
        socket.bind("127.0.0.1:0".parse().expect("an address")).expect("a port");
        let listener = socket.listen(1).expect("listening");
        let address = listener.local_addr().expect("an address");
        let mut filling = Vec::new();
        let patience = std::time::Duration::from_millis(200);
        while let Ok(socket) = tokio::time::timeout(patience, tokio::net::TcpStream::connect(address)).await {
            filling.push(socket.expect("connected"));
        }
        (listener, address, filling)
    });
    (address, (listener, filling, runtime))
}

#[test]
fn a_server_that_takes_no_connection_is_unavailable_in_time() {
    let (address, _full) = black_hole();
    let file = File { upstream: Some(address), cluster: "connect_timeout: 0.1s".to_owned(), ..one_worker() };
    let world = World::start(file);
    let answer = world.call(grpc("/test.S/Echo", &[]));
    assert_eq!(answer.grpc_status(), "14");
    assert_eq!(world.stat("cluster.backend.upstream_cx_connect_timeout"), 1);
    assert_eq!(world.stat("cluster.backend.upstream_rq_total"), 0);
}

#[test]
fn a_caller_that_leaves_before_its_call_is_sent_is_counted_as_cancelled() {
    let (address, _full) = black_hole();
    let world = World::start(File { upstream: Some(address), ..one_worker() });
    let front = world.front(UpstreamHttp::Http2);
    let caller = world.runtime.block_on(within(async {
        let head = grpc("/test.S/Echo", &[]).map(|_| ());
        let (response, mut body) = front.open(head, false).await.expect("a connection");
        body.data(MESSAGE.into(), true).await.expect("taken");
        (response, body)
    }));
    world.until_stat("cluster.backend.upstream_rq_pending_active", 1);
    drop(caller);
    world.until_stat("cluster.backend.upstream_rq_cancelled", 1);
    assert_eq!(world.stat("cluster.backend.upstream_rq_total"), 0);
}

#[test]
fn a_name_that_nobody_has_is_unavailable_and_counted() {
    let world = World::start(one_worker());
    let answer = world.call(grpc("/unknown.S/Echo", &[]));
    assert_eq!(answer.grpc_status(), "14");
    assert!(format!("{:?}", answer.headers).contains("nobody.invalid"), "{answer:?}");
    assert_eq!(world.stat("cluster.nameless.upstream_cx_none_healthy"), 1);
}

#[test]
fn a_server_that_falls_silent_ends_by_the_routes_timeout_or_the_keepalive() {
    let silent = || Hop::new(|_, socket, _| let_stand(socket));
    let world = silent().start(File { action: "timeout: 0.1s".to_owned(), ..one_worker() });
    assert_eq!(world.call(grpc("/test.S/Echo", &[])).grpc_status(), "4");
    assert_eq!(world.stat("cluster.backend.upstream_rq_timeout"), 1);

    let keepalive = "connection_keepalive: { interval: 0.1s, timeout: 0.1s }".to_owned();
    let world =
        silent().start(File { upstream_http2: keepalive, action: "timeout: 0s".to_owned(), ..one_worker() });
    for call in 1..=2 {
        assert_eq!(world.call(grpc("/test.S/Echo", &[])).grpc_status(), "14");
        assert_eq!(
            world.stat("cluster.backend.upstream_cx_total"),
            call,
            "the dead connection was used again"
        );
    }
}

/// Reads everything and says nothing.
fn let_stand(mut socket: TcpStream) {
    let _end = std::io::copy(&mut socket, &mut std::io::sink());
}

#[test]
fn a_bridge_takes_over_the_port_of_another_without_losing_a_call() {
    let file = || File { listener: "enable_reuse_port: true".to_owned(), ..File::default() };
    let old = World::start(file());
    let port = old.address().port();
    let front = old.front(UpstreamHttp::Http2);
    let new = old.runtime.block_on(within(async {
        let head = grpc("/test.S/Pause", &[]).map(|_| ());
        let (response, mut body) = front.open(head, false).await.expect("a connection");
        body.data(MESSAGE.into(), true).await.expect("taken");
        old.next_seen().await;

        let new = tokio::task::spawn_blocking(move || World::start(File { port, ..file() }))
            .await
            .expect("started");
        assert_eq!(listening(port), 4, "a socket for each worker of both");
        let takes_over = async {
            until("the old bridge stops listening", || listening(port) == 2).await;
            // From now on every connection is the new one's, and the old one's callers move over.
            for endpoint in [&front, &new.front(UpstreamHttp::Http2), &new.front(UpstreamHttp::Http2)] {
                let (head, content) = grpc("/test.S/Echo", &[]).into_parts();
                let (response, mut body) =
                    endpoint.open(Request::from_parts(head, ()), false).await.expect("a connection");
                body.data(Bytes::from_static(content), true).await.expect("taken");
                let answer = Answer::of(response.await.expect("an answer")).await;
                assert_eq!(answer.grpc_status(), "0");
            }
            old.gate.notify_one();
            let answer = Answer::of(response.await.expect("an answer")).await;
            assert_eq!((answer.grpc_status(), &answer.body[..]), ("0", MESSAGE));
        };
        let (clean, ()) = tokio::join!(old.bridge.leave(), takes_over);
        assert!(clean, "calls were cut");
        new
    }));
    // A connection that has not heard yet that it is to leave may still be served by the old one.
    assert!(new.stat("http.front.downstream_rq_2xx") >= 2);
}

/// How many sockets listen on a port.
fn listening(port: u16) -> usize {
    const LISTEN: &str = "0A";
    let table = std::fs::read_to_string("/proc/net/tcp").expect("the kernel's table");
    let address = format!("0100007F:{port:04X}");
    let lines = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    lines.filter(|fields| fields.get(1) == Some(&&*address) && fields.get(3) == Some(&LISTEN)).count()
}

#[test]
fn a_port_in_use_stops_the_start_unless_it_is_to_be_shared() {
    let first = World::start(File::default());
    let port = first.address().port();
    for listener in ["", "enable_reuse_port: false"] {
        let Err(error) = World::try_start(File { port, listener: listener.to_owned(), ..File::default() })
        else {
            panic!("it starts: {listener}");
        };
        assert!(error.to_string().contains(&port.to_string()), "{error}");
    }
}

#[test]
fn calls_over_the_circuit_breakers_limit_are_refused_and_leave_the_others() {
    let breakers = "circuit_breakers: { thresholds: [{ max_requests: 2 }] }".to_owned();
    let world = World::start(File { cluster: breakers, ..one_worker() });
    let front = world.front(UpstreamHttp::Http2);
    let held: Vec<_> = world.runtime.block_on(within(async {
        let mut held = Vec::new();
        for _ in 0..2 {
            let head = grpc("/test.S/Silent", &[]).map(|_| ());
            let (response, mut body) = front.open(head, false).await.expect("a connection");
            body.data(MESSAGE.into(), true).await.expect("taken");
            world.next_seen().await;
            held.push(response);
        }
        held
    }));
    assert_eq!(world.call(grpc("/test.S/Echo", &[])).grpc_status(), "14");
    assert_eq!(world.stat("cluster.backend.upstream_rq_active_overflow"), 1);
    drop(held);
    world.until_stat("cluster.backend.upstream_rq_active", 0);
    assert_eq!(world.call(grpc("/test.S/Echo", &[])).grpc_status(), "0");
}
