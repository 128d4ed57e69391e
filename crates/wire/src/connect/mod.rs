//! The Connect protocol (connectrpc.com, "Connect Protocol Reference").
//!
//! Unary calls are plain HTTP: the body is the message, failures have an HTTP status and a JSON body, trailers are
//! headers that start with `trailer-`; methods without side effects can be called with GET. Streams are a POST with
//! envelopes both ways, whose last envelope is JSON with the trailers and the error.

mod end_stream;
mod error_json;
mod get;
mod request;
mod response;

pub(crate) use end_stream::{is_end_stream, read_end_stream, write_end_stream};
pub(crate) use get::{GetError, get_query, is_get_call, read_get};
pub(crate) use request::{
    STREAM_ACCEPT_ENCODING, make_post, open_get, open_stream, open_unary, read_stream_head, read_unary_head,
};
pub(crate) use response::{
    read_stream_head as read_stream_response_head, read_unary_error,
    read_unary_head as read_unary_response_head, stream_head, unary_failure, unary_success,
};

use crate::envelope::Envelope;
use crate::{Code, Message, RpcError};

/// The message of an envelope, in Connect's meaning of the flags.
pub(crate) fn read_message(envelope: Envelope) -> Result<Message, RpcError> {
    envelope.into_message().map_err(|flags| {
        let message =
            format!("a message has the flags {flags:#010b}: of a message only bit 0 (compressed) may be set");
        RpcError::new(Code::InvalidArgument, message)
    })
}
