//! Members follow the names that stand for them.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use landbridge_net::{
    Address, Endpoint, EndpointConfig, HostPort, Lookup, Members, ResolveSettings, Resolver, UpstreamHttp,
};
use tokio::sync::Notify;

use crate::world::*;

/// A name server whose answers a test changes; those that a test forgets are failures.
#[derive(Clone, Default)]
struct Names(Arc<Mutex<HashMap<&'static str, Vec<SocketAddr>>>>);

impl Names {
    fn set(&self, name: &'static str, addresses: &[SocketAddr]) {
        self.0.lock().expect("no panics").insert(name, addresses.to_vec());
    }

    fn forget(&self, name: &str) {
        self.0.lock().expect("no panics").remove(name);
    }
}

impl Lookup for Names {
    async fn lookup(&self, host: &str, _port: u16) -> io::Result<Vec<SocketAddr>> {
        let names = self.0.lock().expect("no panics");
        names.get(host).cloned().ok_or_else(|| io::Error::other("no such name"))
    }
}

/// An endpoint, and the name that it was found by.
#[derive(Clone, Debug)]
struct Member {
    endpoint: Endpoint,
    name: &'static str,
}

impl Member {
    fn new(name: &'static str, address: impl Into<Address>) -> Self {
        let mut config = EndpointConfig::new(address);
        config.settings.http = UpstreamHttp::Http1;
        Self { endpoint: Endpoint::new(config), name }
    }
}

/// What was told of changes: how many members there were then.
type Told = Arc<Mutex<Vec<usize>>>;

fn start(fixed: &[SocketAddr], hosts: &[&'static str], names: &Names) -> (Members<Member>, Told) {
    let fixed = fixed.iter().map(|address| Member::new("", *address)).collect();
    let of_name = |host: &'static str| {
        let target = HostPort { host: host.to_owned(), port: 80 };
        let resolver = Resolver::start(target, ResolveSettings::default(), names.clone());
        (resolver, move |address: Address| Member::new(host, address))
    };
    let told = Told::default();
    let tell = Arc::clone(&told);
    let changed = move |members: &[Member]| tell.lock().expect("no panics").push(members.len());
    (Members::start(fixed, hosts.iter().copied().map(of_name).collect(), changed), told)
}

fn found(members: &Members<Member>) -> Vec<(&'static str, SocketAddr)> {
    let address = |member: &Member| member.endpoint.address().tcp().expect("a TCP address");
    members.current().iter().map(|member| (member.name, address(member))).collect()
}

async fn until_changed(members: &Members<Member>, condition: impl Fn() -> bool) {
    within(async {
        loop {
            let changed = members.changed();
            if condition() {
                return;
            }
            changed.await;
        }
    })
    .await;
}

fn addresses<const N: usize>() -> [SocketAddr; N] {
    std::array::from_fn(|index| ([127, 0, 0, 1], 1 + index as u16).into())
}

#[tokio::test(start_paused = true)]
async fn members_follow_their_names_beside_those_that_stay() {
    let [fixed, a, b, c] = addresses();
    let names = Names::default();
    names.set("one.test", &[a]);
    names.set("two.test", &[b]);
    let (members, told) = start(&[fixed], &["one.test", "two.test"], &names);
    assert!(!members.is_resolved());
    assert_eq!(found(&members), [("", fixed)]);
    within(members.resolved()).await;
    assert!(members.is_resolved());
    assert_eq!(found(&members), [("", fixed), ("one.test", a), ("two.test", b)]);

    let stays = Arc::clone(members.current()[1].endpoint.stats());
    names.set("one.test", &[c, a]);
    until_changed(&members, || found(&members).len() == 4).await;
    assert_eq!(found(&members), [("", fixed), ("one.test", a), ("one.test", c), ("two.test", b)]);
    names.set("two.test", &[c]);
    until_changed(&members, || found(&members)[3] != ("two.test", b)).await;
    assert_eq!(found(&members), [("", fixed), ("one.test", a), ("one.test", c), ("two.test", c)]);
    let told = told.lock().expect("no panics");
    assert_eq!(told[told.len() - 2..], [4, 4]);
    assert!(Arc::ptr_eq(&stays, members.current()[1].endpoint.stats()), "it was made anew");
}

#[tokio::test(start_paused = true)]
async fn an_address_of_two_names_is_a_member_of_each() {
    let [a, b] = addresses();
    let names = Names::default();
    names.set("two.test", &[a]);
    let (members, _told) = start(&[a], &["one.test", "two.test"], &names);
    within(members.resolved()).await;
    assert_eq!(found(&members), [("", a), ("two.test", a)]);
    names.set("one.test", &[a, b]);
    until_changed(&members, || found(&members).len() == 4).await;
    assert_eq!(found(&members), [("", a), ("one.test", a), ("one.test", b), ("two.test", a)]);
}

#[tokio::test(start_paused = true)]
async fn a_name_that_fails_keeps_its_members_and_is_told_as_the_reason() {
    let [a] = addresses();
    let names = Names::default();
    let (members, told) = start(&[], &["one.test"], &names);
    within(members.resolved()).await;
    assert!(members.current().is_empty());
    assert!(members.problem().is_some_and(|problem| problem.contains("one.test")));

    names.set("one.test", &[a]);
    until_changed(&members, || !members.current().is_empty()).await;
    assert_eq!(members.problem(), None);

    for fail in [|names: &Names| names.forget("one.test"), |names: &Names| names.set("one.test", &[])] {
        fail(&names);
        until_changed(&members, || members.problem().is_some()).await;
        assert_eq!(found(&members), [("one.test", a)]);
        names.set("one.test", &[a]);
        until_changed(&members, || members.problem().is_none()).await;
    }
    assert_eq!(*told.lock().expect("no panics"), [1], "only the first answer has brought other members");
}

#[tokio::test(start_paused = true)]
async fn a_name_is_looked_up_again_when_a_member_cannot_be_reached() {
    let [a, b] = addresses();
    let names = Names::default();
    names.set("one.test", &[a]);
    let (members, _told) = start(&[], &["one.test"], &names);
    within(members.resolved()).await;
    let started = tokio::time::Instant::now();
    names.set("one.test", &[b]);
    members.look_again();
    until_changed(&members, || found(&members) == [("one.test", b)]).await;
    assert!(started.elapsed() < ResolveSettings::default().refresh);
}

#[tokio::test]
async fn connections_stay_with_their_members_and_end_behind_those_that_leave() {
    let go = Arc::new(Notify::new());
    let leaving = World::start(says_when(&go, "finished"));
    let staying = World::start(echo());
    let names = Names::default();
    names.set("one.test", &[leaving.tcp(), staying.tcp()]);
    let (members, _told) = start(&[], &["one.test"], &names);
    within(members.resolved()).await;
    let endpoint = |world: &World| {
        let members = members.current();
        let member = members.iter().find(|member| *member.endpoint.address() == world.address);
        member.expect("a member").endpoint.clone()
    };
    call(&endpoint(&staying), b"x").await.expect("an answer");
    let (response, _body) = within(endpoint(&leaving).open(get("/"), true)).await.expect("a connection");

    names.set("one.test", &[staying.tcp()]);
    members.look_again();
    until_changed(&members, || found(&members) == [("one.test", staying.tcp())]).await;
    assert_eq!(endpoint(&staying).status().borrow().connections, 1, "it was made anew");
    // A call in flight is answered, and then its connection closes.
    assert_eq!(leaving.stats().connections_active.value(), 1);
    go.notify_one();
    let mut response = within(response).await.expect("a response");
    assert_eq!(collect(response.body_mut()).await.expect("whole").0, "finished");
    until(|| leaving.stats().connections_active.value() == 0).await;
}

#[tokio::test(start_paused = true)]
async fn nothing_is_left_of_members_that_nobody_wants() {
    let [a] = addresses();
    let names = Names::default();
    names.set("one.test", &[a]);
    let target = HostPort { host: "one.test".to_owned(), port: 80 };
    let resolver = Resolver::start(target, ResolveSettings::default(), names.clone());
    let mut resolution = resolver.watch();
    let made = Arc::new(());
    let member = Arc::clone(&made);
    let names = vec![(resolver, move |_address| Arc::clone(&member))];
    let members = Members::start(vec![Arc::clone(&made)], names, |_members| {});
    within(members.resolved()).await;
    assert_eq!(members.current().len(), 2);
    drop(members);
    // One here, and one in what makes members, for as long as its task lives.
    assert_eq!(Arc::strong_count(&made), 2);
    within(async { while resolution.changed().await.is_ok() {} }).await;
    until(|| Arc::strong_count(&made) == 1).await;
}
