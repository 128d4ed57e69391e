//! The connections of one endpoint, and who waits for them.

use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::Request;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use crate::body::SendBody;
use crate::server::HttpVersion;
use crate::settings::UpstreamHttp;
use crate::transport::Meter;
use crate::upstream::backoff::Backoff;
use crate::upstream::connect::{ConnectError, connect};
use crate::upstream::endpoint::{EndpointConfig, EndpointStatus, OpenError};
use crate::upstream::h1::{self, IdleConnection};
use crate::upstream::h2::{self, H2Connection, Offer};
use crate::upstream::response::ResponseFuture;

/// What became of a request that looked for a connection.
pub(super) enum Placed {
    Sent((ResponseFuture, SendBody)),
    /// No connection has room. One is being made, if one may be.
    NoRoom(Box<Request<()>>),
}

#[derive(Debug)]
pub(super) struct Pool {
    config: EndpointConfig,
    state: Mutex<State>,
    /// Wakes one that waits; each passes the baton on when it leaves, so all that find room get it, in order.
    room: Notify,
    waiting: AtomicUsize,
    active: AtomicUsize,
    status: watch::Sender<EndpointStatus>,
}

#[derive(Debug)]
struct State {
    /// HTTP/2 connections that take requests.
    http2: Vec<Arc<H2Connection>>,
    /// HTTP/1.1 connections without a request, the last used last.
    idle: Vec<IdleConnection>,
    /// Established connections, in whatever state.
    open: usize,
    /// Those of them that speak HTTP/2.
    open_http2: usize,
    connecting: usize,
    /// What the last connection turned out to speak.
    speaks: Option<HttpVersion>,
    backoff: Backoff,
    failures: u64,
    last_failure: Option<ConnectError>,
    next_id: u64,
    /// Grows when present connections are to be used no more; connections remember theirs.
    generation: u64,
}

impl State {
    /// Whether a connection may take another request, now or when one of its own is done. One that finishes its streams
    /// and takes no more, as after GOAWAY, is not among them.
    fn may_have_room(&self) -> bool {
        !self.http2.is_empty() || self.open > self.open_http2
    }
}

impl Pool {
    pub(super) fn new(config: EndpointConfig) -> Arc<Self> {
        let backoff = Backoff::new(config.settings.backoff_base, config.settings.backoff_max);
        Arc::new(Self {
            config,
            state: Mutex::new(State {
                http2: Vec::new(),
                idle: Vec::new(),
                open: 0,
                open_http2: 0,
                connecting: 0,
                speaks: None,
                backoff,
                failures: 0,
                last_failure: None,
                next_id: 0,
                generation: 0,
            }),
            room: Notify::new(),
            waiting: AtomicUsize::new(0),
            active: AtomicUsize::new(0),
            status: watch::Sender::new(EndpointStatus::default()),
        })
    }

    pub(super) fn config(&self) -> &EndpointConfig {
        &self.config
    }

    pub(super) fn status(&self) -> watch::Receiver<EndpointStatus> {
        self.status.subscribe()
    }

    pub(super) fn active(&self) -> usize {
        self.active.load(Relaxed)
    }

    /// Puts a request on a connection that has room, or sees to it that one is made.
    pub(super) fn place(self: &Arc<Self>, head: Request<()>, end: bool) -> Result<Placed, OpenError> {
        let mut state = self.lock();
        let mut head = head;
        let mut at = 0;
        while let Some(connection) = state.http2.get(at) {
            match connection.offer(head, end)? {
                Offer::Taken(exchange) => {
                    if connection.is_used_up() {
                        state.http2.swap_remove(at);
                    }
                    return Ok(Placed::Sent(exchange));
                }
                Offer::Full(back) => {
                    head = back;
                    at += 1;
                }
                Offer::Gone(back) => {
                    head = back;
                    // It may still finish streams; those keep it.
                    state.http2.swap_remove(at);
                }
            }
        }
        while let Some(idle) = state.idle.pop() {
            if idle.is_usable() {
                drop(state);
                return h1::send(self, idle, head, end).map(Placed::Sent);
            }
        }
        self.want_connection(&mut state)?;
        Ok(Placed::NoRoom(Box::new(head)))
    }

