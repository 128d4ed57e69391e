//! The modules that google's `protobuf` has messages in: `*_pb2.py`, and `*_pb2.pyi` for type checkers.
//!
//! | module | what |
//! |---|---|
//! | `known` | the messages and enums of all files |
//! | `code` | what runs: the descriptors, and the library's builder |
//! | `fields` | what a field is in Python |
//! | `types` | what type checkers and editors read |

mod code;
mod fields;
mod known;
mod types;

use buffa::Message;
use buffa_descriptor::generated::compiler::code_generator_response::File;
use buffa_descriptor::generated::compiler::{CodeGeneratorRequest, CodeGeneratorResponse};

use crate::error::GenerateError;
use crate::modules::module_path;
use crate::options::{Options, Protobuf};
use crate::plugin::{Files, answer, read};

/// Answers a `CodeGeneratorRequest` as a plugin of protoc would, with the modules of messages. The options are those of
/// the stubs.
///
/// # Errors
/// The input is no request.
pub fn messages(request: &[u8]) -> Result<Vec<u8>, GenerateError> {
    let request = read(request)?;
    Ok(answer(files(&request), CodeGeneratorResponse::default()).encode_to_vec())
}

fn files(request: &CodeGeneratorRequest) -> Result<Vec<File>, GenerateError> {
    let options = Options::parse(request.parameter.as_deref().unwrap_or_default())?;
    let known = known::Known::of(&request.proto_file);
    let mut files = Files::default();
    for file in &request.proto_file {
        let name = file.name.as_deref().unwrap_or_default();
        if !request.file_to_generate.iter().any(|wanted| wanted == name) {
            continue;
        }
        let path = module_path(name, Protobuf::Google).join("/");
        files.add(name, format!("{path}.py"), code::module(file, options))?;
        files.add(name, format!("{path}.pyi"), types::module(file, &known, options))?;
    }
    Ok(files.made)
}
