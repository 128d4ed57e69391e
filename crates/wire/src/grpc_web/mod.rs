//! gRPC-Web (grpc/grpc, `doc/PROTOCOL-WEB.md`): gRPC for HTTP without trailers.
//!
//! Heads and messages are gRPC's; the trailers are a last envelope of the body, marked by bit 7 of its flags. In the
//! text form the whole body is base64.

mod text;
mod trailers;

pub(crate) use text::{TextDecoder, encode_text};
pub(crate) use trailers::{is_trailers, read_trailers, write_trailers};
