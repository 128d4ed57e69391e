//! The code of the services of one file.

use crate::error::GenerateError;
use crate::model::{Method, Service};
use crate::modules::Modules;
use crate::options::{Options, Protobuf};
use crate::source::{Source, literal};

/// The module with everything for these services of a proto file.
pub(crate) fn stub(file: &str, services: &[Service], options: Options) -> Result<String, GenerateError> {
    refuse_clashes(file, services, options)?;
    let messages = services.iter().flat_map(|service| &service.methods).flat_map(|m| [&m.input, &m.output]);
    let modules = Modules::new(file, messages.map(|message| message.file.as_str()), options);
    let mut out = Source::default();
    out.line(&format!("# Made by protoc-gen-connect-python from {file}: changes here are lost."));
    out.line("# fmt: off");
    head(&mut out, &modules, services, options);
    for service in services {
        methods(&mut out, service, &modules);
        if options.io.has_async() {
            protocol(&mut out, service, &modules, Kind::Async);
            application(&mut out, service, options, Kind::Async);
        }
        if options.io.has_sync() {
            protocol(&mut out, service, &modules, Kind::Sync);
            application(&mut out, service, options, Kind::Sync);
        }
    }
    Ok(out.into_text())
}

/// For event loops, or for threads.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Async,
    Sync,
}

impl Kind {
    fn iterator(self) -> &'static str {
        match self {
            Self::Async => "AsyncIterator",
            Self::Sync => "Iterator",
        }
    }

    fn service_suffix(self) -> &'static str {
        match self {
            Self::Async => "",
            Self::Sync => "Sync",
        }
    }

    fn application_suffix(self) -> &'static str {
        match self {
            Self::Async => "ASGIApplication",
            Self::Sync => "WSGIApplication",
        }
    }
}

