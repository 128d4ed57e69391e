//! Loading a schema by gRPC server reflection: `landbridge-schema` says what to ask, this asks.
//!
//! Every question has a call of its own, which is whole before its answer begins: so it gets through HTTP/1.1 too.

use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::HeaderMap;
use http::uri::PathAndQuery;
use landbridge_client::{Caller, Channel, Head, Method, Outgoing, Policy, Spec, StreamKind, Style, carry};
use landbridge_schema::reflection::{Client, Limits, Loaded, ReflectionError, Step, Wanted};
use landbridge_wire::plain::Content;
use landbridge_wire::{Code, RpcError};

/// Why a server's reflection gave no schema.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Problem {
    /// A call of it failed.
    #[error("the server's reflection failed: {0}")]
    Call(RpcError),
    /// For people.
    #[error("{0}")]
    Told(String),
}

/// A way to a server's reflection.
pub(crate) struct Asker<'a> {
    pub(crate) channel: &'a Channel,
    pub(crate) style: Style,
    /// What goes before the path of every method.
    pub(crate) prefix: &'a str,
    pub(crate) headers: &'a HeaderMap,
}

impl Asker<'_> {
    /// # Errors
    /// Why nothing could be loaded.
    pub(crate) async fn load(&self, wanted: Wanted) -> Result<Loaded, Problem> {
        let mut client = Client::new(wanted, Limits::default());
        let mut step = client.start();
        let mut failed = None;
        loop {
            step = match step {
                Step::Done(loaded) => return Ok(*loaded),
                Step::Failed(error) => {
                    return Err(match (error, failed) {
                        (ReflectionError::Ended { .. }, Some(failed)) => Problem::Call(failed),
                        (error, _) => Problem::Told(error.to_string()),
                    });
                }
                Step::Open { path, message } => match self.ask(path, message).await {
                    Ok(Some(answer)) => client.on_message(&answer),
                    Ok(None) => client.on_end(0, ""),
                    Err(error) => {
                        let step = client.on_end(u32::from(error.code.number()), &error.message);
                        failed = Some(error);
                        step
                    }
                },
                // The last stream has ended with its answer.
                Step::Send { .. } => client.on_end(0, ""),
            }
        }
    }

    async fn ask(&self, path: &str, message: Bytes) -> Result<Option<Bytes>, RpcError> {
        let path: PathAndQuery = format!("{}{path}", self.prefix).parse().map_err(|_| {
            RpcError::new(Code::InvalidArgument, format!("{:?} cannot stand in a path", self.prefix))
        })?;
        let method =
            Method { path, kind: StreamKind::ServerStream, idempotent: true, policy: Policy::default() };
        let spec = Spec {
            method: Arc::new(method),
            style: Arc::new(self.style.clone()),
            metadata: self.headers.clone(),
            timeout: None,
            get: false,
            wait_for_ready: false,
        };
        let question = Question { request: Mutex::new(Some(message)), answer: Mutex::new(None) };
        let end = carry(self.channel, &spec, &question).await;
        let answer = question.answer.into_inner().unwrap_or_else(PoisonError::into_inner);
        match answer {
            // How the call ended after its answer changes nothing.
            Some(answer) => Ok(Some(answer)),
            None => end.result.map(|()| None),
        }
    }
}

/// One question and its answer.
struct Question {
    request: Mutex<Option<Bytes>>,
    answer: Mutex<Option<Bytes>>,
}

impl Caller for Question {
    fn poll_outgoing(&self, _cx: &mut Context<'_>) -> Poll<(Vec<Outgoing>, usize)> {
        match self.request.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(request) => {
                let message = Outgoing::Message(Content::Plain(request));
                Poll::Ready((vec![message, Outgoing::HalfClose], 0))
            }
            None => Poll::Pending,
        }
    }

    fn sent(&self, _counted: usize) {}

    fn head(&self, _head: Head) {}

    fn poll_room(&self, _cx: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }

    fn message(&self, message: Content) {
        if let Content::Plain(message) = message {
            self.answer.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(message);
        }
    }
}
