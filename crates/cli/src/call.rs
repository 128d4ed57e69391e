//! `landbridge call`: a call from the command line.

use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgGroup, Args, ValueEnum};
use http::uri::Authority;
use http::{HeaderMap, HeaderName, HeaderValue};
use landbridge_call::{Address, CallOrder, Data, Order, Proxy, Reflection, SchemaSource, Server, Task};
use landbridge_net::{CheckName, ClientTlsConfig, Identity, Pem, TrustedRoots, UpstreamHttp};
use landbridge_wire::metadata::is_reserved;

use crate::USAGE;

#[derive(Args, Debug)]
#[command(
    after_help = "Exit status: 0 the call succeeded, 1 it could not be made, 2 what was given is wrong, \
                  64 and the number of a gRPC code: it failed with that (69 is not_found).",
    group(ArgGroup::new("http").args(["http2", "http1"])),
    group(ArgGroup::new("reflection").args(["reflect", "no_reflect"])),
    group(ArgGroup::new("task").args(["list", "describe"]))
)]
pub(crate) struct Arguments {
    /// The method, as in http://host:8080/package.Service/Method; https:// and unix: are known too.
    ///
    /// With --list and --describe: the server, without a method.
    url: String,

    /// The request: JSON, @FILE, or - for standard input. Several documents are several messages.
    ///
    /// Messages of a stream are sent as they are read. Without it an empty message is sent, or none where the method
    /// takes a stream.
    #[arg(short, long, value_name = "JSON", allow_hyphen_values = true)]
    data: Option<String>,

    /// What the server is spoken to in.
    #[arg(short = 'p', long, value_enum, default_value = "connect")]
    protocol: Protocol,

    /// How messages travel [default: json in Connect, else proto].
    #[arg(long, value_enum)]
    codec: Option<Codec>,

    /// A .proto file or descriptor set that describes the method, instead of the server's reflection; may be repeated.
    #[arg(long, value_name = "FILE")]
    schema: Vec<PathBuf>,

    /// Where .proto files and their imports are looked for; may be repeated [default: here, and beside them].
    #[arg(short = 'I', long = "include", value_name = "DIR")]
    includes: Vec<PathBuf>,

    /// Ask the server's reflection for what --schema does not have, and fail where it does not answer.
    #[arg(long)]
    reflect: bool,

    /// Do not ask the server's reflection.
    #[arg(long)]
    no_reflect: bool,

    /// Without a schema: the method is a stream.
    #[arg(long)]
    stream: bool,

    /// Print every method of the server.
    #[arg(long)]
    list: bool,

    /// Print what a service, method, message or enum looks like.
    #[arg(long, value_name = "SYMBOL")]
    describe: Option<String>,

    /// A request header; may be repeated. Values of headers that end in -bin are base64.
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE", value_parser = header)]
    headers: Vec<(HeaderName, HeaderValue)>,

    /// How long the call may take, as in 2s or 500ms.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    timeout: Option<Duration>,

