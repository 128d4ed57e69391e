//! The protocol between protoc and a plugin: a `CodeGeneratorRequest` in, a `CodeGeneratorResponse` out.

use std::collections::HashMap;

use buffa::{DecodeOptions, Message};
use buffa_descriptor::generated::compiler::code_generator_response::File;
use buffa_descriptor::generated::compiler::{CodeGeneratorRequest, CodeGeneratorResponse};

use crate::error::GenerateError;
use crate::model::{services, types};
use crate::modules::stub_path;
use crate::options::Options;
use crate::stub::stub;

/// `FEATURE_PROTO3_OPTIONAL` and `FEATURE_SUPPORTS_EDITIONS`.
const FEATURES: u64 = 1 | 2;
/// `EDITION_PROTO2`, the oldest, and `EDITION_2024`.
const EDITIONS: (i32, i32) = (998, 1001);

/// Answers a request of protoc or buf. What is wrong with the user's files or options is in the answer.
///
/// # Errors
/// The input is no request; the program then has to fail.
pub fn plugin(request: &[u8]) -> Result<Vec<u8>, GenerateError> {
    let request = read(request)?;
    let features = CodeGeneratorResponse {
        supported_features: Some(FEATURES),
        minimum_edition: Some(EDITIONS.0),
        maximum_edition: Some(EDITIONS.1),
        ..CodeGeneratorResponse::default()
    };
    Ok(answer(files(&request), features).encode_to_vec())
}

/// Reads a request.
pub(crate) fn read(request: &[u8]) -> Result<CodeGeneratorRequest, GenerateError> {
    // The user's own files: their size is the only limit.
    DecodeOptions::new()
        .with_element_memory_limit(usize::MAX)
        .decode_from_slice::<CodeGeneratorRequest>(request)
        .map_err(|error| GenerateError::NotARequest(error.to_string()))
}

/// What was made, or what is wrong, in a response.
pub(crate) fn answer(
    files: Result<Vec<File>, GenerateError>,
    mut response: CodeGeneratorResponse,
) -> CodeGeneratorResponse {
    match files {
        Ok(files) => response.file = files,
        Err(error) => response.error = Some(error.to_string()),
    }
    response
}

fn files(request: &CodeGeneratorRequest) -> Result<Vec<File>, GenerateError> {
    let options = Options::parse(request.parameter.as_deref().unwrap_or_default())?;
    let types = types(&request.proto_file);
    let mut files = Files::default();
    for file in &request.proto_file {
        let name = file.name.as_deref().unwrap_or_default();
        if file.service.is_empty() || !request.file_to_generate.iter().any(|wanted| wanted == name) {
            continue;
        }
        let services = services(file, &types, options)?;
        files.add(name, stub_path(name), stub(name, &services, options)?)?;
    }
    Ok(files.made)
}

/// What was made, each file of one proto file alone.
#[derive(Default)]
pub(crate) struct Files {
    pub(crate) made: Vec<File>,
    /// The proto file that each was made of.
    made_of: HashMap<String, String>,
}

impl Files {
    /// Adds what was made of a proto file.
    pub(crate) fn add(&mut self, proto: &str, path: String, content: String) -> Result<(), GenerateError> {
        if let Some(other) = self.made_of.insert(path.clone(), proto.to_owned()) {
            return Err(GenerateError::Clash {
                file: proto.to_owned(),
                first: format!("the module of {other}"),
                second: "that of this file".to_owned(),
                name: path,
                way_out: "generate them into different folders",
            });
        }
        self.made.push(File { name: Some(path), content: Some(content), ..File::default() });
        Ok(())
    }
}
