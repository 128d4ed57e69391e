//! The Connect, gRPC and gRPC-Web protocols, without sockets, clocks or tasks.
//!
//! Every call in any protocol is read into one neutral [`Call`] and written out of it again, so that three protocols
//! cost three adapters and no translators between pairs.
//!
//! ```text
//!                 inbound half (server side)               outbound half (client side)
//! request  bytes -> [RequestReader]  -> Call, Message  ->  [RequestWriter]  -> bytes
//! response bytes <- [ResponseWriter] <- Message, End   <-  [ResponseReader] <- bytes
//! ```
//!
//! * [`inbound::accept`] reads a request head: which protocol it speaks, what it asks for, or why it is refused.
//! * [`outbound::open`] prepares the same call in a chosen protocol.
//! * The readers take bytes split anywhere and give whole [`Message`]s; the writers take messages and give bytes,
//!   without copying a message whose form the other side takes as it is.
//! * [`cors`] answers what browsers ask before they call from another origin.
//! * [`plain`] wraps both halves for servers and clients that want messages without compression.
//!
//! Each protocol lives in a folder of its own: `connect`, `grpc`, `grpc_web`. What they share is beside them.

pub mod call;
pub mod code;
pub mod codec;
pub mod compression;
mod connect;
pub mod cors;
mod envelope;
pub mod error;
mod grpc;
mod grpc_web;
pub mod inbound;
pub mod message;
pub mod metadata;
mod name;
pub mod outbound;
pub mod output;
pub mod plain;
pub mod protocol;
pub mod timeout;

pub use call::{Call, End, Limits, MethodInfo, Offer, ResponseEvent, ResponseHead, Shape};
pub use code::Code;
pub use codec::Codec;
pub use compression::{Accepted, Compression};
pub use error::{Detail, RpcError};
pub use inbound::{RequestEvent, RequestReader, ResponseWriter};
pub use message::{Chunks, Message, Payload};
pub use outbound::{OpenedCall, RequestWriter, ResponseReader, Target};
pub use output::{Finish, Output};
pub use protocol::Protocol;
