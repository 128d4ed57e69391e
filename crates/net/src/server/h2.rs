//! HTTP/2 connections (RFC 9113): one task drives the frames, one task a stream runs the handler.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;

use h2::server::SendResponse;
use h2::{Reason, RecvStream};
use http::uri::Authority;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};

use crate::batch::BatchedIo;
use crate::body::{Hold, RecvBody};
use crate::chunk::Chunk;
use crate::client_frames::ClientFrames;
use crate::drain::{Drain, DrainPhase};
use crate::h2_stream::{H2SendHalf, Outcome};
use crate::keepalive::Keepalive;
use crate::server::connection::Connection;
use crate::server::detect::PREFACE;
use crate::server::lifecycle::{Directive, Lifecycle};
use crate::server::responder::{Asked, Responder, ServerStream};
use crate::server::{Handler, ServerSettings, work_of};
use crate::transport::Transport;

/// Serves the connection until it is over. Dropped, it cuts the connection.
pub(super) async fn serve<H: Handler>(
    transport: Transport,
    connection: Arc<Connection>,
    handler: Arc<H>,
    drain: Drain,
) {
    let server = Arc::clone(&connection.server);
    let meter = Arc::clone(transport.meter());
    let io = BatchedIo::following(transport, ClientFrames::after_preface(PREFACE.len()));

    let mut handshake = pin!(builder(&server.settings).handshake::<_, Chunk>(io.clone()));
    let handshake = poll_fn(|cx| {
        let shaken = handshake.as_mut().poll(cx);
        match io.poll_send(cx) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(error.to_string())),
            _ => shaken.map_err(|error| error.to_string()),
        }
    });
    let handshake = tokio::time::timeout(server.settings.header_timeout, handshake);
    let shaken = tokio::select! {
        shaken = handshake => shaken,
        // It has asked for nothing yet.
            () = drain.reached(DrainPhase::Ending) => return,
    };
    let mut h2 = match shaken {
        Ok(Ok(h2)) => h2,
        Ok(Err(error)) => {
            server.stats.protocol_errors.increment();
            tracing::debug!(peer = %connection.peer(), error, "HTTP/2 did not start");
            return;
        }
        Err(_elapsed) => {
            server.stats.timeouts.increment();
            return;
        }
    };

    let mut lifecycle = Lifecycle::new(Arc::clone(&connection), drain);
    let mut keepalive = Keepalive::new(&server.settings.http2, h2.ping_pong(), meter);
    let mut calmed = false;
    poll_fn(|cx| {
        loop {
            let head = io.open_header_block();
            match lifecycle.poll(cx, head) {
                Directive::Serve | Directive::Close => {}
                Directive::Retire => h2.graceful_shutdown(),
                Directive::Cut => return Poll::Ready(()),
            }
            if !calmed && connection.is_reset_flood() {
                calmed = true;
                server.stats.protocol_errors.increment();
                tracing::debug!(peer = %connection.peer(), "the client resets most of its streams: closing");
                h2.abrupt_shutdown(Reason::ENHANCE_YOUR_CALM);
            }
            loop {
                match h2.poll_accept(cx) {
                    Poll::Ready(Some(Ok((request, respond)))) => {
                        begin(request, respond, &connection, &handler)
                    }
                    Poll::Ready(Some(Err(error))) => {
                        if !error.is_io() {
                            server.stats.protocol_errors.increment();
                        }
                        tracing::debug!(peer = %connection.peer(), %error, "HTTP/2 connection failed");
                        return Poll::Ready(());
                    }
                    Poll::Ready(None) => return Poll::Ready(()),
                    Poll::Pending => break,
                }
            }
            if keepalive.as_mut().is_some_and(|keepalive| keepalive.poll_dead(cx).is_ready()) {
                server.stats.timeouts.increment();
                return Poll::Ready(());
            }
            if let Poll::Ready(Err(_broken)) = io.poll_send(cx) {
                return Poll::Ready(());
            }
            // The clock of a head that has begun or ended just now is still to be set.
            if io.open_header_block() == head {
                return Poll::Pending;
            }
        }
    })
    .await;
}

