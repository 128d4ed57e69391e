//! What a writer gives: a head, then bytes, then an end.

use bytes::Bytes;
use http::HeaderMap;

use crate::message::Chunks;

/// Pieces of an HTTP message to be sent, in this order: the head, the body bytes, the end.
///
/// Writers append to it; whoever drives them sends what is there and clears it.
#[derive(Debug)]
pub struct Output<H> {
    /// The head, exactly once in a message's life, before any body byte.
    pub head: Option<H>,
    /// Bytes of the body.
    pub body: Chunks,
    /// Set once: nothing follows.
    pub finish: Option<Finish>,
}

/// How an HTTP message ends.
#[derive(Debug, PartialEq, Eq)]
pub enum Finish {
    /// With its last body byte.
    Body,
    /// With these trailers (HTTP/2).
    Trailers(HeaderMap),
}

impl<H> Output<H> {
    /// Nothing to send yet.
    pub fn new() -> Self {
        Self { head: None, body: Chunks::new(), finish: None }
    }

    /// Whether there is nothing to send.
    pub fn is_empty(&self) -> bool {
        self.head.is_none() && self.body.is_empty() && self.finish.is_none()
    }

    pub(crate) fn push(&mut self, bytes: Bytes) {
        if !bytes.is_empty() {
            self.body.push(bytes);
        }
    }
}

impl<H> Default for Output<H> {
    fn default() -> Self {
        Self::new()
    }
}
