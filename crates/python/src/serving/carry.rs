//! Carries one call between its caller and its handler.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use landbridge_wire::{Code, RpcError};

use super::answering::{Answering, Stopped};
use super::facts::Facts;
use super::front::Front;
use super::receiving::Receiving;
use super::routes::Method;
use crate::handoff::{Channel, Event, Flow, Full, Over};

/// How long the answer to a call that is cut off may take to leave.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Carries the call to its end. Dropped, it tells the handler that the caller went away.
pub(super) async fn carry(
    front: &Front,
    method: &Method,
    facts: Facts,
    deadline: Option<Instant>,
    mut receiving: Receiving,
    mut answering: Answering<'_>,
) {
    if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
        return answering.fail(too_late()).await;
    }
    let has_ended = method.kind.sends_one() && !method.head_first;
    let whole = if has_ended {
        match uncut(front, deadline, receiving.whole()).await {
            Ok(Ok(message)) => message,
            Ok(Err(error)) => return answering.fail(error).await,
            Err(cut) => return answering.fail(cut.error()).await,
        }
    } else {
        None
    };
    let channel = front.channel(facts);
    if let Some(message) = whole {
        channel.deliver(message);
    }
    if has_ended {
        channel.end_request(Flow::Ended);
    }
    if method.blocking {
        if let Err(Full) = front.threads().put(Arc::clone(&channel)) {
            return answering.fail(front.is_full()).await;
        }
    } else {
        front.events().put(Event::Started(Arc::clone(&channel)));
    }
    let caller = Caller(&channel);
    let gone = async {
        if has_ended || receiving.pass_on(&channel).await.is_ok() {
            std::future::pending::<()>().await;
        }
    };
    let exchange = async {
        tokio::select! {
            biased;
            answered = answering.pass_on(&channel, front.parting()) => match answered {
                Ok(()) => {
                    channel.be_over(Over::Answered);
                    None
                }
                // That tells the drop of `caller`.
                Err(Stopped::CallerGone) => None,
                Err(Stopped::Parting) => Some(Cut::Stopping),
            },
            () = gone => None,
        }
    };
    if let Some(cut) = within(deadline, exchange).await.unwrap_or(Some(Cut::TooLate)) {
        channel.be_over(cut.over());
        let _too_slow = tokio::time::timeout(LAST_WORDS, answering.fail(cut.error())).await;
    }
    drop(caller);
}

/// The caller, who is gone when this is dropped, unless the call was over before.
struct Caller<'a>(&'a Channel);

impl Drop for Caller<'_> {
    fn drop(&mut self) {
        self.0.be_over(Over::Gone);
    }
}

/// What ends a call before it is done.
enum Cut {
    TooLate,
    Stopping,
}

impl Cut {
    /// What the caller is told.
    fn error(&self) -> RpcError {
        match self {
            Self::TooLate => too_late(),
            Self::Stopping => {
                let message = "the server has stopped, and this call was not done by then";
                RpcError::new(Code::Unavailable, message)
            }
        }
    }

    /// What the handler is told.
    fn over(&self) -> Over {
        match self {
            Self::TooLate => Over::DeadlineExceeded,
            Self::Stopping => Over::Gone,
        }
    }
}

/// Waits for the request, unless something ends the call before.
async fn uncut<F: Future>(front: &Front, deadline: Option<Instant>, work: F) -> Result<F::Output, Cut> {
    let work = async {
        tokio::select! {
            biased;
            done = work => Ok(done),
            () = front.parting().due() => Err(Cut::Stopping),
        }
    };
    within(deadline, work).await.unwrap_or(Err(Cut::TooLate))
}

async fn within<F: Future>(deadline: Option<Instant>, work: F) -> Option<F::Output> {
    match deadline {
        None => Some(work.await),
        Some(deadline) => tokio::time::timeout_at(deadline.into(), work).await.ok(),
    }
}

/// What a caller is told whose deadline has passed.
pub(crate) fn too_late() -> RpcError {
    RpcError::new(Code::DeadlineExceeded, "the deadline has passed before the call was answered")
}
