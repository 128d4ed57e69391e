//! Loading a schema from a server, with a server in memory.
#![allow(clippy::unwrap_used, reason = "what panics here fails its test")]

mod support;

use std::collections::BTreeMap;

use buffa::Message;
use buffa_descriptor::generated::descriptor::FileDescriptorProto;
use landbridge_schema::reflection::{
    Client, Limits, Loaded, ReflectionError, ServiceFailure, Step, V1_PATH, V1ALPHA_PATH, Wanted,
};
use landbridge_schema::{MessageType, Schema};
use serde_json::{Value, json};
use support::{compile_files, schema, to_binary, to_json};

const NOT_FOUND: u32 = 5;
const UNIMPLEMENTED: u32 = 12;
const UNAVAILABLE: u32 = 14;

/// What the server does with a request on an open stream.
enum Reply {
    Message(Vec<u8>),
    End(u32, &'static str),
}

/// A server that describes `files`.
struct Server {
    request: MessageType,
    response: MessageType,
    files: BTreeMap<String, FileDescriptorProto>,
    /// Instead of the services of the files.
    listed: Option<Vec<String>>,
    paths: Vec<&'static str>,
    /// How many requests it answers on one stream before it ends it.
    answers_a_stream: usize,
    /// Every answer brings the imports along, as some servers do.
    with_imports: bool,

    opened: Vec<&'static str>,
    asked: Vec<Value>,
    answered: usize,
}

impl Server {
    fn new(files: Vec<FileDescriptorProto>) -> Self {
        let protocol = schema(&["reflection.proto"]);
        Self {
            request: protocol.message("reflect.Request").unwrap(),
            response: protocol.message("reflect.Response").unwrap(),
            files: files.into_iter().map(|file| (file.name.clone().unwrap(), file)).collect(),
            listed: None,
            paths: vec![V1_PATH, V1ALPHA_PATH],
            answers_a_stream: usize::MAX,
            with_imports: false,
            opened: Vec::new(),
            asked: Vec::new(),
            answered: 0,
        }
    }

    fn services(&self) -> Vec<String> {
        let of_file = |file: &FileDescriptorProto| {
            let package = file.package.clone().unwrap_or_default();
            let names = file.service.iter().map(move |service| service.name.clone().unwrap());
            names.map(|name| format!("{package}.{name}")).collect::<Vec<_>>()
        };
        self.listed.clone().unwrap_or_else(|| self.files.values().flat_map(of_file).collect())
    }

    fn reply(&mut self, path: &'static str, message: &[u8]) -> Reply {
        if !self.paths.contains(&path) {
            return Reply::End(UNIMPLEMENTED, "unknown method");
        }
        if self.answered == self.answers_a_stream {
            return Reply::End(0, "");
        }
        self.answered += 1;
        let ask: Value = serde_json::from_str(&to_json(&self.request, message).unwrap()).unwrap();
        self.asked.push(ask.clone());
        let answer = if ask.get("listServices").is_some() {
            let services: Vec<_> = self.services().iter().map(|name| json!({ "name": name })).collect();
            json!({ "services": { "service": services } })
        } else if let Some(name) = ask["fileByFilename"].as_str() {
            self.describe(self.files.get(name))
        } else {
            let symbol = ask["fileContainingSymbol"].as_str().unwrap();
            self.describe(self.files.values().find(|file| {
                let package = file.package.as_deref().unwrap_or_default();
                file.service
                    .iter()
                    .any(|service| format!("{package}.{}", service.name.as_deref().unwrap()) == symbol)
            }))
        };
        Reply::Message(to_binary(&self.response, &answer.to_string()).unwrap())
    }

    fn describe(&self, file: Option<&FileDescriptorProto>) -> Value {
        let Some(file) = file else {
            return json!({ "error": { "errorCode": NOT_FOUND, "errorMessage": "no such thing" } });
        };
        let mut files = vec![file];
        let mut place = 0;
        while self.with_imports && place < files.len() {
            let imports = files[place].dependency.iter().filter_map(|import| self.files.get(import));
            let new: Vec<_> = imports.filter(|import| !files.contains(import)).collect();
            files.extend(new);
            place += 1;
        }
        let bytes: Vec<_> = files.iter().map(|file| as_json_bytes(&file.encode_to_vec())).collect();
        json!({ "files": { "fileDescriptorProto": bytes } })
    }

    /// Lets a client load from this server.
    fn load(&mut self, wanted: Wanted) -> Result<Loaded, ReflectionError> {
        self.load_within(wanted, Limits::default())
    }

