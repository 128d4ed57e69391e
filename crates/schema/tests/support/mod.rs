//! Descriptors for the tests, compiled from `tests/protos` when the tests run.
#![allow(clippy::unwrap_used, reason = "what panics here fails its test")]
#![allow(dead_code, reason = "each test file uses its part")]

use std::path::Path;
use std::sync::LazyLock;

use buffa::Message;
use buffa_descriptor::generated::descriptor::{FileDescriptorProto, FileDescriptorSet};
use landbridge_schema::{JsonError, JsonOptions, MessageType, Schema};

/// A serialized descriptor set of these files and all that they import.
pub(crate) fn compile(files: &[&str]) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/protos");
    let mut compiler = protox::Compiler::new([folder]).unwrap();
    compiler.include_imports(true);
    compiler.open_files(files).unwrap();
    compiler.encode_file_descriptor_set()
}

/// The same, file by file.
pub(crate) fn compile_files(files: &[&str]) -> Vec<FileDescriptorProto> {
    FileDescriptorSet::decode_from_slice(&compile(files)).unwrap().file
}

/// A serialized descriptor set of these files.
pub(crate) fn set(files: Vec<FileDescriptorProto>) -> Vec<u8> {
    FileDescriptorSet { file: files, ..Default::default() }.encode_to_vec()
}

pub(crate) fn schema(files: &[&str]) -> Schema {
    Schema::from_descriptor_set(&compile(files)).unwrap()
}

pub(crate) fn kinds() -> MessageType {
    static KINDS: LazyLock<Schema> = LazyLock::new(|| schema(&["kinds.proto"]));
    KINDS.message("kinds.Kinds").unwrap()
}

pub(crate) fn legacy() -> MessageType {
    static LEGACY: LazyLock<Schema> = LazyLock::new(|| schema(&["legacy.proto"]));
    LEGACY.message("legacy.Legacy").unwrap()
}

pub(crate) fn to_binary(message: &MessageType, json: &str) -> Result<Vec<u8>, JsonError> {
    message.json_to_binary(json.as_bytes(), &JsonOptions::default()).map(Into::into)
}

pub(crate) fn to_json(message: &MessageType, binary: &[u8]) -> Result<String, JsonError> {
    let json = message.binary_to_json(binary, &JsonOptions::default())?;
    Ok(String::from_utf8(json.into()).unwrap())
}
