//! The inbound half: a request is read into a [`Call`](crate::Call) and its messages; the answer is written in the same
//! protocol.

mod accept;
mod foreign_servers;
mod reader;
mod refusal;
mod writer;

pub use accept::{Accepted, accept, is_call, is_grpc_or_web};
pub use foreign_servers::{end_in_trailers, no_trailers};
pub use reader::{RequestEvent, RequestReader};
pub use refusal::Refusal;
pub use writer::ResponseWriter;
