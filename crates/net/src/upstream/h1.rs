//! HTTP/1.1 connections to an upstream (RFC 9112), by hyper: one request at a time on each.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use http::uri::PathAndQuery;
use http::{HeaderValue, Request, Uri, Version, header};
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::time::{Instant, sleep};

use crate::body::{Hold, Outlet, RecvBody, SendBody};
use crate::error::{RecvError, text_of};
use crate::handoff::{Consumer, handoff};
use crate::server::HttpVersion;
use crate::transport::{Meter, Transport};
use crate::upstream::connect::ConnectError;
use crate::upstream::endpoint::{EndpointConfig, OpenError};
use crate::upstream::h2::default_authority;
use crate::upstream::lifetime::watch;
use crate::upstream::pool::Pool;
use crate::upstream::response::ResponseFuture;
use crate::upstream::verdict::Verdict;

/// A connection that has no request. Dropped, it closes.
#[derive(Debug)]
pub(super) struct IdleConnection {
    id: u64,
    generation: u64,
    requests: u64,
    sender: SendRequest<Consumer>,
    meter: Arc<Meter>,
    opened: Instant,
    since: Instant,
}

impl IdleConnection {
    pub(super) fn id(&self) -> u64 {
        self.id
    }

    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    pub(super) fn idle_for(&self) -> std::time::Duration {
        self.since.elapsed()
    }

    pub(super) fn is_usable(&self) -> bool {
        self.sender.is_ready()
    }
}

/// Starts HTTP/1.1 on a transport. The driver has to be run for anything to happen.
pub(super) async fn start(
    pool: &Arc<Pool>,
    transport: Transport,
    id: u64,
    generation: u64,
) -> Result<(IdleConnection, Pin<Box<dyn Future<Output = ()> + Send>>), ConnectError> {
    let settings = &pool.config().settings;
    let meter = Arc::clone(transport.meter());
    let handshake = Builder::new()
        .max_header_size(settings.http1_max_header_bytes)
        .handshake::<_, Consumer>(TokioIo::new(transport))
        .await;
    let (mut sender, connection) = handshake.map_err(|error| ConnectError::Http {
        address: pool.config().address.clone(),
        problem: text_of(&error),
    })?;
    let (idle_timeout, max_age) = (settings.idle_timeout, settings.max_connection_age);
    let pool = Arc::clone(pool);
    let mut connection = Box::pin(connection);
    // hyper takes the first request only after its connection was polled once.
    let mut early_end = poll_fn(|cx| {
        let ended = connection.as_mut().poll(cx);
        Poll::Ready(ended.is_ready())
    })
    .await;
    early_end |= matches!(sender.poll_ready(&mut Context::from_waker(Waker::noop())), Poll::Ready(Err(_)));
    if early_end {
        return Err(match Verdict::of(pool.config(), &meter, HttpVersion::Http1) {
            Some(verdict) => verdict.into(),
            None => ConnectError::Http {
                address: pool.config().address.clone(),
                problem: "the connection was closed at once".to_owned(),
            },
        });
    }
    let driver = async move {
        let idle = close_when_idle(&pool, id, idle_timeout);
        // One that has a request closes when it would be given back.
        let mut lifetime = pin!(watch(idle, max_age, || pool.drop_idle(id)));
        poll_fn(|cx| {
            let _pending = lifetime.as_mut().poll(cx);
            connection.as_mut().poll(cx).map(|ended| {
                if let Err(error) = ended {
                    if error.is_parse() {
                        pool.config().stats.protocol_errors.increment();
                    }
                    let upstream = &pool.config().address;
                    tracing::debug!(%upstream, error = text_of(&error), "HTTP/1.1 connection failed");
                }
            })
        })
        .await;
        pool.closed(id, HttpVersion::Http1);
    };
    let now = Instant::now();
    let idle = IdleConnection { id, generation, requests: 0, sender, meter, opened: now, since: now };
    Ok((idle, Box::pin(driver)))
}

/// Looks now and then whether the connection lies idle for too long, and drops it then.
async fn close_when_idle(pool: &Pool, id: u64, timeout: Option<std::time::Duration>) {
    let Some(timeout) = timeout else { return };
    let mut wait = timeout;
    loop {
        sleep(wait).await;
        wait = match pool.idle_for(id) {
            None => timeout,
            Some(idle) if idle < timeout => timeout - idle,
            Some(_) => {
                pool.drop_idle(id);
                return;
            }
        };
    }
}

/// Sends a request on a connection that is ready for it.
pub(super) fn send(
    pool: &Arc<Pool>,
    idle: IdleConnection,
    head: Request<()>,
    end: bool,
) -> Result<(ResponseFuture, SendBody), OpenError> {
    let head = match with_host(head, pool.config()) {
        Ok(head) => head,
        Err(error) => {
            pool.put_idle(idle);
            return Err(error);
        }
    };
    let (producer, consumer) = handoff(pool.config().settings.http1_send_buffer);
    let body = if end {
        // The consumer is right here, so there is somebody to take it.
        let _ended = producer.finish(None);
        Outlet::Closed
    } else {
        Outlet::Http1(producer)
    };
    let response = exchange(Arc::clone(pool), idle, head.map(|()| consumer));
    Ok((ResponseFuture::http1(response), SendBody::new(body)))
}

