//! What a command line asks for.

use std::path::PathBuf;
use std::time::Duration;

use http::HeaderMap;
use landbridge_wire::{Codec, Compression, Protocol};

use crate::address::MethodName;
use crate::server::Server;

/// What is to be done, at which server.
#[derive(Clone, Debug)]
pub struct Order {
    /// The server.
    pub server: Server,
    /// What it is spoken to in.
    pub protocol: Protocol,
    /// The caller's headers, also for its reflection.
    pub headers: HeaderMap,
    /// Where the schema comes from.
    pub schema: SchemaSource,
    /// Whether heads and trailers are shown.
    pub verbose: bool,
    /// What to do there.
    pub task: Task,
}

/// Where the methods and their messages are described.
#[derive(Clone, Debug)]
pub struct SchemaSource {
    /// Descriptor sets, and `.proto` files.
    pub files: Vec<PathBuf>,
    /// Where `.proto` files and their imports are looked for; the current folder and those of the files where none is
    /// given.
    pub includes: Vec<PathBuf>,
    /// Whether the server is asked.
    pub reflection: Reflection,
}

/// Whether a server's reflection is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reflection {
    /// Where no file is given.
    Default,
    /// For what no file describes; that it answers is relied on.
    Required,
    /// Never.
    Off,
}

/// What to do.
#[derive(Clone, Debug)]
pub enum Task {
    /// Print every method.
    List,
    /// Print what a full name stands for.
    Describe(String),
    /// Make a call.
    Call(CallOrder),
}

/// One call.
#[derive(Clone, Debug)]
pub struct CallOrder {
    /// What is called.
    pub method: MethodName,
    /// The request's messages.
    pub data: Data,
    /// How messages travel. None: as JSON in Connect, in binary else.
    pub codec: Option<Codec>,
    /// Whether a method that no schema describes is a stream in both directions, and not unary.
    pub stream: bool,
    /// How long it may take.
    pub timeout: Option<Duration>,
    /// Whether to call by HTTP GET.
    pub get: bool,
    /// The compression of the request.
    pub compression: Compression,
    /// The most bytes of one response message.
    pub max_message_bytes: usize,
    /// Whether fields are shown that have their default value.
    pub write_defaults: bool,
}

/// Where the request's messages come from: JSON documents, one after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Data {
    /// An empty message where the method takes one, no message where it takes a stream.
    None,
    /// This text.
    Text(String),
    /// A file, sent as it is read.
    File(PathBuf),
    /// Standard input, sent as it is read.
    Stdin,
}
