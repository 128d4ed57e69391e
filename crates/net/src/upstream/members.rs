//! The members of one target, kept up to date by DNS where they are names.

use std::future::Future;
use std::sync::{Arc, Weak};

use futures_util::future::select_all;
use tokio::sync::watch;

use crate::address::Address;
use crate::resolve::{Resolution, Resolver};

/// What requests to one target can go to now. A member is what its user makes of an address: an
/// [`Endpoint`](crate::Endpoint), and what else is to be known of it.
#[derive(Debug)]
pub struct Members<M> {
    /// The task that follows the names holds no members, so these go as soon as nobody wants them.
    known: Arc<watch::Sender<Known<M>>>,
    resolvers: Vec<Resolver>,
}

#[derive(Debug)]
struct Known<M> {
    /// Those that are always there, and behind them those of each name, in order.
    members: Arc<[M]>,
    /// Whether these are what all the names stand for, and not only some of them.
    resolved: bool,
}

impl<M: Clone + Send + Sync + 'static> Members<M> {
    /// Those that are always the same.
    pub fn fixed(members: impl Into<Arc<[M]>>) -> Self {
        Self::new(members.into(), true, Vec::new())
    }

    /// Those that are always the same, and behind them those of each name, in a task on the current runtime. A name
    /// comes with what makes a member of an address; a member stays for as long as its name has the address. `changed`
    /// hears of new members before requests can go to them.
    pub fn start<F>(fixed: Vec<M>, names: Vec<(Resolver, F)>, changed: impl Fn(&[M]) + Send + 'static) -> Self
    where
        F: Fn(Address) -> M + Send + 'static,
    {
        if names.is_empty() {
            return Self::fixed(fixed);
        }
        let (resolvers, names) = names
            .into_iter()
            .map(|(resolver, member)| {
                let resolution = resolver.watch();
                (resolver, Name { resolution, looked_up: false, member, addresses: Vec::new() })
            })
            .unzip();
        let count = fixed.len();
        let members = Self::new(fixed.into(), false, resolvers);
        tokio::spawn(follow(Arc::downgrade(&members.known), count, names, changed));
        members
    }

    fn new(members: Arc<[M]>, resolved: bool, resolvers: Vec<Resolver>) -> Self {
        Self { known: Arc::new(watch::Sender::new(Known { members, resolved })), resolvers }
    }

    /// All that there are now.
    pub fn current(&self) -> Arc<[M]> {
        Arc::clone(&self.known.borrow().members)
    }

    /// Why there may be none, or too few: a name could not be looked up the last time.
    pub fn problem(&self) -> Option<String> {
        self.resolvers.iter().find_map(|resolver| resolver.watch().borrow().failure.clone())
    }

    /// Whether every name was looked up, well or not, and [`current`](Self::current) has what that brought.
    pub fn is_resolved(&self) -> bool {
        self.known.borrow().resolved
    }

    /// Waits until [`is_resolved`](Self::is_resolved).
    pub async fn resolved(&self) {
        let mut known = self.known.subscribe();
        // The sender is here, so it cannot be gone.
        let _resolved = known.wait_for(|known| known.resolved).await;
    }

    /// Waits for the first change after this was called, be it of the members or of their [`problem`](Self::problem).
    pub fn changed(&self) -> impl Future<Output = ()> + Send + '_ {
        let mut known = self.known.subscribe();
        async move {
            // The sender is here, so it cannot be gone.
            let _changed = known.changed().await;
        }
    }

    /// Has the names looked up again before it is time: a member could not be reached.
    pub fn look_again(&self) {
        self.resolvers.iter().for_each(Resolver::refresh);
    }
}

/// A name whose members stand in a list with others.
struct Name<F> {
    resolution: watch::Receiver<Resolution>,
    looked_up: bool,
    /// Those of its members.
    addresses: Vec<Address>,
    member: F,
}

impl<F> Name<F> {
    /// Takes the last answer, puts its members at `place` where those of the one before were, and says whether they are
    /// others.
    fn update<M: Clone>(&mut self, members: &mut Vec<M>, place: usize) -> bool
    where
        F: Fn(Address) -> M,
    {
        let Resolution { addresses, lookups, .. } = self.resolution.borrow_and_update().clone();
        self.looked_up = lookups > 0;
        if addresses == self.addresses {
            return false;
        }
        let before = place..place + self.addresses.len();
        let now = addresses.iter().map(|address| {
            let mut known = self.addresses.iter().zip(&members[before.clone()]);
            match known.find(|(known, _)| *known == address) {
                Some((_, member)) => member.clone(),
                None => (self.member)(address.clone()),
            }
        });
        let now: Vec<M> = now.collect();
        members.splice(before, now);
        self.addresses = addresses;
        true
    }
}

/// Keeps the members behind the first `fixed` ones as the names say, for as long as they are wanted.
async fn follow<M: Clone, F: Fn(Address) -> M>(
    known: Weak<watch::Sender<Known<M>>>,
    fixed: usize,
    mut names: Vec<Name<F>>,
    changed: impl Fn(&[M]),
) {
    loop {
        let answers = names.iter_mut().map(|name| Box::pin(name.resolution.changed()));
        if select_all(answers).await.0.is_err() {
            return;
        }
        let Some(known) = known.upgrade() else { return };
        let mut members = known.borrow().members.to_vec();
        let (mut place, mut others) = (fixed, false);
        for name in &mut names {
            others |= name.update(&mut members, place);
            place += name.addresses.len();
        }
        if others {
            changed(&members);
        }
        let resolved = names.iter().all(|name| name.looked_up);
        known.send_replace(Known { members: members.into(), resolved });
    }
}