/// Two services whose classes would have one name, such as `A` beside `ASync`.
fn refuse_clashes(file: &str, services: &[Service], options: Options) -> Result<(), GenerateError> {
    let mut names: Vec<(String, String)> = Vec::new();
    for service in services {
        let mut own = vec![format!("_{}Methods", service.name)];
        for (wanted, kind) in [(options.io.has_async(), Kind::Async), (options.io.has_sync(), Kind::Sync)] {
            if wanted {
                own.push(format!("{}{}", service.name, kind.service_suffix()));
                own.push(format!("{}{}", service.name, kind.application_suffix()));
            }
        }
        for name in own {
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

fn head(out: &mut Source, modules: &Modules, services: &[Service], options: Options) {
    let imports = modules.imports();
    let methods = || services.iter().flat_map(|service| &service.methods);
    let (is_async, is_sync) = (options.io.has_async(), options.io.has_sync());
    out.blank(1);
    out.line("from __future__ import annotations");
    out.blank(1);
    if imports.by_name {
        out.line("import importlib");
    }
    out.line("from typing import TYPE_CHECKING, Protocol");
    if !imports.third_party.is_empty() {
        out.blank(1);
        imports.third_party.iter().for_each(|line| out.line(line));
    }
    out.blank(1);
    if methods().next().is_some() {
        out.line("from landbridge.code import Code");
    }
    if options.protobuf == Protobuf::Google {
        out.line("from landbridge.compat import google_protobuf_codecs");
    }
    if methods().next().is_some() {
        out.line("from landbridge.errors import ConnectError");
        out.line("from landbridge.method import IdempotencyLevel, MethodInfo, StreamType");
    }
    out.line("from landbridge.server import (");
    out.indented(|out| {
        out.line("DEFAULT_COMPRESS_MIN_BYTES,");
        out.line("DEFAULT_READ_MAX_BYTES,");
        for (wanted, name) in [
            (is_async, "ConnectASGIApplication,"),
            (is_sync, "ConnectWSGIApplication,"),
            (is_async && methods().next().is_some(), "Endpoint,"),
            (is_sync && methods().next().is_some(), "EndpointSync,"),
        ] {
            if wanted {
                out.line(name);
            }
        }
    });
    out.line(")");
    if !imports.own.is_empty() {
        out.blank(1);
        imports.own.iter().for_each(|line| out.line(line));
    }
    out.blank(1);
    out.line("if TYPE_CHECKING:");
    out.indented(|out| {
        let streams = methods().any(|method| method.streams_in || method.streams_out);
        let names: Vec<&str> = [
            (is_async, "AsyncGenerator"),
            (is_async && streams, "AsyncIterator"),
            (true, "Iterable"),
            (is_sync && streams, "Iterator"),
        ]
        .into_iter()
        .filter_map(|(wanted, name)| wanted.then_some(name))
        .collect();
        out.line(&format!("from collections.abc import {}", names.join(", ")));
        out.line("from typing import Any");
        out.blank(1);
        out.line("from landbridge.codec import Codec");
        out.line("from landbridge.compression import Compression");
        let interceptors: Vec<&str> = [(is_async, "Interceptor"), (is_sync, "InterceptorSync")]
            .into_iter()
            .filter_map(|(wanted, name)| wanted.then_some(name))
            .collect();
        out.line(&format!("from landbridge.interceptor import {}", interceptors.join(", ")));
        if methods().next().is_some() {
            out.line("from landbridge.request import RequestContext");
        }
    });
    if !imports.assignments.is_empty() {
        out.blank(1);
        imports.assignments.iter().for_each(|line| out.line(line));
    }
}

/// What the schema says of each method, in one place.
fn methods(out: &mut Source, service: &Service, modules: &Modules) {
    if service.methods.is_empty() {
        return;
    }
    out.blank(2);
    out.line(&format!("class _{}Methods:", service.name));
    out.indented(|out| {
        for method in &service.methods {
            out.line(&format!("{} = MethodInfo(", method.function));
            out.indented(|out| {
                out.line(&format!("name={},", literal(&method.name)));
                out.line(&format!("service_name={},", literal(&service.full_name)));
                out.line(&format!("input={},", modules.name_of(&method.input)));
                out.line(&format!("output={},", modules.name_of(&method.output)));
                out.line(&format!("idempotency_level=IdempotencyLevel.{},", method.idempotency));
                out.line(&format!("stream_type=StreamType.{},", stream_type(method).to_uppercase()));
            });
            out.line(")");
        }
    });
}

fn stream_type(method: &Method) -> &'static str {
    match (method.streams_in, method.streams_out) {
        (false, false) => "unary",
        (true, false) => "client_stream",
        (false, true) => "server_stream",
        (true, true) => "bidi_stream",
    }
}

/// What the author of a service writes: a class with these methods.
fn protocol(out: &mut Source, service: &Service, modules: &Modules, kind: Kind) {
    out.blank(2);
    out.line(&format!("class {}{}(Protocol):", service.name, kind.service_suffix()));
    out.indented(|out| {
        let doc =
            documented(&service.doc, service.deprecated, || format!("The service `{}`.", service.full_name));
        out.docstring(&doc);
        for method in &service.methods {
            out.blank(1);
            function(out, method, modules, kind);
        }
    });
}

fn function(out: &mut Source, method: &Method, modules: &Modules, kind: Kind) {
    let (input, output) = (modules.name_of(&method.input), modules.name_of(&method.output));
    let stream = |message: &str| format!("{}[{message}]", kind.iterator());
    let request = if method.streams_in { stream(&input) } else { input.clone() };
    let response = if method.streams_out { stream(&output) } else { output.clone() };
    let is_coroutine = kind == Kind::Async && !method.streams_out;
    let prefix = if is_coroutine { "async def" } else { "def" };
    out.line(&format!("{prefix} {}(", method.function));
    out.indented(|out| {
        out.line("self,");
        out.line(&format!("request: {request},"));
        out.line(&format!("ctx: RequestContext[{input}, {output}],"));
        out.line("/,");
    });
    out.line(&format!(") -> {response}:"));
    out.indented(|out| {
        out.docstring(&documented(&method.doc, method.deprecated, String::new));
        let message = literal(&format!("{} is not implemented", method.name));
        out.line(&format!("raise ConnectError(Code.UNIMPLEMENTED, {message})"));
    });
}

/// A comment of the schema as a docstring, with the word that it is deprecated.
fn documented(doc: &[String], deprecated: bool, or: impl FnOnce() -> String) -> Vec<String> {
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

/// What a server is given: the service, and how it is served.
fn application(out: &mut Source, service: &Service, options: Options, kind: Kind) {
    let class = format!("{}{}", service.name, kind.application_suffix());
    let author = format!("{}{}", service.name, kind.service_suffix());
    let (base, interceptor, given) = match kind {
        Kind::Async => (
            format!("ConnectASGIApplication[{author}]"),
            "Interceptor",
            format!("{author} | AsyncGenerator[{author}, None]"),
        ),
        Kind::Sync => ("ConnectWSGIApplication".to_owned(), "InterceptorSync", author.clone()),
    };
    out.blank(2);
    out.line(&format!("class {class}({base}):"));
    out.indented(|out| {
        out.line(&format!("\"\"\"Serves `{}`.\"\"\"", service.full_name));
        out.blank(1);
        out.line("def __init__(");
        out.indented(|out| {
            out.line("self,");
            out.line(&format!("service: {given},"));
            out.line("*,");
            out.line(&format!("interceptors: Iterable[{interceptor}] = (),"));
            out.line("read_max_bytes: int | None = DEFAULT_READ_MAX_BYTES,");
            out.line("compressions: Iterable[Compression] | None = None,");
            out.line("codecs: Iterable[Codec[Any, Any]] | None = None,");
            out.line("compress_min_bytes: int = DEFAULT_COMPRESS_MIN_BYTES,");
            out.line("show_exceptions: bool = False,");
        });
        out.line(") -> None:");
        out.indented(|out| {
            out.line("super().__init__(");
            out.indented(|out| {
                match kind {
                    Kind::Async => {
                        out.line("service=service,");
                        out.line("endpoints=lambda svc: {");
                        endpoints(out, service, "Endpoint", "svc");
                    }
                    Kind::Sync => {
                        out.line("endpoints={");
                        endpoints(out, service, "EndpointSync", "service");
                    }
                }
                out.line("},");
                out.line("interceptors=interceptors,");
                out.line("read_max_bytes=read_max_bytes,");
                out.line("compressions=compressions,");
                match options.protobuf {
                    Protobuf::Google => {
                        out.line("codecs=google_protobuf_codecs() if codecs is None else codecs,");
                    }
                    Protobuf::Py => out.line("codecs=codecs,"),
                }
                out.line("compress_min_bytes=compress_min_bytes,");
                out.line("show_exceptions=show_exceptions,");
            });
            out.line(")");
        });
        out.blank(1);
        out.line("@property");
        out.line("def path(self) -> str:");
        out.indented(|out| {
            out.line("\"\"\"Where its methods are, for mounting it.\"\"\"");
            out.line(&format!("return {}", literal(&format!("/{}", service.full_name))));
        });
    });
}

fn endpoints(out: &mut Source, service: &Service, class: &str, object: &str) {
    out.indented(|out| {
        for method in &service.methods {
            let path = literal(&format!("/{}/{}", service.full_name, method.name));
            out.line(&format!("{path}: {class}.{}(", stream_type(method)));
            out.indented(|out| {
                out.line(&format!("method=_{}Methods.{},", service.name, method.function));
                out.line(&format!("function={object}.{},", method.function));
            });
            out.line("),");
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(name: &str) -> Service {
        Service {
            name: name.to_owned(),
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
        assert!(!text.contains("MethodInfo") && !text.contains("Endpoint"), "{text}");
    }
}
