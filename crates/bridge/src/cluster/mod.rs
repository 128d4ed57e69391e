//! A cluster as it runs on one worker: its endpoints, how one of them is chosen, and what was learned of it.

mod balance;
mod lookup;
mod members;

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

use http::Request;
use http::uri::Authority;
use landbridge_net::{
    Address, ClientTls, Members, OpenError, ResponseFuture, SendBody, SystemLookup, set_authority,
};
use landbridge_wire::{Accepted, Code, Compression, RpcError};

use crate::access_log::Trouble;
use crate::config::{self, ClusterId};
use crate::schemas::SchemaCache;
use crate::stats::Stats;
use crate::tls::{self, TlsSetupError};
use balance::Balancer;
use members::Member;

/// What all workers know of one cluster.
#[derive(Debug)]
pub(crate) struct SharedCluster {
    config: config::Cluster,
    id: ClusterId,
    tls: Option<ClientTls>,
    stats: Arc<Stats>,
    /// Calls in flight, over all workers.
    in_flight: AtomicU64,
    schemas: Vec<Arc<SchemaCache>>,
    /// The compressions that the servers said they take, as bits by their place in [`Compression::ALL`].
    accepts: AtomicU8,
}

impl SharedCluster {
    /// Loads what the cluster needs.
    ///
    /// # Errors
    /// A certificate or key that cannot be read.
    pub(crate) fn load(
        id: ClusterId,
        config: config::Cluster,
        schemas: Vec<Arc<SchemaCache>>,
        stats: Arc<Stats>,
    ) -> Result<Self, TlsSetupError> {
        let tls = config.tls.as_ref().map(tls::client).transpose()?;
        Ok(Self { config, id, tls, stats, in_flight: AtomicU64::new(0), schemas, accepts: AtomicU8::new(0) })
    }
}

/// A cluster on one worker.
#[derive(Debug)]
pub(crate) struct Cluster {
    shared: Arc<SharedCluster>,
    members: Members<Member>,
    balancer: Balancer,
}

/// A request under way.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) response: ResponseFuture,
    pub(crate) send: SendBody,
    pub(crate) address: Address,
    /// To be held for as long as the call goes on.
    pub(crate) in_flight: InFlight,
}

/// Why a request went to no endpoint: no server has seen it.
#[derive(Clone, Debug)]
pub(crate) struct Unopened {
    /// What its caller is told.
    pub(crate) error: RpcError,
    pub(crate) trouble: Trouble,
    /// Why there is no connection, where one was tried.
    pub(crate) reason: Option<String>,
}

impl From<Unopened> for RpcError {
    fn from(unopened: Unopened) -> Self {
        unopened.error
    }
}

