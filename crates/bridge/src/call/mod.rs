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
mod transcode;

use std::pin::pin;
use std::sync::Arc;

use http::Response;
use landbridge_net::{RecvBody, RecvError};
use landbridge_wire::outbound::{self, OpenedCall};
use landbridge_wire::{Call, Code, RequestReader, ResponseReader, RpcError, Shape};

pub(crate) use answer::Answer;
pub(crate) use pace::{Overdue, Pace};
pub(crate) use plan::Plan;

use crate::cluster::Opened;
use plan::Exchange;
use request::RequestSide;

/// How often a call is tried, if no server has looked at it before.
const MOST_TRIES: usize = 3;

/// An accepted call with a way to go.
#[derive(Debug)]
pub(crate) struct Carried<'a> {
    pub(crate) plan: Plan<'a>,
    pub(crate) answer: Answer<'a>,
    pub(crate) pace: Arc<Pace>,
    /// Taken when the call sets out.
    pub(crate) request: Option<(Call, RequestReader, RecvBody)>,
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
        let Self { plan, answer, pace, request } = self;
        let Some((call, _, _)) = request else { return };
        let times = plan.times(call);
        let ended = {
            let mut run = pin!(run(plan, request, answer, pace));
            tokio::select! {
                biased;
                result = &mut run => result.map_err(Failure::Error),
                overdue = pace.overdue(times) => Err(Failure::Overdue(overdue)),
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
    request: &mut Option<(Call, RequestReader, RecvBody)>,
    answer: &mut Answer<'_>,
    pace: &Pace,
) -> Result<(), RpcError> {
    if let Some(why) = request.as_ref().and_then(|(call, _, _)| plan.needs_method(call)) {
        Box::pin(plan.look_up(&why, answer)).await?;
    }
    let plan = &*plan;
    let Some((call, mut reader, body)) = request.take() else { return Ok(()) };
    let whole = call.shape == Shape::Unary;
    let mut exchange = plan.exchange(call, answer, pace)?;
    if exchange.takes_one() {
        reader.expect_one();
    }
    let OpenedCall { writer, reader: mut response_reader } =
        outbound::open(exchange.path.clone(), std::mem::take(&mut exchange.metadata), &exchange.target);
    let mut request = RequestSide::new(body, reader, writer, exchange.request_transcode());
    let head = request.head(whole, pace).await?;
    let mut tried = 0;
    loop {
        tried += 1;
        let opened = plan.cluster.open(&head, request.is_bare(), &plan.authority).await;
        let opened = opened.inspect_err(|unopened| answer.record().unopened(unopened))?;
        answer.record().sent_to(opened.address.clone());
        match attempt(plan, &exchange, &mut request, &mut response_reader, opened, answer, pace).await? {
            Attempt::Over => return Ok(()),
            Attempt::Unprocessed(_) if tried < MOST_TRIES && request.replay().is_whole() => {}
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
    request: &mut RequestSide,
    reader: &mut ResponseReader,
    opened: Opened,
    answer: &mut Answer<'_>,
    pace: &Pace,
) -> Result<Attempt, RpcError> {
    let replay = request.replay();
    let Opened { response, send, in_flight: _in_flight, .. } = opened;
    let mut sending = pin!(request.run(send, pace));
    let mut sent = false;
    let mut response = pin!(response);
    let response = loop {
        tokio::select! {
            biased;
            response = &mut response => break response,
            result = &mut sending, if !sent => {
                result?;
                sent = true;
            }
        }
    };
    let (head, body) = match response {
        Ok(response) => response.into_parts(),
        Err(error) if error.is_unprocessed() => return Ok(Attempt::Unprocessed(error)),
        Err(error) => return Err(answer.server_gone(&error, exchange.time_left(pace))),
    };
    replay.give_up();
    pace.touch();
    answer.record().upstream_status(head.status);
    reader.head(Response::from_parts(head, ()), body.is_end_stream());
    let mut relaying = pin!(answer.relay(reader, body, exchange, plan, pace));
    loop {
        tokio::select! {
            biased;
            // A caller who has gone away needs no more: dropping the rest cancels the server's call.
            _relayed = &mut relaying => return Ok(Attempt::Over),
            result = &mut sending, if !sent => {
                result?;
                sent = true;
            }
        }
    }
}

/// The error of a method that could only be served with a schema, of which none is to be had.
fn needs_schema(why: &str, problem: &str) -> RpcError {
    RpcError::new(
        Code::Unimplemented,
        format!(
            "{why}, for which the bridge needs the method's schema: {problem}; let the server offer gRPC reflection, \
             or give `descriptor_set` in `metadata.filter_metadata.landbridge` of the cluster"
        ),
    )
}
