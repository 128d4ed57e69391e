//! Receiving a message's content.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::HeaderMap;
use http_body::Body;
use hyper::body::Incoming;

use crate::error::RecvError;
use crate::server::{Departure, ServerStream, quietly};
use crate::upstream::{ClientStream, Lease};

/// A piece of a message's content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// Some bytes; never none.
    Data(Bytes),
    /// The trailers. Nothing comes after them.
    Trailers(HeaderMap),
}

/// The content of a request or response that is being received.
///
/// Its flow-control window is given back to the peer as frames are taken, so a body that nobody reads holds the peer
/// back and costs at most one window of memory. Dropped before its end it cancels the exchange: an upstream is told by
/// RST_STREAM (HTTP/1.1: by closing the connection). A client whose request is dropped unread may still be answered.
#[derive(Debug)]
pub struct RecvBody {
    source: Source,
    content_length: Option<u64>,
    hold: Hold,
}

#[derive(Debug)]
enum Source {
    Ended,
    Http1(Incoming),
    Http2 { stream: h2::RecvStream, data_ended: bool },
    Failed(RecvError),
}

/// What a body keeps hold of until it is over.
#[derive(Debug)]
pub(crate) enum Hold {
    Nothing,
    Client(Departure),
    Caller(Arc<ServerStream>),
    Stream(Arc<ClientStream>),
    Lease(Lease),
}

impl RecvBody {
    /// A body without content.
    pub fn empty() -> Self {
        Self { source: Source::Ended, content_length: Some(0), hold: Hold::Nothing }
    }

    pub(crate) fn http1(body: Incoming, hold: Hold) -> Self {
        let content_length = body.size_hint().exact();
        let mut body = Self { source: Source::Http1(body), content_length, hold };
        if body.is_end_stream() {
            body.end();
        }
        body
    }

    pub(crate) fn http2(stream: h2::RecvStream, headers: &HeaderMap, hold: Hold) -> Self {
        let length = headers.get(http::header::CONTENT_LENGTH);
        let content_length = length.and_then(|length| length.to_str().ok()?.parse().ok());
        Self { source: Source::Http2 { stream, data_ended: false }, content_length, hold }
    }

    /// The next frame, or `None` after the last one. Cancelling the wait loses nothing.
    ///
    /// # Errors
    /// Says why the content will not come whole; asked again, it says so again.
    pub async fn frame(&mut self) -> Option<Result<Frame, RecvError>> {
        poll_fn(|cx| self.poll_frame(cx)).await
    }

    /// As [`frame`](Self::frame), for those who poll.
    pub fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame, RecvError>>> {
        let frame = ready!(match &mut self.source {
            Source::Ended => return Poll::Ready(None),
            Source::Failed(error) => return Poll::Ready(Some(Err(error.clone()))),
            Source::Http1(body) => poll_http1(body, &self.hold, cx),
            Source::Http2 { stream, data_ended } => poll_http2(stream, data_ended, cx),
        });
        Poll::Ready(match frame {
            Some(Ok(frame)) => {
                // After trailers, and once hyper has counted off the content-length, nothing else is coming: what is
                // held can be let go now, even if nobody asks again.
                if matches!(frame, Frame::Trailers(_)) || self.is_end_stream() {
                    self.end();
                }
                Some(Ok(frame))
            }
            Some(Err(error)) => Some(Err(self.fail(error))),
            None => {
                self.end();
                None
            }
        })
    }

    /// Whether the end was received and every frame taken. `false` does not promise that a frame follows.
    pub fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Ended => true,
            Source::Http1(body) => body.is_end_stream(),
            Source::Http2 { stream, .. } => stream.is_end_stream(),
            Source::Failed(_) => false,
        }
    }

    /// The whole length that the sender announced, in bytes, if it announced one.
    pub fn content_length(&self) -> Option<u64> {
        self.content_length
    }

    fn end(&mut self) {
        self.source = Source::Ended;
        match std::mem::replace(&mut self.hold, Hold::Nothing) {
            Hold::Lease(lease) => lease.give_back(),
            Hold::Stream(_) | Hold::Client(_) | Hold::Caller(_) | Hold::Nothing => {}
        }
    }

    fn fail(&mut self, error: RecvError) -> RecvError {
        let error = match std::mem::replace(&mut self.hold, Hold::Nothing) {
            Hold::Stream(stream) => stream.explain(error),
            Hold::Lease(lease) => lease.explain(error),
            Hold::Client(departure) => {
                match error {
                    RecvError::Protocol(_) => departure.of_sense(),
                    _ => departure.of_client(),
                }
                error
            }
            Hold::Caller(_) | Hold::Nothing => error,
        };
        self.source = Source::Failed(error.clone());
        error
    }
}

impl Drop for RecvBody {
    fn drop(&mut self) {
        if self.is_end_stream() {
            return;
        }
        match &self.hold {
            // Dropping h2's half alone would leave the stream open for as long as somebody sends.
            Hold::Stream(stream) => stream.cancel(),
            Hold::Client(departure) => {
                if let Source::Http1(content) = std::mem::replace(&mut self.source, Source::Ended) {
                    departure.of_handler(content);
                }
            }
            Hold::Caller(stream) => {
                if let Source::Http2 { stream: content, .. } =
                    std::mem::replace(&mut self.source, Source::Ended)
                {
                    stream.leave(content);
                }
            }
            Hold::Lease(_) | Hold::Nothing => {}
        }
    }
}

fn poll_http1(
    body: &mut Incoming,
    hold: &Hold,
    cx: &mut Context<'_>,
) -> Poll<Option<Result<Frame, RecvError>>> {
    loop {
        let frame = match hold {
            Hold::Client(departure) => {
                let (frame, kept_back) = quietly(|| Pin::new(&mut *body).poll_frame(cx));
                if kept_back && !body.is_end_stream() {
                    departure.goes_on();
                }
                frame
            }
            _ => Pin::new(&mut *body).poll_frame(cx),
        };
        let Some(frame) = ready!(frame) else { return Poll::Ready(None) };
        match frame.map(http_body::Frame::into_data) {
            Ok(Ok(data)) if data.is_empty() => {}
            Ok(Ok(data)) => return Poll::Ready(Some(Ok(Frame::Data(data)))),
            // A frame is one of the two; kinds that may come to exist are passed over.
            Ok(Err(other)) => {
                if let Ok(trailers) = other.into_trailers() {
                    return Poll::Ready(Some(Ok(Frame::Trailers(trailers))));
                }
            }
            Err(error) => return Poll::Ready(Some(Err(RecvError::from_hyper(error)))),
        }
    }
}

fn poll_http2(
    stream: &mut h2::RecvStream,
    data_ended: &mut bool,
    cx: &mut Context<'_>,
) -> Poll<Option<Result<Frame, RecvError>>> {
    while !*data_ended {
        match ready!(stream.poll_data(cx)) {
            Some(Ok(data)) if data.is_empty() => {}
            Some(Ok(data)) => {
                // Fails only on giving back more than was received, which this is not.
                let _released = stream.flow_control().release_capacity(data.len());
                return Poll::Ready(Some(Ok(Frame::Data(data))));
            }
            Some(Err(error)) => return Poll::Ready(Some(Err(RecvError::from_h2(error)))),
            None => *data_ended = true,
        }
    }
    Poll::Ready(match ready!(stream.poll_trailers(cx)) {
        Ok(trailers) => trailers.map(|trailers| Ok(Frame::Trailers(trailers))),
        Err(error) => Some(Err(RecvError::from_h2(error))),
    })
}
