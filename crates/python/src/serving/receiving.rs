//! The request of one call on its way to Python.

use std::future::poll_fn;
use std::time::Duration;

use landbridge_net::{Frame, RecvBody, RecvError};
use landbridge_wire::plain::{Content, PlainEvent, PlainReader};
use landbridge_wire::{Code, RpcError};

use crate::handoff::{Channel, Flow};

/// Reads a request's messages.
#[derive(Debug)]
pub(super) struct Receiving {
    body: RecvBody,
    reader: PlainReader,
    /// How long the caller may be silent.
    patience: Option<Duration>,
}

/// The request broke off: nobody waits for the answer.
#[derive(Debug)]
pub(super) struct CallerGone;

impl Receiving {
    pub(super) fn new(body: RecvBody, reader: PlainReader) -> Self {
        Self { body, reader, patience: None }
    }

    /// Says that the request is exactly one message, within which the caller may be silent for so long. In a stream it
    /// may be for as long as it likes.
    pub(super) fn expect_one(&mut self, patience: Option<Duration>) {
        self.reader.expect_one();
        self.patience = patience;
    }

    /// Reads a request to its end and gives its message; [`expect_one`](Self::expect_one) has made sure of that.
    ///
    /// # Errors
    /// What the caller is to be told.
    pub(super) async fn whole(&mut self) -> Result<Option<Content>, RpcError> {
        let mut message = None;
        while let Some(next) = self.next().await.map_err(Broken::into_error)? {
            message = Some(next);
        }
        Ok(message)
    }

    /// Passes every message on as it comes, to the end of the request.
    ///
    /// # Errors
    /// The caller went away before it.
    pub(super) async fn pass_on(&mut self, channel: &Channel) -> Result<(), CallerGone> {
        let how = loop {
            poll_fn(|cx| channel.poll_room(cx)).await;
            match self.next().await {
                Ok(Some(message)) => channel.deliver(message),
                Ok(None) => break Flow::Ended,
                Err(Broken::Request(error)) => break Flow::Failed(error),
                Err(Broken::Off(_)) => return Err(CallerGone),
            }
        };
        channel.end_request(how);
        Ok(())
    }

    /// The next message; none at the half-close.
    async fn next(&mut self) -> Result<Option<Content>, Broken> {
        loop {
            match self.reader.event()? {
                Some(PlainEvent::Message(message)) => return Ok(Some(message)),
                Some(PlainEvent::HalfClose) => return Ok(None),
                None => {}
            }
            match self.frame().await? {
                Some(Ok(Frame::Data(data))) => self.reader.push(data)?,
                Some(Ok(Frame::Trailers(_))) => {}
                Some(Err(RecvError::Protocol(problem))) => {
                    let message = format!("the request broke HTTP: {problem}");
                    return Err(RpcError::new(Code::InvalidArgument, message).into());
                }
                Some(Err(error)) => return Err(Broken::Off(error)),
                None => self.reader.end()?,
            }
        }
    }

    async fn frame(&mut self) -> Result<Option<Result<Frame, RecvError>>, RpcError> {
        let Some(patience) = self.patience else { return Ok(self.body.frame().await) };
        tokio::time::timeout(patience, self.body.frame()).await.map_err(|_elapsed| {
            let seconds = patience.as_secs_f64();
            let message =
                format!("nothing more of the request came for {seconds} seconds, and it is not complete");
            RpcError::new(Code::DeadlineExceeded, message)
        })
    }
}

/// Why there is no next message.
enum Broken {
    /// What came is no request.
    Request(RpcError),
    /// Nothing more comes: the caller is gone.
    Off(RecvError),
}

impl Broken {
    fn into_error(self) -> RpcError {
        match self {
            Self::Request(error) => error,
            Self::Off(error) => RpcError::new(Code::Canceled, format!("the request broke off: {error}")),
        }
    }
}

impl From<RpcError> for Broken {
    fn from(error: RpcError) -> Self {
        Self::Request(error)
    }
}