/// A call's place among those in flight.
#[derive(Debug)]
pub(crate) struct InFlight(Arc<SharedCluster>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The authority that the server is to see.
#[derive(Clone, Debug)]
pub(crate) enum AuthorityChoice {
    /// The caller's, or a fixed one.
    Given(Authority),
    /// The endpoint's own name.
    Endpoint,
}

impl AuthorityChoice {
    /// An authority to write a request with before its endpoint is known.
    pub(crate) fn placeholder(&self) -> Authority {
        match self {
            Self::Given(authority) => authority.clone(),
            Self::Endpoint => Authority::from_static("localhost"),
        }
    }
}

impl Cluster {
    /// Starts the cluster on the current runtime: names are looked up from now on, connections are made when needed.
    pub(crate) fn start(shared: Arc<SharedCluster>, worker: usize) -> Self {
        let members = members::start(&shared, worker, SystemLookup);
        let balancer = Balancer::new(shared.config.load_balancing);
        Self { shared, members, balancer }
    }

    /// Waits until every name has been looked up once, well or not: calls that come before would find no endpoint.
    pub(crate) async fn resolved(&self) {
        self.members.resolved().await;
    }

    /// Its name.
    pub(crate) fn name(&self) -> &str {
        &self.shared.config.name
    }

    /// How long a call to it may take.
    pub(crate) fn max_stream_duration(&self) -> Option<Duration> {
        self.shared.config.http.max_stream_duration
    }

    /// Whether its connections are under TLS.
    pub(crate) fn is_tls(&self) -> bool {
        self.shared.tls.is_some()
    }

    /// The compressions that its servers take in requests, as far as they have said so: none, before the first answer.
    pub(crate) fn accepts(&self) -> Accepted {
        let bits = self.shared.accepts.load(Ordering::Relaxed);
        let known = Compression::ALL.into_iter().enumerate();
        known.filter(|(place, _)| bits & 1 << place != 0).map(|(_, compression)| compression).collect()
    }

    /// Takes down what a server said it takes.
    pub(crate) fn learn_accepts(&self, accepts: Accepted) {
        let known = Compression::ALL.into_iter().enumerate();
        let bits = known
            .filter(|(_, compression)| accepts.contains(*compression))
            .fold(0, |bits, (place, _)| bits | 1 << place);
        if self.shared.accepts.load(Ordering::Relaxed) != bits {
            self.shared.accepts.store(bits, Ordering::Relaxed);
        }
    }

    /// Sends a request head to one of the endpoints; to another if the first cannot be reached. `bare` says that no body
    /// follows.
    ///
    /// # Errors
    /// `unavailable`: no endpoint can be reached, or the circuit breakers are open. No server has seen the request.
    pub(crate) async fn open(
        &self,
        head: &Request<()>,
        bare: bool,
        authority: &AuthorityChoice,
    ) -> Result<Opened, Unopened> {
        let in_flight = self.take_place()?;
        let members = self.members.current();
        let mut last = None;
        for member in self.balancer.order(&members) {
            match self.open_at(member, head, bare, authority).await {
                Ok((response, send)) => {
                    let address = member.endpoint.address().clone();
                    return Ok(Opened { response, send, address, in_flight });
                }
                Err(error @ OpenError::Invalid { .. }) => {
                    let message = format!("cluster {}: {error}", self.name());
                    let error = RpcError::new(Code::Internal, message);
                    return Err(Unopened { error, trouble: Trouble::CallerBroke, reason: None });
                }
                Err(error) => last = Some(error),
            }
        }
        let (trouble, reason) = match last {
            Some(error @ OpenError::Overflow { .. }) => (Trouble::Overflow, Some(error.to_string())),
            Some(error) => (Trouble::Unreachable, Some(error.to_string())),
            None => (Trouble::NoEndpoint, self.members.problem()),
        };
        let problem = reason.as_deref().unwrap_or("it has no healthy endpoint");
        let message = format!("cluster {} cannot be reached: {problem}", self.name());
        Err(Unopened { error: RpcError::new(Code::Unavailable, message), trouble, reason })
    }

    /// A place among the calls in flight, of which the circuit breaker allows only so many.
    fn take_place(&self) -> Result<InFlight, Unopened> {
        let most = u64::from(self.shared.config.circuit_breakers.max_requests);
        let place = InFlight(Arc::clone(&self.shared));
        if self.shared.in_flight.fetch_add(1, Ordering::Relaxed) < most {
            return Ok(place);
        }
        let message = format!(
            "cluster {} has {most} calls in flight, which is its limit; see `circuit_breakers.thresholds.max_requests`",
            self.name()
        );
        let error = RpcError::new(Code::Unavailable, message);
        Err(Unopened { error, trouble: Trouble::Overflow, reason: None })
    }

    async fn open_at(
        &self,
        member: &Member,
        head: &Request<()>,
        bare: bool,
        authority: &AuthorityChoice,
    ) -> Result<(ResponseFuture, SendBody), OpenError> {
        // A connection can close at the very moment it is chosen; the next one is fresh.
        let mut tries = 2;
        loop {
            let mut request = head.clone();
            if let (AuthorityChoice::Endpoint, Some(name)) = (authority, &member.authority) {
                set_authority(request.uri_mut(), name);
            }
            tries -= 1;
            match member.endpoint.open(request, bare).await {
                Ok(opened) => return Ok(opened),
                Err(OpenError::Closed { .. }) if tries > 0 => {}
                Err(error) => return Err(error),
            }
        }
    }
}
