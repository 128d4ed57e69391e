//! HTTP/2 connections to an upstream (RFC 9113): many requests on one connection.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker};

use h2::Reason;
use h2::client::{Builder, SendRequest};
use http::uri::{Authority, Scheme};
use http::{Request, Uri, Version, header};
use tokio::time::{Instant, sleep_until};

use crate::batch::BatchedIo;
use crate::body::{Outlet, SendBody};
use crate::chunk::Chunk;
use crate::error::RecvError;
use crate::h2_stream::{H2SendHalf, Outcome};
use crate::keepalive::Keepalive;
use crate::server::HttpVersion;
use crate::transport::{Meter, Transport};
use crate::upstream::connect::ConnectError;
use crate::upstream::endpoint::{EndpointConfig, OpenError};
use crate::upstream::lifetime::watch;
use crate::upstream::pool::Pool;
use crate::upstream::response::ResponseFuture;
use crate::upstream::verdict::Verdict;

/// One connection. Held by the pool while it takes requests, and by its streams; when nobody holds it, it closes.
#[derive(Debug)]
pub(crate) struct H2Connection {
    id: u64,
    sender: SendRequest<Chunk>,
    active: AtomicUsize,
    requests: AtomicU64,
    opened: Instant,
    /// Milliseconds from `opened` to when the last stream ended.
    idle_since: AtomicU64,
    timed_out: AtomicBool,
    meter: Arc<Meter>,
    pool: Arc<Pool>,
}

/// What a connection made of a request.
pub(super) enum Offer {
    Taken((ResponseFuture, SendBody)),
    /// It has as many streams as it may have.
    Full(Request<()>),
    /// It takes no requests any more: GOAWAY, or closed.
    Gone(Request<()>),
}

/// Starts HTTP/2 on a transport. The driver has to be run for anything to happen.
pub(super) async fn start(
    pool: &Arc<Pool>,
    transport: Transport,
    id: u64,
) -> Result<(Arc<H2Connection>, Pin<Box<dyn Future<Output = ()> + Send>>), ConnectError> {
    let settings = &pool.config().settings;
    let meter = Arc::clone(transport.meter());
    let io = BatchedIo::new(transport);
    let handshake = Builder::new()
        .initial_window_size(settings.http2.stream_window)
        .initial_connection_window_size(settings.http2.connection_window)
        .max_frame_size(settings.http2.max_frame_size)
        .max_send_buffer_size(settings.http2.send_buffer)
        .max_header_list_size(settings.http2.max_header_bytes)
        .max_concurrent_reset_streams(settings.http2.remembered_resets)
        // What still comes on a stream that we reset and forgot counts as the server's error. But it is our callers who
        // cancel, and they share the connection: it is not closed for that.
        .max_local_error_reset_streams(None)
        .data_frame_budget(settings.http2.small_frame_allowance)
        .enable_push(false)
        .handshake::<_, Chunk>(io.clone())
        .await;
    let (sender, mut h2) = handshake.map_err(|error| ConnectError::Http {
        address: pool.config().address.clone(),
        problem: error.to_string(),
    })?;
    let connection = Arc::new(H2Connection {
        id,
        sender,
        active: AtomicUsize::new(0),
        requests: AtomicU64::new(0),
        opened: Instant::now(),
        idle_since: AtomicU64::new(0),
        timed_out: AtomicBool::new(false),
        meter: Arc::clone(&meter),
        pool: Arc::clone(pool),
    });

    let mut keepalive = Keepalive::new(&settings.http2, h2.ping_pong(), meter);
    let (idle_timeout, max_age) = (settings.idle_timeout, settings.max_connection_age);
    let weak = Arc::downgrade(&connection);
    let pool = Arc::clone(pool);
    let driver = async move {
        let idle = close_when_idle(weak.clone(), idle_timeout);
        let mut lifetime = pin!(watch(idle, max_age, || pool.drop_http2(id)));
        poll_fn(|cx| {
            let _pending = lifetime.as_mut().poll(cx);
            if let Poll::Ready(ended) = Pin::new(&mut h2).poll(cx) {
                if let Err(error) = ended
                    && !error.is_io()
                {
                    pool.config().stats.protocol_errors.increment();
                    tracing::debug!(upstream = %pool.config().address, %error, "HTTP/2 connection failed");
                }
                return Poll::Ready(());
            }
            if keepalive.as_mut().is_some_and(|keepalive| keepalive.poll_dead(cx).is_ready()) {
                if let Some(connection) = weak.upgrade() {
                    connection.timed_out.store(true, Relaxed);
                }
                return Poll::Ready(());
            }
            match io.poll_send(cx) {
                Poll::Ready(Err(_broken)) => Poll::Ready(()),
                _ => Poll::Pending,
            }
        })
        .await;
        // First out of use, then dead: nobody is to find it in between.
        pool.closed(id, HttpVersion::Http2);
        drop(h2);
    };
    Ok((connection, Box::pin(driver)))
}

/// Waits until the connection has been without streams for the whole time, and takes it out of use.
async fn close_when_idle(connection: Weak<H2Connection>, timeout: Option<std::time::Duration>) {
    let Some(timeout) = timeout else { return };
    let mut deadline = Instant::now() + timeout;
    loop {
        sleep_until(deadline).await;
        let Some(connection) = connection.upgrade() else { return };
        let now = Instant::now();
        deadline = if connection.active.load(Relaxed) > 0 {
            now + timeout
        } else {
            let since = std::time::Duration::from_millis(connection.idle_since.load(Relaxed));
            connection.opened + since + timeout
        };
        if deadline <= now {
            connection.pool.drop_http2(connection.id);
            return;
        }
    }
}

impl H2Connection {
    pub(super) fn id(&self) -> u64 {
        self.id
    }

