//! From `.proto` files to Python.
//!
//! ```text
//! .proto files -> compile -> descriptors
//! CodeGeneratorRequest -> plugin   -> model -> names, modules -> stub -> *_connect.py
//!                      -> messages -> *_pb2.py, *_pb2.pyi
//! ```
//!
//! `protoc-gen-connect-python` is `plugin`; `landbridge generate` is all three.
//!
//! | module | what |
//! |---|---|
//! | `compile` | a compiler for `.proto` files, so that none need be installed |
//! | `messages` | the modules that google's protobuf has messages in, and their types |
//! | `plugin` | the protocol between protoc and a plugin |
//! | `options` | what the user may choose |
//! | `model` | the services of a file, as far as code is made of them |
//! | `names` | names in Python: methods, keywords, clashes |
//! | `modules` | where messages are, and how they are imported |
//! | `stub` | the module of a file's services, put together |
//! | `service` | what a service's author writes, and what a server is given |
//! | `client` | what calls a service |
//! | `imports` | the names that a stub has from elsewhere |
//! | `comments` | what the schema's author wrote |
//! | `source` | indented text |

mod client;
mod comments;
mod compile;
mod error;
mod imports;
mod messages;
mod model;
mod modules;
mod names;
mod options;
mod plugin;
mod service;
mod source;
mod stub;

pub use compile::{CompileError, compile};
pub use error::GenerateError;
pub use messages::messages;
pub use plugin::plugin;
