//! The echo, over gRPC, and over Connect for clients that have nothing else: each call's bytes come back as they came,
//! framed as they were framed.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use tokio::net::TcpListener;

use crate::plain_io::PlainIo;

/// The largest unary request that is held to be echoed, in bytes; a larger one is reset.
const MAX_UNARY_BYTES: usize = 64 << 20;

/// Wide windows, so that flow control is the proxy's doing and not this server's.
const STREAM_WINDOW: u32 = 4 << 20;
const CONNECTION_WINDOW: u32 = 64 << 20;

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");
const OK: HeaderValue = HeaderValue::from_static("0");
const UNIMPLEMENTED: HeaderValue = HeaderValue::from_static("12");

/// The envelope that ends a Connect stream well.
const CONNECT_END: &[u8] = b"\x02\0\0\0\x02{}";

/// How a call ends with status 0.
#[derive(Clone, Copy)]
enum End {
    /// gRPC: trailers.
    Trailers,
    /// A Connect stream: an envelope.
    Envelope,
    /// A unary Connect call: its HTTP status has said it.
    Nothing,
}

impl End {
    fn of(request: &HeaderMap) -> Self {
        match request.get(CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes) {
            content if content.starts_with(b"application/grpc") => Self::Trailers,
            content if content.starts_with(b"application/connect+") => Self::Envelope,
            _ => Self::Nothing,
        }
    }

    fn send(self, to: &mut SendStream<Bytes>) -> Result<(), h2::Error> {
        match self {
            Self::Trailers => to.send_trailers(status(OK)),
            Self::Envelope => to.send_data(Bytes::from_static(CONNECT_END), true),
            Self::Nothing => to.send_data(Bytes::new(), true),
        }
    }
}

/// How many calls ended with an echo and status 0: what a proxy cannot fake by answering by itself.
#[derive(Clone, Default)]
pub(crate) struct Answered(Arc<AtomicU64>);

impl Answered {
    pub(crate) fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    fn one_more(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Accepts connections until accepting fails.
pub(crate) async fn serve(listener: TcpListener, answered: Answered) -> io::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        // A connection that breaks, now or later, is the proxy's to report: its calls are missing from the count.
        let Ok(io) = PlainIo::new(stream) else {
            continue;
        };
        let answered = answered.clone();
        tokio::spawn(async move {
            let _ = connection(io, answered).await;
        });
    }
}

async fn connection(io: PlainIo, answered: Answered) -> Result<(), h2::Error> {
    let mut connection = h2::server::Builder::new()
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_concurrent_streams(u32::MAX)
        .handshake(io)
        .await?;
    while let Some(accepted) = connection.accept().await {
        let (request, respond) = accepted?;
        tokio::spawn(call(request, respond, answered.clone()));
    }
    Ok(())
}

async fn call(request: Request<RecvStream>, mut respond: SendResponse<Bytes>, answered: Answered) {
    let path = request.uri().path();
    let echoed = if path.ends_with("/Echo") {
        unary(request, &mut respond).await
    } else if path.ends_with("/Stream") {
        stream(request, &mut respond).await
    } else if path.ends_with("/Flood") {
        flood(request, &mut respond).await
    } else {
        let mut head = head(request.headers());
        head.headers_mut().insert(GRPC_STATUS, UNIMPLEMENTED);
        let _ = respond.send_response(head, true);
        return;
    };
    match echoed {
        Ok(()) => answered.one_more(),
        Err(_) => respond.send_reset(Reason::INTERNAL_ERROR),
    }
}

/// Reads the request to its end, then sends it back whole.
async fn unary(request: Request<RecvStream>, respond: &mut SendResponse<Bytes>) -> Result<(), h2::Error> {
    let end = End::of(request.headers());
    let head = head(request.headers());
    let mut body = request.into_body();
    let mut chunks = Vec::with_capacity(1);
    let mut held = 0;
    while let Some(chunk) = body.data().await {
        let chunk = chunk?;
        body.flow_control().release_capacity(chunk.len())?;
        held += chunk.len();
        if held > MAX_UNARY_BYTES {
            return Err(Reason::ENHANCE_YOUR_CALM.into());
        }
        // A caller may end with an empty DATA frame; servers do not send one before their trailers.
        if !chunk.is_empty() {
            chunks.push(chunk);
        }
    }
    let mut send = respond.send_response(head, false)?;
    for chunk in chunks {
        // Already bounded by what was read, so h2 may hold it until the proxy's window opens.
        send.send_data(chunk, false)?;
    }
    end.send(&mut send)
}

