//! The five-byte envelope around each message of a stream: one byte of flags, four bytes of length, big-endian.
//!
//! The same in gRPC ("Length-Prefixed-Message"), gRPC-Web and Connect ("Enveloped-Message"); only what the flags mean
//! differs.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::message::{Chunks, Message, Payload};
use crate::{Code, RpcError};

/// The size of an envelope's prefix in bytes.
pub(crate) const PREFIX: usize = 5;

/// Bit 0 of the flags in every protocol: the payload is compressed.
pub(crate) const COMPRESSED: u8 = 0b0000_0001;

/// The start of an envelope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Prefix {
    pub(crate) flags: u8,
    pub(crate) len: usize,
}

impl Prefix {
    pub(crate) fn encode(self) -> [u8; PREFIX] {
        // A payload longer than this cannot come to be: limits are far below it.
        let len = u32::try_from(self.len).unwrap_or(u32::MAX).to_be_bytes();
        [self.flags, len[0], len[1], len[2], len[3]]
    }

    fn decode([flags, a, b, c, d]: [u8; PREFIX]) -> Self {
        Self { flags, len: u32::from_be_bytes([a, b, c, d]) as usize }
    }
}

/// One envelope as it was read.
#[derive(Debug)]
pub(crate) struct Envelope {
    pub(crate) flags: u8,
    pub(crate) payload: Payload,
}

impl Envelope {
    /// The message in it, where the flags say no more than whether it is compressed.
    ///
    /// # Errors
    /// The flags, which each protocol has its own error for.
    pub(crate) fn into_message(self) -> Result<Message, u8> {
        match self.flags {
            0 => Ok(Message { payload: self.payload, compressed: false }),
            COMPRESSED => Ok(Message { payload: self.payload, compressed: true }),
            flags => Err(flags),
        }
    }
}

/// The error of an envelope that says it is compressed, in a stream whose head names no compression.
pub(crate) fn compressed_by_nothing() -> RpcError {
    let message = "a message says that it is compressed, but the head of its stream names no compression";
    RpcError::new(Code::Internal, message)
}

/// Cuts a stream of bytes, split anywhere, into envelopes, without copying payloads.
///
/// ```text
///              5 bytes are here            all of the payload is here
///   [no prefix] --------------> [prefix known] --------------> [no prefix] ...
///        | fewer bytes at the end     | fewer bytes at the end, or too large
///        +--------> error <-----------+
/// ```
#[derive(Debug)]
pub(crate) struct EnvelopeReader {
    /// The first of what was pushed and not yet given out; empty where nothing is. Mostly there is no more than this.
    first: Bytes,
    /// What came after it; no chunk is empty.
    later: VecDeque<Bytes>,
    buffered: usize,
    limit: usize,
    /// The same for envelopes that hold no message, but the end of the stream.
    end_limit: usize,
}

impl EnvelopeReader {
    /// A reader that refuses payloads of more than `limit` bytes.
    pub(crate) fn new(limit: usize) -> Self {
        Self::with_end(limit, limit)
    }

    /// As [`new`](Self::new), with a limit of its own for what holds no message.
    pub(crate) fn with_end(limit: usize, end_limit: usize) -> Self {
        Self { first: Bytes::new(), later: VecDeque::new(), buffered: 0, limit, end_limit }
    }

    pub(crate) fn push(&mut self, chunk: Bytes) {
        self.buffered += chunk.len();
        if self.first.is_empty() {
            self.first = chunk;
        } else if !chunk.is_empty() {
            self.later.push_back(chunk);
        }
    }

    /// The next whole envelope, or none until more is pushed.
    ///
    /// Too large a payload is an error as soon as its prefix is here, so that it is never held.
    pub(crate) fn next(&mut self) -> Result<Option<Envelope>, RpcError> {
        let Some(prefix) = self.prefix() else { return Ok(None) };
        let limit = if prefix.flags & !COMPRESSED == 0 { self.limit } else { self.end_limit };
        if prefix.len > limit {
            return Err(too_large(prefix.len, limit));
        }
        let total = PREFIX + prefix.len;
        if self.buffered < total {
            return Ok(None);
        }
        Ok(Some(Envelope { flags: prefix.flags, payload: self.take(total) }))
    }

    /// How many bytes were pushed and not yet given out.
    pub(crate) fn buffered(&self) -> usize {
        self.buffered
    }

    /// The error of a stream that ends inside an envelope.
    pub(crate) fn cut_error(&self, code: Code) -> RpcError {
        let message = match self.prefix() {
            None => format!(
                "the stream ended after {} of the {PREFIX} bytes of a message's prefix",
                self.buffered
            ),
            Some(prefix) => format!(
                "the stream ended after {} of the {} bytes that a message's prefix announced",
                self.buffered - PREFIX,
                prefix.len,
            ),
        };
        RpcError::new(code, message)
    }

