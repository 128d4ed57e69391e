//! One message, as bytes that are never joined or copied unless asked.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use smallvec::SmallVec;

use crate::envelope::{PREFIX, Prefix};

/// Pieces of bytes that follow each other on the wire.
pub type Chunks = SmallVec<[Bytes; 2]>;

/// A message's payload is copied next to its envelope prefix up to this size, in bytes, because one small frame is
/// cheaper to send than two; above it, the prefix is sent as a piece of its own and the payload is left where it is.
const COPY_BESIDE_PREFIX: usize = 1024;

/// One message of a call, serialized, and possibly under the compression of its stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// The serialized bytes.
    pub payload: Payload,
    /// Whether the payload is under the compression that its stream's head names.
    pub compressed: bool,
}

impl Message {
    /// A message that is not compressed.
    pub fn plain(payload: impl Into<Payload>) -> Self {
        Self { payload: payload.into(), compressed: false }
    }

    /// The message in an envelope (5 bytes of flags and length), for the three protocols that stream. Without a copy
    /// if it came in an envelope with the same flags.
    pub(crate) fn into_enveloped(self) -> Chunks {
        let flags = u8::from(self.compressed);
        self.payload.into_enveloped(flags)
    }
}

/// The bytes of a message, in the pieces they came in.
#[derive(Clone, Debug, Default)]
pub struct Payload {
    chunks: Chunks,
    /// Without the prefix.
    len: usize,
    /// Whether the first chunk starts with the envelope prefix that the message came with, kept so that a message
    /// which leaves in an envelope needs no new one.
    prefixed: bool,
}

impl Payload {
    /// Chunks of which the first starts with a whole envelope prefix.
    pub(crate) fn with_prefix(chunks: Chunks) -> Self {
        let total: usize = chunks.iter().map(Bytes::len).sum();
        debug_assert!(chunks.first().is_some_and(|first| first.len() >= PREFIX));
        Self { len: total - PREFIX, chunks, prefixed: true }
    }

    /// The number of bytes.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none: in protobuf binary, a message with every field at its default.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The pieces in order; none is empty.
    pub fn chunks(&self) -> impl Iterator<Item = Bytes> {
        let skip = if self.prefixed { PREFIX } else { 0 };
        self.chunks
            .iter()
            .enumerate()
            .map(move |(index, chunk)| if index == 0 { chunk.slice(skip..) } else { chunk.clone() })
            .filter(|chunk| !chunk.is_empty())
    }

    /// The pieces in order, without a copy; none is empty.
    pub(crate) fn into_chunks(self) -> Chunks {
        let mut chunks = self.chunks;
        if self.prefixed
            && let Some(first) = chunks.first_mut()
        {
            first.advance(PREFIX);
            if first.is_empty() {
                chunks.remove(0);
            }
        }
        chunks
    }

    /// All bytes in one piece; copies only if they are in several.
    pub fn to_bytes(&self) -> Bytes {
        let mut chunks = self.chunks();
        let Some(first) = chunks.next() else { return Bytes::new() };
        if first.len() == self.len {
            return first;
        }
        let mut all = BytesMut::with_capacity(self.len);
        all.put(first);
        chunks.for_each(|chunk| all.put(chunk));
        all.freeze()
    }

    pub(crate) fn into_enveloped(self, flags: u8) -> Chunks {
        let prefix = Prefix { flags, len: self.len }.encode();
        if self.prefixed && self.chunks.first().is_some_and(|first| first.starts_with(&prefix)) {
            return self.chunks;
        }
        let len = self.len;
        let chunks = self.into_chunks();
        let mut enveloped = Chunks::new();
        if len <= COPY_BESIDE_PREFIX {
            let mut all = Vec::with_capacity(PREFIX + len);
            all.extend_from_slice(&prefix);
            chunks.iter().for_each(|chunk| all.extend_from_slice(chunk));
            enveloped.push(all.into());
        } else {
            enveloped.push(Bytes::copy_from_slice(&prefix));
            enveloped.extend(chunks);
        }
        enveloped
    }
}

impl PartialEq for Payload {
    fn eq(&self, other: &Self) -> bool {
        self.len == other.len && self.to_bytes() == other.to_bytes()
    }
}

impl Eq for Payload {}

impl From<Bytes> for Payload {
    fn from(bytes: Bytes) -> Self {
        Self { len: bytes.len(), chunks: Chunks::from_iter([bytes]), prefixed: false }
    }
}

impl From<Vec<u8>> for Payload {
    fn from(bytes: Vec<u8>) -> Self {
        Bytes::from(bytes).into()
    }
}

impl From<&'static str> for Payload {
    fn from(text: &'static str) -> Self {
        Bytes::from_static(text.as_bytes()).into()
    }
}

impl FromIterator<Bytes> for Payload {
    fn from_iter<I: IntoIterator<Item = Bytes>>(pieces: I) -> Self {
        let chunks: Chunks = pieces.into_iter().filter(|piece| !piece.is_empty()).collect();
        Self { len: chunks.iter().map(Bytes::len).sum(), chunks, prefixed: false }
    }
}
