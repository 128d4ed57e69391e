//! Names become addresses, and stay current.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::time::Duration;

use landbridge_net::{Address, HostPort, Lookup, ResolveMode, ResolveSettings, Resolver, SystemLookup};

use crate::world::within;

/// Answers from a script; after its end, never.
struct Script(Mutex<VecDeque<io::Result<Vec<SocketAddr>>>>);

impl Script {
    fn new(answers: impl IntoIterator<Item = Result<&'static [&'static str], &'static str>>) -> Self {
        let parse = |text: &&str| text.parse().expect("an address");
        let answers = answers.into_iter().map(|answer| {
            answer.map(|addresses| addresses.iter().map(parse).collect()).map_err(io::Error::other)
        });
        Self(Mutex::new(answers.collect()))
    }
}

impl Lookup for Script {
    async fn lookup(&self, _host: &str, _port: u16) -> io::Result<Vec<SocketAddr>> {
        let next = self.0.lock().expect("no panics").pop_front();
        match next {
            Some(answer) => answer,
            None => std::future::pending().await,
        }
    }
}

fn name() -> HostPort {
    HostPort { host: "upstream.test".to_owned(), port: 1 }
}

fn addresses(texts: &[&str]) -> Vec<Address> {
    texts.iter().map(|text| Address::Tcp(text.parse().expect("an address"))).collect()
}

#[tokio::test(start_paused = true)]
async fn addresses_change_with_the_answers_and_survive_failures() {
    let script = Script::new([
        Ok(&["10.0.0.2:1", "10.0.0.1:1"][..]),
        // The same set in another order is no news.
        Ok(&["10.0.0.1:1", "10.0.0.2:1"]),
        Err("the name server is down"),
        Ok(&["10.0.0.3:1"]),
    ]);
    let resolver = Resolver::start(name(), ResolveSettings::default(), script);
    let mut watch = resolver.watch();
    within(watch.changed()).await.expect("an answer");
    assert_eq!(watch.borrow_and_update().addresses, addresses(&["10.0.0.1:1", "10.0.0.2:1"]));
    within(watch.changed()).await.expect("a failure");
    {
        let known = watch.borrow_and_update();
        assert_eq!(known.addresses, addresses(&["10.0.0.1:1", "10.0.0.2:1"]));
        let failure = known.failure.clone().expect("a failure");
        assert!(
            failure.contains("upstream.test") && failure.contains("the name server is down"),
            "{failure}"
        );
        assert_eq!(known.lookups, 3);
    }
    within(watch.changed()).await.expect("an answer");
    let known = watch.borrow_and_update();
    assert_eq!((&known.addresses, &known.failure), (&addresses(&["10.0.0.3:1"]), &None));
}

#[tokio::test(start_paused = true)]
async fn lookups_are_made_at_the_refresh_rate() {
    let script = Script::new([Ok(&["10.0.0.1:1"][..]), Ok(&["10.0.0.2:1"])]);
    let started = tokio::time::Instant::now();
    let settings = ResolveSettings { refresh: Duration::from_secs(7), ..ResolveSettings::default() };
    let resolver = Resolver::start(name(), settings, script);
    let mut watch = resolver.watch();
    watch.changed().await.expect("an answer");
    watch.changed().await.expect("an answer");
    assert_eq!(started.elapsed().as_secs(), 7);
}

#[tokio::test(start_paused = true)]
async fn a_logical_name_has_one_address() {
    let settings = ResolveSettings { mode: ResolveMode::Logical, ..ResolveSettings::default() };
    let resolver = Resolver::start(name(), settings, Script::new([Ok(&["10.0.0.2:1", "10.0.0.1:1"][..])]));
    let mut watch = resolver.watch();
    within(watch.changed()).await.expect("an answer");
    assert_eq!(watch.borrow().addresses, addresses(&["10.0.0.2:1"]));
}

#[tokio::test(start_paused = true)]
async fn a_lookup_without_an_answer_is_a_failure_in_time() {
    let resolver = Resolver::start(name(), ResolveSettings::default(), Script::new([]));
    let mut watch = resolver.watch();
    within(watch.changed()).await.expect("a failure");
    assert!(watch.borrow().failure.as_ref().is_some_and(|failure| failure.contains("took longer than 5s")));
}

#[tokio::test]
async fn the_system_knows_localhost() {
    let target = HostPort { host: "localhost".to_owned(), port: 5 };
    let resolver = Resolver::start(target, ResolveSettings::default(), SystemLookup);
    let mut watch = resolver.watch();
    within(watch.changed()).await.expect("an answer");
    let known = watch.borrow();
    assert!(
        known.addresses.iter().all(|address| address.ip().is_some_and(|ip| ip.is_loopback())),
        "{known:?}"
    );
    assert!(!known.addresses.is_empty());
}
