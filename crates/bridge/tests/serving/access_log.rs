//! What an access log says of a request.

use std::path::Path;

use http::Request;
use landbridge_net::UpstreamHttp;
use serde_json::Value;

use crate::world::{File, MESSAGE, World, grpc, within};

/// A JSON log with every operator.
fn json_log(path: &Path) -> File {
    let manager = format!(
        r#"access_log:
          - name: log
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog
              path: {}
              log_format:
                json_format:
                  start: "%START_TIME%"
                  day: "%START_TIME(%Y-%m-%d %s %3f)%"
                  method: "%REQ(:METHOD)%"
                  path: "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%"
                  authority: "%REQ(:AUTHORITY)%"
                  scheme: "%REQ(:SCHEME)%"
                  agent: "%REQ(USER-AGENT)%"
                  other: "%REQ(X-NONE?X-SOME)%"
                  from_server: "%RESP(X-FROM-SERVER)%"
                  end: "%TRAILER(X-END)%"
                  protocol: "%PROTOCOL%"
                  code: "%RESPONSE_CODE%"
                  details: "%RESPONSE_CODE_DETAILS%"
                  flags: "%RESPONSE_FLAGS%"
                  grpc: "%GRPC_STATUS%"
                  grpc_number: "%GRPC_STATUS_NUMBER%"
                  took: "%DURATION%"
                  request_took: "%REQUEST_DURATION%"
                  response_took: "%RESPONSE_DURATION%"
                  received: "%BYTES_RECEIVED%"
                  sent: "%BYTES_SENT%"
                  remote: "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%"
                  remote_port: "%DOWNSTREAM_REMOTE_ADDRESS%"
                  local: "%DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT%"
                  upstream: "%UPSTREAM_HOST%"
                  cluster: "%UPSTREAM_CLUSTER%"
                  failure: "%UPSTREAM_TRANSPORT_FAILURE_REASON%"
                  route: "%ROUTE_NAME%"
                  sni: "%REQUESTED_SERVER_NAME%"
                  host: "%HOSTNAME%""#,
        path.display()
    );
    File { manager, ..File::default() }
}

/// The lines, once the bridge has left.
fn logged(world: World, path: &Path) -> Vec<Value> {
    world.leave();
    let text = std::fs::read_to_string(path).expect("a log");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

fn log_of(calls: impl FnOnce(&World)) -> Vec<Value> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("log");
    let world = World::start(json_log(&path));
    calls(&world);
    logged(world, &path)
}

#[test]
fn a_call_that_went_well_is_told_in_full() {
    let mut server = String::new();
    let headers = [("user-agent", "tester"), ("x-some", "thing"), ("x-unnamed", "never")];
    let log = log_of(|world| {
        server = world.server().to_string();
        let answer = world.call(grpc("/test.S/Echo?q=1", &headers));
        assert_eq!((answer.grpc_status(), answer.body.as_slice()), ("0", MESSAGE));
    });
    let [line] = log.as_slice() else { panic!("one line: {log:?}") };
    for (name, expected) in [
        ("method", "POST"),
        ("path", "/test.S/Echo?q=1"),
        ("authority", "test.example"),
        ("scheme", "http"),
        ("agent", "tester"),
        ("other", "thing"),
        ("from_server", "head"),
        ("end", "tail"),
        ("protocol", "HTTP/2"),
        ("details", "via_upstream"),
        ("grpc", "OK"),
        ("remote", "127.0.0.1"),
        ("local", "127.0.0.1"),
        ("upstream", &server),
        ("cluster", "backend"),
        ("route", "calls"),
    ] {
        assert_eq!(line[name], expected, "{name}: {line}");
    }
    assert_eq!((&line["code"], &line["grpc_number"]), (&200.into(), &0.into()));
    let bytes = Value::from(MESSAGE.len());
    assert_eq!((&line["received"], &line["sent"]), (&bytes, &bytes));
    for none in ["flags", "failure", "sni"] {
        assert!(line[none].is_null(), "{none}: {line}");
    }
    let number = |name: &str| line[name].as_u64().unwrap_or_else(|| panic!("{name}: {line}"));
    assert!(number("request_took") <= number("response_took") && number("response_took") <= number("took"));
    assert!(line["host"].as_str().is_some_and(|host| !host.is_empty()));
    let (start, day) = (line["start"].as_str().expect("a time"), line["day"].as_str().expect("a time"));
    assert_eq!((start.len(), &start[19..20], &start[..10]), (24, ".", &day[..10]), "{line}");
    assert_eq!(day.split(' ').count(), 3, "{day}");
    assert!(line["remote_port"].as_str().is_some_and(|address| address.starts_with("127.0.0.1:")));
}