/// Sends each chunk back as it comes, and ends when the caller ends.
async fn stream(request: Request<RecvStream>, respond: &mut SendResponse<Bytes>) -> Result<(), h2::Error> {
    let end = End::of(request.headers());
    let mut send = respond.send_response(head(request.headers()), false)?;
    let mut body = request.into_body();
    while let Some(chunk) = body.data().await {
        let chunk = chunk?;
        let len = chunk.len();
        send_within_window(&mut send, chunk).await?;
        // Only now may the caller send more: a caller that does not read cannot make us hold its bytes.
        body.flow_control().release_capacity(len)?;
    }
    end.send(&mut send)
}

/// Reads `FloodRequest { count, content }`, and sends `Message { content }` so often.
async fn flood(request: Request<RecvStream>, respond: &mut SendResponse<Bytes>) -> Result<(), h2::Error> {
    let end = End::of(request.headers());
    let mut send = respond.send_response(head(request.headers()), false)?;
    let mut body = request.into_body();
    let mut asked = Vec::new();
    while let Some(chunk) = body.data().await {
        let chunk = chunk?;
        body.flow_control().release_capacity(chunk.len())?;
        asked.extend_from_slice(&chunk);
    }
    let (count, content) = read_flood(&asked).ok_or(Reason::PROTOCOL_ERROR)?;
    let length = u8::try_from(content.len() + 2).map_err(|_| Reason::PROTOCOL_ERROR)?;
    let message = [&[0, 0, 0, 0, length, 0x0a, length - 2][..], content].concat();
    let together = 8 << 10;
    let batch = Bytes::from(message.repeat(together / message.len()));
    let mut left = count * message.len();
    while left > 0 {
        let part = batch.slice(..batch.len().min(left));
        left -= part.len();
        send_within_window(&mut send, part).await?;
    }
    end.send(&mut send)
}

/// The count and content of a request in its envelope.
fn read_flood(envelope: &[u8]) -> Option<(usize, &[u8])> {
    let mut rest = envelope.get(5..)?.strip_prefix(&[0x08])?;
    let mut count = 0;
    for place in 0.. {
        let (byte, more) = rest.split_first()?;
        rest = more;
        count |= usize::from(byte & 0x7f).checked_shl(7 * place)?;
        if byte & 0x80 == 0 {
            break;
        }
    }
    let (length, content) = rest.strip_prefix(&[0x12])?.split_first()?;
    (content.len() == usize::from(*length) && content.len() < 126).then_some((count, content))
}

async fn send_within_window(send: &mut SendStream<Bytes>, mut bytes: Bytes) -> Result<(), h2::Error> {
    while !bytes.is_empty() {
        send.reserve_capacity(bytes.len());
        if send.capacity() == 0 {
            match std::future::poll_fn(|cx| send.poll_capacity(cx)).await {
                Some(assigned) => assigned?,
                None => return Err(Reason::STREAM_CLOSED.into()),
            };
        }
        let part = bytes.split_to(send.capacity().min(bytes.len()));
        send.send_data(part, false)?;
    }
    Ok(())
}

/// The response head: the request's content type and, as its messages come back as they are, its encoding.
fn head(request: &HeaderMap) -> Response<()> {
    let mut response = Response::new(());
    for name in [CONTENT_TYPE, GRPC_ENCODING] {
        if let Some(value) = request.get(&name) {
            response.headers_mut().insert(name, value.clone());
        }
    }
    response
}

fn status(code: HeaderValue) -> HeaderMap {
    let mut trailers = HeaderMap::with_capacity(1);
    trailers.insert(GRPC_STATUS, code);
    trailers
}
