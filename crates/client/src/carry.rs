//! One call, from its start to its end.

use std::pin::pin;
use std::time::Duration;

use landbridge_wire::{Code, End, RpcError};
use tokio::time::{Instant, sleep};

use crate::attempt::{Begun, Failed, begin, finish};
use crate::channel::{Channel, Unopened};
use crate::failure::too_late;
use crate::hedging;
use crate::policy::Retrying;
use crate::request::Request;
use crate::spec::{Caller, Head, Spec};

/// How often a request goes out again that no server has looked at.
const MOST_FREE: u32 = 3;
/// How often a method without side effects, or idempotent, is called again after a connection broke.
const MOST_SAFE: u32 = 2;

/// Makes a call. Gives the caller the head of the response and its messages; returns the end.
///
/// Dropping the future cancels the call on the wire.
pub async fn carry<C: Caller>(channel: &Channel, spec: &Spec, caller: &C) -> End {
    let clock = Clock::start(spec);
    let request = Request::new(caller);
    let mut work = pin!(call(channel, spec, &request, &clock));
    let end = match clock.timeout {
        None => work.await,
        Some(timeout) if timeout.is_zero() => End::failed(too_late(timeout)),
        Some(timeout) => match tokio::time::timeout(timeout, work.as_mut()).await {
            Ok(end) => end,
            Err(_elapsed) => End::failed(too_late(timeout)),
        },
    };
    if clock.is_over() && matches!(&end.result, Err(error) if error.code == Code::DeadlineExceeded) {
        caller.late();
    }
    if let (Some(throttle), Ok(())) = (channel.throttle(), &end.result) {
        throttle.succeeded();
    }
    end
}

/// The time of one call.
#[derive(Clone, Copy)]
pub(crate) struct Clock {
    started: Instant,
    timeout: Option<Duration>,
}

impl Clock {
    fn start(spec: &Spec) -> Self {
        let timeouts = [spec.timeout, spec.method.policy.timeout];
        Self { started: Instant::now(), timeout: timeouts.into_iter().flatten().min() }
    }

    /// Whether the time is over, or as good as that: a server may end a call a little before, as its deadline was rounded
    /// down on the wire.
    fn is_over(&self) -> bool {
        const ROUNDED: Duration = Duration::from_millis(1);
        self.timeout.is_some_and(|timeout| self.started.elapsed() + ROUNDED >= timeout)
    }

    /// What is left of the deadline. Time that went by unnoticeably is not taken off, so that servers see the round
    /// number that the caller gave.
    pub(crate) fn left(&self) -> Option<Duration> {
        let timeout = self.timeout?;
        match self.started.elapsed() {
            short if short < Duration::from_millis(1) => Some(timeout),
            gone => Some(timeout.saturating_sub(gone)),
        }
    }
}

async fn call<C: Caller>(channel: &Channel, spec: &Spec, request: &Request<'_, C>, clock: &Clock) -> End {
    if !channel.is_resolved() {
        // Rare, so it need not make room for itself in every call; so it is with the other waits.
        Box::pin(channel.resolved()).await;
    }
    let decided = match &spec.method.policy.hedging {
        // What hedges has to be whole; streams of requests are made once.
        Some(hedging) if spec.method.kind.sends_one() => {
            Box::pin(hedging::begin_hedged(channel, spec, request, hedging, clock)).await
        }
        _ => begin_retrying(channel, spec, request, clock).await,
    };
    match decided {
        Ok(begun) => {
            request.let_go();
            finish(begun, request.caller(), || clock.left()).await
        }
        Err((head, end)) => {
            if let Some(head) = head {
                request.caller().head(head);
            }
            end
        }
    }
}

/// How a call failed before anything of its answer could be delivered.
pub(crate) type Refusal = (Option<Head>, End);

