//! A client's connections to one target.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use http::Request;
use http::uri::{Authority, Scheme};
use landbridge_net::{
    ClientTls, EndpointSettings, Members, OpenError, ResponseFuture, SendBody, set_authority,
};
use landbridge_wire::{Code, RpcError};

use crate::failure::Advice;
use crate::members::{self, Member};
use crate::proxy::Proxy;
use crate::target::Target;
use crate::throttle::Throttle;

/// Which of several endpoints a call goes to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Balancing {
    /// The first that can be reached, for as long as it can be.
    #[default]
    PickFirst,
    /// One after the other.
    RoundRobin,
}

/// How a channel connects.
#[derive(Clone, Debug)]
pub struct ChannelSettings {
    /// TLS, for targets that are under TLS.
    pub tls: Option<ClientTls>,
    /// Limits and times of each endpoint.
    pub endpoint: EndpointSettings,
    /// Which of several endpoints calls go to.
    pub balancing: Balancing,
    /// The time between two look-ups of a name.
    pub dns_refresh: Duration,
    /// What calls are addressed to, and the TLS server name, in place of the target's own.
    pub authority: Option<Authority>,
    /// A proxy between us and the server.
    pub proxy: Option<Proxy>,
    /// The name of a service; only endpoints whose health service says that it serves get calls.
    pub health_check: Option<String>,
    /// What stops retries: tokens, and what of one comes back with each success.
    pub throttling: Option<(u32, f64)>,
    /// What errors say that may help.
    pub advice: Advice,
}

impl Default for ChannelSettings {
    fn default() -> Self {
        Self {
            tls: None,
            endpoint: EndpointSettings::default(),
            balancing: Balancing::default(),
            dns_refresh: Duration::from_secs(30),
            authority: None,
            proxy: None,
            health_check: None,
            throttling: None,
            advice: Advice::default(),
        }
    }
}

/// A way to one target. Clones are one channel. Its connections close when the last is dropped, and calls in flight
/// are done.
#[derive(Clone, Debug)]
pub struct Channel {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    authority: Authority,
    scheme: Scheme,
    members: Members<Member>,
    balancing: Balancing,
    /// Round robin: counts calls. Pick first: the place of the endpoint that is used.
    next: AtomicUsize,
    throttle: Option<Throttle>,
    advice: Advice,
}

/// A request under way.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) response: ResponseFuture,
    pub(crate) send: SendBody,
}

/// Which endpoints one attempt has tried: the first, and how many.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Choice {
    first: usize,
    tried: usize,
    /// How often an endpoint was taken again whose connection closed as the request was to be sent.
    again: usize,
}

/// The most that is: a server that closes each connection at once would keep the call for ever.
const MOST_AGAIN: usize = 3;

/// Why a request was not sent. No server has seen it.
#[derive(Debug)]
pub(crate) enum Unopened {
    /// Another endpoint, or the same again, may take it.
    TryNext(RpcError),
    /// No endpoint can be reached now; it may be so later, for which this is a good moment to look again.
    NotReady { error: RpcError, retry_in: Option<Duration> },
    /// It cannot be sent at all.
    Never(RpcError),
}

impl Channel {
    /// Starts on the current runtime. Connections are made when calls need them.
    pub fn start(target: &Target, settings: ChannelSettings) -> Self {
        let settings = Arc::new(settings);
        let authority = settings.authority.clone().unwrap_or_else(|| target.authority().clone());
        Self::new(authority, target.tls, members::start(target, &settings), &settings)
    }

    /// To a single endpoint.
    pub(crate) fn of(member: Member, settings: &ChannelSettings) -> Self {
        Self::new(member.authority.clone(), settings.tls.is_some(), Members::fixed([member]), settings)
    }

    fn new(authority: Authority, tls: bool, members: Members<Member>, settings: &ChannelSettings) -> Self {
        let inner = Inner {
            authority,
            scheme: if tls { Scheme::HTTPS } else { Scheme::HTTP },
            members,
            balancing: settings.balancing,
            next: AtomicUsize::new(0),
            throttle: settings.throttling.map(|(tokens, ratio)| Throttle::new(tokens, ratio)),
            advice: settings.advice,
        };
        Self { inner: Arc::new(inner) }
    }

    pub(crate) fn authority(&self) -> &Authority {
        &self.inner.authority
    }