/// How often a request may move to another connection. A server that closes each of them, such as one that speaks only
/// HTTP/2, would otherwise keep it moving for ever.
const MOST_MOVES: usize = 3;

/// The request goes out as this is called, the response comes as it is awaited.
fn exchange(
    pool: Arc<Pool>,
    idle: IdleConnection,
    request: Request<Consumer>,
) -> impl Future<Output = Result<hyper::Response<RecvBody>, RecvError>> + Send + 'static {
    let mut lease = Lease::new(pool, idle);
    let sent = lease.idle.as_mut().map(|idle| idle.sender.try_send_request(request));
    async move {
        let Some(mut sent) = sent else { return Err(RecvError::Cancelled) };
        let mut moves = 0;
        loop {
            let mut failure = match sent.await {
                Ok(response) => {
                    return Ok(response.map(|body| RecvBody::http1(body, Hold::Lease(lease))));
                }
                Err(failure) => failure,
            };
            // hyper gives the request back exactly if it had written nothing of it.
            let Some(request) = failure.take_message().filter(|_| moves < MOST_MOVES) else {
                return Err(lease.explain(RecvError::from_hyper(failure.into_error())));
            };
            moves += 1;
            let pool = Arc::clone(&lease.pool);
            drop(lease);
            let idle = pool.idle_connection().await.map_err(|error| match error {
                OpenError::Connect(ConnectError::OtherHttp(other))
                | OpenError::BackingOff { after: ConnectError::OtherHttp(other), .. } => other.into(),
                OpenError::Connect(ConnectError::Tls(failure))
                | OpenError::BackingOff { after: ConnectError::Tls(failure), .. } => failure.into(),
                error => RecvError::Closed(error.to_string()),
            })?;
            lease = Lease::new(pool, idle);
            sent = match lease.idle.as_mut() {
                Some(idle) => idle.sender.try_send_request(request),
                None => return Err(RecvError::Cancelled),
            };
        }
    }
}

/// HTTP/1.1 wants a host field and the bare path (RFC 9112 section 3.2).
fn with_host(head: Request<()>, config: &EndpointConfig) -> Result<Request<()>, OpenError> {
    let mut head = head;
    *head.version_mut() = Version::HTTP_11;
    let parts = std::mem::take(head.uri_mut()).into_parts();
    if !head.headers().contains_key(header::HOST) {
        let authority = match parts.authority {
            Some(authority) => authority,
            None => default_authority(config)?,
        };
        let host = HeaderValue::from_str(authority.as_str())
            .map_err(|error| OpenError::Invalid { problem: error.to_string() })?;
        head.headers_mut().insert(header::HOST, host);
    }
    let path = parts.path_and_query.unwrap_or_else(|| PathAndQuery::from_static("/"));
    *head.uri_mut() = Uri::from(path);
    Ok(head)
}

/// A connection while it has a request. Dropped without being given back, it closes.
#[derive(Debug)]
pub(crate) struct Lease {
    pool: Arc<Pool>,
    idle: Option<IdleConnection>,
}

impl Lease {
    fn new(pool: Arc<Pool>, idle: IdleConnection) -> Self {
        pool.request_began();
        Self { pool, idle: Some(idle) }
    }

    /// The response was received whole: the connection is good for another request, once all of this one is sent.
    pub(crate) fn give_back(mut self) {
        let Some(mut idle) = self.idle.take() else { return };
        idle.requests += 1;
        let settings = &self.pool.config().settings;
        let used_up = settings.max_requests_per_connection.is_some_and(|most| idle.requests >= most);
        if used_up || settings.max_connection_age.is_some_and(|age| idle.opened.elapsed() >= age) {
            return;
        }
        let pool = Arc::clone(&self.pool);
        match idle.sender.poll_ready(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Ok(())) => {
                idle.since = Instant::now();
                pool.put_idle(idle);
            }
            Poll::Ready(Err(_closed)) => {}
            Poll::Pending => {
                tokio::spawn(async move {
                    if idle.sender.ready().await.is_ok() {
                        idle.since = Instant::now();
                        pool.put_idle(idle);
                    }
                });
            }
        }
    }

    /// What the response failed of, given what the upstream sent; and counts that.
    pub(crate) fn explain(&self, error: RecvError) -> RecvError {
        let config = self.pool.config();
        if matches!(error, RecvError::Protocol(_)) {
            config.stats.protocol_errors.increment();
        }
        let idle = self.idle.as_ref();
        match idle.and_then(|idle| Verdict::of(config, &idle.meter, HttpVersion::Http1)) {
            Some(verdict) => verdict.into(),
            None => error,
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.pool.request_ended();
    }
}
