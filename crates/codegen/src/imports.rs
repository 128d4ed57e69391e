//! The names that a stub has from elsewhere, and how it comes by them.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, HashSet};

use crate::source::Source;

/// Names of other modules. Each is imported because the code has asked for it, under a name that none of the stub's own
/// classes and methods has.
#[derive(Debug, Default)]
pub(crate) struct Imports {
    /// What the stub defines itself.
    own: HashSet<String>,
    asked: RefCell<BTreeMap<(&'static str, &'static str), Use>>,
    builtins: Cell<bool>,
}

/// Whether a name is needed when the stub runs, or only by type checkers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Use {
    Types,
    Running,
}

impl Imports {
    /// For a stub that defines these names.
    pub(crate) fn beside(own: impl IntoIterator<Item = String>) -> Self {
        Self { own: own.into_iter().collect(), ..Self::default() }
    }

    /// What the stub defines itself.
    pub(crate) fn own(&self) -> &HashSet<String> {
        &self.own
    }

    /// How the code says `name` of `module`.
    pub(crate) fn name(&self, module: &'static str, name: &'static str) -> String {
        self.ask(module, name, Use::Running)
    }

    /// How annotations say `name` of `module`.
    pub(crate) fn of_types(&self, module: &'static str, name: &'static str) -> String {
        self.ask(module, name, Use::Types)
    }

    /// How the code says a name that Python has without an import.
    pub(crate) fn builtin(&self, name: &'static str) -> String {
        if !self.own.contains(name) {
            return name.to_owned();
        }
        self.builtins.set(true);
        format!("_builtins.{name}")
    }

    fn ask(&self, module: &'static str, name: &'static str, purpose: Use) -> String {
        let mut asked = self.asked.borrow_mut();
        let known = asked.entry((module, name)).or_insert(purpose);
        *known = purpose.max(*known);
        self.local(name)
    }

    fn local(&self, name: &str) -> String {
        if self.own.contains(name) { format!("_{name}") } else { name.to_owned() }
    }

    /// The standard library's, needed for running.
    pub(crate) fn standard(&self, out: &mut Source) {
        if self.builtins.get() {
            out.line("import builtins as _builtins");
        }
        self.lines(Use::Running, is_standard, out);
    }

    /// Those of packages, needed for running.
    pub(crate) fn packages(&self, out: &mut Source) {
        self.lines(Use::Running, |module| !is_standard(module), out);
    }

    /// Those for type checkers, in two groups.
    pub(crate) fn types(&self, out: &mut Source) {
        self.lines(Use::Types, is_standard, out);
        out.blank(1);
        self.lines(Use::Types, |module| !is_standard(module), out);
    }

    fn lines(&self, purpose: Use, wanted: impl Fn(&str) -> bool, out: &mut Source) {
        let asked = self.asked.borrow();
        let chosen = || asked.iter().filter(|((module, _), known)| **known == purpose && wanted(module));
        let modules: BTreeSet<&str> = chosen().map(|((module, _), _)| *module).collect();
        for module in modules {
            let names: Vec<String> = chosen()
                .filter(|((of, _), _)| *of == module)
                .map(|((_, name), _)| match self.local(name) {
                    local if local == *name => local,
                    local => format!("{name} as {local}"),
                })
                .collect();
            out.line(&format!("from {module} import {}", names.join(", ")));
        }
    }
}

fn is_standard(module: &str) -> bool {
    matches!(module, "typing" | "collections.abc" | "datetime")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(lines: impl FnOnce(&mut Source)) -> String {
        let mut out = Source::default();
        lines(&mut out);
        out.into_text()
    }

    #[test]
    fn a_name_that_the_stub_has_itself_is_imported_under_another() {
        let imports = Imports::beside(["Endpoint".to_owned(), "float".to_owned()]);
        assert_eq!(imports.name("landbridge.server", "Endpoint"), "_Endpoint");
        assert_eq!(imports.name("landbridge.code", "Code"), "Code");
        assert_eq!(imports.builtin("float"), "_builtins.float");
        assert_eq!(imports.builtin("bool"), "bool");
        assert_eq!(text(|out| imports.standard(out)), "import builtins as _builtins\n");
        let expected =
            "from landbridge.code import Code\nfrom landbridge.server import Endpoint as _Endpoint\n";
        assert_eq!(text(|out| imports.packages(out)), expected);
    }

    #[test]
    fn what_is_needed_for_running_is_not_imported_for_types_as_well() {
        let imports = Imports::default();
        imports.of_types("typing", "Any");
        imports.name("typing", "Any");
        imports.of_types("typing", "Any");
        assert_eq!(text(|out| imports.standard(out)), "from typing import Any\n");
        assert_eq!(text(|out| imports.types(out)), "\n");
    }
}
