//! The caller's side of a call: sends what is read, prints what comes.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::Request;
use landbridge_client::{Caller, Head, Outgoing};
use landbridge_schema::{JsonOptions, MessageType};
use landbridge_wire::plain::Content;
use landbridge_wire::{Code, Codec, RpcError};
use serde_json::value::RawValue;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use crate::failure::Failure;
use crate::input::Incoming;
use crate::screen::Screen;

/// The most bytes that are taken to be sent at a time: the next wait for these to leave.
const AT_A_TIME: usize = 64 << 10;

/// How a message becomes a document.
pub(crate) struct Decoder {
    pub(crate) output: Option<MessageType>,
    pub(crate) codec: Codec,
    pub(crate) options: JsonOptions,
}

/// One call, between its input and the screen.
pub(crate) struct Talk {
    incoming: Mutex<Incoming>,
    decoder: Decoder,
    screen: Screen,
    /// The document that is being printed: on a thread that may wait for whoever reads it.
    printing: Mutex<Option<JoinHandle<Result<(), Failure>>>>,
    /// What ends the call from this side.
    failure: Mutex<Option<Failure>>,
    failed: Notify,
    answered: AtomicBool,
}

impl Talk {
    pub(crate) fn new(incoming: Incoming, decoder: Decoder, screen: Screen) -> Self {
        Self {
            incoming: Mutex::new(incoming),
            decoder,
            screen,
            printing: Mutex::default(),
            failure: Mutex::default(),
            failed: Notify::new(),
            answered: AtomicBool::new(false),
        }
    }

    /// Ready once the call has to be given up.
    pub(crate) async fn failed(&self) -> Failure {
        loop {
            let failure = lock(&self.failure).take();
            if let Some(failure) = failure {
                return failure;
            }
            self.failed.notified().await;
        }
    }

    /// Waits until all is printed.
    ///
    /// # Errors
    /// What went wrong with that, or before.
    pub(crate) async fn printed(&self) -> Result<(), Failure> {
        poll_fn(|cx| self.poll_room(cx)).await;
        lock(&self.failure).take().map_or(Ok(()), Err)
    }

    /// Whether a response has started.
    pub(crate) fn is_answered(&self) -> bool {
        self.answered.load(Relaxed)
    }

    fn fail(&self, failure: Failure) {
        lock(&self.failure).get_or_insert(failure);
        self.failed.notify_one();
    }
}

impl Caller for Talk {
    fn poll_outgoing(&self, cx: &mut Context<'_>) -> Poll<(Vec<Outgoing>, usize)> {
        let mut incoming = lock(&self.incoming);
        let mut taken = Vec::new();
        let mut bytes = 0;
        while bytes < AT_A_TIME {
            match incoming.poll_recv(cx) {
                Poll::Ready(Some(Ok(item))) => {
                    if let Outgoing::Message(message) = &item {
                        bytes += message.len();
                    }
                    taken.push(item);
                }
                Poll::Ready(Some(Err(failure))) => {
                    self.fail(failure);
                    return Poll::Pending;
                }
                // The half-close came before.
                Poll::Ready(None) | Poll::Pending => break,
            }
        }
        if taken.is_empty() { Poll::Pending } else { Poll::Ready((taken, 0)) }
    }

    fn sent(&self, _counted: usize) {}

    fn request(&self, head: &Request<()>) {
        self.screen.request(head);
    }

    fn head(&self, head: Head) {
        self.answered.store(true, Relaxed);
        self.screen.head(&head);
    }

    fn poll_room(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut printing = lock(&self.printing);
        if let Some(task) = &mut *printing {
            let Poll::Ready(printed) = Pin::new(task).poll(cx) else { return Poll::Pending };
            *printing = None;
            match printed {
                Ok(Ok(())) => {}
                Ok(Err(failure)) => self.fail(failure),
                Err(error) => self.fail(Failure::Unable(format!("a message could not be printed: {error}"))),
            }
        }
        Poll::Ready(())
    }

    fn message(&self, message: Content) {
        match self.decoder.decode(message) {
            Ok(json) => {
                let screen = self.screen;
                let print = tokio::task::spawn_blocking(move || screen.document(&json));
                *lock(&self.printing) = Some(print);
            }
            Err(error) => self.fail(Failure::rpc(&error, None)),
        }
    }
}

impl Decoder {
    /// # Errors
    /// `internal` where the message is not what the codec and the schema say.
    fn decode(&self, message: Content) -> Result<String, RpcError> {
        let internal = |problem: String| RpcError::new(Code::Internal, problem);
        let Content::Plain(bytes) = message else {
            return Err(internal("the server's message is under a compression that is not known".to_owned()));
        };
        let json = match (&self.output, self.codec) {
            (Some(output), Codec::Proto) => output.binary_to_json(&bytes, &self.options),
            // The server leaves defaults out, so they come in on the way back.
            (Some(output), _) if self.options.write_defaults => output
                .json_to_binary(&bytes, &self.options)
                .and_then(|binary| output.binary_to_json(&binary, &self.options)),
            _ => return as_json(bytes).map_err(internal),
        };
        let json = json.map_err(|error| internal(format!("the server's message does not fit: {error}")))?;
        as_json(json).map_err(internal)
    }
}

fn as_json(bytes: Bytes) -> Result<String, String> {
    let text = String::from_utf8(bytes.into()).map_err(|_| "the server's message is not UTF-8".to_owned())?;
    match serde_json::from_str::<&RawValue>(&text) {
        Ok(_) => Ok(text),
        Err(error) => Err(format!("the server's message is no JSON: {error}")),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What a panicking holder leaves is sound: each change is an assignment.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
