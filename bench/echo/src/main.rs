//! What the benchmarks put behind and in front of a proxy: an echo server that costs as little CPU as it can
//! (`serve`), and a client that opens many streams and leaves them idle (`idle`).
//!
//! Both print one line when they are ready and run until their standard input closes, so the harness that started them
//! waits for an event, and nothing is left behind when the harness dies.

mod idle;
mod plain_io;
mod server;

use std::error::Error;
use std::io::{self, Read, Write};
use std::net::SocketAddr;

use clap::Parser;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Parser)]
#[command(about = "Upstream and idle client for the proxy benchmarks")]
enum Role {
    /// Serve gRPC, and Connect, over cleartext HTTP/2: `/any.Service/Echo` is unary, `/any.Service/Stream` is a stream
    /// each way, `/bench.Echo/Flood` a stream of messages.
    /// Prints `listening ADDRESS`, and `answered N` at the end.
    Serve {
        /// Where to listen; port 0 lets the system choose.
        #[arg(long, default_value = "127.0.0.1:0")]
        listen: SocketAddr,
    },
    /// Open streams, exchange one message on each, and keep them open. Prints `open N` once every one was answered.
    Idle(idle::Idle),
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    match Role::parse() {
        Role::Serve { listen } => {
            let listener = TcpListener::bind(listen).await?;
            say(format_args!("listening {}", listener.local_addr()?))?;
            let answered = server::Answered::default();
            tokio::select! {
                failed = server::serve(listener, answered.clone()) => failed?,
                () = stdin_closed() => {}
            }
            say(format_args!("answered {}", answered.count()))?;
        }
        Role::Idle(idle) => {
            let streams = idle.open().await?;
            say(format_args!("open {}", streams.len()))?;
            tokio::select! {
                ended = streams.first_to_end() => return Err(ended),
                () = stdin_closed() => {}
            }
        }
    }
    Ok(())
}

/// One line for the harness, flushed so that it arrives before the next thing happens.
fn say(line: std::fmt::Arguments<'_>) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{line}")?;
    stdout.flush()
}

/// Completes when the harness closes our standard input (or dies).
async fn stdin_closed() {
    let (closed, wait) = oneshot::channel();
    // A plain thread: a read of standard input cannot be cancelled, and must not hold up the runtime's shutdown.
    std::thread::spawn(move || {
        let _ = io::stdin().read_to_end(&mut Vec::new());
        let _ = closed.send(());
    });
    let _ = wait.await;
}
