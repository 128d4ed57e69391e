//! Where messages are in Python, and how they are imported.

use std::collections::BTreeMap;

use crate::model::TypeRef;
use crate::names::is_keyword;
use crate::options::{Imports, Options, Protobuf};

/// The modules that one generated file needs, each under a name of its own.
#[derive(Debug)]
pub(crate) struct Modules {
    options: Options,
    /// The package of the generated file.
    here: Vec<String>,
    /// By proto file.
    used: BTreeMap<String, String>,
}

/// What stands in front of the code to have the modules.
#[derive(Debug, Default)]
pub(crate) struct ImportLines {
    /// Whether `importlib` is needed, for modules whose path Python's grammar cannot say.
    pub(crate) by_name: bool,
    pub(crate) third_party: Vec<String>,
    pub(crate) own: Vec<String>,
    /// Behind all imports.
    pub(crate) assignments: Vec<String>,
}

impl Modules {
    /// The modules of the stub that is made of `file`, which uses messages of `files`.
    pub(crate) fn new<'a>(file: &str, files: impl Iterator<Item = &'a str>, options: Options) -> Self {
        let mut here = module_path(file, options.protobuf);
        here.pop();
        let mut used: BTreeMap<String, String> = BTreeMap::new();
        for other in files {
            if used.contains_key(other) {
                continue;
            }
            let path = module_path(other, options.protobuf);
            // The last part is what people write; as many parts before it as tell it from the others.
            let name = (1..=path.len())
                .map(|parts| path[path.len() - parts..].join("_"))
                .find(|name| !used.values().any(|taken| taken == name))
                .unwrap_or_else(|| path.join("__"));
            used.insert(other.to_owned(), name);
        }
        Self { options, here, used }
    }

    /// How the code says a message.
    pub(crate) fn name_of(&self, message: &TypeRef) -> String {
        let module = self.used.get(&message.file).map(String::as_str).unwrap_or_default();
        if message.path.iter().any(|part| is_keyword(part)) {
            let start = module.to_owned();
            return message.path.iter().fold(start, |name, part| {
                if is_keyword(part) {
                    format!("getattr({name}, \"{part}\")")
                } else {
                    format!("{name}.{part}")
                }
            });
        }
        format!("{module}.{}", message.path.join("."))
    }

    pub(crate) fn imports(&self) -> ImportLines {
        let mut lines = ImportLines::default();
        for (file, name) in &self.used {
            let path = module_path(file, self.options.protobuf);
            let Some((last, package)) = path.split_last() else { continue };
            let is_library = file.starts_with("google/protobuf/");
            if path.iter().any(|part| is_keyword(part)) {
                lines.by_name = true;
                lines.assignments.push(format!("{name} = importlib.import_module(\"{}\")", path.join(".")));
                continue;
            }
            let from = match (self.options.imports, is_library) {
                (Imports::Relative, false) => Some(self.relative(package)),
                _ if package.is_empty() => None,
                _ => Some(package.join(".")),
            };
            let renamed = if name == last { String::new() } else { format!(" as {name}") };
            let line = match from {
                Some(from) => format!("from {from} import {last}{renamed}"),
                None => format!("import {last}{renamed}"),
            };
            if is_library { lines.third_party.push(line) } else { lines.own.push(line) }
        }
        lines.third_party.sort();
        lines.own.sort();
        lines
    }

    /// A package, said from here.
    fn relative(&self, package: &[String]) -> String {
        let shared = self.here.iter().zip(package).take_while(|(one, other)| one == other).count();
        let up = ".".repeat(self.here.len() - shared + 1);
        format!("{up}{}", package[shared..].join("."))
    }
}

/// The parts of the module's name that the messages of a proto file are in.
pub(crate) fn module_path(file: &str, protobuf: Protobuf) -> Vec<String> {
    if protobuf == Protobuf::Py && file.starts_with("google/protobuf/") {
        let name = stem(file).rsplit('/').next().unwrap_or_default().to_owned();
        return ["protobuf", "wkt", "google", "protobuf"]
            .map(str::to_owned)
            .into_iter()
            .chain([name + "_pb"])
            .collect();
    }
    let suffix = match protobuf {
        Protobuf::Google => "_pb2",
        Protobuf::Py => "_pb",
    };
    let mut parts: Vec<String> = stem(file)
        .replace('-', "_")
        .split('/')
        .map(|part| match protobuf {
            // protobuf-py's generator keeps its packages importable.
            Protobuf::Py if is_keyword(part) => format!("{part}_"),
            _ => part.to_owned(),
        })
        .collect();
    if let Some(last) = parts.last_mut() {
        last.push_str(suffix);
    }
    parts
}

/// Where the stub of a proto file goes: beside its messages.
pub(crate) fn stub_path(file: &str, protobuf: Protobuf) -> String {
    let mut parts = module_path(file, protobuf);
    if let Some(last) = parts.last_mut() {
        let bare = last.rsplit_once("_pb").map_or(last.as_str(), |(bare, _)| bare);
        *last = format!("{bare}_connect.py");
    }
    parts.join("/")
}

fn stem(file: &str) -> &str {
    file.strip_suffix(".proto").or_else(|| file.strip_suffix(".protodevel")).unwrap_or(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(file: &str, used: &[&str], imports: Imports) -> Vec<String> {
        let options = Options { imports, ..Options::default() };
        let lines = Modules::new(file, used.iter().copied(), options).imports();
        [lines.third_party, lines.own, lines.assignments].concat()
    }

    #[test]
    fn messages_are_imported_from_where_protoc_puts_them() {
        let used = ["a/v1/a.proto", "google/protobuf/empty.proto", "root.proto", "b/v1/a.proto"];
        assert_eq!(
            lines("a/v1/a.proto", &used, Imports::Absolute),
            [
                "from google.protobuf import empty_pb2",
                "from a.v1 import a_pb2",
                "from b.v1 import a_pb2 as v1_a_pb2",
                "import root_pb2"
            ]
        );
        assert_eq!(
            lines("a/v1/a.proto", &used, Imports::Relative),
            [
                "from google.protobuf import empty_pb2",
                "from . import a_pb2",
                "from ... import root_pb2",
                "from ...b.v1 import a_pb2 as v1_a_pb2"
            ]
        );
    }

    #[test]
    fn packages_that_are_keywords_are_imported_by_name() {
        let line = "x_pb2 = importlib.import_module(\"a_b.class.x_pb2\")";
        assert_eq!(lines("a-b/class/x.proto", &["a-b/class/x.proto"], Imports::Absolute), [line]);
    }

    #[test]
    fn stubs_stand_beside_their_messages() {
        assert_eq!(stub_path("a-b/x.proto", Protobuf::Google), "a_b/x_connect.py");
        assert_eq!(stub_path("class/x.proto", Protobuf::Py), "class_/x_connect.py");
    }
}
