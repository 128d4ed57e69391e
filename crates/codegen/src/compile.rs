//! `.proto` files, compiled without protoc.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use protox::Compiler;
use protox::file::{ChainFileResolver, File, FileResolver, GoogleFileResolver, IncludeFileResolver};

/// Why files do not compile.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// They are wrong: `file:line:column: what`, where a place is known.
    #[error("{0}")]
    Wrong(String),
    /// A file is of an edition, which this compiler does not know. It knows proto2 and proto3.
    #[error("{file} is of an edition")]
    Edition {
        /// Its name.
        file: String,
    },
}

/// Compiles `files`, looking for them and for what they import in the folders `includes`. Gives a serialized
/// `FileDescriptorSet` with all imports and comments, and the names of `files` in it. The files of `google/protobuf` are
/// at hand.
///
/// # Errors
/// What is wrong with the files, at the first place where something is.
pub fn compile(files: &[PathBuf], includes: &[PathBuf]) -> Result<(Vec<u8>, Vec<String>), CompileError> {
    let edition = Rc::new(RefCell::new(None));
    let mut resolver = ChainFileResolver::new();
    for include in includes {
        let files = IncludeFileResolver::new(include.clone());
        resolver.add(Folder { files, include: include.clone(), edition: Rc::clone(&edition) });
    }
    resolver.add(GoogleFileResolver::new());
    let mut compiler = Compiler::with_file_resolver(resolver);
    compiler.include_imports(true).include_source_info(true);
    for file in files {
        if let Err(error) = compiler.open_file(file) {
            return Err(match edition.take() {
                Some(file) => CompileError::Edition { file },
                // Its `Debug` is `file:line:column: what`.
                None => CompileError::Wrong(format!("{error:?}")),
            });
        }
    }
    let names =
        compiler.files().filter(|file| !file.is_import()).map(|file| file.name().to_owned()).collect();
    Ok((compiler.encode_file_descriptor_set(), names))
}

/// Files in a folder. Notes one that is of an edition instead of parsing it, and passes over a byte order mark, as
/// protoc does.
struct Folder {
    files: IncludeFileResolver,
    include: PathBuf,
    edition: Rc<RefCell<Option<String>>>,
}

impl FileResolver for Folder {
    fn resolve_path(&self, path: &Path) -> Option<String> {
        self.files.resolve_path(path)
    }

    fn open_file(&self, name: &str) -> Result<File, protox::Error> {
        let Ok(source) = std::fs::read_to_string(self.include.join(name)) else {
            // What cannot be read is the other's to say.
            return self.files.open_file(name);
        };
        let unmarked = source.strip_prefix('\u{feff}');
        if is_of_an_edition(unmarked.unwrap_or(&source)) {
            *self.edition.borrow_mut() = Some(name.to_owned());
            return Err(protox::Error::new("it is of an edition"));
        }
        unmarked.map_or_else(|| self.files.open_file(name), |source| File::from_source(name, source))
    }
}

/// Whether the first statement of a file is `edition = ...`.
fn is_of_an_edition(source: &str) -> bool {
    let mut rest = source.trim_start();
    loop {
        rest = if let Some(comment) = rest.strip_prefix("//") {
            comment.split_once('\n').map_or("", |(_, behind)| behind)
        } else if let Some(comment) = rest.strip_prefix("/*") {
            comment.split_once("*/").map_or("", |(_, behind)| behind)
        } else {
            let behind = rest.strip_prefix("edition").map(str::trim_start);
            return behind.is_some_and(|behind| behind.starts_with('='));
        }
        .trim_start();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edition_is_seen_behind_comments() {
        assert!(is_of_an_edition("// a\n/* b\n */ edition\n= \"2023\";"));
        assert!(!is_of_an_edition("syntax = \"proto3\"; // edition = \"2023\";"));
        assert!(!is_of_an_edition("/* never closed edition ="));
        assert!(!is_of_an_edition("editions = 1"));
    }
}
