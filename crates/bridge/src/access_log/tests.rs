//! Lines from many places into files, whatever happens to the files.

use std::path::Path;
use std::process::Command;

use super::*;
use crate::config::Bootstrap;

/// A file with one listener for each list of logs.
fn listeners(logs: &[&str]) -> Vec<Listener> {
    let manager = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";
    let listener = |(index, logs): (usize, &&str)| {
        format!(
            r#"{{ "name": "l{index}", "address": {{ "socket_address": {{ "address": "127.0.0.1", "port_value": 0 }} }},
            "filter_chains": [{{ "filters": [{{ "name": "hcm", "typed_config": {{
              "@type": "type.googleapis.com/{manager}", "stat_prefix": "s", "access_log": [{logs}],
              "route_config": {{ "virtual_hosts": [] }},
              "http_filters": [{{ "name": "envoy.filters.http.router", "typed_config": {{ "@type":
                "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router" }} }}] }} }}] }}] }}"#
        )
    };
    let all: Vec<String> = logs.iter().enumerate().map(listener).collect();
    let text = format!(r#"{{ "static_resources": {{ "listeners": [{}] }} }}"#, all.join(","));
    Bootstrap::from_yaml(&text).unwrap_or_else(|errors| panic!("{errors}\n{text}")).listeners
}

fn to_file(path: &Path, format: &str) -> String {
    format!(
        r#"{{ "name": "log", "typed_config": {{ "path": "{}", "log_format": {{ "text_format": "{format}" }},
        "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog" }} }}"#,
        path.display()
    )
}

/// Writes `text` as the value of every operator.
fn write(log: &AccessLog, text: &str) {
    log.write(|_, out| {
        out.push_str(text);
        true
    });
}

fn log(logs: &AccessLogs, place: usize) -> Arc<AccessLog> {
    logs.of_listeners()[place].clone().unwrap()
}

#[test]
fn listeners_share_files_and_nothing_is_lost_at_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (folder.path().join("one"), folder.path().join("two"));
    let first = to_file(&one, "a %PROTOCOL%\\n");
    let both = [to_file(&one, "b %PROTOCOL%\\n"), to_file(&two, "c %PROTOCOL%\\n")].join(",");
    let listeners = listeners(&[&first, &both, ""]);
    let stats = Arc::default();
    let logs = AccessLogs::open(&listeners, &stats).unwrap();
    assert!(logs.of_listeners()[2].is_none());
    for n in 0..1000 {
        write(&log(&logs, n % 2), &n.to_string());
    }
    logs.finish();
    let lines =
        |path| -> Vec<String> { std::fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect() };
    let expected = |n: usize| if n.is_multiple_of(2) { format!("a {n}") } else { format!("b {n}") };
    assert_eq!(lines(&one), (0..1000).map(expected).collect::<Vec<_>>());
    assert_eq!(lines(&two).len(), 500);
    assert_eq!((stats.write_buffered.value(), stats.dropped.value()), (1500, 0));
    assert!(stats.write_completed.value() > 0);
}

#[test]
fn what_is_there_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    std::fs::write(&path, "before\n").unwrap();
    let logs = AccessLogs::open(&listeners(&[&to_file(&path, "after\\n")]), &Arc::default()).unwrap();
    write(&log(&logs, 0), "");
    logs.finish();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "before\nafter\n");
}

#[test]
fn a_log_that_cannot_be_opened_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("missing").join("log");
    let error = AccessLogs::open(&listeners(&[&to_file(&path, "x")]), &Arc::default()).unwrap_err();
    assert!(error.to_string().starts_with(&format!("the access log {} cannot be opened: ", path.display())));
}

#[test]
fn sigusr1_opens_the_files_anew() {
    let folder = tempfile::tempdir().unwrap();
    let (path, moved) = (folder.path().join("log"), folder.path().join("log.1"));
    let logs = AccessLogs::open(&listeners(&[&to_file(&path, "%PROTOCOL%\\n")]), &Arc::default()).unwrap();
    write(&log(&logs, 0), "before");
    until(|| std::fs::read_to_string(&path).unwrap() == "before\n");
    std::fs::rename(&path, &moved).unwrap();
    let told = Command::new("kill").args(["-USR1", &std::process::id().to_string()]).status().unwrap();
    assert!(told.success());
    until(|| path.exists());
    write(&log(&logs, 0), "after");
    logs.finish();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "after\n");
    assert_eq!(std::fs::read_to_string(&moved).unwrap(), "before\n");
}

/// A pipe that nobody reads from stands for a disk that hangs.
#[test]
fn a_disk_that_hangs_costs_lines_and_never_a_worker() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    // With both ends open here, writing waits for a reader and opening does not.
    let _ends = std::fs::OpenOptions::new().read(true).write(true).open(&path).unwrap();
    let stats: Arc<AccessLogStats> = Arc::default();
    let logs = AccessLogs::open(&listeners(&[&to_file(&path, "%PROTOCOL%\\n")]), &stats).unwrap();
    let line = "x".repeat(64 << 10);
    let written = 1000;
    for _ in 0..written {
        write(&log(&logs, 0), &line);
    }
    assert!(stats.dropped.value() > 0);
    assert_eq!(stats.write_buffered.value() + stats.dropped.value(), written);
    // What is held is bounded; finishing gives up.
    logs.finish();
}

/// Waits for what another thread brings about.
fn until(mut happened: impl FnMut() -> bool) {
    while !happened() {
        std::thread::yield_now();
    }
}
