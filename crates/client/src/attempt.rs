//! One attempt to make a call.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use http::{HeaderName, HeaderValue, Response};
use landbridge_net::{Frame, RecvBody};
use landbridge_wire::plain::{PlainResponseEvent, PlainResponseReader};
use landbridge_wire::{Code, End, Output, Protocol, ResponseHead, RpcError, Shape};
use tokio::time::timeout;

use crate::carry::Refusal;
use crate::channel::{Channel, Choice, Opened, Unopened};
use crate::failure::server_gone;
use crate::request::Request;
use crate::spec::{Caller, Head, Spec};

const PREVIOUS_ATTEMPTS: HeaderName = HeaderName::from_static("grpc-previous-rpc-attempts");

/// How long a response may go on behind its end, before that is taken for all, and its connection is given up instead
/// of being used again.
const AFTER_THE_END: Duration = Duration::from_secs(1);

/// An attempt that the server has begun to answer: the call is decided by it. It is large, and passed on in a box.
pub(crate) struct Begun<'a> {
    sending: Sending<'a>,
    reader: PlainResponseReader,
    body: RecvBody,
    status: u16,
    /// Read, and not given to the caller.
    events: Vec<PlainResponseEvent>,
}

/// An attempt that came to nothing before the caller was told anything.
pub(crate) enum Failed {
    /// No server has seen it.
    Unopened(Unopened),
    /// The server has provably not looked at it.
    Unprocessed(RpcError),
    /// The connection broke before there was an answer; whether the handler ran is not known.
    Lost(RpcError),
    /// The server has answered by an error and nothing else.
    Answered(Box<Refusal>),
    /// The request itself cannot be sent.
    Unsendable(RpcError),
}

/// The rest of a request that is being sent.
enum Sending<'a> {
    Done,
    Running(Pin<Box<dyn Future<Output = Result<(), RpcError>> + Send + 'a>>),
}

impl Sending<'_> {
    /// Goes on sending for as long as `work` takes.
    ///
    /// # Errors
    /// What is wrong with the request.
    async fn beside<F: Future>(&mut self, work: F) -> Result<F::Output, RpcError> {
        let mut work = pin!(work);
        poll_fn(|cx| {
            if let Poll::Ready(done) = work.as_mut().poll(cx) {
                return Poll::Ready(Ok(done));
            }
            self.go_on(cx).map(Err)
        })
        .await
    }

    /// Ready only with an error.
    fn go_on(&mut self, cx: &mut Context<'_>) -> Poll<RpcError> {
        let Self::Running(rest) = self else { return Poll::Pending };
        match rest.as_mut().poll(cx) {
            Poll::Ready(Err(error)) => Poll::Ready(error),
            Poll::Ready(Ok(())) => {
                *self = Self::Done;
                Poll::Pending
            }
            Poll::Pending => Poll::Pending,
        }
    }
}

