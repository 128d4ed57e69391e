//! The server: accepted sockets in, requests to a handler, answers out.

mod bell;
mod connection;
mod detect;
mod early_resets;
mod h1;
mod h2;
mod length;
mod lifecycle;
mod responder;
mod unread;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use http::Request;

use crate::address::Address;
use crate::body::RecvBody;
use crate::drain::{Drain, DrainPhase, Held};
use crate::listen::{Listener, concerns_one_connection};
use crate::outbox::Outbox;
use crate::settings::{ServerHttp, ServerSettings};
use crate::stats::{Counter, Gauge, ServerStats};
use crate::tls::{ALPN_H2, ALPN_HTTP1, ServerTls, TlsInfo};
use crate::transport::{Meter, Socket, Transport};

pub(crate) use bell::quietly;
pub use connection::{Connection, HttpVersion};
pub(crate) use h1::Departure;
pub(crate) use length::Length;
pub use responder::Responder;
pub(crate) use responder::ServerStream;

/// What answers requests, all those of a server at once.
pub trait Handler: Send + Sync + 'static {
    /// Answers one request by `respond`.
    ///
    /// When the client goes away before the answer is complete (RST_STREAM for any cause, or the connection is lost),
    /// the future is dropped at its current await: that is how cancellation reaches the handler, and everything that
    /// the future owns, such as an upstream call, is cancelled with it. A client that only ends its request early or
    /// late cancels nothing. HTTP/1.1 knows no half-closed connection: there a client that closes its sending side has
    /// gone away, which shows once what it sent before was read; a handler that leaves the request's content unread
    /// there learns of it only by reading on, or by its own deadline.
    fn handle(&self, request: Request<RecvBody>, respond: Responder) -> impl Future<Output = ()> + Send;
}

/// Starts the handler's work on one request.
///
/// On the heap before it goes anywhere: it is large and not to be moved. And its place there is taken before it is made, so
/// that it is made in it; otherwise all of its room would be copied, most of which has nothing in it yet.
fn work_of<H: Handler>(
    handler: Arc<H>,
    request: Request<RecvBody>,
    respond: Responder,
) -> Pin<Box<impl Future<Output = ()> + Send>> {
    let place = Box::new_uninit();
    Box::into_pin(Box::write(place, async move { handler.handle(request, respond).await }))
}

/// What the listeners and workers of one server share.
#[derive(Debug, Default)]
pub struct Server {
    /// Limits and times.
    pub settings: ServerSettings,
    /// TLS; without it connections are in cleartext.
    pub tls: Option<ServerTls>,
    /// What has happened so far.
    pub stats: Arc<ServerStats>,
}

/// How long accepting rests when the system has no descriptors or memory left.
const ACCEPT_REST: Duration = Duration::from_millis(50);

/// Accepts and serves until `drain` begins; who waits in the queue by then is served, too. Connections run in tasks of
/// their own on the current runtime and may outlive this call: [`Drain::finished`] waits for them. Dropping the call
/// stops accepting and leaves them be.
pub async fn serve<H: Handler>(listener: Listener, server: Arc<Server>, handler: H, drain: Drain) {
    let held = drain.hold();
    let handler = Arc::new(handler);
    let outbox = Outbox::open();
    let mut draining = std::pin::pin!(drain.reached(DrainPhase::Draining));
    loop {
        let accepted = tokio::select! {
            biased;
            () = &mut draining => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((socket, peer)) => admit(socket, peer, &server, &handler, &drain, &outbox),
            Err(error) if concerns_one_connection(&error) => {}
            Err(error) => {
                server.stats.accept_errors.increment();
                tracing::warn!(%error, "cannot accept connections; trying again shortly");
                tokio::select! {
                    () = &mut draining => break,
                    () = tokio::time::sleep(ACCEPT_REST) => {}
                }
            }
        }
    }
    // Those who wait in the queue are connected as far as they know.
    let emptied = listener.into_queue().and_then(|mut queue| {
        while let Some((socket, peer)) = queue.next()? {
            admit(socket, peer, &server, &handler, &drain, &outbox);
        }
        Ok(())
    });
    if let Err(error) = emptied {
        server.stats.accept_errors.increment();
        tracing::warn!(%error, "cannot accept the last connections that wait");
    }
    drop(held);
}

