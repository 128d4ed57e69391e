//! Whatever a server answers to reflection, loading comes to an end within its limits.
#![no_main]

use arbitrary::Arbitrary;
use landbridge_fuzz::ChangedFile;
use landbridge_schema::reflection::{Client, Limits, Step, Wanted};
use libfuzzer_sys::fuzz_target;
use prost::Message;

#[derive(Arbitrary, Debug)]
struct Input {
    services: Option<Vec<String>>,
    events: Vec<Event>,
}

#[derive(Arbitrary, Debug)]
enum Event {
    Services(Vec<String>),
    TheService,
    Files(Vec<ChangedFile>),
    Error(i32, String),
    Garbage(Vec<u8>),
    End(u8, String),
}

fuzz_target!(|input: Input| {
    let limits = Limits { max_files: 8, max_bytes: 64 << 10, max_services: 8, max_requests: 16 };
    let most = limits.max_requests;
    let wanted = input.services.map_or(Wanted::All, Wanted::Services);
    let mut client = Client::new(wanted, limits);
    let mut step = client.start();
    let mut requests = 0;
    for event in input.events {
        match step {
            Step::Open { .. } | Step::Send { .. } => requests += 1,
            Step::Done(_) | Step::Failed(_) => break,
        }
        assert!(requests <= most, "more requests than the limit allows");
        step = match event {
            Event::Services(names) => client.on_message(&Answer::services(names)),
            Event::TheService => client.on_message(&Answer::services(vec!["fuzz.Service".into()])),
            Event::Files(files) => client.on_message(&Answer::files(&files)),
            Event::Error(code, message) => client.on_message(&Answer::error(code, message)),
            Event::Garbage(bytes) => client.on_message(&bytes),
            Event::End(code, message) => client.on_end(code.into(), &message),
        };
    }
});

/// `grpc.reflection.v1.ServerReflectionResponse`, as far as a client reads it.
#[derive(Clone, PartialEq, Message)]
struct Answer {
    #[prost(message, optional, tag = "4")]
    files: Option<Files>,
    #[prost(message, optional, tag = "6")]
    services: Option<Services>,
    #[prost(message, optional, tag = "7")]
    error: Option<ErrorAnswer>,
}

#[derive(Clone, PartialEq, Message)]
struct Files {
    #[prost(bytes = "vec", repeated, tag = "1")]
    files: Vec<Vec<u8>>,
}

#[derive(Clone, PartialEq, Message)]
struct Services {
    #[prost(message, repeated, tag = "1")]
    services: Vec<Service>,
}

#[derive(Clone, PartialEq, Message)]
struct Service {
    #[prost(string, tag = "1")]
    name: String,
}

#[derive(Clone, PartialEq, Message)]
struct ErrorAnswer {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
}

impl Answer {
    fn services(names: Vec<String>) -> Vec<u8> {
        let services = names.into_iter().map(|name| Service { name }).collect();
        Self { services: Some(Services { services }), ..Self::default() }.encode_to_vec()
    }

    fn files(files: &[ChangedFile]) -> Vec<u8> {
        let files = files.iter().map(ChangedFile::file).collect();
        Self { files: Some(Files { files }), ..Self::default() }.encode_to_vec()
    }

    fn error(code: i32, message: String) -> Vec<u8> {
        Self { error: Some(ErrorAnswer { code, message }), ..Self::default() }.encode_to_vec()
    }
}
