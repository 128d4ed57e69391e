//! Host names to addresses, again and again.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};

use crate::address::Address;

/// A host and port, as a user writes them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HostPort {
    /// A host name or an IP address, IPv6 without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl HostPort {
    /// The address, if the host is an IP address: then there is nothing to look up.
    pub fn literal(&self) -> Option<Address> {
        let ip: IpAddr = self.host.parse().ok()?;
        Some(Address::Tcp(SocketAddr::new(ip, self.port)))
    }
}

/// What the addresses of a name stand for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ResolveMode {
    /// Each address is an endpoint of its own.
    #[default]
    Strict,
    /// The name is one endpoint: new connections go to the first address, open ones stay where they are.
    Logical,
}

/// How a name is looked up.
#[derive(Clone, Debug)]
pub struct ResolveSettings {
    /// What the addresses stand for.
    pub mode: ResolveMode,
    /// Time between two lookups. Default 5 s.
    pub refresh: Duration,
    /// Time for one lookup. Default 5 s.
    pub timeout: Duration,
}

impl Default for ResolveSettings {
    fn default() -> Self {
        Self {
            mode: ResolveMode::default(),
            refresh: Duration::from_secs(5),
            timeout: Duration::from_secs(5),
        }
    }
}

/// What is known of a name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resolution {
    /// The addresses of the last good answer, sorted unless the mode is logical; empty before the first.
    pub addresses: Vec<Address>,
    /// Why the last lookup failed, if it did; the addresses then still are those of the last good answer.
    pub failure: Option<String>,
    /// Lookups finished so far.
    pub lookups: u64,
}

/// Asks for the addresses of a name once.
pub trait Lookup: Send + Sync + 'static {
    /// All addresses of the host. No answer at all is an error or an empty list.
    fn lookup(&self, host: &str, port: u16) -> impl Future<Output = io::Result<Vec<SocketAddr>>> + Send;
}

/// The operating system's resolver: DNS, the hosts file and whatever else it is set up with.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemLookup;

impl Lookup for SystemLookup {
    async fn lookup(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        Ok(tokio::net::lookup_host((host, port)).await?.collect())
    }
}

/// The time between two look-ups at least, however often they are asked for.
const SOONEST: Duration = Duration::from_secs(1);

/// Keeps a name's addresses current until it is dropped.
#[derive(Debug)]
pub struct Resolver {
    known: watch::Receiver<Resolution>,
    wanted: Arc<Notify>,
    task: tokio::task::AbortHandle,
}

impl Resolver {
    /// Starts looking up in a task on the current runtime.
    pub fn start(target: HostPort, settings: ResolveSettings, lookup: impl Lookup) -> Self {
        let (sender, known) = watch::channel(Resolution::default());
        let wanted = Arc::new(Notify::new());
        let keeping = keep_current(target, settings, lookup, sender, Arc::clone(&wanted));
        let task = tokio::spawn(keeping).abort_handle();
        Self { known, wanted, task }
    }

    /// Looks up again before it is time, but no sooner than a second after the last time.
    pub fn refresh(&self) {
        self.wanted.notify_one();
    }

    /// What is known, and a way to wait for that to change. It changes only when addresses or failure do, and with the
    /// first answer.
    pub fn watch(&self) -> watch::Receiver<Resolution> {
        self.known.clone()
    }
}

impl Drop for Resolver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn keep_current(
    target: HostPort,
    settings: ResolveSettings,
    lookup: impl Lookup,
    sender: watch::Sender<Resolution>,
    wanted: Arc<Notify>,
) {
    let mut interval = tokio::time::interval(settings.refresh);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut last = None;
    loop {
        tokio::select! {
            _time = interval.tick() => {}
            () = wanted.notified() => {
                if let Some(last) = last {
                    tokio::time::sleep_until(last + SOONEST).await;
                }
                interval.reset();
            }
        }
        last = Some(tokio::time::Instant::now());
        let asked = lookup.lookup(&target.host, target.port);
        let answer = match tokio::time::timeout(settings.timeout, asked).await {
            Ok(Ok(addresses)) if addresses.is_empty() => Err(format!("{} has no addresses", target.host)),
            Ok(Ok(addresses)) => Ok(arrange(addresses, settings.mode)),
            Ok(Err(error)) => Err(format!("{} cannot be resolved: {error}", target.host)),
            Err(_elapsed) => {
                Err(format!("resolving {} took longer than {:?}", target.host, settings.timeout))
            }
        };
        if let Err(problem) = &answer {
            tracing::debug!(problem, "keeping the last known addresses");
        }
        sender.send_if_modified(|known| known.learn(answer));
    }
}

fn arrange(addresses: Vec<SocketAddr>, mode: ResolveMode) -> Vec<Address> {
    let mut addresses: Vec<Address> = addresses.into_iter().map(Address::Tcp).collect();
    match mode {
        ResolveMode::Logical => addresses.truncate(1),
        ResolveMode::Strict => {
            // Name servers rotate their answers; the same set is no change.
            addresses.sort();
            addresses.dedup();
        }
    }
    addresses
}

impl Resolution {
    /// Takes in an answer, and says whether that is news.
    fn learn(&mut self, answer: Result<Vec<Address>, String>) -> bool {
        self.lookups += 1;
        let before = (self.addresses.clone(), self.failure.clone());
        match answer {
            Ok(addresses) => {
                self.addresses = addresses;
                self.failure = None;
            }
            Err(problem) => self.failure = Some(problem),
        }
        self.lookups == 1 || before != (self.addresses.clone(), self.failure.clone())
    }
}
