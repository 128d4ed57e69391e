//! HTTP/1.1 connections (RFC 9112), by hyper.
//!
//! The handler is polled in the connection's own task. An answer that is whole by the time the handler first waits
//! after giving its head goes out without another task. Otherwise the handler moves to a task of its own, so that it
//! can go on receiving while the client is slow to take the answer.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::uri::Authority;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version, header};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;

use crate::body::{Hold, RecvBody};
use crate::drain::{Drain, DrainPhase};
use crate::error::text_of;
use crate::handoff::{Broken, Consumer, Producer, handoff};
use crate::outbox::{CollectedIo, Outbox};
use crate::server::bell;
use crate::server::connection::{Connection, InFlight};
use crate::server::lifecycle::{Directive, Lifecycle};
use crate::server::responder::{Asked, Responder};
use crate::server::unread::Lingering;
use crate::server::{Handler, work_of};
use crate::transport::Transport;

/// Serves the connection until it is over. Dropped, it cuts the connection.
pub(super) async fn serve<H: Handler>(
    transport: Transport,
    connection: Arc<Connection>,
    handler: Arc<H>,
    drain: Drain,
    outbox: Arc<Outbox>,
) {
    let server = Arc::clone(&connection.server);
    let mut lifecycle = Lifecycle::new(Arc::clone(&connection), drain.clone());
    let io = CollectedIo::new(transport, outbox);
    let io = TokioIo::new(Lingering::new(io, Arc::clone(&connection)));
    let service =
        service_fn(|request| exchange(Arc::clone(&handler), request, Arc::clone(&connection), &drain));
    let mut http1 = pin!(
        hyper::server::conn::http1::Builder::new()
            .max_header_size(server.settings.http1_max_header_bytes)
            .max_headers(server.settings.http1_max_headers)
            // The lifecycle keeps the time.
            .header_read_timeout(None)
            .serve_connection(io, service)
    );
    let mut closing = false;
    let bell = poll_fn(|cx| Poll::Ready(bell::hang(cx.waker()))).await;
    poll_fn(|cx| {
        loop {
            if let Poll::Ready(over) = http1.as_mut().poll(&mut Context::from_waker(&bell)) {
                if let Err(error) = over {
                    if error.is_parse() {
                        server.stats.protocol_errors.increment();
                    }
                    tracing::debug!(peer = %connection.peer(), error = text_of(&error), "HTTP/1.1 connection failed");
                }
                return Poll::Ready(());
            }
            let answered = connection.active() == 0 && !closing;
            if answered && connection.unread.poll_discard(cx, server.settings.lingering_time).is_ready() {
                closing = true;
                http1.as_mut().graceful_shutdown();
                continue;
            }
            // After the protocol, which may just have read the beginning of a head.
            match lifecycle.poll(cx, connection.open_head()) {
                // From now on answers say that they are the last.
                Directive::Serve | Directive::Retire => return Poll::Pending,
                Directive::Close => http1.as_mut().graceful_shutdown(),
                Directive::Cut => return Poll::Ready(()),
            }
        }
    })
    .await;
}

