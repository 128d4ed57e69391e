//! Running out of file descriptors: the accept loop survives. Alone in its process, because the limit is the process's.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use landbridge_net::{Address, Drain, Handler, ListenSettings, Listener, RecvBody, Responder, Server, serve};

/// Set in the process whose limit is low.
const MARK: &str = "LANDBRIDGE_FEW_DESCRIPTORS";

#[derive(Clone)]
struct Hello;

impl Handler for Hello {
    async fn handle(&self, _request: Request<RecvBody>, respond: Responder) {
        respond.respond_full(Response::new(()), Bytes::from_static(b"hello"), None);
    }
}

#[test]
fn the_accept_loop_survives_running_out_of_descriptors() {
    if std::env::var_os(MARK).is_some() {
        return run_short_of_descriptors();
    }
    let this = std::env::current_exe().expect("a test binary");
    let name = "the_accept_loop_survives_running_out_of_descriptors";
    // Only a shell can lower the limit without unsafe code; both clients and server live under it.
    let output = Command::new("sh")
        .args(["-c", "ulimit -n 48 && exec \"$0\" --exact \"$1\" --nocapture"])
        .arg(this)
        .arg(name)
        .env(MARK, "1")
        .output()
        .expect("a shell");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("1 passed"), "{text}");
}

fn run_short_of_descriptors() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let server = Arc::new(Server::default());
    let listener = {
        let _inside = runtime.enter();
        Listener::bind(&Address::Tcp(([127, 0, 0, 1], 0).into()), &ListenSettings::default()).expect("a port")
    };
    let address = listener.local_address().tcp().expect("TCP");
    let drain = Drain::new();
    let accepting = runtime.spawn(serve(listener, Arc::clone(&server), Hello, drain.clone()));

    // Clients take descriptors until there are none; the server then cannot accept what is queued.
    let mut clients = Vec::new();
    while let Ok(client) = TcpStream::connect(address) {
        clients.push(client);
    }
    let failed = async {
        while server.stats.accept_errors.value() == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    runtime
        .block_on(async { tokio::time::timeout(Duration::from_secs(20), failed).await })
        .expect("accept fails");
    assert!(!accepting.is_finished());

    clients.clear();
    let asked = std::thread::spawn(move || {
        let mut client = loop {
            if let Ok(client) = TcpStream::connect(address) {
                break client;
            }
        };
        client.write_all(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").expect("sent");
        let mut text = String::new();
        client.read_to_string(&mut text).expect("read");
        text
    });
    let answered = async {
        while !asked.is_finished() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    runtime
        .block_on(async { tokio::time::timeout(Duration::from_secs(20), answered).await })
        .expect("an answer");
    assert!(asked.join().expect("no panic").ends_with("hello"));
    assert!(runtime.block_on(drain.run(Duration::from_secs(5))));
}
