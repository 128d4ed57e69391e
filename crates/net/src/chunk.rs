//! One write of up to two pieces.
//!
//! A message usually leaves as a few bytes of prefix and a payload that belongs to somebody else. Handing both down
//! as one buffer keeps the payload uncopied and still costs one DATA frame, not two.

use bytes::{Buf, Bytes, BytesMut};

/// Two pieces of bytes that are written as if they were one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Chunk {
    head: Bytes,
    tail: Bytes,
}

/// Below this many bytes joining two pieces by a copy is cheaper than carrying them separately.
const JOIN_LIMIT: usize = 16 << 10;

impl Chunk {
    pub(crate) fn pair(head: Bytes, tail: Bytes) -> Self {
        Self { head, tail }
    }

    /// Cuts off the first `len` bytes, which must not be more than there are.
    pub(crate) fn split_to(&mut self, len: usize) -> Self {
        if len <= self.head.len() {
            return Self::from(self.head.split_to(len));
        }
        let rest = len - self.head.len();
        Self { head: std::mem::take(&mut self.head), tail: self.tail.split_to(rest) }
    }

    /// The pieces for a writer that takes single buffers: one where joining is cheap.
    pub(crate) fn into_pieces(self) -> (Bytes, Bytes) {
        if self.head.is_empty() {
            return (self.tail, Bytes::new());
        }
        if self.tail.is_empty() || self.head.len() + self.tail.len() > JOIN_LIMIT {
            return (self.head, self.tail);
        }
        let mut joined = BytesMut::with_capacity(self.head.len() + self.tail.len());
        joined.extend_from_slice(&self.head);
        joined.extend_from_slice(&self.tail);
        (joined.freeze(), Bytes::new())
    }
}

impl From<Bytes> for Chunk {
    fn from(bytes: Bytes) -> Self {
        Self { head: bytes, tail: Bytes::new() }
    }
}

impl Buf for Chunk {
    fn remaining(&self) -> usize {
        self.head.len() + self.tail.len()
    }

    fn chunk(&self) -> &[u8] {
        if self.head.is_empty() { &self.tail } else { &self.head }
    }

    fn advance(&mut self, count: usize) {
        let from_head = count.min(self.head.len());
        self.head.advance(from_head);
        self.tail.advance(count - from_head);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_at_every_byte() {
        for at in 0..=7 {
            let mut rest = Chunk::pair(Bytes::from_static(b"abc"), Bytes::from_static(b"defg"));
            let mut front = rest.split_to(at);
            let front = front.copy_to_bytes(front.remaining());
            let rest = rest.copy_to_bytes(rest.remaining());
            assert_eq!([&front[..], &rest[..]].concat(), b"abcdefg");
            assert_eq!(front.len(), at);
        }
    }

    #[test]
    fn small_pieces_are_joined_and_large_ones_are_not() {
        let small = Chunk::pair(Bytes::from_static(b"ab"), Bytes::from_static(b"cd"));
        assert_eq!(small.into_pieces(), (Bytes::from_static(b"abcd"), Bytes::new()));
        let payload = Bytes::from(vec![7; JOIN_LIMIT]);
        let (head, tail) = Chunk::pair(Bytes::from_static(b"ab"), payload.clone()).into_pieces();
        assert_eq!(head, "ab");
        assert_eq!(tail.as_ptr(), payload.as_ptr());
    }
}
