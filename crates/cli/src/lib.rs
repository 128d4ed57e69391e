//! The `landbridge` command, for the program and for the Python package.

mod bridge;
mod call;
mod log;

use std::ffi::OsString;

use clap::{Parser, Subcommand};

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
    /// Call a method of a server with JSON, in any of the three protocols.
    Call(Box<call::Arguments>),
}

/// The exit status of a command line that cannot be used, as clap has it.
const USAGE: u8 = 2;

/// Runs a command line, of which the first word is the program's name, to its end. Gives the exit status.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    match Arguments::try_parse_from(arguments) {
        Ok(Arguments { command: Command::Bridge(arguments) }) => bridge::run(arguments),
        Ok(Arguments { command: Command::Call(arguments) }) => call::run(*arguments),
        Err(told) => {
            // Help and version are no errors, and are printed as they should be. There is nobody to tell otherwise.
            let _printed = told.print();
            u8::try_from(told.exit_code()).unwrap_or(USAGE)
        }
    }
}