    fn load_within(&mut self, wanted: Wanted, limits: Limits) -> Result<Loaded, ReflectionError> {
        let mut client = Client::new(wanted, limits);
        let mut path = "";
        let mut step = client.start();
        loop {
            let message = match step {
                Step::Done(loaded) => return Ok(*loaded),
                Step::Failed(error) => return Err(error),
                Step::Send { message } => message,
                Step::Open { path: to, message } => {
                    path = to;
                    self.opened.push(to);
                    self.answered = 0;
                    message
                }
            };
            step = match self.reply(path, &message) {
                Reply::Message(message) => client.on_message(&message),
                Reply::End(code, message) => client.on_end(code, message),
            };
        }
    }
}

fn as_json_bytes(bytes: &[u8]) -> String {
    use base64::Engine;
    base64::prelude::BASE64_STANDARD.encode(bytes)
}

fn all_files() -> Vec<FileDescriptorProto> {
    compile_files(&["shop.proto", "other.proto"])
}

fn services(schema: &Schema) -> Vec<&str> {
    let mut services: Vec<_> = schema.services().collect();
    services.sort_unstable();
    services
}

const ALL: [&str; 3] = ["other.Other", "shop.v1.Returns", "shop.v1.Shop"];

#[test]
fn all_listed_services_are_loaded_with_their_imports() {
    for with_imports in [false, true] {
        let mut server = Server { with_imports, ..Server::new(all_files()) };
        let Loaded { schema, failures } = server.load(Wanted::All).unwrap();
        assert_eq!((services(&schema).as_slice(), failures), (&ALL[..], Vec::new()));
        let find = schema.method("/shop.v1.Shop/Find").unwrap();
        let json = r#"{"id":"1","since":"2020-01-01T00:00:00Z"}"#;
        assert_eq!(to_json(find.input(), &to_binary(find.input(), json).unwrap()).unwrap(), json);
        assert_eq!(server.opened, [V1_PATH]);
        let mut asked: Vec<_> = server.asked.iter().map(Value::to_string).collect();
        asked.sort_unstable();
        let count = asked.len();
        asked.dedup();
        assert_eq!(asked.len(), count, "nothing is asked twice");
    }
}

#[test]
fn only_the_wanted_services_are_asked_for() {
    let mut server = Server::new(all_files());
    let loaded = server.load(Wanted::Services(vec!["other.Other".into()])).unwrap();
    assert_eq!(services(&loaded.schema), ["other.Other"]);
    assert_eq!(server.asked, [json!({ "fileContainingSymbol": "other.Other" })]);
}

#[test]
fn a_server_of_the_older_protocol_is_asked_by_that() {
    let mut server = Server { paths: vec![V1ALPHA_PATH], ..Server::new(all_files()) };
    let loaded = server.load(Wanted::All).unwrap();
    assert_eq!(services(&loaded.schema), ALL);
    assert_eq!(server.opened, [V1_PATH, V1ALPHA_PATH]);
}

#[test]
fn a_server_without_reflection_is_an_error_that_says_so() {
    let mut server = Server { paths: Vec::new(), ..Server::new(all_files()) };
    let error = server.load(Wanted::All).unwrap_err();
    assert_eq!(error, ReflectionError::NotSupported);
    assert!(error.to_string().contains("neither v1 nor v1alpha"), "{error}");
}

#[test]
fn a_server_that_ends_its_streams_early_is_asked_on() {
    let mut server = Server { answers_a_stream: 2, ..Server::new(all_files()) };
    assert_eq!(services(&server.load(Wanted::All).unwrap().schema), ALL);
    assert!(server.opened.len() > 2);
    let mut silent = Server { answers_a_stream: 0, ..Server::new(all_files()) };
    assert_eq!(
        silent.load(Wanted::All).unwrap_err(),
        ReflectionError::Ended { code: 0, message: String::new() }
    );
}

#[test]
fn a_stream_that_breaks_is_an_error_with_its_status() {
    let mut client = Client::new(Wanted::All, Limits::default());
    assert!(matches!(client.start(), Step::Open { .. }));
    match client.on_end(UNAVAILABLE, "connection refused") {
        Step::Failed(error @ ReflectionError::Ended { code: UNAVAILABLE, .. }) => {
            assert!(error.to_string().contains("connection refused"), "{error}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn well_known_imports_may_be_missing_at_the_server() {
    let files = all_files().into_iter().filter(|file| !file.name.as_deref().unwrap().starts_with("google/"));
    let loaded = Server::new(files.collect()).load(Wanted::All).unwrap();
    assert_eq!((services(&loaded.schema).as_slice(), loaded.failures), (&ALL[..], Vec::new()));
}

fn only_failure(loaded: &Loaded) -> &ServiceFailure {
    assert_eq!(loaded.failures.len(), 1, "{:?}", loaded.failures);
    &loaded.failures[0]
}

#[test]
fn a_service_that_the_server_does_not_know_is_named_and_leaves_the_others() {
    let mut server = Server::new(all_files());
    let loaded = server.load(Wanted::Services(vec!["shop.v1.Gone".into(), "other.Other".into()])).unwrap();
    assert_eq!(services(&loaded.schema), ["other.Other"]);
    let failure = only_failure(&loaded);
    assert_eq!(failure.service, "shop.v1.Gone");
    assert!(failure.reason.contains("no such thing"), "{}", failure.reason);

    let error = server.load(Wanted::Services(vec!["shop.v1.Gone".into()])).unwrap_err();
    assert!(error.to_string().contains("shop.v1.Gone: the server does not describe it"), "{error}");
}

#[test]
fn a_broken_service_leaves_the_others() {
    let missing = all_files().into_iter().filter(|file| file.name.as_deref() != Some("shop_types.proto"));
    let loaded = Server::new(missing.collect()).load(Wanted::All).unwrap();
    assert_eq!(services(&loaded.schema), ["other.Other"]);
    assert_eq!(loaded.failures.len(), 2);
    assert!(
        loaded.failures.iter().all(|failure| failure.reason.contains("shop_types.proto")),
        "{:?}",
        loaded.failures
    );

    let mut twice = all_files();
    for file in twice.iter_mut().filter(|file| file.name.as_deref() == Some("other.proto")) {
        let message = file.message_type[0].clone();
        file.message_type.push(message);
    }
    let loaded = Server::new(twice).load(Wanted::All).unwrap();
    assert_eq!(services(&loaded.schema), ["shop.v1.Returns", "shop.v1.Shop"]);
    let failure = only_failure(&loaded);
    assert_eq!(failure.service, "other.Other");
    assert!(failure.reason.contains("duplicate"), "{}", failure.reason);
}

#[test]
fn a_few_broken_services_among_many_are_found() {
    let file = |index: usize| {
        let mut file = compile_files(&["other.proto"]).remove(0);
        file.name = Some(format!("{index}.proto"));
        file.package = Some(format!("p{index}"));
        let kind = if index % 40 == 7 { ".p.Absent".to_owned() } else { format!(".p{index}.Question") };
        file.service[0].method[0].input_type = Some(kind);
        file.service[0].method[0].output_type = Some(format!(".p{index}.Question"));
        file
    };
    let loaded = Server::new((0..100).map(file).collect()).load(Wanted::All).unwrap();
    assert_eq!(loaded.schema.services().count(), 97);
    let failed: Vec<_> = loaded.failures.iter().map(|failure| failure.service.as_str()).collect();
    assert_eq!(failed, ["p47.Other", "p7.Other", "p87.Other"]);
}

#[test]
fn a_listed_service_that_its_file_does_not_contain_is_named() {
    let mut server = Server::new(all_files());
    let mut client = Client::new(Wanted::Services(vec!["no.Such".into()]), Limits::default());
    assert!(matches!(client.start(), Step::Open { .. }));
    let other = server.describe(server.files.get("other.proto")).to_string();
    let Step::Failed(ReflectionError::NoServices(failures)) =
        client.on_message(&to_binary(&server.response, &other).unwrap())
    else {
        panic!("a service from nowhere")
    };
    assert_eq!(failures[0].service, "no.Such");
    server.listed = Some(Vec::new());
    assert_eq!(server.load(Wanted::All).unwrap_err(), ReflectionError::NoServices(Vec::new()));
}

#[test]
fn files_that_import_each_other_in_a_circle_end_the_search() {
    let mut files = all_files();
    for file in &mut files {
        match file.name.as_deref() {
            Some("shop_options.proto") => file.dependency.push("shop.proto".into()),
            Some("other.proto") => file.dependency.push("other.proto".into()),
            _ => {}
        }
    }
    assert_eq!(services(&Server::new(files).load(Wanted::All).unwrap().schema), ALL);
}

#[test]
fn a_server_without_end_meets_the_limits() {
    let endless = |index: usize| {
        let mut file = compile_files(&["other.proto"]).remove(0);
        file.dependency.push(format!("{}.proto", index + 1));
        if index > 0 {
            file.name = Some(format!("{index}.proto"));
            file.message_type.clear();
            file.service.clear();
        }
        file
    };
    let files: Vec<_> = (0..200).map(endless).collect();
    let size: usize = files.iter().map(|file| file.encode_to_vec().len()).sum();
    let default = Limits::default;
    for (limit, limits) in [
        ("max_files", Limits { max_files: 100, ..default() }),
        ("max_bytes", Limits { max_bytes: size / 2, ..default() }),
        ("max_requests", Limits { max_requests: 100, ..default() }),
    ] {
        let mut server = Server::new(files.clone());
        match server.load_within(Wanted::Services(vec!["other.Other".into()]), limits).unwrap_err() {
            ReflectionError::TooLarge { limit: passed, .. } => assert_eq!(passed, limit),
            other => panic!("{limit}: {other}"),
        }
        assert!(server.asked.len() <= 150, "{limit}");
    }
    let mut server = Server::new(files);
    server.listed = Some((0..101).map(|index| format!("s.S{index}")).collect());
    let limits = Limits { max_services: 100, ..default() };
    let error = server.load_within(Wanted::All, limits).unwrap_err();
    assert_eq!(error, ReflectionError::TooLarge { limit: "max_services", value: 100 });
}

#[test]
fn messages_that_are_no_answers_are_errors() {
    let server = Server::new(all_files());
    let answer = |json: Value| to_binary(&server.response, &json.to_string()).unwrap();
    let files = answer(server.describe(server.files.get("other.proto")));
    let none = answer(json!({ "error": { "errorCode": UNIMPLEMENTED, "errorMessage": "no list" } }));
    let in_flight = |wanted: Wanted| {
        let mut client = Client::new(wanted, Limits::default());
        let _ = client.start();
        client
    };
    for (message, why) in [
        (&files[..], "of another kind"),
        (b"", "of another kind"),
        (b"\xff", "broke the protocol"),
        (b"\x22\x05\x0a", "broke the protocol"),
        (&none, "does not list its services: status 12 (no list)"),
    ] {
        match in_flight(Wanted::All).on_message(message) {
            Step::Failed(error) => assert!(error.to_string().contains(why), "{error}"),
            other => panic!("{other:?}"),
        }
    }
    // Once it is done, it asks nothing.
    let mut client = in_flight(Wanted::Services(vec!["other.Other".into()]));
    assert!(matches!(client.on_message(&files), Step::Done(_)));
    assert!(matches!(client.on_message(&files), Step::Failed(ReflectionError::Protocol(_))));
    assert!(matches!(client.on_end(0, ""), Step::Failed(ReflectionError::Protocol(_))));
}

#[test]
fn a_descriptor_that_cannot_be_read_fails_its_service_alone() {
    let server = Server::new(all_files());
    let mut client =
        Client::new(Wanted::Services(vec!["broken.Service".into(), "other.Other".into()]), Limits::default());
    let _ = client.start();
    let broken = json!({ "files": { "fileDescriptorProto": ["/////w=="] } }).to_string();
    assert!(matches!(client.on_message(&to_binary(&server.response, &broken).unwrap()), Step::Send { .. }));
    let other = server.describe(server.files.get("other.proto")).to_string();
    let Step::Done(loaded) = client.on_message(&to_binary(&server.response, &other).unwrap()) else {
        panic!("other.Other is whole")
    };
    assert_eq!(services(&loaded.schema), ["other.Other"]);
    assert!(only_failure(&loaded).reason.contains("cannot be read"), "{:?}", loaded.failures);
}

#[test]
fn answers_cut_or_changed_anywhere_do_no_harm() {
    let server = Server::new(all_files());
    let whole =
        to_binary(&server.response, &server.describe(server.files.get("other.proto")).to_string()).unwrap();
    let take = |message: &[u8]| {
        let mut client = Client::new(Wanted::Services(vec!["other.Other".into()]), Limits::default());
        let _ = client.start();
        client.on_message(message)
    };
    for place in 0..whole.len() {
        assert!(!matches!(take(&whole[..place]), Step::Done(_)), "{place}");
        for byte in [0, 1, 0x7f, 0xff] {
            let mut changed = whole.clone();
            changed[place] = byte;
            let _ = take(&changed);
        }
    }
    assert!(matches!(take(&whole), Step::Done(_)));
}