/// Runs the handler for one request up to the head of the answer.
async fn exchange<H: Handler>(
    handler: Arc<H>,
    request: Request<Incoming>,
    connection: Arc<Connection>,
    drain: &Drain,
) -> Result<Response<AnswerBody>, Broken> {
    if request.method() == Method::CONNECT {
        // A tunnel is not ours to give, and hyper would make one of any 2xx.
        return Ok(bare(StatusCode::NOT_IMPLEMENTED));
    }
    let authority = match unambiguous(&request, &connection) {
        Ok(authority) => authority,
        Err(status) => {
            connection.server.stats.protocol_errors.increment();
            return Ok(bare_and_close(status));
        }
    };
    let mut place = Place {
        in_flight: connection.begin_request(),
        // There is no content to cut off in the answer to a HEAD.
        complete: request.method() == Method::HEAD,
    };
    connection.unread.promise(false);
    let shared = Arc::new(Mutex::new(Answer::Awaited(None)));
    let limit = connection.server.settings.http1_send_buffer;
    let slot = Slot { shared: Arc::clone(&shared), limit };
    let asked = Asked { arrived: place.in_flight.began(), authority, to_head: place.complete };
    let responder = Responder::http1(slot, connection, asked);

    let departure = Departure {
        connection: Arc::clone(&place.in_flight.connection),
        shared: Arc::clone(&shared),
        driver: poll_fn(|cx| Poll::Ready(cx.waker().clone())).await,
        awaited: request.headers().contains_key(header::EXPECT),
    };
    let request = request.map(|body| RecvBody::http1(body, Hold::Client(departure)));
    let mut work = Some(work_of(handler, request, responder));
    let answer = poll_fn(|cx| {
        if let Some(running) = &mut work {
            // An answer that is given in here is looked for right after it.
            lock(&shared).wakes_nobody();
            if running.as_mut().poll(cx).is_ready() {
                work = None;
            }
        }
        lock(&shared).take(cx)
    })
    .await;
    match answer {
        Answer::Given(mut head, content) => {
            let connection = &place.in_flight.connection;
            let leaving = connection.is_retiring() || drain.phase() != DrainPhase::Running;
            let closes = leaving || connection.is_used_up() || connection.unread.closes();
            if closes {
                head.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            connection.unread.promise(!closes);
            let task = work.map(|work| tokio::spawn(work_on(work, shared)).abort_handle());
            Ok(head.map(|()| AnswerBody { content, task, place: Some(place) }))
        }
        Answer::Cut => {
            place.complete = true;
            Err(Broken)
        }
        Answer::Departed => Err(Broken),
        Answer::Forgotten | Answer::Awaited(_) | Answer::Taken(_) => {
            place.complete = true;
            if place.in_flight.connection.unread.is_broken() {
                return Ok(bare_and_close(StatusCode::BAD_REQUEST));
            }
            Ok(bare(StatusCode::INTERNAL_SERVER_ERROR))
        }
    }
}

/// Whom a request asks for.
///
/// # Errors
/// How one is refused that two servers could read differently, and that hyper lets pass.
fn unambiguous<B>(request: &Request<B>, connection: &Connection) -> Result<Option<Authority>, StatusCode> {
    let headers = request.headers();
    // Exactly one, and of a form that can be a host (RFC 9112 section 3.2).
    let mut hosts = headers.get_all(header::HOST).iter();
    let authority = match (hosts.next(), hosts.next()) {
        (None, _) if request.version() < Version::HTTP_11 => None,
        (Some(host), None) if host.is_empty() => None,
        (Some(host), None) => Some(connection.host(host).ok_or(StatusCode::BAD_REQUEST)?),
        _ => return Err(StatusCode::BAD_REQUEST),
    };
    // hyper takes off chunks, and no other coding (RFC 9112 section 6.1).
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    let (coding, another) = (codings.next(), codings.next());
    let only_chunked =
        coding.is_none_or(|coding| coding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked"));
    if !only_chunked || another.is_some() {
        return Err(StatusCode::NOT_IMPLEMENTED);
    }
    // The target counts where it names one (RFC 9112 section 3.2.2).
    Ok(request.uri().authority().cloned().or(authority))
}

/// Runs the rest of a handler that has begun to answer, until it is done or the client is gone.
async fn work_on(mut work: Pin<Box<impl Future<Output = ()>>>, shared: Arc<Mutex<Answer>>) {
    poll_fn(|cx| match work.as_mut().poll(cx) {
        Poll::Ready(()) => Poll::Ready(()),
        Poll::Pending => lock(&shared).poll_departed(cx),
    })
    .await;
}

/// An answer of ours without content.
fn bare(status: StatusCode) -> Response<AnswerBody> {
    let mut response = Response::new(AnswerBody { content: Content::EMPTY, task: None, place: None });
    *response.status_mut() = status;
    response
}

/// The same for a request behind which no other can be told apart.
fn bare_and_close(status: StatusCode) -> Response<AnswerBody> {
    let mut response = bare(status);
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

/// A request's place among those in flight. Given up before `complete`, the client went away.
struct Place {
    in_flight: InFlight,
    complete: bool,
}

impl Drop for Place {
    fn drop(&mut self) {
        if !self.complete {
            self.in_flight.client_gone(false);
        }
    }
}

/// What hyper sends: what the handler produces. Dropped early, because the client went away, it stops the handler.
struct AnswerBody {
    content: Content,
    task: Option<tokio::task::AbortHandle>,
    place: Option<Place>,
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let frame = self.content.poll_frame(cx);
        let over = match &frame {
            // A message that the handler broke off is over for the client's part, too.
            Poll::Ready(None | Some(Err(_))) => true,
            Poll::Ready(Some(Ok(frame))) => frame.is_trailers(),
            Poll::Pending => false,
        };
        if over && let Some(place) = &mut self.place {
            place.complete = true;
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.content.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Whole { data, trailers: None } => SizeHint::with_exact(data.len() as u64),
            Content::Whole { .. } => SizeHint::new(),
            Content::Coming(consumer) => consumer.size_hint(),
        }
    }
}

impl Drop for AnswerBody {
    fn drop(&mut self) {
        let ended = self.content.is_end_stream();
        let Some(place) = &mut self.place else { return };
        place.complete |= ended;
        if !place.complete
            && let Some(task) = &self.task
        {
            task.abort();
        }
    }
}

/// The content of an answer.
#[derive(Debug)]
enum Content {
    /// All of it is in memory.
    Whole { data: Bytes, trailers: Option<HeaderMap> },
    /// The handler goes on producing it.
    Coming(Consumer),
}

impl Content {
    const EMPTY: Self = Self::Whole { data: Bytes::new(), trailers: None };

    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        match self {
            Self::Whole { data, .. } if !data.is_empty() => {
                Poll::Ready(Some(Ok(Frame::data(std::mem::take(data)))))
            }
            Self::Whole { trailers, .. } => {
                Poll::Ready(trailers.take().map(|trailers| Ok(Frame::trailers(trailers))))
            }
            Self::Coming(consumer) => Pin::new(consumer).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole { data, trailers } => data.is_empty() && trailers.is_none(),
            Self::Coming(consumer) => consumer.is_end_stream(),
        }
    }
}

/// Where a handler puts its answer and the connection finds it.
#[derive(Debug)]
pub(crate) struct Slot {
    shared: Arc<Mutex<Answer>>,
    limit: usize,
}

#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "there is one a request, and nearly all of them are given")]
enum Answer {
    Awaited(Option<Waker>),
    Given(Response<()>, Content),
    /// Given, and on its way.
    Taken(Option<Waker>),
    /// The client is gone.
    Departed,
    /// The handler wants the connection closed.
    Cut,
    /// The handler let go of its responder without an answer.
    Forgotten,
}

impl Slot {
    pub(super) fn answer(self, head: Response<()>, end: bool) -> Producer {
        let (producer, consumer) = handoff(self.limit);
        if end {
            // The consumer is right here, so there is somebody to take it.
            let _ended = producer.finish(None);
        }
        self.put(Answer::Given(head, Content::Coming(consumer)));
        producer
    }

    pub(super) fn answer_full(self, head: Response<()>, body: Bytes, trailers: Option<HeaderMap>) {
        self.put(Answer::Given(head, Content::Whole { data: body, trailers }));
    }

    pub(super) fn cut(self) {
        self.put(Answer::Cut);
    }

    fn put(&self, answer: Answer) {
        let mut shared = lock(&self.shared);
        if let Answer::Awaited(waker) = &mut *shared {
            let waker = waker.take();
            *shared = answer;
            if let Some(waker) = waker {
                waker.wake();
            }
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.put(Answer::Forgotten);
    }
}

impl Answer {
    fn wakes_nobody(&mut self) {
        if let Self::Awaited(waker) = self {
            *waker = None;
        }
    }

    fn take(&mut self, cx: &mut Context<'_>) -> Poll<Answer> {
        if let Answer::Awaited(waker) = self {
            *waker = Some(cx.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(std::mem::replace(self, Answer::Taken(None)))
    }

    fn poll_departed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            Answer::Departed => Poll::Ready(()),
            Answer::Taken(waker) => {
                *waker = Some(cx.waker().clone());
                Poll::Pending
            }
            _ => Poll::Pending,
        }
    }
}

/// The ways in which a request's content goes on, or ends before its end.
#[derive(Debug)]
pub(crate) struct Departure {
    connection: Arc<Connection>,
    shared: Arc<Mutex<Answer>>,
    /// Wakes the connection.
    driver: Waker,
    /// The client may wait to be told to send the content.
    awaited: bool,
}

impl Departure {
    /// The handler lets go of it. The connection takes over.
    pub(crate) fn of_handler(&self, content: Incoming) {
        self.connection.unread.leave(content, self.awaited, &self.connection.server.settings);
        self.driver.wake_by_ref();
    }

    /// Something was taken, and there may be more to read.
    pub(crate) fn goes_on(&self) {
        self.driver.wake_by_ref();
    }

    /// What came cannot be content. The client is there to be told, but where its next request would begin, nobody knows.
    pub(crate) fn of_sense(&self) {
        self.connection.server.stats.protocol_errors.increment();
        self.connection.unread.give_up();
        self.driver.wake_by_ref();
    }

    /// The client is gone: it cannot be received whole, and the handler is told. hyper itself would let the handler go
    /// on, for a client that might still read.
    pub(crate) fn of_client(self) {
        let mut shared = lock(&self.shared);
        if let Answer::Awaited(waker) | Answer::Taken(waker) = &mut *shared {
            let waker = waker.take();
            *shared = Answer::Departed;
            if let Some(waker) = waker {
                waker.wake();
            }
        }
    }
}

fn lock(shared: &Mutex<Answer>) -> MutexGuard<'_, Answer> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
