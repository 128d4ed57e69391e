//! The `landbridge` command.

mod bridge;
mod log;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Many small buffers come and go with every call; this allocator is made for that.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// RPC for Python on a Rust core: Connect, gRPC and gRPC-Web.
#[derive(Debug, Parser)]
#[command(name = "landbridge", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Translate between Connect, gRPC and gRPC-Web in front of a server, as an Envoy file says.
    Bridge(bridge::Arguments),
}

fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Bridge(arguments) => bridge::run(arguments),
    }
}
