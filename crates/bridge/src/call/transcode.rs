//! What has to happen to the messages of one direction, between the form they come in and the form they leave in.

use landbridge_schema::{JsonOptions, MessageType, UnknownFields};
use landbridge_wire::compression::{Levels, compress, decompress};
use landbridge_wire::{Code, Codec, Compression, Message, Payload, RpcError};

/// The change of one direction's messages. Usually nothing: then messages pass as they are.
#[derive(Debug)]
pub(crate) struct Transcode {
    /// The compression of those messages that come compressed.
    pub(crate) from: Compression,
    /// The compression that the receiver was told of.
    pub(crate) to: Compression,
    /// The change of codec.
    pub(crate) convert: Option<Convert>,
    /// Changed messages with fewer bytes are not compressed.
    pub(crate) min_bytes: usize,
    /// The most bytes of a message after decompression and conversion.
    pub(crate) limit: usize,
    /// Whose fault a message that cannot be read is: `invalid_argument` for requests, `internal` for responses.
    pub(crate) fault: Code,
}

/// A change of codec.
#[derive(Clone, Debug)]
pub(crate) enum Convert {
    /// From JSON to protobuf's binary form.
    ToBinary(MessageType),
    /// From protobuf's binary form to JSON.
    ToJson(MessageType),
}

impl Convert {
    /// The change that messages of this type need; none where both sides use the same codec.
    pub(crate) fn between(from: Codec, to: Codec, message: &MessageType) -> Option<Self> {
        match (from, to) {
            (Codec::Json, Codec::Proto) => Some(Self::ToBinary(message.clone())),
            (Codec::Proto, Codec::Json) => Some(Self::ToJson(message.clone())),
            _ => None,
        }
    }
}

impl Transcode {
    /// The message in the form that the receiver takes.
    ///
    /// # Errors
    /// `resource_exhausted` past the limit; what cannot be read is the fault of whoever sent it.
    pub(crate) fn message(&self, message: Message) -> Result<Message, RpcError> {
        let passes = !message.compressed || self.from == self.to;
        if passes && self.convert.is_none() {
            return Ok(message);
        }
        let mut payload = message.payload;
        if message.compressed {
            payload = decompress(&payload, self.from, self.limit)
                .map_err(|error| error.into_rpc(self.fault))?
                .into();
        }
        if let Some(convert) = &self.convert {
            payload = self.convert(convert, &payload)?;
        }
        if self.to.is_identity() || payload.len() < self.min_bytes {
            return Ok(Message { payload, compressed: false });
        }
        let payload = compress(&payload, self.to, Levels::default()).map_err(|error| {
            RpcError::new(Code::Internal, format!("a message could not be compressed: {error}"))
        })?;
        Ok(Message { payload: payload.into(), compressed: true })
    }

    fn convert(&self, convert: &Convert, payload: &Payload) -> Result<Payload, RpcError> {
        let options = JsonOptions {
            max_bytes: self.limit,
            unknown_fields: UnknownFields::Ignore,
            ..JsonOptions::default()
        };
        let bytes = payload.to_bytes();
        let converted = match convert {
            Convert::ToBinary(message) => message.json_to_binary(&bytes, &options),
            Convert::ToJson(message) => message.binary_to_json(&bytes, &options),
        };
        converted.map(Payload::from).map_err(|error| match error {
            landbridge_schema::JsonError::TooLarge { .. } => {
                RpcError::new(Code::ResourceExhausted, error.to_string())
            }
            _ => RpcError::new(self.fault, error.to_string()),
        })
    }
}
