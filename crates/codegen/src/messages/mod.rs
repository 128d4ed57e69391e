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
use buffa_descriptor::generated::compiler::CodeGeneratorResponse;
use buffa_descriptor::generated::compiler::code_generator_response::File;

use crate::error::GenerateError;
use crate::modules::module_path;
use crate::options::{Options, Protobuf};
use crate::plugin::{answer, read};

/// Answers a `CodeGeneratorRequest` as a plugin of protoc would, with the modules of messages. The options are those of
/// the stubs.
///
/// # Errors
/// The input is no request.
pub fn messages(request: &[u8]) -> Result<Vec<u8>, GenerateError> {
    let request = read(request)?;
    let files = Options::parse(request.parameter.as_deref().unwrap_or_default()).map(|options| {
        let known = known::Known::of(&request.proto_file);
        let wanted = request.proto_file.iter().filter(|file| {
            let name = file.name.as_deref().unwrap_or_default();
            request.file_to_generate.iter().any(|wanted| wanted == name)
        });
        let mut files = Vec::new();
        for file in wanted {
            let path = module_path(file.name.as_deref().unwrap_or_default(), Protobuf::Google).join("/");
            for (ending, content) in
                [(".py", code::module(file, options)), (".pyi", types::module(file, &known, options))]
            {
                let name = Some(format!("{path}{ending}"));
                files.push(File { name, content: Some(content), ..File::default() });
            }
        }
        files
    });
    Ok(answer(files, CodeGeneratorResponse::default()).encode_to_vec())
}
