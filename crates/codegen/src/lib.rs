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
//! | `service` | the code of one service |
//! | `source` | indented text |

mod error;
mod model;
mod modules;
mod names;
mod options;
mod plugin;
mod service;
mod source;

pub use error::GenerateError;
pub use plugin::plugin;
