//! The endpoints of a channel, kept up to date by DNS where they are names.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future::select_all;
use http::uri::Authority;
use landbridge_net::{
    Address, Endpoint, EndpointConfig, HostPort, Resolution, ResolveSettings, Resolver, SystemLookup, Tunnel,
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
    pub(crate) fn start(target: &Target, settings: &Arc<ChannelSettings>) -> Arc<Self> {
        let mut fixed = Vec::new();
        let mut resolvers = Vec::new();
        let mut watched = Vec::new();
        for place in &target.places {
            match reached_at(place, settings) {
                At::Socket(address) => fixed.push(member(place, address, settings)),
                At::Name(name) => {
                    let lookup =
                        ResolveSettings { refresh: settings.dns_refresh, ..ResolveSettings::default() };
                    let resolver = Resolver::start(name, lookup, SystemLookup);
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
