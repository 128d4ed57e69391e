//! The module with everything for the services of a proto file.

use crate::client::client;
use crate::error::GenerateError;
use crate::imports::Imports;
use crate::model::{Method, Service};
use crate::modules::{Modules, files_of};
use crate::options::{Options, Protobuf};
use crate::service::{application, protocol, schema};
use crate::source::{Source, literal, one_line};

/// What everything in one stub is written with.
pub(crate) struct Stub<'a> {
    /// The proto file.
    pub(crate) file: &'a str,
    pub(crate) options: Options,
    pub(crate) imports: Imports,
    pub(crate) modules: Modules,
}

impl Stub<'_> {
    /// How the code says a method's two messages.
    pub(crate) fn messages(&self, method: &Method) -> (String, String) {
        (self.modules.name_of(&method.input), self.modules.name_of(&method.output))
    }
}

/// For event loops, or for threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Async,
    Sync,
}

impl Kind {
    /// The kinds that there is code for.
    fn of(options: Options) -> impl Iterator<Item = Self> {
        [(options.io.has_async(), Self::Async), (options.io.has_sync(), Self::Sync)]
            .into_iter()
            .filter_map(|(wanted, kind)| wanted.then_some(kind))
    }

    /// The classes of a service: what its author writes, what a server is given, what calls it.
    pub(crate) fn classes(self, service: &Service) -> [String; 3] {
        let endings = match self {
            Self::Async => ["", "ASGIApplication", "Client"],
            Self::Sync => ["Sync", "WSGIApplication", "ClientSync"],
        };
        endings.map(|ending| format!("{}{ending}", service.class))
    }
}

/// The class that holds a service's schema.
pub(crate) fn schema_class(service: &Service) -> String {
    format!("_{}Schema", service.class)
}

/// How the code says what the schema says of a method.
pub(crate) fn schema_of(service: &Service, method: &Method) -> String {
    format!("{}.{}", schema_class(service), in_schema(method))
}

/// The name of a method in that class. Every class has an `mro` itself; no method has a name with `pb_mro`.
pub(crate) fn in_schema(method: &Method) -> &str {
    if method.function == "mro" { "pb_mro" } else { &method.function }
}

/// How many messages flow each way, in the words of Connect-Python.
pub(crate) fn stream_type(method: &Method) -> &'static str {
    match (method.streams_in, method.streams_out) {
        (false, false) => "unary",
        (true, false) => "client_stream",
        (false, true) => "server_stream",
        (true, true) => "bidi_stream",
    }
}

/// A comment of the schema as a docstring, with the word that it is deprecated.
pub(crate) fn documented(doc: &[String], deprecated: bool, or: impl FnOnce() -> String) -> Vec<String> {
    let mut lines = doc.to_vec();
    if lines.is_empty() {
        lines.extend(Some(or()).filter(|line| !line.is_empty()));
    }
    if deprecated {
        if !lines.is_empty() {
            lines.push(String::new());
        }
        lines.push("Deprecated by the schema.".to_owned());
    }
    lines
}

/// The text of the module.
pub(crate) fn stub(file: &str, services: &[Service], options: Options) -> Result<String, GenerateError> {
    refuse_clashes(file, services, options)?;
    let methods = || services.iter().flat_map(|service| &service.methods);
    let imports = Imports::beside(
        services
            .iter()
            .flat_map(|service| Kind::of(options).flat_map(|kind| kind.classes(service)))
            .chain(methods().map(|method| method.function.clone())),
    );
    let mut files = files_of(methods().flat_map(|method| [&method.input, &method.output]));
    // The schema of the services themselves.
    files.insert(file);
    let modules = Modules::new(file, files.into_iter(), options, imports.own());
    let stub = Stub { file, options, imports, modules };
    let mut body = Source::default();
    for service in services {
        schema(&mut body, service, &stub);
        for kind in Kind::of(options) {
            protocol(&mut body, service, &stub, kind);
            application(&mut body, service, &stub, kind);
            client(&mut body, service, &stub, kind);
        }
    }
    let mut out = Source::default();
    head(&mut out, &stub);
    Ok(out.into_text() + &body.into_text())
}