    /// Starts a connection if one is needed and allowed.
    fn want_connection(self: &Arc<Self>, state: &mut State) -> Result<(), OpenError> {
        // An HTTP/2 connection has room for many that wait, an HTTP/1.1 connection for one.
        let one_serves_one = match (self.config.settings.http, state.speaks) {
            (UpstreamHttp::Http1, _) | (UpstreamHttp::Auto, Some(HttpVersion::Http1)) => true,
            (UpstreamHttp::Http2, _) | (UpstreamHttp::Auto, _) => false,
        };
        let enough = if one_serves_one { self.waiting.load(Relaxed).max(1) } else { 1 };
        if state.connecting >= enough || state.open + state.connecting >= self.config.settings.max_connections
        {
            return Ok(());
        }
        if let Some(retry_in) = state.backoff.wait(Instant::now()) {
            let alive = state.may_have_room() || state.connecting > 0;
            return match &state.last_failure {
                Some(after) if !alive => Err(OpenError::BackingOff { after: after.clone(), retry_in }),
                _ => Ok(()),
            };
        }
        state.connecting += 1;
        let attempt = Attempt { pool: Arc::clone(self), generation: state.generation, over: false };
        // A task of its own: the attempt outlives a caller that loses patience, for the benefit of the next.
        tokio::spawn(attempt.run());
        Ok(())
    }

    /// Joins those that wait for room.
    pub(super) fn wait(self: &Arc<Self>) -> Result<Waiting, OpenError> {
        let limit = self.config.settings.max_pending;
        if self.waiting.fetch_add(1, Relaxed) >= limit {
            self.waiting.fetch_sub(1, Relaxed);
            self.config.stats.pending_overflow.increment();
            return Err(OpenError::Overflow { address: self.config.address.clone(), limit });
        }
        self.config.stats.requests_pending.enter();
        Ok(Waiting { pool: Arc::clone(self), failures: self.lock().failures })
    }

    /// Room may have come free.
    pub(super) fn room_made(&self) {
        if self.waiting.load(Relaxed) > 0 {
            self.room.notify_one();
        }
    }

    pub(super) fn request_began(&self) {
        self.active.fetch_add(1, Relaxed);
        self.config.stats.requests_total.increment();
        self.config.stats.requests_active.enter();
    }

    pub(super) fn request_ended(&self) {
        self.active.fetch_sub(1, Relaxed);
        self.config.stats.requests_active.leave();
        self.room_made();
    }

    /// Takes an HTTP/1.1 connection back that is ready for the next request.
    pub(super) fn put_idle(&self, idle: IdleConnection) {
        let mut state = self.lock();
        if idle.generation() == state.generation {
            state.idle.push(idle);
            drop(state);
            self.room_made();
        }
    }

    /// How long an HTTP/1.1 connection has had no request; `None` if it has one.
    pub(super) fn idle_for(&self, id: u64) -> Option<std::time::Duration> {
        self.lock().idle.iter().find(|idle| idle.id() == id).map(IdleConnection::idle_for)
    }

    /// An HTTP/1.1 connection without a request, for a request that has to move.
    pub(super) async fn idle_connection(self: &Arc<Self>) -> Result<IdleConnection, OpenError> {
        let waiting = self.wait()?;
        loop {
            let changed = waiting.changed();
            if let Some(error) = waiting.hopeless() {
                return Err(error);
            }
            {
                let mut state = self.lock();
                while let Some(idle) = state.idle.pop() {
                    if idle.is_usable() {
                        return Ok(idle);
                    }
                }
                self.want_connection(&mut state)?;
            }
            changed.await;
        }
    }

    /// Drops an idle HTTP/1.1 connection, which closes it.
    pub(super) fn drop_idle(&self, id: u64) {
        self.lock().idle.retain(|idle| idle.id() != id);
    }

    /// Takes an HTTP/2 connection out of use. It closes when its streams are done.
    pub(super) fn drop_http2(&self, id: u64) {
        self.lock().http2.retain(|connection| connection.id() != id);
    }

    pub(super) fn retire_connections(&self) {
        let mut state = self.lock();
        state.generation += 1;
        let (http2, idle) = (std::mem::take(&mut state.http2), std::mem::take(&mut state.idle));
        drop(state);
        // Outside the lock: the last owner of a connection closes it.
        drop((http2, idle));
    }

