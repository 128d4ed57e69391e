//! Both halves for those who know nothing of compression: plain messages in and out.
//!
//! What decides is here: messages are decompressed within the limit while it is done, and compressed where that is worth
//! it. Compressions that an application does itself pass by name.

mod inbound;
mod outbound;

use bytes::Bytes;

use crate::compression::{Levels, compress, decompress};
use crate::message::{Message, Payload};
use crate::{Code, Compression, RpcError};

pub use inbound::{PlainEvent, PlainReader, PlainWriter};
pub use outbound::{PlainRequestWriter, PlainResponseEvent, PlainResponseReader, open};

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// Without any compression.
    Plain(Bytes),
    /// Under a compression that the application does itself: the one that the head names.
    Compressed(Bytes),
}

impl Content {
    /// The number of bytes.
    pub fn len(&self) -> usize {
        let (Self::Plain(bytes) | Self::Compressed(bytes)) = self;
        bytes.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A received message, decompressed if its compression is one of ours.
    fn received(
        message: Message,
        encoding: Compression,
        max_bytes: usize,
        fault: Code,
    ) -> Result<Self, RpcError> {
        if !message.compressed {
            return Ok(Self::Plain(message.payload.to_bytes()));
        }
        if !encoding.is_ours() {
            return Ok(Self::Compressed(message.payload.to_bytes()));
        }
        decompress(&message.payload, encoding, max_bytes)
            .map(Self::Plain)
            .map_err(|error| error.into_rpc(fault))
    }
}

/// Which messages are compressed, and how hard.
#[derive(Clone, Copy, Debug, Default)]
pub struct Packing {
    /// Messages with fewer bytes stay as they are.
    pub min_bytes: usize,
    /// How hard the others are compressed.
    pub levels: Levels,
}

/// The message as it is sent: under the compression, if that is ours and the message has enough bytes.
fn packed(message: Bytes, compression: Compression, packing: Packing) -> Result<Message, RpcError> {
    if compression.is_identity() || !compression.is_ours() || message.len() < packing.min_bytes {
        return Ok(Message::plain(message));
    }
    let payload = compress(&Payload::from(message), compression, packing.levels).map_err(|error| {
        RpcError::new(Code::Internal, format!("a message could not be compressed: {error}"))
    })?;
    Ok(Message { payload: payload.into(), compressed: true })
}