/// Two services whose classes would have one name, such as `A` beside `ASync`.
fn refuse_clashes(file: &str, services: &[Service], options: Options) -> Result<(), GenerateError> {
    let mut names: Vec<(String, String)> = Vec::new();
    for service in services {
        let classes = Kind::of(options).flat_map(|kind| kind.classes(service));
        for name in classes.chain([schema_class(service)]) {
            if let Some((_, other)) = names.iter().find(|(taken, _)| *taken == name) {
                return Err(GenerateError::Clash {
                    file: file.to_owned(),
                    name,
                    first: format!("a class of the service {other}"),
                    second: format!("a class of the service {}", service.name),
                    way_out: "put them into files of their own",
                });
            }
            names.push((name, service.name.clone()));
        }
    }
    Ok(())
}

/// What stands in front of the code. Comes last, when it is known what the code needs.
fn head(out: &mut Source, stub: &Stub<'_>) {
    let Stub { imports, modules, .. } = stub;
    out.line(&format!(
        "# Made by protoc-gen-connect-python from {}: changes here are lost.",
        one_line(stub.file)
    ));
    // It is nobody's to tidy up.
    out.line("# ruff: noqa: PGH004");
    out.line("# ruff: noqa");
    out.line("# fmt: off");
    out.blank(1);
    out.line("from __future__ import annotations");
    out.blank(1);
    let lines = modules.imports();
    let message = modules.has_unnamed().then(|| match stub.options.protobuf {
        Protobuf::Google => imports.of_types("google.protobuf.message", "Message"),
        Protobuf::Py => {
            let message = imports.of_types("protobuf", "Message");
            format!("{message}[{}]", imports.of_types("typing", "Any"))
        }
    });
    imports.name("typing", "TYPE_CHECKING");
    if lines.by_name {
        out.line("import importlib");
    }
    imports.standard(out);
    out.blank(1);
    lines.third_party.iter().for_each(|line| out.line(line));
    imports.packages(out);
    if !lines.own.is_empty() {
        out.blank(1);
        lines.own.iter().for_each(|line| out.line(line));
    }
    out.blank(1);
    out.line("if TYPE_CHECKING:");
    out.indented(|out| imports.types(out));
    if !lines.assignments.is_empty() {
        out.blank(1);
        lines.assignments.iter().for_each(|line| out.line(line));
    }
    if let Some(message) = message {
        modules.name_the_unnamed(&message, out);
    }
}

/// How the code says the schema of a service.
pub(crate) fn described(service: &Service, stub: &Stub<'_>) -> String {
    let module = stub.modules.module(stub.file);
    match stub.options.protobuf {
        Protobuf::Google => {
            format!("{module}.DESCRIPTOR.services_by_name[{}]", literal(&service.name))
        }
        Protobuf::Py => {
            let name = literal(&service.full_name);
            format!("next(s for s in {module}.desc().services if s.type_name == {name})")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(name: &str) -> Service {
        Service {
            name: name.to_owned(),
            class: name.to_owned(),
            full_name: format!("p.{name}"),
            doc: Vec::new(),
            deprecated: false,
            methods: Vec::new(),
        }
    }

    #[test]
    fn services_whose_classes_would_have_one_name_are_refused_by_both_names() {
        let services = [service("Talk"), service("TalkSync")];
        let error = stub("t.proto", &services, Options::default()).unwrap_err().to_string();
        assert!(error.contains("Talk ") && error.contains("TalkSync"), "{error}");
        let only_async = Options { io: crate::options::Io::Async, ..Options::default() };
        assert!(stub("t.proto", &services, only_async).is_ok());
    }

    #[test]
    fn a_service_without_methods_imports_nothing_that_it_does_not_use() {
        let text = stub("t.proto", &[service("Empty")], Options::default()).unwrap();
        assert!(
            !text.contains("MethodInfo") && !text.contains("Endpoint") && !text.contains("landbridge.code "),
            "{text}"
        );
    }

    #[test]
    fn a_service_may_be_named_as_what_its_code_needs() {
        let text = stub("t.proto", &[service("Protocol")], Options::default()).unwrap();
        assert!(
            text.contains("Protocol as _Protocol") && text.contains("class Protocol(_Protocol):"),
            "{text}"
        );
    }
}