/// Sends the request and waits for the answer to begin.
///
/// # Errors
/// The caller knows of nothing yet, so that another attempt may be made.
pub(crate) async fn begin<'a, C: Caller>(
    channel: &Channel,
    spec: &Spec,
    request: &'a Request<'a, C>,
    choice: &mut Choice,
    number: u32,
    left: Option<Duration>,
) -> Result<Box<Begun<'a>>, Failed> {
    let kind = spec.method.kind;
    let target = spec.style.target(kind, channel.scheme(), channel.authority(), left, spec.get);
    let mut metadata = spec.metadata.clone();
    if number > 0 {
        metadata.insert(PREVIOUS_ATTEMPTS, HeaderValue::from(number));
    }
    let (mut writer, mut reader) =
        spec.style.open(kind, spec.method.path.clone(), metadata, &target).map_err(Failed::Unsendable)?;
    let mut out = Output::new();
    let whole = kind.sends_one() || target.shape == Shape::Unary;
    let place = request.start(whole, &mut writer, &mut out).await.map_err(Failed::Unsendable)?;
    // `start` has flushed it, or come to the half-close, which does.
    let Some(head) = out.head.take() else {
        return Err(Failed::Unsendable(RpcError::new(Code::Internal, "the request has no head")));
    };
    request.caller().request(&head);
    let bare = out.finish.is_some() && out.body.is_empty();
    let opened = channel.open(head, bare, choice).await.map_err(Failed::Unopened)?;
    let Opened { response, send } = opened;
    let mut sending =
        if bare { Sending::Done } else { Sending::Running(Box::pin(request.send(place, writer, out, send))) };
    let response = sending.beside(response).await.map_err(Failed::Unsendable)?;
    let (head, mut body) = match response {
        Ok(response) => response.into_parts(),
        Err(error) if error.is_unprocessed() => {
            return Err(Failed::Unprocessed(channel.advice().server_gone(&error, left)));
        }
        Err(error) => return Err(Failed::Lost(channel.advice().server_gone(&error, left))),
    };
    let status = head.status.as_u16();
    // What Connect's unary form says of a failure stands in the content.
    let fails_in_content =
        target.protocol == Protocol::Connect && target.shape == Shape::Unary && status != 200;
    // And gRPC-Web and Connect's streams may say it there, behind a head that promises nothing. Where there are attempts
    // to be made the head waits for what follows it, unless the server may wait for more of the request.
    let policy = &spec.method.policy;
    let may_fail_in_content = target.protocol != Protocol::Grpc
        && kind.sends_one()
        && (policy.retrying.is_some() || policy.hedging.is_some());
    reader.head(Response::from_parts(head, ()), body.is_end_stream());
    let mut events = Vec::new();
    loop {
        while let Some(event) = reader.event() {
            match event {
                PlainResponseEvent::End(end) if end.result.is_err() && undelivered(&events) => {
                    return Err(Failed::Answered(Box::new((head_of(events, status), end))));
                }
                event => events.push(event),
            }
            if !(fails_in_content || may_fail_in_content && undelivered(&events)) {
                return Ok(Box::new(Begun { sending, reader, body, status, events }));
            }
        }
        read_on(&mut reader, &mut body, &mut sending, || left).await.map_err(Failed::Unsendable)?;
    }
}

/// Whether there is nothing yet that a caller would have to be told before an end.
fn undelivered(events: &[PlainResponseEvent]) -> bool {
    events.iter().all(|event| matches!(event, PlainResponseEvent::Head(_)))
}

fn head_of(events: Vec<PlainResponseEvent>, status: u16) -> Option<Head> {
    events.into_iter().find_map(|event| match event {
        PlainResponseEvent::Head(head) => Some(told(head, status)),
        _ => None,
    })
}

/// Gives the answer to the caller, to its end.
pub(crate) async fn finish<C: Caller>(
    mut begun: Box<Begun<'_>>,
    caller: &C,
    left: impl Fn() -> Option<Duration>,
) -> End {
    let mut early = std::mem::take(&mut begun.events).into_iter();
    let failed = loop {
        while let Some(event) = early.next().or_else(|| begun.reader.event()) {
            match event {
                PlainResponseEvent::Head(head) => caller.head(told(head, begun.status)),
                PlainResponseEvent::Message(message) => {
                    if let Err(error) = begun.sending.beside(poll_fn(|cx| caller.poll_room(cx))).await {
                        return End::failed(error);
                    }
                    caller.message(message);
                }
                PlainResponseEvent::End(end) => {
                    read_to_the_end(begun.body);
                    return end;
                }
            }
        }
        let Begun { sending, reader, body, .. } = &mut *begun;
        if let Err(error) = read_on(reader, body, sending, &left).await {
            break error;
        }
    };
    End::failed(failed)
}

/// Gives the reader more of the response, and goes on sending meanwhile.
///
/// # Errors
/// What is wrong with the request.
async fn read_on(
    reader: &mut PlainResponseReader,
    body: &mut RecvBody,
    sending: &mut Sending<'_>,
    left: impl Fn() -> Option<Duration>,
) -> Result<(), RpcError> {
    let frame = if reader.awaits_only_the_end() {
        Box::pin(timeout(AFTER_THE_END, body.frame())).await.unwrap_or_default()
    } else {
        sending.beside(body.frame()).await?
    };
    match frame {
        Some(Ok(Frame::Data(data))) => reader.push(data),
        Some(Ok(Frame::Trailers(trailers))) => reader.trailers(trailers),
        Some(Err(error)) => reader.fail(server_gone(&error, left())),
        None => reader.end(),
    }
    Ok(())
}

/// What is left of a response whose end is known is read away, so that its connection can be used again.
fn read_to_the_end(mut body: RecvBody) {
    if body.is_end_stream() {
        return;
    }
    tokio::spawn(timeout(
        AFTER_THE_END,
        async move { while let Some(Ok(_passed_over)) = body.frame().await {} },
    ));
}

fn told(head: ResponseHead, status: u16) -> Head {
    Head { status, metadata: head.metadata, encoding: head.encoding }
}
