//! Several attempts at once, of which the first to be answered counts (gRPC A6, "Hedging Policy").

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::time::{Instant, sleep_until};

use crate::attempt::Begun;
use crate::carry::{Clock, PushBack, Refusal, begin_somewhere, code, push_back, refusal};
use crate::channel::Channel;
use crate::policy::Hedging;
use crate::request::Request;
use crate::spec::{Caller, Spec};

/// Makes attempts until one is answered by success, or by an error that decides. The others are cancelled.
pub(crate) async fn begin_hedged<'a, C: Caller>(
    channel: &Channel,
    spec: &Spec,
    request: &'a Request<'a, C>,
    policy: &Hedging,
    clock: &Clock,
) -> Result<Box<Begun<'a>>, Refusal> {
    let mut running = FuturesUnordered::new();
    let mut started = 0;
    let mut most = policy.max_attempts;
    let mut next = Instant::now();
    loop {
        if started < most && (started == 0 || next <= Instant::now()) {
            running.push(Box::pin(begin_somewhere(channel, spec, request, started, clock)));
            started += 1;
            next = Instant::now() + policy.delay;
        }
        let failed = tokio::select! {
            biased;
            Some(result) = running.next() => match result {
                Ok(begun) => return Ok(begun),
                Err(failed) => failed,
            },
            () = sleep_until(next), if started < most => continue,
        };
        if !code(&failed).is_some_and(|code| policy.codes.contains(&code)) {
            return Err(refusal(failed));
        }
        if let Some(throttle) = channel.throttle() {
            throttle.failed();
            if !throttle.allows() {
                most = started;
            }
        }
        match push_back(&failed) {
            PushBack::None => next = Instant::now(),
            PushBack::Wait(wait) => next = Instant::now() + wait,
            PushBack::Stop => most = started,
        }
        if running.is_empty() && started >= most {
            return Err(refusal(failed));
        }
    }
}
