//! One call, from its accepted head to its end: the two halves of `wire`, joined.
//!
//! ```text
//! caller -> RequestSide: RequestReader  -> Transcode -> RequestWriter  -> server
//! caller <- Answer:      ResponseWriter <- Transcode <- ResponseReader <- server
//! ```

mod answer;
mod failure;
mod pace;
mod plan;
mod request;
mod ticks;
mod transcode;

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;

use http::Response;
use landbridge_net::{RecvBody, RecvError};
use landbridge_wire::outbound::{self, OpenedCall};
use landbridge_wire::{Call, RequestReader, ResponseReader, RpcError, Shape};

pub(crate) use answer::Answer;
pub(crate) use pace::{Overdue, Pace};
pub(crate) use plan::{Plan, info};
pub(crate) use ticks::Ticks;

use crate::cluster::Opened;
use plan::Exchange;
use request::{Replay, RequestSide};

/// How often a call is tried, if no server has looked at it before.
const MOST_TRIES: usize = 3;

/// An accepted call with a way to go.
#[derive(Debug)]
pub(crate) struct Carried<'a> {
    pub(crate) plan: Plan<'a>,
    pub(crate) answer: Answer<'a>,
    pub(crate) pace: Arc<Pace>,
    /// Taken when the call sets out.
    pub(crate) call: Option<Call>,
    pub(crate) reader: RequestReader,
    pub(crate) body: RecvBody,
}

enum Failure {
    Error(RpcError),
    Overdue(Overdue),
}

impl Carried<'_> {
    /// Carries the call to its cluster and the answer back.
    ///
    /// Dropping the future cancels the call on both sides.
    pub(crate) async fn run(&mut self) {
        let Self { plan, answer, pace, call, reader, body } = self;
        let Some(asked) = call else { return };
        let times = plan.times(asked);
        let ticks = plan.ticks;
        let ended = {
            let mut run = pin!(run(plan, call, reader, body, answer, pace));
            tokio::select! {
                biased;
                result = &mut run => result.map_err(Failure::Error),
                overdue = pace.overdue(times, ticks) => Err(Failure::Overdue(overdue)),
            }
        };
        // A caller who takes nothing must not keep the call for ever; dropped, the answer is cut.
        let (error, patience) = match ended {
            Ok(()) => return,
            Err(Failure::Error(error)) => (error, times.idle),
            Err(Failure::Overdue(overdue)) => {
                answer.record().overdue(overdue);
                (overdue.into(), Some(plan.parting_time))
            }
        };
        // Rare, so it need not make room for itself in every call.
        let failing = Box::pin(answer.fail(error));
        match patience {
            None => failing.await,
            Some(patience) => {
                let _in_time = tokio::time::timeout(patience, failing).await;
            }
        }
    }
}

/// The way of a call that runs into no limit.
///
/// # Errors
/// What the answer is to end with.
async fn run(
    plan: &mut Plan<'_>,
    call: &mut Option<Call>,
    reader: &mut RequestReader,
    body: &mut RecvBody,
    answer: &mut Answer<'_>,
    pace: &Pace,
) -> Result<(), RpcError> {
    if let Some(why) = call.as_ref().and_then(|call| plan.needs_method(call)) {
        Box::pin(plan.look_up(&why, answer)).await?;
    }
    let plan = &*plan;
    // What is large stays where it was made, here and in the caller: it is not moved again.
    let whole = call.as_ref().is_some_and(|call| call.shape == Shape::Unary);
    let mut exchange = match call.take() {
        Some(call) => plan.exchange(call, pace),
        None => return Ok(()),
    };
    if exchange.takes_one() {
        reader.expect_one();
    }
    let mut opened =
        outbound::open(exchange.path.clone(), std::mem::take(&mut exchange.metadata), &exchange.target);
    let OpenedCall { writer, reader: response_reader } = &mut opened;
    let replay = Replay::new();
    let mut request = RequestSide::new(body, reader, writer, exchange.request_transcode(), &replay);
    let head = request.head(whole, pace).await?;
    let mut tried = 0;
    loop {
        tried += 1;
        let sent = plan.cluster.open(&head, request.is_bare(), &plan.authority).await;
        let sent = sent.inspect_err(|unopened| answer.record().unopened(unopened))?;
        answer.record().sent_to(sent.address.clone());
        match attempt(plan, &exchange, &mut request, response_reader, sent, answer, pace).await? {
            Attempt::Over => return Ok(()),
            Attempt::Unprocessed(_) if tried < MOST_TRIES && replay.is_whole() => {}
            Attempt::Unprocessed(error) => return Err(answer.server_gone(&error, exchange.time_left(pace))),
        }
    }
}

/// How one try ended.
enum Attempt {
    /// The answer is written, or nobody waits for it any more.
    Over,
    /// The server has not looked at the call, so it may be made again.
    Unprocessed(RecvError),
}

async fn attempt(
    plan: &Plan<'_>,
    exchange: &Exchange,
    request: &mut RequestSide<'_>,
    reader: &mut ResponseReader,
    opened: Opened,
    answer: &mut Answer<'_>,
    pace: &Pace,
) -> Result<Attempt, RpcError> {
    let replay = request.replay();
    let Opened { response, send, in_flight: _in_flight, .. } = opened;
    let mut sending = pin!(request.run(send, pace));
    let mut sending = Beside { work: sending.as_mut(), done: false };
    let (head, mut body) = match sending.meanwhile(pin!(response)).await? {
        Ok(response) => response.into_parts(),
        Err(error) if error.is_unprocessed() => return Ok(Attempt::Unprocessed(error)),
        Err(error) => return Err(answer.server_gone(&error, exchange.time_left(pace))),
    };
    replay.give_up();
    pace.touch();
    answer.record().upstream_status(head.status);
    reader.head(Response::from_parts(head, ()), body.is_end_stream());
    // A caller who has gone away needs no more: dropping the rest cancels the server's call.
    let _relayed = sending.meanwhile(pin!(answer.relay(reader, &mut body, exchange, plan, pace))).await?;
    Ok(Attempt::Over)
}

/// Work that goes on beside other work, until it is done or fails.
struct Beside<'f, F> {
    work: Pin<&'f mut F>,
    done: bool,
}

impl<F: Future<Output = Result<(), RpcError>>> Beside<'_, F> {
    /// What `other` comes to, while the work goes on.
    ///
    /// # Errors
    /// The work failed before.
    async fn meanwhile<T>(&mut self, mut other: Pin<&mut impl Future<Output = T>>) -> Result<T, RpcError> {
        poll_fn(|cx| {
            if let Poll::Ready(output) = other.as_mut().poll(cx) {
                return Poll::Ready(Ok(output));
            }
            if !self.done
                && let Poll::Ready(result) = self.work.as_mut().poll(cx)
            {
                self.done = true;
                result?;
            }
            Poll::Pending
        })
        .await
    }
}
