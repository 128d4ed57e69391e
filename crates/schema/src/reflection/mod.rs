//! A client of gRPC server reflection that does no I/O.
//!
//! [`Client`] says what to send; its driver owns the stream and tells it what came back. One request is in flight at a
//! time:
//!
//! ```text
//! start() ──> Open(path, message) ──> on_message ──> Send(message) ──> on_message ──> ... ──> Done(Loaded)
//!                  ^                      │
//!                  └── on_end: the server knows only v1alpha, or ends the stream between answers
//! ```
//!
//! It asks for the services (by name, or all that the server lists), follows the imports of their files until none is
//! missing, and links the lot. A service that cannot be loaded does not keep the others from being used.
//!
//! Protocol: `grpc/reflection/v1/reflection.proto`; its predecessor `v1alpha` has the same messages under another name.

mod message;
mod services;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use buffa::Message;
use buffa_descriptor::generated::descriptor::FileDescriptorProto;
use bytes::Bytes;

use crate::link::file_name;
use crate::schema::Schema;
use message::{Query, Response};
use services::{link_services, services_of};

/// The gRPC method of the current protocol.
pub const V1_PATH: &str = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
/// The gRPC method of its predecessor, which older servers have alone.
pub const V1ALPHA_PATH: &str = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo";

/// gRPC's status codes that mean something here.
const OK: u32 = 0;
const UNIMPLEMENTED: u32 = 12;

/// Which services to load.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// All that the server lists.
    All,
    /// These, by full name (`package.Service`).
    Services(Vec<String>),
}

/// What a server may make the client keep and ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The most descriptor files. Default: 4,096.
    pub max_files: usize,
    /// The most bytes of descriptor files, and of any one response. Default: 32 MiB.
    pub max_bytes: usize,
    /// The most services in the server's list. Default: 4,096.
    pub max_services: usize,
    /// The most requests. Default: 16,384.
    pub max_requests: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_files: 4096, max_bytes: 32 << 20, max_services: 4096, max_requests: 16_384 }
    }
}

/// What the driver does next.
#[derive(Debug)]
#[must_use]
pub enum Step {
    /// Open a stream to `path` (ending the last one, if it is open) and send `message` as its first message.
    Open {
        /// [`V1_PATH`] or [`V1ALPHA_PATH`].
        path: &'static str,
        /// A serialized request.
        message: Bytes,
    },
    /// Send on the open stream.
    Send {
        /// A serialized request.
        message: Bytes,
    },
    /// All is loaded. End the stream.
    Done(Box<Loaded>),
    /// Nothing can be loaded. End the stream.
    Failed(ReflectionError),
}

/// What a server's reflection had to offer.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The services that could be loaded.
    pub schema: Schema,
    /// The services that could not.
    pub failures: Vec<ServiceFailure>,
}

/// Why one service is not in the schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceFailure {
    /// The full name of the service.
    pub service: String,
    /// What is missing or wrong.
    pub reason: String,
}

/// Why nothing could be loaded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReflectionError {
    /// The server has no reflection service of either version.
    #[error(
        "the server has no gRPC reflection (neither v1 nor v1alpha): enable it there, or give a descriptor set"
    )]
    NotSupported,
    /// The stream ended before all was answered.
    #[error("the server's reflection stream ended with status {code} ({message})")]
    Ended {
        /// The gRPC status code.
        code: u32,
        /// The gRPC status message.
        message: String,
    },
    /// The server refused to list its services.
    #[error("the server does not list its services: status {code} ({message})")]
    NoList {
        /// The gRPC status code in the answer.
        code: i32,
        /// The message beside it.
        message: String,
    },
    /// The server sent something that is no answer to what was asked.
    #[error("the server's reflection broke the protocol: {0}")]
    Protocol(String),
    /// A limit was passed.
    #[error("the server's descriptors pass the limit `{limit}` of {value}")]
    TooLarge {
        /// The field of [`Limits`].
        limit: &'static str,
        /// Its value.
        value: usize,
    },
    /// No service could be loaded.
    #[error("no service could be loaded{}", list(.0))]
    NoServices(Vec<ServiceFailure>),
}

fn list(failures: &[ServiceFailure]) -> String {
    failures.iter().map(|failure| format!("; {}: {}", failure.service, failure.reason)).collect()
}

/// Loads a schema from a server. See the module's documentation for its life.
#[derive(Debug)]
pub struct Client {
    limits: Limits,
    path: &'static str,
    /// The server has answered on the stream that is open.
    answered: bool,
    in_flight: Option<Query>,
    queue: VecDeque<Query>,
    requests: usize,
    /// What has been asked, whatever came of it.
    asked: BTreeSet<Query>,
    /// The services to load, as far as they are known.
    services: BTreeSet<String>,
    failures: BTreeMap<String, String>,
    files: BTreeMap<String, FileDescriptorProto>,
    bytes: usize,
}

impl Client {
    /// A client that has asked nothing yet.
    #[must_use]
    pub fn new(wanted: Wanted, limits: Limits) -> Self {
        let mut client = Self {
            limits,
            path: V1_PATH,
            answered: false,
            in_flight: None,
            queue: VecDeque::new(),
            requests: 0,
            asked: BTreeSet::new(),
            services: BTreeSet::new(),
            failures: BTreeMap::new(),
            files: BTreeMap::new(),
            bytes: 0,
        };
        match wanted {
            Wanted::All => client.ask(Query::ListServices),
            Wanted::Services(services) => client.want(services),
        }
        client
    }

    /// The first step.
    pub fn start(&mut self) -> Step {
        self.next(|path, message| Step::Open { path, message })
    }