fn admit<H: Handler>(
    socket: Socket,
    peer: Address,
    server: &Arc<Server>,
    handler: &Arc<H>,
    drain: &Drain,
    outbox: &Arc<Outbox>,
) {
    let stats = &server.stats;
    stats.connections_total.increment();
    let open = Open { server: Arc::clone(server), _held: drain.hold() };
    if stats.connections_active.enter() >= server.settings.max_connections as u64 {
        stats.connections_refused.increment();
        return;
    }
    let (handler, drain, outbox) = (Arc::clone(handler), drain.clone(), Arc::clone(outbox));
    tokio::spawn(async move {
        let begun = tokio::select! {
            begun = begin(socket, peer, Arc::clone(&open.server), &drain) => begun,
            // It has asked for nothing yet.
            () = drain.reached(DrainPhase::Ending) => None,
        };
        if let Some((transport, connection)) = begun {
            converse(transport, connection, handler, drain, outbox).await;
        }
        drop(open);
    });
}

/// An open connection; counted until it is dropped.
struct Open {
    server: Arc<Server>,
    _held: Held,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.server.stats.connections_active.leave();
    }
}

/// From an accepted socket to a connection that has begun to speak. None if it never does.
async fn begin(
    socket: Socket,
    peer: Address,
    server: Arc<Server>,
    drain: &Drain,
) -> Option<(Transport, Arc<Connection>)> {
    let meter = Meter::new(&server.stats.traffic);
    let local = socket.local_address().ok()?;
    let (mut transport, tls) = match &server.tls {
        None => (Transport::plain(socket, meter), None),
        Some(tls) => {
            let handshake = tls.acceptor().accept(socket);
            match tokio::time::timeout(server.settings.handshake_timeout, handshake).await {
                Ok(Ok(stream)) => {
                    let info = TlsInfo::of_client(stream.get_ref().1);
                    (Transport::tls(stream, meter), Some(info))
                }
                Ok(Err(error)) => {
                    server.stats.tls_errors.increment();
                    tracing::debug!(%peer, %error, "TLS handshake failed");
                    return None;
                }
                Err(_elapsed) => {
                    server.stats.tls_errors.increment();
                    tracing::debug!(%peer, "TLS handshake took too long");
                    return None;
                }
            }
        }
    };
    let agreed = match (server.settings.http, tls.as_ref().and_then(|tls| tls.alpn.as_deref())) {
        (ServerHttp::Http2, _) | (ServerHttp::Auto, Some(ALPN_H2)) => Some(HttpVersion::Http2),
        (ServerHttp::Http1, _) | (ServerHttp::Auto, Some(ALPN_HTTP1)) => Some(HttpVersion::Http1),
        (ServerHttp::Auto, _) => None,
    };
    // Its first bytes, also where HTTP is agreed on: a client that says nothing has no request to lose.
    let first = tokio::time::timeout(server.settings.header_timeout, detect::detect(&mut transport));
    // A client that was accepted just before the drain may have its request on the way.
    let last_call = async {
        drain.reached(DrainPhase::Draining).await;
        tokio::time::sleep(server.settings.lingering_time).await;
    };
    let first = tokio::select! {
        biased;
        first = first => first,
        () = last_call => return None,
    };
    let http = match first {
        Ok(Ok(Some(heard))) => agreed.unwrap_or(heard),
        Ok(Ok(None) | Err(_)) => return None,
        Err(_elapsed) => {
            server.stats.timeouts.increment();
            return None;
        }
    };
    Some((transport, Connection::new(peer, local, http, tls, server)))
}

/// Speaks HTTP until the connection is over, which by now minds the drain itself.
async fn converse<H: Handler>(
    transport: Transport,
    connection: Arc<Connection>,
    handler: Arc<H>,
    drain: Drain,
    outbox: Arc<Outbox>,
) {
    let stats = Arc::clone(&connection.server.stats);
    match connection.http() {
        HttpVersion::Http1 => {
            let _counted = Counted::new(&stats.http1_connections_total, &stats.http1_connections_active);
            h1::serve(transport, connection, handler, drain, outbox).await;
        }
        HttpVersion::Http2 => {
            let _counted = Counted::new(&stats.http2_connections_total, &stats.http2_connections_active);
            h2::serve(transport, connection, handler, drain).await;
        }
    }
}

/// One among those of its HTTP version, until it is dropped.
struct Counted<'a>(&'a Gauge);

impl<'a> Counted<'a> {
    fn new(total: &Counter, active: &'a Gauge) -> Self {
        total.increment();
        active.enter();
        Self(active)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.leave();
    }
}
