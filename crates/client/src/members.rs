//! The endpoints of a channel, kept up to date by DNS where they are names.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future::select_all;
use http::uri::Authority;
use landbridge_net::{
    Address, Endpoint, EndpointConfig, HostPort, Lookup, Resolution, ResolveSettings, Resolver, Tunnel,
};
use tokio::sync::watch;

use crate::channel::ChannelSettings;
use crate::health::Health;
use crate::target::{At, Place, Target};

/// One endpoint that calls can go to.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) endpoint: Endpoint,
    /// What calls to it are addressed to.
    pub(crate) authority: Authority,
    pub(crate) health: Health,
}

/// The endpoints there are now.
#[derive(Debug)]
pub(crate) struct Members {
    current: Mutex<Arc<[Member]>>,
    /// Of the places that are names.
    resolvers: Vec<Resolver>,
    /// Sent whenever they change. True once every name was looked up, well or not.
    changes: watch::Sender<bool>,
}

impl Members {
    /// Starts on the current runtime: names are looked up from now on, connections are made when needed.
    pub(crate) fn start(
        target: &Target,
        settings: &Arc<ChannelSettings>,
        lookup: impl Lookup + Clone,
    ) -> Arc<Self> {
        let mut fixed = Vec::new();
        let mut resolvers = Vec::new();
        let mut watched = Vec::new();
        for place in &target.places {
            match reached_at(place, settings) {
                At::Socket(address) => fixed.push(member(place, address, settings)),
                At::Name(name) => {
                    let times =
                        ResolveSettings { refresh: settings.dns_refresh, ..ResolveSettings::default() };
                    let resolver = Resolver::start(name, times, lookup.clone());
                    watched.push((place.clone(), resolver.watch()));
                    resolvers.push(resolver);
                }
            }
        }
        let changes = watch::Sender::new(watched.is_empty());
        let members = Arc::new(Self { current: Mutex::new(fixed.clone().into()), resolvers, changes });
        if !watched.is_empty() {
            let follow = follow(Arc::downgrade(&members), Arc::clone(settings), fixed, watched);
            tokio::spawn(follow);
        }
        members
    }

    /// A single one.
    pub(crate) fn only(member: Member) -> Arc<Self> {
        let changes = watch::Sender::new(true);
        Arc::new(Self { current: Mutex::new([member].into()), resolvers: Vec::new(), changes })
    }

    pub(crate) fn current(&self) -> Arc<[Member]> {
        Arc::clone(&self.lock())
    }

    /// Why there may be no endpoint.
    pub(crate) fn problem(&self) -> Option<String> {
        self.resolvers.iter().find_map(|resolver| resolver.watch().borrow().failure.clone())
    }

    /// Whether every name was looked up, well or not.
    pub(crate) fn is_resolved(&self) -> bool {
        *self.changes.borrow()
    }

    /// A way to wait until every name was looked up, and until endpoints change.
    pub(crate) fn changes(&self) -> watch::Receiver<bool> {
        self.changes.subscribe()
    }

    /// Has the names looked up anew, soon: an endpoint could not be reached.
    pub(crate) fn look_again(&self) {
        self.resolvers.iter().for_each(Resolver::refresh);
    }

