//! gRPC over HTTP/2 (grpc/grpc, `doc/PROTOCOL-HTTP2.md`).
//!
//! A request is a POST whose body is a stream of envelopes; a response is a head, envelopes and trailers that carry the
//! status. A response without messages may put its trailers in the head ("Trailers-Only").

mod request;
mod response;
mod status;

pub(crate) use request::{open, read_head};
pub(crate) use response::{read_response_head, response_head, trailers_only};
pub(crate) use status::{has_status, read_end, take_end, write_end};

use crate::envelope::Envelope;
use crate::{Code, Message, RpcError};

/// The message of an envelope, in gRPC's and gRPC-Web's meaning of the flags.
pub(crate) fn read_message(envelope: Envelope) -> Result<Message, RpcError> {
    envelope.into_message().map_err(|flags| {
        let message = format!("a message has the flags {flags:#010b}: only bit 0 (compressed) is defined");
        RpcError::new(Code::Internal, message)
    })
}
