//! One upstream address, and the requests to it.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use http::Request;
use tokio::sync::watch;

use crate::address::Address;
use crate::body::SendBody;
use crate::settings::EndpointSettings;
use crate::stats::UpstreamStats;
use crate::tls::ClientTls;
use crate::upstream::connect::ConnectError;
use crate::upstream::pool::{Placed, Pool};
use crate::upstream::response::ResponseFuture;
use crate::upstream::tunnel::Tunnel;

/// What an endpoint is.
#[derive(Clone, Debug)]
pub struct EndpointConfig {
    /// Where it is.
    pub address: Address,
    /// The host name that stands for it: the TLS server name, and the authority of requests that name none.
    /// Default: the IP address; `localhost` for a Unix socket.
    pub host: Option<String>,
    /// TLS; without it connections are in cleartext.
    pub tls: Option<ClientTls>,
    /// Limits and times.
    pub settings: EndpointSettings,
    /// What has happened so far; one for several endpoints adds them up.
    pub stats: Arc<UpstreamStats>,
    /// Where the proxy at the address is asked to connect to; without it, the address is the upstream itself.
    pub tunnel: Option<Tunnel>,
}

impl EndpointConfig {
    /// An endpoint in cleartext with the default settings.
    pub fn new(address: impl Into<Address>) -> Self {
        Self {
            address: address.into(),
            host: None,
            tls: None,
            settings: EndpointSettings::default(),
            stats: Arc::default(),
            tunnel: None,
        }
    }
}

/// One upstream address with its connections. Clones are one endpoint.
///
/// Connections live in tasks on the runtime that first needs them, so each worker has endpoints of its own. They are
/// made when requests need them, and again after a failure with growing delays; while such a delay lasts, requests
/// fail at once.
#[derive(Clone, Debug)]
pub struct Endpoint {
    pool: Arc<OwnedPool>,
}

/// The connections know their pool, so the pool is told when no endpoint is left: then they finish and close.
#[derive(Debug)]
struct OwnedPool(Arc<Pool>);

impl std::ops::Deref for OwnedPool {
    type Target = Arc<Pool>;

    fn deref(&self) -> &Arc<Pool> {
        &self.0
    }
}

impl Drop for OwnedPool {
    fn drop(&mut self) {
        self.0.retire_connections();
    }
}

/// How an endpoint stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EndpointStatus {
    /// Connections open now.
    pub connections: usize,
    /// How often the endpoint went from no connection to one: each may mean that the upstream was restarted.
    pub arrivals: u64,
    /// Why the last connection attempt failed; `None` after one that did not.
    pub failure: Option<ConnectError>,
}

/// Why a request was not put on a connection. In each case the upstream has not seen it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// There is no connection, and none could be made.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// There is no connection, and it is too early to try again.
    #[error("{after}; trying again in {retry_in:?}")]
    BackingOff {
        /// Why the last attempt failed.
        after: ConnectError,
        /// Time left until the next attempt.
        retry_in: Duration,
    },
    /// Too many requests wait for a connection already.
    #[error("{limit} requests wait for a connection to {address} already; raise the limit or add upstreams")]
    Overflow {
        /// The upstream.
        address: Address,
        /// The limit, `max_pending`.
        limit: usize,
    },
    /// The connection closed at the very moment the request was to be sent. It may be tried again.
    #[error("the connection to {address} closed before the request was sent")]
    Closed {
        /// The upstream.
        address: Address,
    },
    /// The request cannot be sent over this HTTP: a field that belongs to connections, a malformed URI.
    #[error("the request cannot be sent: {problem}")]
    Invalid {
        /// What is wrong with it.
        problem: String,
    },
}

impl Endpoint {
    /// An endpoint without connections.
    pub fn new(config: EndpointConfig) -> Self {
        Self { pool: Arc::new(OwnedPool(Pool::new(config))) }
    }

    /// Sends a request head; `end` says that no content follows, then the returned body is already ended. Where there is
    /// a connection with room the request leaves at once, whether or not the future is polled.
    ///
    /// Waits for a connection if there is none with room. The URI's authority, else the `host` field, else the
    /// endpoint's host becomes the request's authority. Dropping the [`ResponseFuture`], the response's body or an
    /// unfinished [`SendBody`] cancels the request.
    ///
    /// # Errors
    /// Each says why the request was not sent. Cancelling the wait is harmless.
    pub fn open(
        &self,
        head: Request<()>,
        end: bool,
    ) -> impl Future<Output = Result<(ResponseFuture, SendBody), OpenError>> + Send + '_ {
        // Nearly always there is room: then the future has nothing to keep but the answer.
        let placed = self.pool.place(head, end);
        async move {
            match placed? {
                Placed::Sent(exchange) => Ok(exchange),
                Placed::NoRoom(head) => Box::pin(self.open_when_there_is_room(head, end)).await,
            }
        }
    }

    async fn open_when_there_is_room(
        &self,
        mut head: Box<Request<()>>,
        end: bool,
    ) -> Result<(ResponseFuture, SendBody), OpenError> {
        let waiting = self.pool.wait()?;
        loop {
            // Before looking, so that nothing slips through in between.
            let changed = waiting.changed();
            if let Some(error) = waiting.hopeless() {
                return Err(error);
            }
            match self.pool.place(*head, end)? {
                Placed::Sent(exchange) => return Ok(exchange),
                Placed::NoRoom(back) => head = back,
            }
            changed.await;
        }
    }

    /// Where it is.
    pub fn address(&self) -> &Address {
        &self.pool.config().address
    }

    /// What has happened so far.
    pub fn stats(&self) -> &Arc<UpstreamStats> {
        &self.pool.config().stats
    }

    /// How it stands, and a way to wait for that to change.
    pub fn status(&self) -> watch::Receiver<EndpointStatus> {
        self.pool.status()
    }

    /// Requests on its connections now: what least-request balancing compares.
    pub fn active(&self) -> usize {
        self.pool.active()
    }

    /// Takes no more requests onto the present connections, which close when those in flight are done. New requests
    /// get new connections. For endpoints that have left their cluster, and for changed certificates.
    pub fn retire_connections(&self) {
        self.pool.retire_connections();
    }
}