    /// The server sent a message on the open stream.
    pub fn on_message(&mut self, message: &[u8]) -> Step {
        let Some(query) = self.in_flight.take() else {
            return failed("a message that nobody asked for");
        };
        self.answered = true;
        match self.take(query, message) {
            Ok(()) => self.next(|_, message| Step::Send { message }),
            Err(error) => Step::Failed(error),
        }
    }

    /// The server ended the open stream, or it broke; `code` is the gRPC status, the transport's own where the server
    /// sent none.
    pub fn on_end(&mut self, code: u32, message: &str) -> Step {
        let Some(query) = self.in_flight.take() else {
            return failed("the end of a stream on which nothing was asked");
        };
        match code {
            UNIMPLEMENTED if self.path == V1_PATH && !self.answered => self.path = V1ALPHA_PATH,
            UNIMPLEMENTED if !self.answered => return Step::Failed(ReflectionError::NotSupported),
            // It answers a few requests a stream. Every stream brings the end closer, so this comes to one too.
            OK if self.answered => {}
            code => return Step::Failed(ReflectionError::Ended { code, message: message.to_owned() }),
        }
        self.answered = false;
        self.queue.push_front(query);
        self.next(|path, message| Step::Open { path, message })
    }

    fn next(&mut self, send: impl FnOnce(&'static str, Bytes) -> Step) -> Step {
        let Some(query) = self.queue.pop_front() else {
            return self.finish();
        };
        self.requests += 1;
        if self.requests > self.limits.max_requests {
            return Step::Failed(too_large("max_requests", self.limits.max_requests));
        }
        let message = query.encode();
        self.in_flight = Some(query);
        send(self.path, message)
    }

    fn ask(&mut self, query: Query) {
        if self.asked.insert(query.clone()) {
            self.queue.push_back(query);
        }
    }

    fn want(&mut self, services: Vec<String>) {
        for service in services {
            self.ask(Query::FileContainingSymbol(service.clone()));
            self.services.insert(service);
        }
    }

    /// Takes in the answer to `query`.
    fn take(&mut self, query: Query, message: &[u8]) -> Result<(), ReflectionError> {
        if message.len() > self.limits.max_bytes {
            return Err(too_large("max_bytes", self.limits.max_bytes));
        }
        let response =
            Response::decode(message).map_err(|error| ReflectionError::Protocol(error.to_string()))?;
        match (query, response) {
            (Query::ListServices, Response::Services(services)) => {
                if services.len() > self.limits.max_services {
                    return Err(too_large("max_services", self.limits.max_services));
                }
                self.want(services);
            }
            (Query::ListServices, Response::Error { code, message }) => {
                return Err(ReflectionError::NoList { code, message });
            }
            (query, Response::Files(files)) if query != Query::ListServices => {
                for file in files {
                    self.take_file(&query, file)?;
                }
            }
            (Query::FileContainingSymbol(service), Response::Error { code, message }) => {
                self.failures
                    .insert(service, format!("the server does not describe it: status {code} ({message})"));
            }
            // The types that need it will tell, unless the well-known types that we bring ourselves do.
            (Query::FileByName(_), Response::Error { .. }) => {}
            (query, _) => {
                return Err(ReflectionError::Protocol(format!("the answer to {query:?} is of another kind")));
            }
        }
        Ok(())
    }

    fn take_file(&mut self, query: &Query, bytes: &[u8]) -> Result<(), ReflectionError> {
        let file = match FileDescriptorProto::decode_from_slice(bytes) {
            Ok(file) => file,
            Err(error) => {
                // Some other service may still be whole.
                if let Query::FileContainingSymbol(service) = query {
                    self.failures.insert(service.clone(), format!("its descriptor cannot be read: {error}"));
                }
                return Ok(());
            }
        };
        if self.files.contains_key(file_name(&file)) {
            return Ok(());
        }
        self.bytes += bytes.len();
        if self.bytes > self.limits.max_bytes {
            return Err(too_large("max_bytes", self.limits.max_bytes));
        }
        if self.files.len() == self.limits.max_files {
            return Err(too_large("max_files", self.limits.max_files));
        }
        self.asked.insert(Query::FileByName(file_name(&file).to_owned()));
        for import in &file.dependency {
            if !self.files.contains_key(import) {
                self.ask(Query::FileByName(import.clone()));
            }
        }
        self.files.insert(file_name(&file).to_owned(), file);
        Ok(())
    }

    fn finish(&mut self) -> Step {
        let described: BTreeSet<String> = self.files.values().flat_map(services_of).collect();
        let (found, absent): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.services).into_iter().partition(|service| described.contains(service));
        let mut failures = std::mem::take(&mut self.failures);
        // What another answer brought after all is no failure.
        failures.retain(|service, _| !described.contains(service));
        for service in absent {
            failures.entry(service).or_insert_with(|| "the server's answer does not contain it".to_owned());
        }
        let (schema, unlinked) = link_services(&self.files, &found);
        failures.extend(unlinked);
        let failures: Vec<_> =
            failures.into_iter().map(|(service, reason)| ServiceFailure { service, reason }).collect();
        match schema {
            Some(schema) => Step::Done(Box::new(Loaded { schema, failures })),
            None => Step::Failed(ReflectionError::NoServices(failures)),
        }
    }
}

fn failed(what: &str) -> Step {
    Step::Failed(ReflectionError::Protocol(what.to_owned()))
}

fn too_large(limit: &'static str, value: usize) -> ReflectionError {
    ReflectionError::TooLarge { limit, value }
}
