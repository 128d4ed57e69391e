//! The code of a service's side: what its author writes, and what a server is given.

use crate::model::{Method, Service};
use crate::options::Protobuf;
use crate::source::{Source, literal};
use crate::stub::{Kind, Stub, described, documented, in_schema, schema_class, schema_of, stream_type};

/// What the schema says of each method, in one place.
pub(crate) fn schema(out: &mut Source, service: &Service, stub: &Stub<'_>) {
    if service.methods.is_empty() {
        return;
    }
    let of_method = |name| stub.imports.name("landbridge.method", name);
    out.blank(2);
    out.line(&format!("class {}:", schema_class(service)));
    out.indented(|out| {
        for method in &service.methods {
            let (input, output) = stub.messages(method);
            out.line(&format!("{} = {}(", in_schema(method), of_method("MethodInfo")));
            out.indented(|out| {
                out.line(&format!("name={},", literal(&method.name)));
                out.line(&format!("service_name={},", literal(&service.full_name)));
                out.line(&format!("input={input},"));
                out.line(&format!("output={output},"));
                out.line(&format!(
                    "idempotency_level={}.{},",
                    of_method("IdempotencyLevel"),
                    method.idempotency
                ));
                let kind = stream_type(method).to_uppercase();
                out.line(&format!("stream_type={}.{kind},", of_method("StreamType")));
            });
            out.line(")");
        }
    });
}

/// What the author of a service writes: a class with these methods.
pub(crate) fn protocol(out: &mut Source, service: &Service, stub: &Stub<'_>, kind: Kind) {
    let [class, ..] = kind.classes(service);
    out.blank(2);
    out.line(&format!("class {class}({}):", stub.imports.name("typing", "Protocol")));
    out.indented(|out| {
        let doc =
            documented(&service.doc, service.deprecated, || format!("The service `{}`.", service.full_name));
        out.docstring(&doc);
        for method in &service.methods {
            out.blank(1);
            function(out, method, stub, kind);
        }
        if stub.options.protobuf == Protobuf::Py {
            out.blank(1);
            out.line("@classmethod");
            out.line(&format!("def desc(cls) -> {}:", stub.imports.of_types("protobuf", "DescService")));
            out.indented(|out| {
                out.line("\"\"\"Its schema.\"\"\"");
                out.line(&format!("return {}", described(service, stub)));
            });
        }
    });
}

fn function(out: &mut Source, method: &Method, stub: &Stub<'_>, kind: Kind) {
    let (input, output) = stub.messages(method);
    let context = stub.imports.of_types("landbridge.request", "RequestContext");
    let stream = |message: &str| {
        let iterator = if kind == Kind::Async { "AsyncIterator" } else { "Iterator" };
        format!("{}[{message}]", stub.imports.of_types("collections.abc", iterator))
    };
    let request = if method.streams_in { stream(&input) } else { input.clone() };
    let response = if method.streams_out { stream(&output) } else { output.clone() };
    let is_coroutine = kind == Kind::Async && !method.streams_out;
    let prefix = if is_coroutine { "async def" } else { "def" };
    out.line(&format!("{prefix} {}(", method.function));
    out.indented(|out| {
        out.line("self,");
        out.line(&format!("request: {request},"));
        out.line(&format!("ctx: {context}[{input}, {output}],"));
        out.line("/,");
    });
    out.line(&format!(") -> {response}:"));
    out.indented(|out| {
        out.docstring(&documented(&method.doc, method.deprecated, String::new));
        let message = literal(&format!("{} is not implemented", method.name));
        let error = stub.imports.name("landbridge.errors", "ConnectError");
        let code = stub.imports.name("landbridge.code", "Code");
        out.line(&format!("raise {error}({code}.UNIMPLEMENTED, {message})"));
    });
}