    fn prefix(&self) -> Option<Prefix> {
        if self.buffered < PREFIX {
            return None;
        }
        let mut bytes = [0; PREFIX];
        let mut filled = 0;
        for chunk in std::iter::once(&self.first).chain(&self.later) {
            let count = chunk.len().min(PREFIX - filled);
            bytes[filled..filled + count].copy_from_slice(&chunk[..count]);
            filled += count;
            if filled == PREFIX {
                break;
            }
        }
        Some(Prefix::decode(bytes))
    }

    /// Takes `total` bytes, prefix included, all of which are buffered.
    fn take(&mut self, total: usize) -> Payload {
        self.buffered -= total;
        if self.first.len() >= PREFIX {
            return Payload::with_prefix(self.take_chunks(total));
        }
        let mut left = PREFIX;
        while left > 0 {
            left -= self.take_front(left).len();
        }
        self.take_chunks(total - PREFIX).into_iter().collect()
    }

    fn take_chunks(&mut self, total: usize) -> Chunks {
        let mut taken = Chunks::new();
        let mut left = total;
        while left > 0 {
            let chunk = self.take_front(left);
            left -= chunk.len();
            taken.push(chunk);
        }
        taken
    }

    /// At most `most` bytes off the front; at least one, as long as something is buffered.
    fn take_front(&mut self, most: usize) -> Bytes {
        if self.first.len() > most {
            return self.first.split_to(most);
        }
        assert!(!self.first.is_empty(), "callers take no more than is buffered");
        std::mem::replace(&mut self.first, self.later.pop_front().unwrap_or_default())
    }
}

/// The error of a message past its limit.
pub(crate) fn too_large(len: usize, limit: usize) -> RpcError {
    RpcError::new(
        Code::ResourceExhausted,
        format!("a message of {len} bytes is larger than the limit of {limit} bytes"),
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn enveloped(messages: &[(bool, Vec<u8>)]) -> Vec<u8> {
        messages
            .iter()
            .flat_map(|(compressed, data)| {
                let message = Message { payload: data.clone().into(), compressed: *compressed };
                message.into_enveloped().concat()
            })
            .collect()
    }

    fn read(reader: &mut EnvelopeReader) -> Vec<(bool, Vec<u8>)> {
        std::iter::from_fn(|| reader.next().unwrap())
            .map(|envelope| (envelope.flags == COMPRESSED, envelope.payload.to_bytes().to_vec()))
            .collect()
    }

    #[test]
    fn an_envelope_is_flags_length_and_payload() {
        assert_eq!(enveloped(&[(true, b"abc".to_vec())]), b"\x01\0\0\0\x03abc");
        assert_eq!(enveloped(&[(false, vec![])]), b"\0\0\0\0\0");
    }

    #[test]
    fn the_largest_length_is_refused_at_its_prefix() {
        let mut reader = EnvelopeReader::new(4 << 20);
        reader.push(Bytes::from_static(b"\0\xff\xff\xff\xff"));
        assert_eq!(reader.next().unwrap_err().code, Code::ResourceExhausted);
    }

    #[test]
    fn a_message_that_came_in_an_envelope_leaves_in_it_without_a_copy() {
        let wire = Bytes::from(enveloped(&[(true, vec![7; 100])]));
        let mut reader = EnvelopeReader::new(1000);
        reader.push(wire.clone());
        let payload = reader.next().unwrap().unwrap().payload;
        let out = Message { payload, compressed: true }.into_enveloped();
        assert_eq!(out.len(), 1);
        assert_eq!(out[0].as_ptr(), wire.as_ptr());
    }

    #[test]
    fn a_cut_is_told_with_what_was_missing() {
        let mut reader = EnvelopeReader::new(1000);
        reader.push(Bytes::from_static(b"\0\0\0\0\x09abc"));
        assert!(reader.next().unwrap().is_none());
        assert!(reader.cut_error(Code::Internal).message.contains("3 of the 9 bytes"));
    }

    proptest! {
        #[test]
        fn every_split_reads_the_same(
            messages in prop::collection::vec((any::<bool>(), prop::collection::vec(any::<u8>(), 0..40)), 0..5),
        ) {
            let wire = Bytes::from(enveloped(&messages));
            for size in 1..=wire.len().max(1) {
                let mut reader = EnvelopeReader::new(1000);
                let mut got = Vec::new();
                let mut rest = wire.clone();
                while !rest.is_empty() {
                    reader.push(rest.split_to(size.min(rest.len())));
                    got.extend(read(&mut reader));
                }
                prop_assert_eq!(reader.buffered(), 0);
                prop_assert_eq!(&got, &messages);
            }
        }
    }
}
