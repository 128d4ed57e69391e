//! Descriptor files -> one pool in which every name is resolved.

use std::collections::{BTreeMap, BTreeSet};

use buffa::DecodeOptions;
use buffa_descriptor::generated::descriptor::{FileDescriptorProto, FileDescriptorSet};
use buffa_descriptor::{DescriptorPool, PoolError};

use crate::bundled;

/// Why descriptors do not make a [`Schema`](crate::Schema).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SchemaError {
    /// The bytes are not a `FileDescriptorSet`.
    #[error(
        "not a protobuf descriptor set ({reason}): write one with `protoc --include_imports --descriptor_set_out=FILE` or `buf build -o FILE`"
    )]
    NotADescriptorSet {
        /// What the decoder found.
        reason: String,
    },
    /// A file imports files that are not there, and needs a type of theirs.
    #[error("{needed_by} needs `{type_name}`, and these imports are missing: {}: write the descriptor set with `protoc --include_imports` or `buf build`", .imports.join(", "))]
    MissingImports {
        /// The names of the missing files.
        imports: Vec<String>,
        /// The type that did not resolve.
        type_name: String,
        /// The field or method that refers to it.
        needed_by: String,
    },
    /// Two descriptor sets hold different files under one name.
    #[error("two descriptor sets hold different versions of `{file}`: write them from the same sources")]
    Conflict {
        /// The name of the file.
        file: String,
    },
    /// The descriptors contradict themselves.
    #[error("the descriptors do not fit together: {reason}")]
    Invalid {
        /// What does not fit, and where.
        reason: String,
    },
}

/// The files of one serialized `FileDescriptorSet`.
pub(crate) fn read_descriptor_set(bytes: &[u8]) -> Result<Vec<FileDescriptorProto>, SchemaError> {
    // The operator's own file: its size is the only limit (descriptors of large code bases pass the library's default).
    DecodeOptions::new()
        .with_element_memory_limit(usize::MAX)
        .decode_from_slice::<FileDescriptorSet>(bytes)
        .map(|set| set.file)
        .map_err(|error| SchemaError::NotADescriptorSet { reason: error.to_string() })
}

/// Links the files, with the bundled well-known types in place of imports that are missing.
///
/// An import that is missing but not needed (one that only brings custom options) does no harm.
pub(crate) fn link(files: Vec<FileDescriptorProto>) -> Result<DescriptorPool, SchemaError> {
    let mut by_name = unique(files)?;
    let mut missing = missing_imports(&by_name);
    for file in bundled::files() {
        if missing.remove(file_name(&file)) {
            by_name.insert(file_name(&file).to_owned(), file);
        }
    }
    let set = FileDescriptorSet { file: by_name.into_values().collect(), ..Default::default() };
    DescriptorPool::new(set).map_err(|error| explain(error, missing))
}

/// One file for each name; repeated files must agree, comments and positions aside.
fn unique(files: Vec<FileDescriptorProto>) -> Result<BTreeMap<String, FileDescriptorProto>, SchemaError> {
    let mut by_name: BTreeMap<String, FileDescriptorProto> = BTreeMap::new();
    for mut file in files {
        file.source_code_info = Default::default();
        let name = file_name(&file).to_owned();
        match by_name.get(&name) {
            None => {
                by_name.insert(name, file);
            }
            // Compilers ship slightly different texts of these; their messages are the same in all.
            Some(_) if name.starts_with("google/protobuf/") => {}
            Some(first) if *first == file => {}
            Some(_) => return Err(SchemaError::Conflict { file: name }),
        }
    }
    Ok(by_name)
}

fn missing_imports(files: &BTreeMap<String, FileDescriptorProto>) -> BTreeSet<String> {
    files
        .values()
        .flat_map(|file| &file.dependency)
        .filter(|import| !files.contains_key(*import))
        .cloned()
        .collect()
}

fn explain(error: PoolError, missing: BTreeSet<String>) -> SchemaError {
    match error {
        PoolError::UnresolvedTypeName { type_name, field } if !missing.is_empty() => {
            SchemaError::MissingImports {
                imports: missing.into_iter().collect(),
                type_name: type_name.trim_start_matches('.').to_owned(),
                needed_by: field,
            }
        }
        other => SchemaError::Invalid { reason: other.to_string() },
    }
}

pub(crate) fn file_name(file: &FileDescriptorProto) -> &str {
    file.name.as_deref().unwrap_or_default()
}