/// What a server is given: the service, and how it is served.
pub(crate) fn application(out: &mut Source, service: &Service, stub: &Stub<'_>, kind: Kind) {
    let [author, class, _] = kind.classes(service);
    let of_server = |name| stub.imports.name("landbridge.server", name);
    let iterable = stub.imports.of_types("collections.abc", "Iterable");
    let compression = stub.imports.of_types("landbridge.compression", "Compression");
    let codec = stub.imports.of_types("landbridge.codec", "Codec");
    let any = stub.imports.of_types("typing", "Any");
    let builtin = |name| stub.imports.builtin(name);
    let (base, interceptor, given) = match kind {
        Kind::Async => (
            format!("{}[{author}]", of_server("ConnectASGIApplication")),
            "Interceptor",
            format!(
                "{author} | {}[{author}, None]",
                stub.imports.of_types("collections.abc", "AsyncGenerator")
            ),
        ),
        Kind::Sync => (of_server("ConnectWSGIApplication"), "InterceptorSync", author.clone()),
    };
    let interceptor = stub.imports.of_types("landbridge.interceptor", interceptor);
    out.blank(2);
    out.line(&format!("class {class}({base}):"));
    out.indented(|out| {
        out.line(&format!("\"\"\"Serves `{}`.\"\"\"", service.full_name));
        out.blank(1);
        out.line("def __init__(");
        out.indented(|out| {
            out.line("self,");
            out.line(&format!("service: {given},"));
            // Connect-Python takes these by position in its blocking applications.
            if kind == Kind::Async {
                out.line("*,");
            }
            out.line(&format!("interceptors: {iterable}[{interceptor}] = (),"));
            let read_max = of_server("DEFAULT_READ_MAX_BYTES");
            out.line(&format!("read_max_bytes: {} | None = {read_max},", builtin("int")));
            out.line(&format!("compressions: {iterable}[{compression}] | None = None,"));
            out.line(&format!("codecs: {iterable}[{codec}[{any}, {any}]] | None = None,"));
            if kind == Kind::Sync {
                out.line("*,");
            }
            let min = of_server("DEFAULT_COMPRESS_MIN_BYTES");
            out.line(&format!("compress_min_bytes: {} = {min},", builtin("int")));
            out.line(&format!("show_exceptions: {} = False,", builtin("bool")));
        });
        out.line(") -> None:");
        out.indented(|out| {
            out.line("super().__init__(");
            out.indented(|out| {
                match kind {
                    Kind::Async => {
                        out.line("service=service,");
                        out.line("endpoints=lambda svc: {");
                        endpoints(out, service, stub, "Endpoint", "svc");
                    }
                    Kind::Sync => {
                        out.line("endpoints={");
                        endpoints(out, service, stub, "EndpointSync", "service");
                    }
                }
                out.line("},");
                out.line("interceptors=interceptors,");
                out.line("read_max_bytes=read_max_bytes,");
                out.line("compressions=compressions,");
                out.line("codecs=codecs,");
                out.line("compress_min_bytes=compress_min_bytes,");
                out.line("show_exceptions=show_exceptions,");
                out.line(&format!("desc=lambda: {},", described(service, stub)));
            });
            out.line(")");
        });
        out.blank(1);
        out.line("@property");
        out.line(&format!("def path(self) -> {}:", builtin("str")));
        out.indented(|out| {
            out.line("\"\"\"Where its methods are, for mounting it.\"\"\"");
            out.line(&format!("return {}", literal(&format!("/{}", service.full_name))));
        });
    });
}

fn endpoints(out: &mut Source, service: &Service, stub: &Stub<'_>, class: &'static str, object: &str) {
    out.indented(|out| {
        for method in &service.methods {
            let endpoint = stub.imports.name("landbridge.server", class);
            let path = literal(&format!("/{}/{}", service.full_name, method.name));
            out.line(&format!("{path}: {endpoint}.{}(", stream_type(method)));
            out.indented(|out| {
                out.line(&format!("method={},", schema_of(service, method)));
                out.line(&format!("function={object}.{},", method.function));
            });
            out.line("),");
        }
    });
}
