//! Where messages are in Python, and how they are imported.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashSet};

use crate::model::TypeRef;
use crate::names::{is_identifier, module_part, py_message};
use crate::options::{Imports, Options, Protobuf};
use crate::source::{Source, literal};

/// The modules that one generated file needs, each under a name of its own.
#[derive(Debug)]
pub(crate) struct Modules {
    options: Options,
    /// The package of the generated file.
    here: Vec<String>,
    /// By proto file.
    used: BTreeMap<String, String>,
    /// Messages that Python's grammar has no way to name, by the names that the stub gives them: how they are found.
    unnamed: RefCell<BTreeMap<String, String>>,
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
    /// The modules of the stub that is made of `file`, which uses messages of `files`. None gets a name that is taken.
    pub(crate) fn new<'a>(
        file: &str,
        files: impl Iterator<Item = &'a str>,
        options: Options,
        taken: &HashSet<String>,
    ) -> Self {
        let mut here = stub_module(file);
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
                .chain((1..).map(|more| path.join("_") + &"_".repeat(more)))
                .map(|name| if is_identifier(&name) { name } else { format!("_{name}") })
                .find(|name| !taken.contains(name) && !used.values().any(|other| other == name))
                .unwrap_or_default();
            used.insert(other.to_owned(), name);
        }
        Self { options, here, used, unnamed: RefCell::default() }
    }

    /// How the code says the module that the messages of a file are in.
    pub(crate) fn module(&self, file: &str) -> &str {
        self.used.get(file).map(String::as_str).unwrap_or_default()
    }

    /// How the code says a message.
    pub(crate) fn name_of(&self, message: &TypeRef) -> String {
        let module = self.module(&message.file);
        let path: Vec<String> = match self.options.protobuf {
            Protobuf::Google => message.path.clone(),
            Protobuf::Py => message.path.iter().map(|part| py_message(part)).collect(),
        };
        let says_module =
            module_path(&message.file, self.options.protobuf).iter().all(|part| is_identifier(part));
        if says_module && path.iter().all(|part| is_identifier(part)) {
            return format!("{module}.{}", path.join("."));
        }
        let found = path.iter().fold(module.to_owned(), |object, part| {
            if is_identifier(part) {
                format!("{object}.{part}")
            } else {
                format!("getattr({object}, {})", literal(part))
            }
        });
        let mut unnamed = self.unnamed.borrow_mut();
        if let Some((name, _)) = unnamed.iter().find(|(_, known)| **known == found) {
            return name.clone();
        }
        let mut name = format!("_{module}_{}", path.join("_"));
        while unnamed.contains_key(&name) {
            name.push('_');
        }
        unnamed.insert(name.clone(), found);
        name
    }

    /// Gives names to the messages that have none. For type checkers they are `message`, any message at all.
    pub(crate) fn name_the_unnamed(&self, message: &str, out: &mut Source) {
        let unnamed = self.unnamed.borrow();
        out.blank(1);
        out.line("if TYPE_CHECKING:");
        out.indented(|out| unnamed.keys().for_each(|name| out.line(&format!("{name} = {message}"))));
        out.line("else:");
        out.indented(|out| unnamed.iter().for_each(|(name, found)| out.line(&format!("{name} = {found}"))));
    }

    /// Whether there are messages that type checkers cannot know.
    pub(crate) fn has_unnamed(&self) -> bool {
        !self.unnamed.borrow().is_empty()
    }

    pub(crate) fn imports(&self) -> ImportLines {
        let mut lines = ImportLines::default();
        for (file, name) in &self.used {
            let path = module_path(file, self.options.protobuf);
            let is_library = is_library(file);
            let relative_to =
                (self.options.imports == Imports::Relative && !is_library).then_some(&*self.here);
            let Some(line) = import(&path, name, relative_to) else {
                lines.by_name = true;
                lines.assignments.push(import_by_name(&path, name, relative_to));
                continue;
            };
            if is_library { lines.third_party.push(line) } else { lines.own.push(line) }
        }
        lines.third_party.sort();
        lines.own.sort();
        lines
    }
}

/// Whether the messages of a file come with the library.
pub(crate) fn is_library(file: &str) -> bool {
    file.starts_with("google/protobuf/")
}

/// The statement that imports a module under a name, said from the package `relative_to` where one is given; none for a
/// module whose path Python's grammar cannot say.
pub(crate) fn import(path: &[String], name: &str, relative_to: Option<&[String]>) -> Option<String> {
    let (last, package) = path.split_last()?;
    if !path.iter().all(|part| is_identifier(part)) {
        return None;
    }
    let renamed = if name == last { String::new() } else { format!(" as {name}") };
    Some(match from(package, relative_to) {
        Some(from) => format!("from {from} import {last}{renamed}"),
        None => format!("import {last}{renamed}"),
    })
}

