//! Schemas in files: descriptor sets, and `.proto` files, which are compiled.

use std::path::{Path, PathBuf};

use landbridge_codegen::{CompileError, compile};
use landbridge_schema::Schema;

use crate::failure::Failure;
use crate::order::SchemaSource;

/// None where no file is given.
///
/// # Errors
/// Names the file and what is wrong with it.
pub(crate) fn read(source: &SchemaSource) -> Result<Option<Schema>, Failure> {
    if source.files.is_empty() {
        return Ok(None);
    }
    let (protos, sets): (Vec<_>, Vec<_>) = source.files.iter().cloned().partition(|file| is_proto(file));
    let mut all = Vec::new();
    for set in &sets {
        all.push(std::fs::read(set).map_err(|error| wrong(std::slice::from_ref(set), &error.to_string()))?);
    }
    if !protos.is_empty() {
        all.push(compiled(&protos, &source.includes)?);
    }
    Schema::from_descriptor_sets(all.iter().map(Vec::as_slice))
        .map(Some)
        .map_err(|error| wrong(&source.files, &error.to_string()))
}

fn is_proto(file: &Path) -> bool {
    file.extension().is_some_and(|extension| extension == "proto")
}

/// Without folders to look in, names are relative to where we are, or else to where the files are.
fn compiled(protos: &[PathBuf], includes: &[PathBuf]) -> Result<Vec<u8>, Failure> {
    let mut folders = includes.to_vec();
    if folders.is_empty() {
        folders.push(PathBuf::new());
        folders.extend(protos.iter().filter_map(|file| file.parent()).map(Path::to_owned));
    }
    match compile(protos, &folders) {
        Ok((set, _names)) => Ok(set),
        Err(CompileError::Wrong(text)) => Err(Failure::Given(text)),
        Err(error @ CompileError::Edition { .. }) => {
            let remedy =
                "write a descriptor set of it with protoc --include_imports --descriptor_set_out=FILE";
            Err(Failure::Given(format!("{error}: {remedy}")))
        }
    }
}

fn wrong(files: &[PathBuf], problem: &str) -> Failure {
    let files: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
    Failure::Given(format!("--schema {}: {problem}", files.join(", ")))
}
