//! One accepted connection, as a handler sees it.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::HeaderValue;
use http::uri::Authority;
use tokio::time::Instant;

use crate::address::Address;
use crate::server::Server;
use crate::server::early_resets::EarlyResets;
use crate::server::unread::Unread;
use crate::tls::TlsInfo;

/// Which HTTP a connection speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HttpVersion {
    /// HTTP/1.0 or HTTP/1.1; each request says which.
    Http1,
    /// HTTP/2.
    Http2,
}

/// One accepted connection, shared by the requests on it.
#[derive(Debug)]
pub struct Connection {
    peer: Address,
    local: Address,
    http: HttpVersion,
    tls: Option<TlsInfo>,
    opened: Instant,
    retiring: AtomicBool,
    requests: AtomicU64,
    /// Whom the last request asked for, on HTTP/1.1.
    asked_for: Mutex<Option<Authority>>,
    /// The number of the request whose head has begun to arrive, on HTTP/1.1.
    head_begun: AtomicU64,
    /// What the handler of the last request has not read, on HTTP/1.1.
    pub(super) unread: Unread,
    active: AtomicUsize,
    /// Milliseconds from `opened` to when the last request in flight ended.
    idle_since: AtomicU64,
    early_resets: Mutex<EarlyResets>,
    /// Whether these are a flood.
    reset_flood: AtomicBool,
    pub(super) server: Arc<Server>,
}

impl Connection {
    pub(super) fn new(
        peer: Address,
        local: Address,
        http: HttpVersion,
        tls: Option<TlsInfo>,
        server: Arc<Server>,
    ) -> Arc<Self> {
        let opened = Instant::now();
        Arc::new(Self {
            peer,
            local,
            http,
            tls,
            opened,
            retiring: AtomicBool::new(false),
            requests: AtomicU64::new(0),
            asked_for: Mutex::new(None),
            head_begun: AtomicU64::new(0),
            unread: Unread::default(),
            active: AtomicUsize::new(0),
            idle_since: AtomicU64::new(0),
            early_resets: Mutex::new(EarlyResets::none(opened)),
            reset_flood: AtomicBool::new(false),
            server,
        })
    }

    /// Where the client is.
    pub fn peer(&self) -> &Address {
        &self.peer
    }

    /// The address that the client connected to.
    pub fn local(&self) -> &Address {
        &self.local
    }

    /// Which HTTP it speaks.
    pub fn http(&self) -> HttpVersion {
        self.http
    }

    /// What the TLS handshake said, on connections with TLS.
    pub fn tls(&self) -> Option<&TlsInfo> {
        self.tls.as_ref()
    }

    /// Whether it takes no more requests than those in flight: by drain, by age or by their number.
    pub fn is_retiring(&self) -> bool {
        self.retiring.load(Relaxed)
    }

    /// Requests received on it, the current one included.
    pub fn requests(&self) -> u64 {
        self.requests.load(Relaxed)
    }

    /// Whom a request asks for by its `host`; none where that can be nobody. Mostly that is whom the last one asked
    /// for, which is kept, but for what is longer than a name can be (RFC 1035 section 2.3.4) with a port.
    pub(super) fn host(&self, host: &HeaderValue) -> Option<Authority> {
        const LONGEST: usize = 255 + ":65535".len();
        if host.len() > LONGEST {
            return Authority::try_from(host.as_bytes()).ok();
        }
        let mut last = self.asked_for.lock().unwrap_or_else(PoisonError::into_inner);
        if last.as_ref().is_none_or(|last| last.as_str() != host) {
            *last = Some(Authority::try_from(host.as_bytes()).ok()?);
        }
        last.clone()
    }

    pub(super) fn opened(&self) -> Instant {
        self.opened
    }

    pub(super) fn retire(&self) {
        self.retiring.store(true, Relaxed);
    }

    /// Whether it has had as many requests as it may have.
    pub(super) fn is_used_up(&self) -> bool {
        self.server.settings.max_requests_per_connection.is_some_and(|most| self.requests() >= most)
    }

    /// Bytes have come on HTTP/1.1. What comes between two requests begins a head.
    pub(super) fn received_something(&self) {
        if self.active() == 0 && !self.unread.is_present() {
            self.head_begun.store(self.requests() + 1, Relaxed);
        }
    }

    /// The number of the HTTP/1.1 request whose head has begun to arrive and is not complete.
    pub(super) fn open_head(&self) -> Option<u64> {
        Some(self.head_begun.load(Relaxed)).filter(|begun| *begun > self.requests())
    }

    pub(super) fn active(&self) -> usize {
        self.active.load(Relaxed)
    }

    /// When the last request in flight ended; when it was opened, if there was none.
    pub(super) fn idle_since(&self) -> Instant {
        self.opened + Duration::from_millis(self.idle_since.load(Relaxed))
    }

    /// Whether the client opens streams mainly to reset them.
    pub(super) fn is_reset_flood(&self) -> bool {
        self.reset_flood.load(Relaxed)
    }

    pub(super) fn begin_request(self: &Arc<Self>) -> InFlight {
        self.requests.fetch_add(1, Relaxed);
        self.active.fetch_add(1, Relaxed);
        self.server.stats.requests_total.increment();
        self.server.stats.requests_active.enter();
        InFlight { connection: Arc::clone(self), began: Instant::now() }
    }
}

/// A request in flight; counted until it is dropped.
#[derive(Debug)]
pub(super) struct InFlight {
    pub(super) connection: Arc<Connection>,
    began: Instant,
}

impl InFlight {
    /// When its head had come.
    pub(super) fn began(&self) -> Instant {
        self.began
    }

    /// The client went away before the answer was complete, of which it may have had something.
    pub(super) fn client_gone(&self, had_something: bool) {
        let connection = &self.connection;
        if !had_something {
            let now = Instant::now();
            let age = now.saturating_duration_since(self.began);
            let mut early = connection.early_resets.lock().unwrap_or_else(PoisonError::into_inner);
            if early.count(age, connection.requests(), now, &connection.server.settings) {
                connection.reset_flood.store(true, Relaxed);
            }
        }
        connection.server.stats.resets_received.increment();
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let connection = &self.connection;
        connection.server.stats.requests_active.leave();
        if connection.active.fetch_sub(1, Relaxed) == 1 {
            let since = connection.opened.elapsed().as_millis();
            connection.idle_since.store(u64::try_from(since).unwrap_or(u64::MAX), Relaxed);
        }
    }
}