    fn lock(&self) -> MutexGuard<'_, Arc<[Member]>> {
        // The only change under the lock is an assignment.
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where connections go: to the place itself, or to the proxy in front of it.
fn reached_at(place: &Place, settings: &ChannelSettings) -> At {
    match (&settings.proxy, &place.at) {
        // Nobody else can reach a socket of this machine.
        (None, _) | (_, At::Socket(Address::Unix(_))) => place.at.clone(),
        (Some(proxy), _) => proxy.at.literal().map_or_else(|| At::Name(proxy.at.clone()), At::Socket),
    }
}

fn member(place: &Place, address: Address, settings: &Arc<ChannelSettings>) -> Member {
    let tunnel = settings.proxy.as_ref().and_then(|proxy| {
        let to = match &place.at {
            At::Name(HostPort { host, port }) => format!("{host}:{port}"),
            At::Socket(Address::Tcp(address)) => address.to_string(),
            At::Socket(Address::Unix(_)) => return None,
        };
        Some(Tunnel { to, authorization: proxy.authorization.clone() })
    });
    let authority = settings.authority.clone().unwrap_or_else(|| place.authority.clone());
    let endpoint = Endpoint::new(EndpointConfig {
        address,
        host: Some(authority.host().trim_matches(['[', ']']).to_owned()),
        tls: settings.tls.clone(),
        settings: settings.endpoint.clone(),
        stats: Arc::default(),
        tunnel,
    });
    let health = Health::of(&endpoint, &authority, settings);
    Member { endpoint, authority, health }
}

/// Keeps the members as DNS says, for as long as they are wanted.
async fn follow(
    members: std::sync::Weak<Members>,
    settings: Arc<ChannelSettings>,
    fixed: Vec<Member>,
    mut watched: Vec<(Place, watch::Receiver<Resolution>)>,
) {
    loop {
        let Some(members) = members.upgrade() else { return };
        let before = members.current();
        let mut now = fixed.clone();
        let mut looked_up = true;
        for (place, resolution) in &mut watched {
            let resolution = resolution.borrow_and_update().clone();
            looked_up &= resolution.lookups > 0;
            for address in resolution.addresses {
                let kept = before.iter().find(|known| *known.endpoint.address() == address);
                now.push(kept.cloned().unwrap_or_else(|| member(place, address, &settings)));
            }
        }
        *members.lock() = now.into();
        members.changes.send_modify(|resolved| *resolved |= looked_up);
        drop((members, before));
        let changes = watched.iter_mut().map(|(_, resolution)| Box::pin(resolution.changed()));
        if select_all(changes).await.0.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::net::SocketAddr;
    use std::time::Duration;

    use http::Request;
    use landbridge_net::{EndpointSettings, ResponseFuture, SendBody, UpstreamHttp};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    /// A name server whose answer a test changes; no answer is a failure.
    #[derive(Clone, Debug, Default)]
    struct Names(Arc<Mutex<Option<Vec<SocketAddr>>>>);

    impl Names {
        fn answer(&self, addresses: impl Into<Option<Vec<SocketAddr>>>) {
            *self.0.lock().unwrap() = addresses.into();
        }
    }

    impl Lookup for Names {
        async fn lookup(&self, _host: &str, _port: u16) -> io::Result<Vec<SocketAddr>> {
            self.0.lock().unwrap().clone().ok_or_else(|| io::Error::other("no such name"))
        }
    }

    fn start(addresses: &[&str], names: &Names) -> Arc<Members> {
        let settings = ChannelSettings {
            dns_refresh: Duration::from_millis(2),
            endpoint: EndpointSettings { http: UpstreamHttp::Http1, ..EndpointSettings::default() },
            ..ChannelSettings::default()
        };
        Members::start(&Target::parse(addresses).unwrap(), &Arc::new(settings), names.clone())
    }

    fn addresses(members: &Members) -> Vec<Address> {
        members.current().iter().map(|member| member.endpoint.address().clone()).collect()
    }

    async fn until(members: &Members, condition: impl Fn() -> bool) {
        let mut changes = members.changes();
        let waiting = async {
            while !condition() {
                changes.changed().await.unwrap();
            }
        };
        tokio::time::timeout(Duration::from_secs(20), waiting).await.expect("it hangs");
    }

    async fn until_they_are(members: &Members, expected: &[SocketAddr]) {
        let expected: Vec<Address> = expected.iter().copied().map(Address::Tcp).collect();
        until(members, || addresses(members) == expected).await;
    }

    async fn listeners() -> [(TcpListener, SocketAddr); 2] {
        let mut listeners = Vec::new();
        for _ in 0..2 {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            listeners.push((listener, address));
        }
        // Answers are put in order.
        listeners.sort_by_key(|(_, address)| *address);
        listeners.try_into().unwrap()
    }

    async fn ask(member: &Member, listener: &TcpListener) -> (TcpStream, (ResponseFuture, SendBody)) {
        let head = Request::post("http://one.test/").body(()).unwrap();
        let (opened, accepted) = tokio::join!(member.endpoint.open(head, true), listener.accept());
        (accepted.unwrap().0, opened.unwrap())
    }

    #[tokio::test]
    async fn endpoints_follow_a_name_and_keep_their_connections_where_they_stay() {
        let [(first, a), (second, b)] = listeners().await;
        let names = Names::default();
        names.answer(vec![a, b]);
        let members = start(&["http://one.test:80"], &names);
        until_they_are(&members, &[a, b]).await;
        assert!(members.is_resolved());
        let (mut gone, call) = ask(&members.current()[0], &first).await;
        let (_stays, _other_call) = ask(&members.current()[1], &second).await;

        names.answer(vec![b]);
        until_they_are(&members, &[b]).await;
        assert_eq!(members.current()[0].endpoint.status().borrow().connections, 1, "it was made anew");
        // A call in flight is answered, and then its connection closes.
        let mut request = [0; 1024];
        assert!(gone.read(&mut request).await.unwrap() > 0);
        gone.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
        let (response, _send) = call;
        assert_eq!(response.await.unwrap().status(), 200);
        assert_eq!(gone.read(&mut request).await.unwrap(), 0);

        names.answer(vec![a, b]);
        until_they_are(&members, &[a, b]).await;
    }

    #[tokio::test]
    async fn a_name_that_fails_keeps_its_endpoints_and_is_told_as_the_reason() {
        let a: SocketAddr = ([127, 0, 0, 1], 1).into();
        let names = Names::default();
        let members = start(&["http://one.test:80"], &names);
        until(&members, || members.is_resolved()).await;
        assert!(members.current().is_empty());
        assert!(members.problem().is_some_and(|problem| problem.contains("one.test")));

        names.answer(vec![a]);
        until_they_are(&members, &[a]).await;
        assert_eq!(members.problem(), None);

        for bad in [None, Some(Vec::new())] {
            names.answer(bad);
            until(&members, || members.problem().is_some()).await;
            assert_eq!(addresses(&members), [Address::Tcp(a)]);
            names.answer(vec![a]);
            until(&members, || members.problem().is_none()).await;
        }
    }

    #[tokio::test]
    async fn addresses_beside_a_name_stay_as_they_are() {
        let [fixed, named, other]: [SocketAddr; 3] = [1, 2, 3].map(|port| ([127, 0, 0, 1], port).into());
        let names = Names::default();
        names.answer(vec![named]);
        let members = start(&["http://127.0.0.1:1", "http://one.test:80"], &names);
        until_they_are(&members, &[fixed, named]).await;
        names.answer(vec![other]);
        until_they_are(&members, &[fixed, other]).await;
    }
}