/// The same for any module. `importlib` is needed.
pub(crate) fn import_by_name(path: &[String], name: &str, relative_to: Option<&[String]>) -> String {
    let module = match (relative_to, path.split_last()) {
        (Some(_), Some((last, package))) => {
            let from = from(package, relative_to).unwrap_or_default();
            let dot = if from.ends_with('.') { "" } else { "." };
            format!("{}, __package__", literal(&format!("{from}{dot}{last}")))
        }
        _ => literal(&path.join(".")),
    };
    format!("{name} = importlib.import_module({module})")
}

/// A package, as an import says it; none for what is in no package.
pub(crate) fn from(package: &[String], relative_to: Option<&[String]>) -> Option<String> {
    let Some(here) = relative_to else {
        return (!package.is_empty()).then(|| package.join("."));
    };
    let shared = here.iter().zip(package).take_while(|(one, other)| one == other).count();
    let up = ".".repeat(here.len() - shared + 1);
    Some(format!("{up}{}", package[shared..].join(".")))
}

/// The parts of the module's name that the messages of a proto file are in.
pub(crate) fn module_path(file: &str, protobuf: Protobuf) -> Vec<String> {
    match protobuf {
        Protobuf::Py if is_library(file) => {
            let name = stem(file).rsplit('/').next().unwrap_or_default();
            ["protobuf", "wkt", "google", "protobuf"]
                .map(str::to_owned)
                .into_iter()
                .chain([format!("{name}_pb")])
                .collect()
        }
        Protobuf::Py => with_suffix(stem(file).split('/').map(module_part).collect(), "_pb"),
        // A dot begins a package, as protoc has it.
        Protobuf::Google => {
            let path = stem(file).replace('-', "_");
            with_suffix(path.split(['/', '.']).map(str::to_owned).collect(), "_pb2")
        }
    }
}

/// Where the stub of a proto file goes.
pub(crate) fn stub_path(file: &str) -> String {
    stub_module(file).join("/") + ".py"
}

fn stub_module(file: &str) -> Vec<String> {
    with_suffix(stem(file).split('/').map(module_part).collect(), "_connect")
}

fn with_suffix(mut parts: Vec<String>, suffix: &str) -> Vec<String> {
    if let Some(last) = parts.last_mut() {
        last.push_str(suffix);
    }
    parts
}

fn stem(file: &str) -> &str {
    file.strip_suffix(".proto").or_else(|| file.strip_suffix(".protodevel")).unwrap_or(file)
}

/// The files of these messages, each once.
pub(crate) fn files_of<'a>(messages: impl Iterator<Item = &'a TypeRef>) -> BTreeSet<&'a str> {
    messages.map(|message| message.file.as_str()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn modules(file: &str, used: &[&str], options: Options, taken: &[&str]) -> Modules {
        let taken = taken.iter().copied().map(str::to_owned).collect();
        Modules::new(file, used.iter().copied(), options, &taken)
    }

    fn lines(file: &str, used: &[&str], imports: Imports) -> Vec<String> {
        let options = Options { imports, ..Options::default() };
        let lines = modules(file, used, options, &[]).imports();
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
        assert_eq!(lines("x.y.proto", &["x.y.proto"], Imports::Absolute), ["from x import y_pb2"]);
    }

    #[test]
    fn packages_that_are_keywords_are_imported_by_name() {
        let file = "a-b/class/x.proto";
        let line = "x_pb2 = importlib.import_module(\"a_b.class.x_pb2\")";
        assert_eq!(lines(file, &[file], Imports::Absolute), [line]);
        let line = "x_pb2 = importlib.import_module(\"..class.x_pb2\", __package__)";
        assert_eq!(lines(file, &[file], Imports::Relative), [line]);
    }

    #[test]
    fn stubs_are_where_connect_python_puts_them() {
        assert_eq!(stub_path("a-b/x.proto"), "a_b/x_connect.py");
        assert_eq!(stub_path("class/x.y.proto"), "class_/x_y_connect.py");
    }

    #[test]
    fn a_message_that_cannot_be_named_gets_a_name() {
        let modules = modules("x.proto", &["x.proto"], Options::default(), &["x_pb2"]);
        let message = TypeRef { file: "x.proto".to_owned(), path: vec!["M".to_owned(), "None".to_owned()] };
        assert_eq!(modules.name_of(&message), "_x_pb2__M_None");
        let mut out = Source::default();
        modules.name_the_unnamed("Message", &mut out);
        assert!(out.into_text().ends_with("else:\n    _x_pb2__M_None = getattr(x_pb2_.M, \"None\")\n"));
    }
}