#[test]
fn a_unary_connect_call_over_http1_is_told_too() {
    let log = log_of(|world| {
        let request = Request::post("/test.S/Echo").header("content-type", "application/proto");
        let answer = world.call_over(UpstreamHttp::Http1, request.body(b"hi".as_slice()).expect("a request"));
        assert_eq!((answer.status, answer.text().as_str()), (200, "hi"));
    });
    assert_eq!(log[0]["protocol"], "HTTP/1.1");
    assert_eq!((&log[0]["received"], &log[0]["sent"]), (&2.into(), &2.into()));
    assert_eq!((&log[0]["grpc"], &log[0]["code"]), (&"OK".into(), &200.into()));
}

#[test]
fn what_the_bridge_answers_by_itself_is_told_with_its_reason() {
    let log = log_of(|world| {
        world.call(grpc("/none.S/M", &[]));
        world.call(grpc("/gone.S/M", &[]));
        world.call(grpc("/direct", &[]));
        world.call(grpc("/test.S/Echo", &[("grpc-timeout", "nonsense")]));
        world.call(grpc("/test.S/Silent", &[("grpc-timeout", "10m")]));
    });
    let told: Vec<[&Value; 4]> =
        log.iter().map(|line| [&line["flags"], &line["details"], &line["grpc"], &line["cluster"]]).collect();
    let text = |values: &[&Value; 4]| values.map(|value| value.as_str().unwrap_or("-").to_owned());
    let told: Vec<[String; 4]> = told.iter().map(text).collect();
    let refused = "upstream_reset_before_response_started{connection_failure}";
    let expected = [
        ["NR", "route_not_found", "Unimplemented", "-"],
        ["UF", refused, "Unavailable", "nobody"],
        ["-", "local_reply", "-", "-"],
        ["DPE", "request_refused", "InvalidArgument", "backend"],
        ["UT", "response_timeout", "DeadlineExceeded", "backend"],
    ];
    assert_eq!(told, expected);
    assert!(log[1]["failure"].as_str().is_some_and(|failure| failure.contains("/nowhere/at/all")));
    assert_eq!(log[2]["sent"], 5);
}

#[test]
fn a_caller_who_goes_away_is_told_and_so_is_what_was_known_by_then() {
    let log = log_of(|world| {
        let front = world.front(UpstreamHttp::Http2);
        world.runtime.block_on(within(async {
            let head = grpc("/test.S/Silent", &[]).map(|_| ());
            let (response, mut body) = front.open(head, false).await.expect("a connection");
            body.data(MESSAGE.into(), true).await.expect("taken");
            world.next_seen().await;
            drop(response);
        }));
    });
    assert_eq!((&log[0]["flags"], &log[0]["code"]), (&"DC".into(), &0.into()));
    assert_eq!((&log[0]["grpc"], &log[0]["received"]), (&"Canceled".into(), &MESSAGE.len().into()));
}

#[test]
fn no_caller_can_forge_a_line_of_text() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("log");
    let manager = format!(
        r#"access_log: [{{ name: log, typed_config: {{ "@type": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog, path: {} }} }}]"#,
        path.display()
    );
    let world = World::start(File { manager, ..File::default() });
    world.call(grpc("/test.S/Echo", &[("user-agent", "a\" 200\t\\ \"b")]));
    world.leave();
    let text = std::fs::read_to_string(&path).expect("a log");
    assert_eq!(text.lines().count(), 1);
    assert!(text.contains(r#" "a\" 200\t\\ \"b" "#), "{text}");
}
