//! Why a body or an answer did not come whole.

use h2::Reason;

use crate::tls::TlsFailure;
use crate::upstream::OtherHttp;

/// Why receiving ended early.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecvError {
    /// The peer reset the stream (RFC 9113 section 6.4).
    #[error("the peer reset the stream: {0}")]
    Reset(Reason),
    /// The peer has provably not looked at the request: it may be sent again, even if it is not idempotent.
    ///
    /// Said by a GOAWAY that does not cover the stream, or by `REFUSED_STREAM` (RFC 9113 sections 6.8 and 8.7).
    #[error("the peer did not process the request: {0}")]
    Unprocessed(Reason),
    /// The connection ended in the middle.
    #[error("the connection was closed before the message was complete: {0}")]
    Closed(String),
    /// The peer broke HTTP; or we say that it did.
    #[error("the peer broke the protocol: {0}")]
    Protocol(String),
    /// The peer speaks another version of HTTP, so that it has understood nothing of the request.
    #[error(transparent)]
    OtherHttp(#[from] OtherHttp),
    /// The peer does not take our certificate, which it has said only after the handshake: it has seen no request.
    #[error(transparent)]
    Tls(#[from] TlsFailure),
    /// The connection was given up because the peer was silent for too long.
    #[error("the peer did not answer in time")]
    Timeout,
    /// The exchange was cancelled on this side.
    #[error("the exchange was cancelled on this side")]
    Cancelled,
}

impl RecvError {
    /// Whether the peer has provably not looked at the request.
    pub fn is_unprocessed(&self) -> bool {
        matches!(self, Self::Unprocessed(_))
    }

    /// The HTTP/2 error code that the peer gave, if it gave one.
    pub fn reason(&self) -> Option<Reason> {
        match self {
            Self::Reset(reason) | Self::Unprocessed(reason) => Some(*reason),
            _ => None,
        }
    }

    pub(crate) fn from_h2(error: h2::Error) -> Self {
        match error.reason() {
            Some(Reason::REFUSED_STREAM) if error.is_remote() => Self::Unprocessed(Reason::REFUSED_STREAM),
            // Streams that a GOAWAY covers go on; one that fails by it is past its last stream.
            Some(reason) if error.is_remote() && error.is_go_away() => Self::Unprocessed(reason),
            Some(reason) if error.is_remote() => Self::Reset(reason),
            Some(Reason::CANCEL) if error.is_reset() && !error.is_library() => Self::Cancelled,
            Some(_) => Self::Protocol(error.to_string()),
            None => Self::Closed(error.to_string()),
        }
    }

    pub(crate) fn from_hyper(error: hyper::Error) -> Self {
        if error.is_timeout() {
            Self::Timeout
        } else if error.is_parse() || breaks_framing(&error) {
            Self::Protocol(text_of(&error))
        } else if error.is_user() {
            Self::Cancelled
        } else {
            Self::Closed(text_of(&error))
        }
    }
}

/// Whether the bytes of a message's content are not what its head says: no chunks, or trailers past their limits. hyper
/// tells that by the kind of the cause; a content that is only cut has another.
fn breaks_framing(error: &hyper::Error) -> bool {
    use std::io::ErrorKind::{InvalidData, InvalidInput};
    let cause = std::error::Error::source(error).and_then(|cause| cause.downcast_ref::<std::io::Error>());
    cause.is_some_and(|cause| matches!(cause.kind(), InvalidData | InvalidInput))
}

/// An error and what caused it, in one line.
pub(crate) fn text_of(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

/// Why sending cannot go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The peer reset the stream. From a server, `NO_ERROR` says that its answer is complete and needs no more of the
    /// request (RFC 9113 section 8.1).
    #[error("the peer reset the stream: {0}")]
    Reset(Reason),
    /// The connection is gone, or nobody reads the other end any more.
    #[error("the connection is gone")]
    Closed,
    /// The message had been ended before.
    #[error("the message was already ended")]
    AlreadyEnded,
    /// An answer's content is not what the `content-length` in its head says. With less, it was cut off; of more, only
    /// what was announced is sent.
    #[error("the head announced {announced} bytes of content, and {given} were given")]
    Length {
        /// What the head says, in bytes.
        announced: u64,
        /// What there was to send, in bytes.
        given: u64,
    },
}

impl SendError {
    pub(crate) fn from_h2(error: &h2::Error) -> Self {
        match error.reason() {
            Some(reason) => Self::Reset(reason),
            None => Self::Closed,
        }
    }
}