    /// A connection is over.
    pub(super) fn closed(&self, id: u64, speaks: HttpVersion) {
        let mut state = self.lock();
        state.open -= 1;
        state.open_http2 -= usize::from(speaks == HttpVersion::Http2);
        state.http2.retain(|connection| connection.id() != id);
        state.idle.retain(|idle| idle.id() != id);
        let open = state.open;
        drop(state);
        self.config.stats.connections_active.leave();
        self.status.send_modify(|status| status.connections = open);
        self.room_made();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One of those that wait for room.
#[derive(Debug)]
pub(super) struct Waiting {
    pool: Arc<Pool>,
    /// Attempts that had failed when the wait began.
    failures: u64,
}

impl Waiting {
    /// Resolves when it is worth looking again.
    pub(super) fn changed(&self) -> impl Future<Output = ()> + '_ {
        let mut changed = Box::pin(self.pool.room.notified());
        changed.as_mut().enable();
        changed
    }

    /// The error to give up with: an attempt failed since the wait began, and nothing else can help.
    pub(super) fn hopeless(&self) -> Option<OpenError> {
        let state = self.pool.lock();
        let failed = state.failures > self.failures && !state.may_have_room();
        state.last_failure.clone().filter(|_| failed).map(OpenError::Connect)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.pool.waiting.fetch_sub(1, Relaxed);
        self.pool.config.stats.requests_pending.leave();
        self.pool.room_made();
    }
}

/// One attempt to connect. However it ends, it ends in the pool's books.
struct Attempt {
    pool: Arc<Pool>,
    generation: u64,
    over: bool,
}

impl Attempt {
    async fn run(mut self) {
        let config = &self.pool.config;
        let meter = Meter::new(&config.stats.traffic);
        let connected = match connect(config, Arc::clone(&meter)).await {
            Ok((transport, HttpVersion::Http2)) => h2::start(&self.pool, transport, self.reserve_id())
                .await
                .map(|connection| Started::Http2(connection.0, connection.1)),
            Ok((transport, HttpVersion::Http1)) => {
                h1::start(&self.pool, transport, self.reserve_id(), self.generation)
                    .await
                    .map(|connection| Started::Http1(connection.0, connection.1))
            }
            Err(error) => Err(error),
        };
        match connected {
            Ok(started) => self.succeeded(started),
            Err(error) => self.failed(error),
        }
    }

    fn reserve_id(&self) -> u64 {
        let mut state = self.pool.lock();
        state.next_id += 1;
        state.next_id
    }

    fn succeeded(&mut self, started: Started) {
        self.over = true;
        let pool = &self.pool;
        let stats = &pool.config.stats;
        stats.connections_total.increment();
        stats.connections_active.enter();
        let mut state = pool.lock();
        state.connecting -= 1;
        state.open += 1;
        state.backoff.succeeded();
        state.last_failure = None;
        let current = state.generation == self.generation;
        match started {
            Started::Http2(connection, driver) => {
                stats.http2_connections_total.increment();
                state.open_http2 += 1;
                state.speaks = Some(HttpVersion::Http2);
                if current {
                    state.http2.push(connection);
                }
                tokio::spawn(driver);
            }
            Started::Http1(idle, driver) => {
                stats.http1_connections_total.increment();
                state.speaks = Some(HttpVersion::Http1);
                if current {
                    state.idle.push(idle);
                }
                tokio::spawn(driver);
            }
        }
        let open = state.open;
        drop(state);
        pool.status.send_modify(|status| {
            status.connections = open;
            status.arrivals += u64::from(open == 1);
            status.failure = None;
        });
        pool.room_made();
    }

    fn failed(&mut self, error: ConnectError) {
        self.over = true;
        let pool = &self.pool;
        pool.config.stats.connect_failures.increment();
        if matches!(error, ConnectError::Timeout { .. }) {
            pool.config.stats.connect_timeouts.increment();
        }
        tracing::debug!(%error, "no connection to the upstream");
        let mut state = pool.lock();
        state.connecting -= 1;
        state.failures += 1;
        state.backoff.failed(Instant::now());
        state.last_failure = Some(error.clone());
        drop(state);
        pool.status.send_modify(|status| status.failure = Some(error));
        pool.room_made();
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        // Only when the runtime shuts down in the middle.
        if !self.over {
            self.pool.lock().connecting -= 1;
        }
    }
}

type Driver = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

/// A connection that is ready, and what drives it.
enum Started {
    Http2(Arc<H2Connection>, Driver),
    Http1(IdleConnection, Driver),
}
