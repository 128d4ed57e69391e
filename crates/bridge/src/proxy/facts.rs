//! What is known of a request, and the values that formats can name: in headers that the file adds, and in access logs.

use std::fmt::Write as _;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, SystemTime};

use http::uri::{Authority, PathAndQuery};
use http::{HeaderMap, Method, Request, StatusCode, header};
use jiff::Timestamp;
use landbridge_net::{Address, Connection, HttpVersion};
use landbridge_wire::Code;

use crate::access_log::{NamedHeaders, Trouble};
use crate::config::{FieldName, Format, HeaderChoice, Operator, Quoting};

/// What is taken down of a request on its way. Only where something is written of it.
#[derive(Debug)]
pub(super) struct Facts<'a> {
    started: SystemTime,
    method: Method,
    path: Option<PathAndQuery>,
    host: Box<str>,
    connection: Arc<Connection>,
    client: Address,
    route: &'a str,
    cluster: &'a str,
    named: &'a NamedHeaders,
    /// Of these heads, the headers that formats name.
    request: HeaderMap,
    response: HeaderMap,
    trailers: HeaderMap,
    upstream: Option<Address>,
    /// Why the connection to the server failed.
    transport_failure: Option<String>,
    trouble: Option<Trouble>,
}

/// When a format is written.
#[derive(Clone, Copy, Debug)]
pub(super) enum Moment<'m> {
    /// Before this head of the request goes on.
    Request(&'m HeaderMap),
    /// Before this head of the response goes on.
    Response(&'m HeaderMap),
    /// When it is over.
    Over(&'m Ending),
}

/// How a request ended.
#[derive(Debug)]
pub(super) struct Ending {
    pub(super) took: Duration,
    /// From its head to its last byte; none if that never came.
    pub(super) request_took: Option<Duration>,
    /// From its head to that of the server's response.
    pub(super) response_took: Option<Duration>,
    /// Bytes of content.
    pub(super) received: u64,
    /// Bytes of content.
    pub(super) sent: u64,
    pub(super) status: Option<StatusCode>,
    /// Whether the server began to answer.
    pub(super) served: bool,
    /// None for what is no call.
    pub(super) outcome: Option<Result<(), Code>>,
}

impl<'a> Facts<'a> {
    pub(super) fn new(
        head: &Request<()>,
        connection: Arc<Connection>,
        client: Address,
        route: &'a str,
        cluster: &'a str,
        named: &'a NamedHeaders,
    ) -> Self {
        let host = head.uri().authority().map(Authority::as_str);
        let host = host.or_else(|| head.headers().get(header::HOST)?.to_str().ok()).unwrap_or_default();
        Self {
            started: SystemTime::now(),
            method: head.method().clone(),
            path: head.uri().path_and_query().cloned(),
            host: host.into(),
            connection,
            client,
            route,
            cluster,
            named,
            request: named.of_request(head.headers()),
            response: HeaderMap::new(),
            trailers: HeaderMap::new(),
            upstream: None,
            transport_failure: None,
            trouble: None,
        }
    }

    /// The head of the request was changed.
    pub(super) fn changed(&mut self, headers: &HeaderMap) {
        self.request = self.named.of_request(headers);
    }

    pub(super) fn sent_to(&mut self, address: Address) {
        self.upstream = Some(address);
    }

    pub(super) fn unreachable(&mut self, reason: String) {
        self.transport_failure = Some(reason);
    }

    /// What went wrong; only the first of it counts.
    pub(super) fn trouble(&mut self, trouble: Trouble) {
        self.trouble.get_or_insert(trouble);
    }

    pub(super) fn answered(&mut self, headers: &HeaderMap) {
        self.response = self.named.of_response(headers);
    }

    pub(super) fn trailers(&mut self, trailers: &HeaderMap) {
        self.trailers = self.named.of_trailers(trailers);
    }

    /// The text of a header's value. What is not known (yet) is `-`, as in Envoy.
    pub(super) fn render(&self, format: &Format, moment: Moment<'_>) -> String {
        if let Some(text) = format.literal() {
            return text.to_owned();
        }
        let mut text = String::new();
        format.render(&mut text, Quoting::Plain, |operator, out| self.write(operator, moment, out));
        text
    }

    /// Writes the value of an operator, and says whether there is one.
    pub(super) fn write(&self, operator: &Operator, moment: Moment<'_>, out: &mut String) -> bool {
        self.value(operator, moment, out).is_some()
    }

    fn value(&self, operator: &Operator, moment: Moment<'_>, out: &mut String) -> Option<()> {
        let over = match moment {
            Moment::Over(ending) => Some(ending),
            Moment::Request(_) | Moment::Response(_) => None,
        };
        match operator {
            Operator::StartTime(format) => self.start_time(format.as_deref(), out)?,
            Operator::RequestHeader(choice) => {
                let headers = if let Moment::Request(headers) = moment { headers } else { &self.request };
                self.request_header(choice, headers, out)?;
            }
            Operator::ResponseHeader(choice) => {
                let headers = if let Moment::Response(headers) = moment { headers } else { &self.response };
                header_of(choice, headers, out)?;
            }
            Operator::ResponseTrailer(choice) => header_of(choice, &self.trailers, out)?,
            Operator::Protocol => out.push_str(match self.connection.http() {
                HttpVersion::Http1 => "HTTP/1.1",
                HttpVersion::Http2 => "HTTP/2",
            }),
            Operator::ResponseCode => number(over?.status.map_or(0, |status| status.as_u16()), out),
            Operator::ResponseCodeDetails => out.push_str(self.details(over?)?),
            Operator::ResponseFlags => out.push_str(self.trouble?.flag()?),
            Operator::GrpcStatus { number: wanted } => {
                let code = over?.outcome?.err();
                match wanted {
                    true => number(code.map_or(0, Code::number), out),
                    false => camel_case(code.map_or("ok", Code::name), out),
                }
            }
            Operator::Duration => number(over?.took.as_millis(), out),
            Operator::RequestDuration => number(over?.request_took?.as_millis(), out),
            Operator::ResponseDuration => number(over?.response_took?.as_millis(), out),
            Operator::BytesReceived => number(over?.received, out),
            Operator::BytesSent => number(over?.sent, out),
            Operator::DownstreamRemoteAddress { without_port } => address(&self.client, *without_port, out),
            Operator::DownstreamLocalAddress { without_port } => {
                address(self.connection.local(), *without_port, out);
            }
            Operator::UpstreamHost => address(self.upstream.as_ref()?, false, out),
            Operator::UpstreamCluster => some(self.cluster, out)?,
            Operator::UpstreamTransportFailureReason => out.push_str(self.transport_failure.as_deref()?),
            Operator::RouteName => some(self.route, out)?,
            Operator::RequestedServerName => out.push_str(self.connection.tls()?.server_name.as_deref()?),
            Operator::Hostname => some(&HOSTNAME, out)?,
        }
        Some(())
    }

    fn start_time(&self, format: Option<&str>, out: &mut String) -> Option<()> {
        const RFC_3339: &str = "%Y-%m-%dT%H:%M:%S.%3fZ";
        let started = Timestamp::try_from(self.started).ok()?;
        out.push_str(&jiff::fmt::strtime::format(format.unwrap_or(RFC_3339), started).ok()?);
        Some(())
    }

    fn request_header(&self, choice: &HeaderChoice, headers: &HeaderMap, out: &mut String) -> Option<()> {
        let fields = [Some(&choice.name), choice.otherwise.as_ref()];
        fields.into_iter().flatten().find_map(|field| match field {
            FieldName::Header(name) => header_value(headers.get(name)?.as_bytes(), out),
            FieldName::Method => some(self.method.as_str(), out),
            FieldName::Path => some(self.path.as_ref().map_or("/", PathAndQuery::as_str), out),
            FieldName::Authority => some(&self.host, out),
            FieldName::Scheme => some(if self.connection.tls().is_some() { "https" } else { "http" }, out),
        })
    }

    /// In Envoy's words, as far as it has some.
    fn details(&self, over: &Ending) -> Option<&'static str> {
        match (self.trouble, over.served) {
            (Some(trouble), served) => Some(trouble.details(served)),
            (None, true) => Some("via_upstream"),
            (None, false) => over.status.map(|_| "local_reply"),
        }
    }
}

/// This machine's name.
static HOSTNAME: LazyLock<String> =
    LazyLock::new(|| rustix::system::uname().nodename().to_string_lossy().into_owned());

fn header_of(choice: &HeaderChoice, headers: &HeaderMap, out: &mut String) -> Option<()> {
    choice.headers().find_map(|name| header_value(headers.get(name)?.as_bytes(), out))
}

/// Values may hold any bytes; text has them as far as they are UTF-8.
fn header_value(value: &[u8], out: &mut String) -> Option<()> {
    out.push_str(&String::from_utf8_lossy(value));
    Some(())
}

/// An empty text is none.
fn some(text: &str, out: &mut String) -> Option<()> {
    out.push_str(text);
    (!text.is_empty()).then_some(())
}

fn number(number: impl std::fmt::Display, out: &mut String) {
    // Writing to a `String` cannot fail.
    _ = write!(out, "{number}");
}

fn address(address: &Address, without_port: bool, out: &mut String) {
    match (without_port, address.ip()) {
        (true, Some(ip)) => number(ip, out),
        _ => number(address, out),
    }
}

/// `not_found` as Envoy writes it: `NotFound`; but `ok` is `OK`.
fn camel_case(code: &str, out: &mut String) {
    if code == "ok" {
        return out.push_str("OK");
    }
    for word in code.split('_') {
        let (first, rest) = word.split_at(word.len().min(1));
        out.push_str(&first.to_ascii_uppercase());
        out.push_str(rest);
    }
}