    /// How long it may take to connect.
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "5s")]
    connect_timeout: Duration,

    /// Call by HTTP GET: Connect methods without side effects.
    #[arg(long)]
    get: bool,

    /// The compression of the request.
    #[arg(long, value_enum, default_value = "identity")]
    compress: Compression,

    /// HTTP/2, also in cleartext.
    #[arg(long)]
    http2: bool,

    /// HTTP/1.1.
    #[arg(long = "http1.1")]
    http1: bool,

    /// Certificates to trust in place of the system's, in PEM.
    #[arg(long, value_name = "FILE")]
    cacert: Option<PathBuf>,

    /// The certificate to show, in PEM.
    #[arg(long, value_name = "FILE", requires = "key")]
    cert: Option<PathBuf>,

    /// The private key of --cert, in PEM.
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,

    /// Take any certificate.
    #[arg(short = 'k', long)]
    insecure: bool,

    /// The name that the server's certificate has to carry, in place of the URL's host.
    #[arg(long, value_name = "NAME")]
    server_name: Option<String>,

    /// What the call is addressed to, in place of the URL's host and port.
    #[arg(long, value_name = "HOST:PORT")]
    authority: Option<Authority>,

    /// Connect to this Unix socket, whatever the URL's host.
    #[arg(long, value_name = "PATH")]
    unix_socket: Option<PathBuf>,

    /// The HTTP proxy to connect through, as in http://user:password@host:3128, in place of the environment's
    /// (https_proxy, http_proxy, all_proxy).
    #[arg(short = 'x', long, value_name = "URL", conflicts_with = "noproxy")]
    proxy: Option<String>,

    /// Hosts that are reached without the environment's proxy, in place of no_proxy; all of them with '*'.
    #[arg(long, value_name = "HOSTS")]
    noproxy: Option<String>,

    /// The most bytes of one response message.
    #[arg(long, value_name = "BYTES", default_value_t = 64 << 20)]
    max_message_bytes: usize,

    /// Show fields that have their default value.
    #[arg(long)]
    emit_defaults: bool,

    /// Show heads and trailers on standard error.
    #[arg(short, long)]
    verbose: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Protocol {
    Connect,
    Grpc,
    GrpcWeb,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Codec {
    Json,
    Proto,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Compression {
    Identity,
    Gzip,
    Br,
    Zstd,
    Deflate,
}

/// Runs the command.
pub(crate) fn run(arguments: Arguments) -> u8 {
    match order(arguments) {
        Ok(order) => landbridge_call::run(&order),
        Err(problem) => {
            // Standard error may be closed; there is nobody else to tell.
            let _written = writeln!(std::io::stderr(), "landbridge call: {problem}");
            USAGE
        }
    }
}

/// # Errors
/// What does not go together, for people.
fn order(arguments: Arguments) -> Result<Order, String> {
    if arguments.get && arguments.protocol != Protocol::Connect {
        return Err("--get is Connect's: other protocols have no GET".to_owned());
    }
    if arguments.http1 && arguments.protocol == Protocol::Grpc {
        return Err("gRPC needs HTTP/2: leave --http1.1 out, or use --protocol grpc-web".to_owned());
    }
    let (server, task) = if arguments.list {
        (arguments.url.as_str(), Task::List)
    } else if let Some(symbol) = &arguments.describe {
        (arguments.url.as_str(), Task::Describe(symbol.clone()))
    } else {
        let (server, method) = Address::split(&arguments.url).map_err(|error| error.to_string())?;
        let call = CallOrder {
            method,
            data: data(arguments.data.as_deref()),
            codec: arguments.codec.map(Into::into),
            stream: arguments.stream,
            timeout: arguments.timeout,
            get: arguments.get,
            compression: arguments.compress.into(),
            max_message_bytes: arguments.max_message_bytes,
            write_defaults: arguments.emit_defaults,
        };
        (server, Task::Call(call))
    };
    let address =
        Address::parse(server, arguments.unix_socket.as_deref()).map_err(|error| error.to_string())?;
    let proxy = match &arguments.proxy {
        Some(given) => Proxy::parse(given).map(Some),
        None => Proxy::of_environment(&address.target, arguments.noproxy.as_deref()),
    };
    let proxy = proxy.map_err(|error| error.to_string())?;
    let http = match (arguments.http2, arguments.http1) {
        (true, _) => Some(UpstreamHttp::Http2),
        (_, true) => Some(UpstreamHttp::Http1),
        _ => None,
    };
    let reflection = match (arguments.reflect, arguments.no_reflect) {
        (true, _) => Reflection::Required,
        (_, true) => Reflection::Off,
        _ => Reflection::Default,
    };
    Ok(Order {
        protocol: arguments.protocol.into(),
        schema: SchemaSource {
            files: arguments.schema.clone(),
            includes: arguments.includes.clone(),
            reflection,
        },
        verbose: arguments.verbose,
        server: Server {
            address,
            authority: arguments.authority.clone(),
            http,
            tls: tls(&arguments),
            proxy,
            connect_timeout: arguments.connect_timeout,
        },
        headers: headers(arguments.headers),
        task,
    })
}

fn data(given: Option<&str>) -> Data {
    match given {
        None => Data::None,
        Some("-" | "@-") => Data::Stdin,
        Some(text) => match text.strip_prefix('@') {
            Some(file) => Data::File(file.into()),
            None => Data::Text(text.to_owned()),
        },
    }
}

fn tls(arguments: &Arguments) -> ClientTlsConfig {
    let pem = |path: &PathBuf| Pem::File(path.clone());
    let identity = match (&arguments.cert, &arguments.key) {
        (Some(certificates), Some(key)) => Some(Identity { certificates: pem(certificates), key: pem(key) }),
        // Neither goes without the other.
        _ => None,
    };
    let (roots, check_name) = match &arguments.cacert {
        _ if arguments.insecure => (TrustedRoots::Unchecked, CheckName::Any),
        Some(authority) => (TrustedRoots::Authority(pem(authority)), CheckName::ServerName),
        None => (TrustedRoots::System, CheckName::ServerName),
    };
    let server_name = arguments.server_name.clone();
    ClientTlsConfig { roots, check_name, identity, server_name, ..ClientTlsConfig::default() }
}

fn headers(given: Vec<(HeaderName, HeaderValue)>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in given {
        headers.append(name, value);
    }
    headers
}

fn header(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let (name, value) = text.split_once(':').ok_or("a colon has to stand between name and value")?;
    let name: HeaderName = name.trim().parse().map_err(|_| format!("{name:?} is no name of a header"))?;
    if is_reserved(name.as_str()) {
        return Err(format!("{name} belongs to HTTP or to the protocol, which write it themselves"));
    }
    let value = value.trim().parse().map_err(|_| format!("no header can carry {value:?}"))?;
    Ok((name, value))
}

fn duration(text: &str) -> Result<Duration, String> {
    let expected = || "a time is expected, such as 2s, 500ms or 1m 30s".to_owned();
    let given: jiff::SignedDuration = text.parse().map_err(|_| expected())?;
    match Duration::try_from(given) {
        Ok(duration) if !duration.is_zero() => Ok(duration),
        _ => Err(expected()),
    }
}

impl From<Protocol> for landbridge_wire::Protocol {
    fn from(protocol: Protocol) -> Self {
        match protocol {
            Protocol::Connect => Self::Connect,
            Protocol::Grpc => Self::Grpc,
            Protocol::GrpcWeb => Self::GrpcWeb,
        }
    }
}

impl From<Codec> for landbridge_wire::Codec {
    fn from(codec: Codec) -> Self {
        match codec {
            Codec::Json => Self::Json,
            Codec::Proto => Self::Proto,
        }
    }
}

impl From<Compression> for landbridge_wire::Compression {
    fn from(compression: Compression) -> Self {
        match compression {
            Compression::Identity => Self::Identity,
            Compression::Gzip => Self::Gzip,
            Compression::Br => Self::Brotli,
            Compression::Zstd => Self::Zstd,
            Compression::Deflate => Self::Deflate,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        arguments: Arguments,
    }

    const URL: &str = "http://127.0.0.1:8080/talk.v1.TalkService/Say";

    fn parsed(words: &[&str]) -> Result<Order, String> {
        let line = Line::try_parse_from([&["call"], words].concat()).map_err(|error| error.to_string())?;
        order(line.arguments)
    }

    fn call(words: &[&str]) -> CallOrder {
        match parsed(words).unwrap().task {
            Task::Call(call) => call,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_url_is_all_that_is_needed() {
        let order = parsed(&[URL]).unwrap();
        assert_eq!(order.protocol, landbridge_wire::Protocol::Connect);
        assert_eq!(order.schema.reflection, Reflection::Default);
        assert_eq!(order.server.connect_timeout, Duration::from_secs(5));
        let call = call(&[URL]);
        assert_eq!(call.method.to_string(), "talk.v1.TalkService/Say");
        assert_eq!((call.data, call.codec, call.timeout), (Data::None, None, None));
        assert_eq!(call.max_message_bytes, 67_108_864);
    }

    #[test]
    fn data_is_json_or_a_file_or_standard_input() {
        for (given, data) in [
            ("{\"a\": 1}", Data::Text("{\"a\": 1}".to_owned())),
            ("", Data::Text(String::new())),
            ("-1", Data::Text("-1".to_owned())),
            ("@a/b.json", Data::File("a/b.json".into())),
            ("-", Data::Stdin),
            ("@-", Data::Stdin),
        ] {
            assert_eq!(call(&[URL, "-d", given]).data, data, "{given}");
        }
    }

    #[test]
    fn headers_keep_their_order_and_values() {
        let order = parsed(&[URL, "-H", "X-Tag: a: b", "-H", "x-tag:c"]).unwrap();
        let values: Vec<_> = order.headers.get_all("x-tag").iter().collect();
        assert_eq!(values, ["a: b", "c"]);
        for (bad, why) in [
            ("x-tag", "colon"),
            ("x tag: a", "no name of a header"),
            ("content-type: text/plain", "belongs to HTTP"),
            ("Grpc-Timeout: 1S", "belongs to HTTP or to the protocol"),
            ("x-tag: a\nb", "no header can carry"),
        ] {
            let error = parsed(&[URL, "-H", bad]).unwrap_err();
            assert!(error.contains(why), "{bad}: {error}");
        }
    }

    #[test]
    fn times_have_units() {
        for (text, milliseconds) in [("2s", 2000), ("500ms", 500), ("1.5s", 1500), ("1m 30s", 90_000)] {
            let timeout = call(&[URL, "--timeout", text]).timeout.unwrap();
            assert_eq!(timeout, Duration::from_millis(milliseconds), "{text}");
        }
        for bad in ["", "2", "0s", "-1s", "soon"] {
            let error = parsed(&[URL, &format!("--timeout={bad}")]).unwrap_err();
            assert!(error.contains("500ms"), "{bad}: {error}");
        }
    }

    #[test]
    fn what_does_not_go_together_is_refused() {
        for (words, why) in [
            (&["--get", "--protocol", "grpc"][..], "--get is Connect's"),
            (&["--http1.1", "--protocol", "grpc"], "gRPC needs HTTP/2"),
            (&["--http1.1", "--http2"], "cannot be used with"),
            (&["--reflect", "--no-reflect"], "cannot be used with"),
            (&["--cert", "a.pem"], "--key"),
            (&["--list", "--describe", "a.B"], "cannot be used with"),
            (&["--authority", "a b"], "--authority"),
        ] {
            let error = parsed(&[&[URL], words].concat()).unwrap_err();
            assert!(error.contains(why), "{words:?}: {error}");
        }
        assert!(parsed(&["http://127.0.0.1:8080"]).unwrap_err().contains("--list"));
        assert!(parsed(&["127.0.0.1:8080/talk.v1.TalkService/Say"]).unwrap_err().contains("http://"));
    }

    #[test]
    fn a_server_is_asked_for_what_it_has() {
        assert!(matches!(parsed(&["http://127.0.0.1:8080", "--list"]).unwrap().task, Task::List));
        let described = parsed(&["unix:/run/talk.sock", "--describe", "talk.v1.SayRequest"]).unwrap().task;
        assert!(matches!(described, Task::Describe(symbol) if symbol == "talk.v1.SayRequest"));
    }
}