    pub(crate) fn scheme(&self) -> &Scheme {
        &self.inner.scheme
    }

    pub(crate) fn throttle(&self) -> Option<&Throttle> {
        self.inner.throttle.as_ref()
    }

    pub(crate) fn advice(&self) -> &Advice {
        &self.inner.advice
    }

    /// The endpoint to begin an attempt with.
    pub(crate) fn choose(&self) -> Choice {
        let first = match self.inner.balancing {
            Balancing::RoundRobin => self.inner.next.fetch_add(1, Relaxed),
            Balancing::PickFirst => self.inner.next.load(Relaxed),
        };
        Choice { first, tried: 0, again: 0 }
    }

    /// Whether every name was looked up once.
    pub(crate) fn is_resolved(&self) -> bool {
        self.inner.members.is_resolved()
    }

    /// Waits until every name was looked up once: calls before that would find no endpoint.
    pub(crate) async fn resolved(&self) {
        self.inner.members.resolved().await;
    }

    /// Waits until it is worth trying again to reach an endpoint.
    pub(crate) async fn may_be_ready(&self, retry_in: Option<Duration>) {
        let members_change = self.inner.members.changed();
        let members = self.inner.members.current();
        let healths = members.iter().map(|member| {
            let mut health = member.health.clone();
            Box::pin(async move { health.changed().await })
        });
        let healths: Vec<_> = healths.collect();
        let health_changes = async {
            if healths.is_empty() {
                std::future::pending::<()>().await;
            } else {
                futures_util::future::select_all(healths).await;
            }
        };
        let time = async {
            match retry_in {
                Some(time) => tokio::time::sleep(time).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = members_change => {}
            () = health_changes => {}
            () = time => {}
        }
    }

    /// Sends a request head to the next endpoint of the choice; `bare` says that nothing follows.
    ///
    /// # Errors
    /// Says whether to try again, and when.
    pub(crate) async fn open(
        &self,
        mut head: Request<()>,
        bare: bool,
        choice: &mut Choice,
    ) -> Result<Opened, Unopened> {
        let members = self.inner.members.current();
        let Some((place, member)) = next_serving(&members, choice) else {
            return Err(self.nobody_serves(&members));
        };
        if member.authority != self.inner.authority {
            set_authority(head.uri_mut(), &member.authority);
        }
        match member.endpoint.open(head, bare).await {
            Ok((response, send)) => {
                if self.inner.balancing == Balancing::PickFirst && choice.tried > 1 {
                    self.inner.next.store(place, Relaxed);
                }
                Ok(Opened { response, send })
            }
            Err(error @ OpenError::Invalid { .. }) => Err(Unopened::Never(self.advice().not_opened(&error))),
            Err(error @ OpenError::Closed { .. }) if choice.again < MOST_AGAIN => {
                choice.again += 1;
                choice.tried -= 1;
                Err(Unopened::TryNext(self.advice().not_opened(&error)))
            }
            Err(error) => {
                self.inner.members.look_again();
                let retry_in = match &error {
                    OpenError::BackingOff { retry_in, .. } => Some(*retry_in),
                    // It has just failed: the next try is free.
                    _ => Some(Duration::from_millis(1)),
                };
                let error = self.advice().not_opened(&error);
                if next_serving(&members, &mut choice.clone()).is_some() {
                    return Err(Unopened::TryNext(error));
                }
                Err(Unopened::NotReady { error, retry_in })
            }
        }
    }

    fn nobody_serves(&self, members: &[Member]) -> Unopened {
        let problem = match self.inner.members.problem() {
            Some(problem) => problem,
            None if members.is_empty() => format!("{} has no addresses", self.inner.authority),
            None => format!("no server of {} says that it serves (health check)", self.inner.authority),
        };
        let error = RpcError::new(Code::Unavailable, problem);
        Unopened::NotReady { error, retry_in: None }
    }
}

/// The next member of the choice that serves, and its place.
fn next_serving<'m>(members: &'m [Member], choice: &mut Choice) -> Option<(usize, &'m Member)> {
    while choice.tried < members.len() {
        let place = choice.first.wrapping_add(choice.tried) % members.len();
        choice.tried += 1;
        if members[place].health.is_serving() {
            return Some((place, &members[place]));
        }
    }
    None
}
