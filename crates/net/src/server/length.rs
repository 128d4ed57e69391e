//! How much content an answer has by its head, and how much its handler then gives.
//!
//! HTTP/1.1 tells messages apart by their lengths, so an answer that has more or less than it says would shift every
//! one behind it; on HTTP/2 it is malformed (RFC 9113 section 8.1.1).

use bytes::Buf;
use http::{HeaderMap, Response, StatusCode, header};

use crate::chunk::Chunk;
use crate::error::SendError;

/// The length of one answer.
#[derive(Debug)]
pub(crate) enum Length {
    /// As much as is given.
    Open,
    /// No content, whatever is given: it answers a HEAD, or its status has none (RFC 9110 section 6.4.1).
    Nothing,
    /// What the head announces.
    Announced { announced: u64, given: u64 },
}

impl Length {
    /// By the head of the answer; a content-length that cannot stand there is taken out of it.
    pub(super) fn of(head: &mut Response<()>, to_head: bool) -> Self {
        if head.status() == StatusCode::NO_CONTENT {
            head.headers_mut().remove(header::CONTENT_LENGTH);
        }
        if to_head || matches!(head.status(), StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
            return Self::Nothing;
        }
        if !head.headers().contains_key(header::CONTENT_LENGTH) {
            return Self::Open;
        }
        if let Some(announced) = announced(head.headers()) {
            return Self::Announced { announced, given: 0 };
        }
        tracing::warn!("an answer's content-length is not one number: it is sent without");
        head.headers_mut().remove(header::CONTENT_LENGTH);
        Self::Open
    }

    /// Whether the answer is over with its head.
    pub(crate) fn is_nothing(&self) -> bool {
        matches!(self, Self::Nothing)
    }

    /// Counts what is about to be sent, and cuts off what is too much.
    pub(crate) fn give(&mut self, content: &mut Chunk) {
        match self {
            Self::Open => {}
            Self::Nothing => *content = Chunk::default(),
            Self::Announced { announced, given } => {
                let room = announced.saturating_sub(*given);
                *given += content.remaining() as u64;
                if content.remaining() as u64 > room {
                    // Less than what is in memory.
                    *content = content.split_to(room as usize);
                }
            }
        }
    }

    /// Whether the answer lacks content that it announced.
    pub(crate) fn is_short(&self) -> bool {
        matches!(self, Self::Announced { announced, given } if given < announced)
    }

    /// Whether everything given is what was announced, at the answer's end.
    pub(crate) fn at_end(&self) -> Result<(), SendError> {
        match *self {
            Self::Announced { announced, given } if given != announced => {
                tracing::warn!(
                    announced,
                    given,
                    "an answer's content is not as long as its content-length says"
                );
                Err(SendError::Length { announced, given })
            }
            _ => Ok(()),
        }
    }
}

/// The one length that all of the fields say.
fn announced(headers: &HeaderMap) -> Option<u64> {
    let mut lengths = headers.get_all(header::CONTENT_LENGTH).iter().map(|value| {
        let digits = value.to_str().ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))?;
        digits.parse::<u64>().ok()
    });
    let first = lengths.next()??;
    lengths.all(|another| another == Some(first)).then_some(first)
}
