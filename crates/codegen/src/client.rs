//! The code of a caller's side: a client with a method for each of the service's.

use crate::model::{Method, Service};
use crate::source::{Source, literal};
use crate::stub::{Kind, Stub, documented, schema_of, stream_type};

/// What calls a service. Its constructor is the base's: settings are not generated.
pub(crate) fn client(out: &mut Source, service: &Service, stub: &Stub<'_>, kind: Kind) {
    let [.., class] = kind.classes(service);
    let base = match kind {
        Kind::Async => "ConnectClient",
        Kind::Sync => "ConnectClientSync",
    };
    out.blank(2);
    if service.deprecated {
        deprecated(out, stub, &service.full_name);
    }
    out.line(&format!("class {class}({}):", stub.imports.name("landbridge.client", base)));
    out.indented(|out| {
        let doc = documented(&service.doc, service.deprecated, || format!("Calls `{}`.", service.full_name));
        out.docstring(&doc);
        for method in &service.methods {
            out.blank(1);
            let writer = Writer { out, service, method, stub, kind };
            match (method.streams_in, method.streams_out) {
                (false, false) => writer.unary(),
                (false, true) => writer.server_stream(),
                (true, false) => writer.client_stream(),
                (true, true) => writer.bidi_stream(),
            }
        }
    });
}

fn deprecated(out: &mut Source, stub: &Stub<'_>, name: &str) {
    let decorator = stub.imports.name("typing_extensions", "deprecated");
    let message = literal(&format!("{name} is deprecated by its schema"));
    out.line(&format!("@{decorator}({message})"));
}

/// Writes one method.
struct Writer<'a> {
    out: &'a mut Source,
    service: &'a Service,
    method: &'a Method,
    stub: &'a Stub<'a>,
    kind: Kind,
}

impl Writer<'_> {
    fn unary(mut self) {
        let (input, output) = self.stub.messages(self.method);
        let use_get = self.method.idempotency == "NO_SIDE_EFFECTS";
        let (define, wait) = match self.kind {
            Kind::Async => ("async def", "await "),
            Kind::Sync => ("def", ""),
        };
        self.signature(define, &input, &output, use_get, ":");
        self.body(wait, use_get);
    }

    fn server_stream(mut self) {
        let (input, output) = self.stub.messages(self.method);
        let stream = self.stream("ServerStream", &output);
        self.signature("def", &input, &stream, false, ":");
        self.body("", false);
    }

    /// With the messages at hand it is a call with one answer; without, a stream to send them on.
    fn client_stream(mut self) {
        let (input, output) = self.stub.messages(self.method);
        let types = &self.stub.imports;
        let overload = types.name("typing", "overload");
        let messages = self.messages(&input);
        let stream = self.stream("ClientStream", &format!("{input}, {output}"));
        let answer = match self.kind {
            Kind::Async => {
                let any = types.of_types("typing", "Any");
                format!("{}[{any}, {any}, {output}]", types.of_types("collections.abc", "Coroutine"))
            }
            Kind::Sync => output,
        };
        self.out.line(&format!("@{overload}"));
        self.signature("def", &messages, &answer, false, ": ...");
        self.out.blank(1);
        self.out.line(&format!("@{overload}"));
        self.signature("def", "None = None", &stream, false, ": ...");
        self.out.blank(1);
        let either = format!("{answer} | {stream}");
        self.signature("def", &format!("{messages} | None = None"), &either, false, ":");
        self.body("", false);
    }

    fn bidi_stream(mut self) {
        let (input, output) = self.stub.messages(self.method);
        let messages = self.messages(&input);
        let stream = self.stream("BidiStream", &format!("{input}, {output}"));
        self.signature("def", &format!("{messages} | None = None"), &stream, false, ":");
        self.body("", false);
    }

    /// What a stream of requests may be given as.
    fn messages(&self, input: &str) -> String {
        let iterable = format!("{}[{input}]", self.stub.imports.of_types("collections.abc", "Iterable"));
        match self.kind {
            Kind::Async => {
                let several = self.stub.imports.of_types("collections.abc", "AsyncIterable");
                format!("{several}[{input}] | {iterable}")
            }
            Kind::Sync => iterable,
        }
    }

    fn stream(&self, class: &'static str, messages: &str) -> String {
        let class = match (self.kind, class) {
            (Kind::Async, class) => class,
            (Kind::Sync, "ServerStream") => "ServerStreamSync",
            (Kind::Sync, "ClientStream") => "ClientStreamSync",
            (Kind::Sync, _) => "BidiStreamSync",
        };
        format!("{}[{messages}]", self.stub.imports.of_types("landbridge.client", class))
    }

    fn signature(&mut self, define: &str, request: &str, response: &str, use_get: bool, end: &str) {
        let types = &self.stub.imports;
        let text = types.builtin("str");
        let headers = types.of_types("landbridge.request", "Headers");
        let mapping = types.of_types("collections.abc", "Mapping");
        let sequence = types.of_types("collections.abc", "Sequence");
        let tuple = types.builtin("tuple");
        let milliseconds = types.builtin("float");
        let timedelta = types.of_types("datetime", "timedelta");
        let flag = types.builtin("bool");
        if self.method.deprecated {
            deprecated(self.out, self.stub, &format!("{}/{}", self.service.full_name, self.method.name));
        }
        self.out.line(&format!("{define} {}(", self.method.function));
        self.out.indented(|out| {
            out.line("self,");
            out.line(&format!("request: {request},"));
            out.line("*,");
            out.line(&format!(
                "headers: {headers} | {mapping}[{text}, {text}] | {sequence}[{tuple}[{text}, {text}]] | None = None,"
            ));
            out.line(&format!("timeout_ms: {milliseconds} | {timedelta} | None = None,"));
            if use_get {
                out.line(&format!("use_get: {flag} = False,"));
            }
        });
        self.out.line(&format!(") -> {response}{end}"));
    }

    fn body(self, wait: &str, use_get: bool) {
        let Self { out, service, method, .. } = self;
        out.indented(|out| {
            out.docstring(&documented(&method.doc, method.deprecated, String::new));
            out.line(&format!("return {wait}self.execute_{}(", stream_type(method)));
            out.indented(|out| {
                out.line("request=request,");
                out.line(&format!("method={},", schema_of(service, method)));
                out.line("headers=headers,");
                out.line("timeout_ms=timeout_ms,");
                if use_get {
                    out.line("use_get=use_get,");
                }
            });
            out.line(")");
        });
    }
}