    /// Whether it has had as many requests as it may have.
    pub(super) fn is_used_up(&self) -> bool {
        let most = self.pool.config().settings.max_requests_per_connection;
        most.is_some_and(|most| self.requests.load(Relaxed) >= most)
    }

    fn verdict(&self) -> Option<Verdict> {
        Verdict::of(self.pool.config(), &self.meter, HttpVersion::Http2)
    }

    /// Sends a request if there is room for it.
    ///
    /// # Errors
    /// Of those where it is no use to try another connection, or too late.
    pub(super) fn offer(self: &Arc<Self>, head: Request<()>, end: bool) -> Result<Offer, OpenError> {
        // A clone: only a handle of its own never has to wait for what another handle sent before.
        let mut sender = self.sender.clone();
        if let Poll::Ready(Err(_gone)) = sender.poll_ready(&mut Context::from_waker(Waker::noop())) {
            return Ok(Offer::Gone(head));
        }
        let config = self.pool.config();
        let allowed = sender.current_max_send_streams();
        let allowed = config.settings.max_concurrent_streams.map_or(allowed, |most| most.min(allowed));
        if self.active.load(Relaxed) >= allowed {
            return Ok(Offer::Full(head));
        }
        let head = with_pseudo_fields(head, config)?;
        match sender.send_request(head, end) {
            Ok((response, stream)) => {
                self.active.fetch_add(1, Relaxed);
                self.requests.fetch_add(1, Relaxed);
                self.pool.request_began();
                let half = if end { H2SendHalf::ended() } else { H2SendHalf::open(stream) };
                let stream = Arc::new(ClientStream { half, connection: Arc::clone(self) });
                let body = if end { Outlet::Closed } else { Outlet::Client(Arc::clone(&stream)) };
                Ok(Offer::Taken((ResponseFuture::http2(response, stream), SendBody::new(body))))
            }
            Err(error) if error.is_io() || error.is_go_away() => Err(match self.verdict() {
                Some(verdict) => OpenError::Connect(verdict.into()),
                None => OpenError::Closed { address: config.address.clone() },
            }),
            Err(error) => Err(OpenError::Invalid { problem: error.to_string() }),
        }
    }
}

/// HTTP/2 wants scheme and authority with every request (RFC 9113 section 8.3.1).
fn with_pseudo_fields(head: Request<()>, config: &EndpointConfig) -> Result<Request<()>, OpenError> {
    let mut head = head;
    *head.version_mut() = Version::HTTP_2;
    if head.uri().scheme().is_some() {
        return Ok(head);
    }
    let invalid = |problem: String| OpenError::Invalid { problem };
    let authority = match head.headers_mut().remove(header::HOST) {
        Some(host) => Authority::try_from(host.as_bytes()).map_err(|error| invalid(error.to_string()))?,
        None => default_authority(config)?,
    };
    let mut parts = std::mem::take(head.uri_mut()).into_parts();
    parts.scheme = Some(if config.tls.is_some() { Scheme::HTTPS } else { Scheme::HTTP });
    parts.authority = Some(authority);
    *head.uri_mut() = Uri::from_parts(parts).map_err(|error| invalid(error.to_string()))?;
    Ok(head)
}

/// What a request is addressed to that names nothing itself.
pub(super) fn default_authority(config: &EndpointConfig) -> Result<Authority, OpenError> {
    let text = match (&config.host, config.address.tcp()) {
        (Some(host), Some(address)) => format!("{host}:{}", address.port()),
        (Some(host), None) => host.clone(),
        (None, Some(address)) => address.to_string(),
        (None, None) => "localhost".to_owned(),
    };
    Authority::try_from(text).map_err(|error| OpenError::Invalid { problem: error.to_string() })
}

/// One request on a connection, shared by its sending and its receiving half.
#[derive(Debug)]
pub(crate) struct ClientStream {
    half: H2SendHalf,
    connection: Arc<H2Connection>,
}

impl ClientStream {
    pub(crate) fn half(&self) -> &H2SendHalf {
        &self.half
    }

    /// Gives the request up, unless it was sent as a whole; then dropping the response does.
    pub(crate) fn reset(&self, reason: Reason) {
        if self.half.reset(reason) {
            self.connection.pool.config().stats.resets_sent.increment();
        }
    }

    /// The response is not wanted any more.
    pub(crate) fn cancel(&self) {
        if self.half.outcome() == Some(Outcome::Ended) {
            // h2 resets the stream as the receiving half goes.
            self.connection.pool.config().stats.resets_sent.increment();
        }
        self.reset(Reason::CANCEL);
    }

    /// What the response failed of, given what the upstream sent and what the connection died of.
    pub(crate) fn explain(&self, error: RecvError) -> RecvError {
        let stats = &self.connection.pool.config().stats;
        match &error {
            RecvError::Reset(_) | RecvError::Unprocessed(_) => stats.resets_received.increment(),
            RecvError::Protocol(_) => stats.protocol_errors.increment(),
            RecvError::Closed(_) if self.connection.timed_out.load(Relaxed) => return RecvError::Timeout,
            RecvError::Closed(_) | RecvError::Timeout | RecvError::Cancelled => {}
            // Found out below.
            RecvError::OtherHttp(_) | RecvError::Tls(_) => {}
        }
        self.connection.verdict().map_or(error, RecvError::from)
    }
}

impl Drop for ClientStream {
    fn drop(&mut self) {
        let connection = &self.connection;
        if connection.active.fetch_sub(1, Relaxed) == 1 {
            let since = connection.opened.elapsed().as_millis();
            connection.idle_since.store(u64::try_from(since).unwrap_or(u64::MAX), Relaxed);
        }
        connection.pool.request_ended();
    }
}
