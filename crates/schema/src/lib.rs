//! What the messages on the wire mean: methods, message types, and their JSON form.
//!
//! Two ways lead to a [`Schema`]: the bytes of a descriptor set ([`Schema::from_descriptor_set`]), or gRPC server
//! reflection ([`reflection::Client`], which speaks no HTTP: its driver owns the stream). A schema answers one
//! question fast, "what is `/package.Service/Method`?", and each [`MessageType`] it hands out turns JSON into binary
//! and back ([`MessageType::json_to_binary`], [`MessageType::binary_to_json`]).
//!
//! | module | what it holds |
//! |---|---|
//! | `schema` | the services and methods, by path |
//! | `link` | descriptor files → one linked pool, missing imports named |
//! | `bundled` | the well-known types, for servers and sets that leave them out; those of error details |
//! | `describe` | what a symbol stands for, in the language of `.proto` files |
//! | `json` | the proto3 JSON mapping, streamed both ways without a message tree |
//! | `wire` | reading and writing protobuf's binary form |
//! | `reflection` | the sans-IO client of gRPC server reflection |

mod bundled;
mod describe;
mod json;
mod link;
pub mod reflection;
mod schema;
mod wire;

pub use json::{JsonError, JsonOptions, MAX_DEPTH, UnknownFields};
pub use link::SchemaError;
pub use schema::{MessageType, Method, Schema, StreamKind};