async fn begin_retrying<'a, C: Caller>(
    channel: &Channel,
    spec: &Spec,
    request: &'a Request<'a, C>,
    clock: &Clock,
) -> Result<Box<Begun<'a>>, Refusal> {
    let mut attempts = 0;
    let mut free = 0;
    loop {
        let failed = match begin_somewhere(channel, spec, request, attempts, clock).await {
            Ok(begun) => return Ok(begun),
            Err(failed) => failed,
        };
        if matches!(failed, Failed::Unprocessed(_)) && free < MOST_FREE && request.is_whole() {
            free += 1;
            continue;
        }
        attempts += 1;
        let Some(wait) = wait_before_next(channel, spec, &failed, attempts).filter(|_| request.is_whole())
        else {
            return Err(refusal(failed));
        };
        Box::pin(sleep(wait)).await;
    }
}

/// Begins at the first endpoint that can be reached.
pub(crate) async fn begin_somewhere<'a, C: Caller>(
    channel: &Channel,
    spec: &Spec,
    request: &'a Request<'a, C>,
    number: u32,
    clock: &Clock,
) -> Result<Box<Begun<'a>>, Failed> {
    let mut choice = channel.choose();
    loop {
        // In a box, because it is large, and each of the futures around it is copied as it is handed on.
        let failed = match Box::pin(begin(channel, spec, request, &mut choice, number, clock.left())).await {
            Err(Failed::Unopened(unopened)) => unopened,
            other => return other,
        };
        match failed {
            // It was never sent, so what was written of it is all still here.
            Unopened::TryNext(_) => {}
            Unopened::NotReady { retry_in, .. } if spec.wait_for_ready => {
                Box::pin(channel.may_be_ready(retry_in)).await;
                choice = channel.choose();
            }
            other => return Err(Failed::Unopened(other)),
        }
    }
}

/// How long to wait before the next attempt; none where there is to be none.
fn wait_before_next(channel: &Channel, spec: &Spec, failed: &Failed, attempts: u32) -> Option<Duration> {
    let Some(policy) = &spec.method.policy.retrying else {
        let safe = matches!(failed, Failed::Lost(_)) && spec.method.idempotent && attempts <= MOST_SAFE;
        return safe.then_some(Duration::ZERO);
    };
    if !is_retryable(policy, failed) {
        return None;
    }
    if let Some(throttle) = channel.throttle() {
        throttle.failed();
        if !throttle.allows() {
            return None;
        }
    }
    if attempts >= policy.max_attempts {
        return None;
    }
    match push_back(failed) {
        PushBack::None => Some(policy.backoff(attempts)),
        PushBack::Wait(wait) => Some(wait),
        PushBack::Stop => None,
    }
}

fn is_retryable(policy: &Retrying, failed: &Failed) -> bool {
    code(failed).is_some_and(|code| policy.codes.contains(&code))
}

/// The code that an attempt failed with; none for one that is not to be made again.
pub(crate) fn code(failed: &Failed) -> Option<Code> {
    match failed {
        Failed::Unopened(Unopened::TryNext(error) | Unopened::NotReady { error, .. })
        | Failed::Unprocessed(error)
        | Failed::Lost(error) => Some(error.code),
        Failed::Answered(refusal) => refusal.1.result.as_ref().err().map(|error| error.code),
        Failed::Unopened(Unopened::Never(_)) | Failed::Unsendable(_) => None,
    }
}

/// What a server says of trying again (gRPC A6, "Pushback").
pub(crate) enum PushBack {
    None,
    Wait(Duration),
    Stop,
}

pub(crate) fn push_back(failed: &Failed) -> PushBack {
    let Failed::Answered(refusal) = failed else { return PushBack::None };
    let Some(value) = refusal.1.trailers.get("grpc-retry-pushback-ms") else { return PushBack::None };
    let wait = value.to_str().ok().and_then(|value| value.parse::<u64>().ok());
    wait.map_or(PushBack::Stop, |wait| PushBack::Wait(Duration::from_millis(wait)))
}

pub(crate) fn refusal(failed: Failed) -> Refusal {
    let error: RpcError = match failed {
        Failed::Answered(refusal) => return *refusal,
        Failed::Unopened(
            Unopened::TryNext(error) | Unopened::NotReady { error, .. } | Unopened::Never(error),
        )
        | Failed::Unprocessed(error)
        | Failed::Lost(error)
        | Failed::Unsendable(error) => error,
    };
    (None, End::failed(error))
}
