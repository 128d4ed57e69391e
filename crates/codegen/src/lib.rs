//! `protoc-gen-connect-python`: from a `CodeGeneratorRequest` to Python.
//!
//! ```text
//! request -> options
//!         -> model (services, methods, comments) -> names -> modules -> writer -> *_connect.py
//! ```
//!
//! | module | what |
//! |---|---|
//! | `plugin` | the protocol between protoc and a plugin |
//! | `options` | what the user may choose |
//! | `model` | the services of a file, as far as code is made of them |
//! | `names` | names in Python: methods, keywords, clashes |
//! | `modules` | where messages are, and how they are imported |
//! | `stub` | the module of a file's services, put together |
//! | `service` | what a service's author writes, and what a server is given |
//! | `client` | what calls a service |
//! | `imports` | the names that a stub has from elsewhere |
//! | `source` | indented text |

mod client;
mod error;
mod imports;
mod model;
mod modules;
mod names;
mod options;
mod plugin;
mod service;
mod source;
mod stub;

pub use error::GenerateError;
pub use plugin::plugin;