fn builder(settings: &ServerSettings) -> h2::server::Builder {
    let mut builder = h2::server::Builder::new();
    builder
        .initial_window_size(settings.http2.stream_window)
        .initial_connection_window_size(settings.http2.connection_window)
        .max_frame_size(settings.http2.max_frame_size)
        .max_send_buffer_size(settings.http2.send_buffer)
        .max_header_list_size(settings.http2.max_header_bytes)
        .max_concurrent_reset_streams(settings.http2.remembered_resets)
        .max_local_error_reset_streams(Some(settings.max_error_resets))
        .data_frame_budget(settings.http2.small_frame_allowance)
        .max_concurrent_streams(settings.max_concurrent_streams)
        .max_pending_accept_reset_streams(settings.max_pending_resets);
    builder
}

fn begin<H: Handler>(
    request: Request<RecvStream>,
    mut respond: SendResponse<Chunk>,
    connection: &Arc<Connection>,
    handler: &Arc<H>,
) {
    let (mut head, body) = request.into_parts();
    let whole = body.is_end_stream();
    if !whole {
        accept_expectation(&mut head.headers, &mut respond);
    }
    let stream = ServerStream::new(H2SendHalf::awaiting_head(respond), connection.begin_request());
    let body = if whole {
        RecvBody::empty()
    } else {
        RecvBody::http2(body, &head.headers, Hold::Caller(Arc::clone(&stream)))
    };
    let of_host = || Authority::try_from(head.headers.get(header::HOST)?.as_bytes()).ok();
    let asked = Asked {
        arrived: stream.in_flight.began(),
        authority: head.uri.authority().cloned().or_else(of_host),
        to_head: head.method == Method::HEAD,
    };
    let responder = Responder::http2(Arc::clone(&stream), asked);
    let request = Request::from_parts(head, body);
    tokio::spawn(run(work_of(Arc::clone(handler), request, responder), stream));
}

/// Tells a client that waits for it to go on sending (RFC 9110 section 10.1.1). With flow control there is no reason
/// to let it wait.
fn accept_expectation(headers: &mut http::HeaderMap<HeaderValue>, respond: &mut SendResponse<Chunk>) {
    let expects = headers.get(header::EXPECT);
    if expects.is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue")) {
        headers.remove(header::EXPECT);
        let mut go_on = Response::new(());
        *go_on.status_mut() = StatusCode::CONTINUE;
        // Fails only on a stream that is gone, which the handler learns by itself.
        let _sent = respond.send_informational(go_on);
    }
}

/// Runs the handler until it is done or the client is gone; then the handler is dropped where it stands.
///
/// What the handler leaves unread is discarded meanwhile, and for a while behind the answer: RFC 9113 section 8.1 lets a
/// server stop the client by RST_STREAM with NO_ERROR, but there are clients that lose the answer by it.
async fn run(mut work: Pin<Box<impl Future<Output = ()>>>, stream: Arc<ServerStream>) {
    poll_fn(|cx| match work.as_mut().poll(cx) {
        Poll::Ready(()) => Poll::Ready(()),
        Poll::Pending => {
            let _ended = stream.poll_discard(cx);
            stream.half().poll_lost(cx)
        }
    })
    .await;
    drop(work);
    let unread = stream.take_unread();
    match (stream.half().outcome(), unread) {
        (Some(Outcome::Lost), _) => stream.in_flight.client_gone(stream.half().has_begun()),
        (Some(Outcome::Ended), Some(mut unread)) => {
            let time = stream.in_flight.connection.server.settings.lingering_time;
            // The call is over; only its stream is not.
            drop(stream);
            let _in_time = tokio::time::timeout(time, poll_fn(|cx| unread.poll_discard(cx))).await;
        }
        _ => stream.half().stop_watching(),
    }
}
