//! Envoy's format strings: text with `%OPERATORS%`, in access logs and in headers to add.

use std::fmt::Write as _;

use http::{HeaderName, HeaderValue};

use super::reader::{At, Read};

/// A format string, parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Format {
    text: String,
    pieces: Vec<Piece>,
}

/// How values are written between the text of a format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quoting {
    /// As they are.
    Plain,
    /// With quotes, backslashes and control characters escaped as in a JSON string.
    Escaped,
}

/// A part of a [`Format`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// Copied as it is; `%%` has become `%`.
    Text(String),
    /// Replaced by what it names, or by `-` where there is none.
    Value {
        /// What to write.
        operator: Operator,
        /// At most so many characters of it (`%REQ(x):10%`).
        max_chars: Option<usize>,
    },
}

/// What a format can name. Envoy's documentation of command operators gives the meaning of each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operator {
    /// `%START_TIME%` or `%START_TIME(FORMAT)%`: when the request began, in `strftime` form; by default
    /// RFC 3339 with milliseconds, in UTC.
    StartTime(Option<String>),
    /// `%REQ(NAME?OTHER)%`: a request header, or another one where it is missing.
    RequestHeader(HeaderChoice),
    /// `%RESP(NAME?OTHER)%`: a response header.
    ResponseHeader(HeaderChoice),
    /// `%TRAILER(NAME?OTHER)%`: a response trailer.
    ResponseTrailer(HeaderChoice),
    /// `%PROTOCOL%`: `HTTP/1.1` or `HTTP/2`.
    Protocol,
    /// `%RESPONSE_CODE%`: the HTTP status, or 0 where none was sent.
    ResponseCode,
    /// `%RESPONSE_CODE_DETAILS%`: why that status.
    ResponseCodeDetails,
    /// `%RESPONSE_FLAGS%`: Envoy's short flags, such as `UT`.
    ResponseFlags,
    /// `%GRPC_STATUS%` (a name) or `%GRPC_STATUS_NUMBER%`.
    GrpcStatus {
        /// The number instead of the name.
        number: bool,
    },
    /// `%DURATION%`: milliseconds from the start to the last byte.
    Duration,
    /// `%REQUEST_DURATION%`: milliseconds to the end of the request.
    RequestDuration,
    /// `%RESPONSE_DURATION%`: milliseconds to the first byte from upstream.
    ResponseDuration,
    /// `%BYTES_RECEIVED%`: body bytes from the client.
    BytesReceived,
    /// `%BYTES_SENT%`: body bytes to the client.
    BytesSent,
    /// `%DOWNSTREAM_REMOTE_ADDRESS%`, with or without its port.
    DownstreamRemoteAddress {
        /// Leaves the port away.
        without_port: bool,
    },
    /// `%DOWNSTREAM_LOCAL_ADDRESS%`, with or without its port.
    DownstreamLocalAddress {
        /// Leaves the port away.
        without_port: bool,
    },
    /// `%UPSTREAM_HOST%`: the address of the endpoint used.
    UpstreamHost,
    /// `%UPSTREAM_CLUSTER%`: the cluster used.
    UpstreamCluster,
    /// `%UPSTREAM_TRANSPORT_FAILURE_REASON%`: why TLS or the connection to the endpoint failed.
    UpstreamTransportFailureReason,
    /// `%ROUTE_NAME%`: the route's `name`.
    RouteName,
    /// `%REQUESTED_SERVER_NAME%`: the name the client asked for in TLS.
    RequestedServerName,
    /// `%HOSTNAME%`: this machine.
    Hostname,
}

/// A header, and another to use where the first is missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeaderChoice {
    /// The first choice.
    pub name: FieldName,
    /// The second, after `?`.
    pub otherwise: Option<FieldName>,
}

/// The name of a header or of a pseudo-header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FieldName {
    /// A header.
    Header(HeaderName),
    /// `:method`.
    Method,
    /// `:path`, with its query.
    Path,
    /// `:authority`, which HTTP/1.1 calls `host`.
    Authority,
    /// `:scheme`.
    Scheme,
}

impl FieldName {
    /// Parses a name, with its colon if it is a pseudo-header. Any case.
    pub(super) fn parse(text: &str) -> Option<Self> {
        Some(match text.to_ascii_lowercase().as_str() {
            ":method" => Self::Method,
            ":path" => Self::Path,
            ":authority" | "host" => Self::Authority,
            ":scheme" => Self::Scheme,
            header => Self::Header(HeaderName::try_from(header).ok()?),
        })
    }
}

impl HeaderChoice {
    /// The headers among the two.
    pub fn headers(&self) -> impl Iterator<Item = &HeaderName> {
        [Some(&self.name), self.otherwise.as_ref()].into_iter().flatten().filter_map(|field| match field {
            FieldName::Header(name) => Some(name),
            FieldName::Method | FieldName::Path | FieldName::Authority | FieldName::Scheme => None,
        })
    }
}

impl Operator {
    /// Whether its values are numbers.
    #[must_use]
    pub fn is_number(&self) -> bool {
        matches!(
            self,
            Self::ResponseCode
                | Self::GrpcStatus { number: true }
                | Self::Duration
                | Self::RequestDuration
                | Self::ResponseDuration
                | Self::BytesReceived
                | Self::BytesSent
        )
    }
}

/// The operators without an argument.
const PLAIN: &[(&str, Operator)] = &[
    ("START_TIME", Operator::StartTime(None)),
    ("PROTOCOL", Operator::Protocol),
    ("RESPONSE_CODE", Operator::ResponseCode),
    ("RESPONSE_CODE_DETAILS", Operator::ResponseCodeDetails),
    ("RESPONSE_FLAGS", Operator::ResponseFlags),
    ("GRPC_STATUS", Operator::GrpcStatus { number: false }),
    ("GRPC_STATUS_NUMBER", Operator::GrpcStatus { number: true }),
    ("DURATION", Operator::Duration),
    ("REQUEST_DURATION", Operator::RequestDuration),
    ("RESPONSE_DURATION", Operator::ResponseDuration),
    ("BYTES_RECEIVED", Operator::BytesReceived),
    ("BYTES_SENT", Operator::BytesSent),
    ("DOWNSTREAM_REMOTE_ADDRESS", Operator::DownstreamRemoteAddress { without_port: false }),
    ("DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT", Operator::DownstreamRemoteAddress { without_port: true }),
    ("DOWNSTREAM_LOCAL_ADDRESS", Operator::DownstreamLocalAddress { without_port: false }),
    ("DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT", Operator::DownstreamLocalAddress { without_port: true }),
    ("UPSTREAM_HOST", Operator::UpstreamHost),
    ("UPSTREAM_CLUSTER", Operator::UpstreamCluster),
    ("UPSTREAM_TRANSPORT_FAILURE_REASON", Operator::UpstreamTransportFailureReason),
    ("ROUTE_NAME", Operator::RouteName),
    ("REQUESTED_SERVER_NAME", Operator::RequestedServerName),
    ("HOSTNAME", Operator::Hostname),
];

impl Format {
    /// The text as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The parts, in order.
    #[must_use]
    pub fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    /// The text, if it has no operator in it.
    #[must_use]
    pub fn literal(&self) -> Option<&str> {
        match self.pieces.as_slice() {
            [] => Some(""),
            [Piece::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// What it names, in order.
    pub fn operators(&self) -> impl Iterator<Item = &Operator> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Text(_) => None,
            Piece::Value { operator, .. } => Some(operator),
        })
    }

    /// Appends the format to `out`; `write` writes the value of an operator and says whether there was one.
    pub fn render(&self, out: &mut String, quoting: Quoting, write: impl Fn(&Operator, &mut String) -> bool) {
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => out.push_str(text),
                Piece::Value { operator, max_chars } => {
                    let start = out.len();
                    if !write(operator, out) {
                        out.truncate(start);
                        out.push('-');
                    }
                    let end = max_chars.and_then(|max| out[start..].char_indices().nth(max));
                    if let Some((end, _)) = end {
                        out.truncate(start + end);
                    }
                    if quoting == Quoting::Escaped {
                        escape_from(out, start);
                    }
                }
            }
        }
    }

    pub(super) fn read(at: &At<'_>) -> Read<Self> {
        Self::parse(at.text()?).map_err(|error| at.refuse(error))
    }

    /// A format whose text can stand in a header.
    pub(super) fn read_header_value(at: &At<'_>) -> Read<Self> {
        let format = Self::read(at)?;
        let sound =
            |piece: &Piece| !matches!(piece, Piece::Text(text) if HeaderValue::from_str(text).is_err());
        if format.pieces.iter().all(sound) {
            Ok(format)
        } else {
            Err(at.refuse("not a header value: control characters are not allowed"))
        }
    }

    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut pieces: Vec<Piece> = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(start) = rest.find('%') {
            literal.push_str(&rest[..start]);
            rest = &rest[start + 1..];
            if let Some(after) = rest.strip_prefix('%') {
                literal.push('%');
                rest = after;
                continue;
            }
            if !literal.is_empty() {
                pieces.push(Piece::Text(std::mem::take(&mut literal)));
            }
            let (piece, after) = parse_value(rest)?;
            pieces.push(piece);
            rest = after;
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            pieces.push(Piece::Text(literal));
        }
        let text = text.to_owned();
        Ok(Self { text, pieces })
    }
}

/// Escapes what stands from `start` on.
fn escape_from(out: &mut String, start: usize) {
    let is_plain = |byte: u8| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\';
    if out[start..].bytes().all(is_plain) {
        return;
    }
    let raw = out.split_off(start);
    for character in raw.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            // The last two end a line in the eyes of some readers.
            control if control.is_control() || matches!(control, '\u{2028}' | '\u{2029}') => {
                // Writing to a `String` cannot fail.
                _ = write!(out, "\\u{:04x}", u32::from(control));
            }
            other => out.push(other),
        }
    }
}

/// `NAME`, `NAME(ARGUMENT)`, `NAME:LENGTH` or `NAME(ARGUMENT):LENGTH`, up to the closing `%`.
fn parse_value(text: &str) -> Result<(Piece, &str), String> {
    let unclosed = || "a `%` without the closing `%`; write `%%` for a percent sign".to_owned();
    let name_end = text.find(['(', ':', '%']).ok_or_else(unclosed)?;
    let (name, mut rest) = text.split_at(name_end);
    let mut argument = None;
    if let Some(after) = rest.strip_prefix('(') {
        // The argument of START_TIME has percent signs of its own, so the parenthesis ends it.
        let (inside, after) = after.split_once(')').ok_or_else(unclosed)?;
        argument = Some(inside);
        rest = after;
    }
    let mut max_chars = None;
    if let Some(after) = rest.strip_prefix(':') {
        let (length, _) = after.split_once('%').ok_or_else(unclosed)?;
        max_chars = Some(length.parse().map_err(|_| format!("`{length}` is not a length"))?);
        rest = &after[length.len()..];
    }
    let rest = rest.strip_prefix('%').ok_or_else(unclosed)?;
    let operator = operator(name, argument)?;
    Ok((Piece::Value { operator, max_chars }, rest))
}

fn operator(name: &str, argument: Option<&str>) -> Result<Operator, String> {
    match (name, argument) {
        ("START_TIME", Some(format)) => {
            // What can be written for one moment can be for all.
            let written = jiff::fmt::strtime::format(format, jiff::Timestamp::UNIX_EPOCH);
            written.map_err(|_| format!("`{format}` is no format of a time in the letters of strftime"))?;
            return Ok(Operator::StartTime(Some(format.to_owned())));
        }
        ("REQ", Some(headers)) => return Ok(Operator::RequestHeader(header_choice(headers)?)),
        ("RESP", Some(headers)) => return Ok(Operator::ResponseHeader(header_choice(headers)?)),
        ("TRAILER", Some(headers)) => return Ok(Operator::ResponseTrailer(header_choice(headers)?)),
        ("GRPC_STATUS", Some("NUMBER")) => return Ok(Operator::GrpcStatus { number: true }),
        _ => {}
    }
    let plain = PLAIN.iter().find(|(known, _)| *known == name && argument.is_none());
    plain.map(|(_, operator)| operator.clone()).ok_or_else(|| {
        let mut known: Vec<&str> = PLAIN.iter().map(|(name, _)| *name).collect();
        known.extend(["REQ(X?Y)", "RESP(X?Y)", "TRAILER(X?Y)", "START_TIME(FORMAT)"]);
        known.sort_unstable();
        format!("`%{name}%` is not supported; supported: {}", known.join(", "))
    })
}

fn header_choice(text: &str) -> Result<HeaderChoice, String> {
    let parse = |name: &str| FieldName::parse(name).ok_or_else(|| format!("`{name}` is not a header name"));
    Ok(match text.split_once('?') {
        None => HeaderChoice { name: parse(text)?, otherwise: None },
        Some((name, otherwise)) => HeaderChoice { name: parse(name)?, otherwise: Some(parse(otherwise)?) },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(format: &str) -> String {
        let mut out = String::new();
        Format::parse(format).unwrap().render(&mut out, Quoting::Plain, |operator, out| match operator {
            Operator::Protocol => {
                out.push_str("HTTP/2");
                true
            }
            _ => false,
        });
        out
    }

    #[test]
    fn operators_are_replaced_and_absent_values_are_a_dash() {
        assert_eq!(rendered("a %PROTOCOL% b %UPSTREAM_HOST% 100%% %PROTOCOL:4%."), "a HTTP/2 b - 100% HTTP.");
        assert_eq!(rendered(""), "");
        assert_eq!(rendered("%%"), "%");
    }

    #[test]
    fn a_time_format_may_hold_percent_signs() {
        let format = Format::parse("[%START_TIME(%Y-%m-%d)%]").unwrap();
        let operator = Operator::StartTime(Some("%Y-%m-%d".into()));
        let value = Piece::Value { operator, max_chars: None };
        assert_eq!(format.pieces(), [Piece::Text("[".into()), value, Piece::Text("]".into())]);
    }

    #[test]
    fn headers_may_have_a_second_choice() {
        let format = Format::parse("%REQ(X-ENVOY-ORIGINAL-PATH?:PATH):3%").unwrap();
        let operator = Operator::RequestHeader(HeaderChoice {
            name: FieldName::Header(HeaderName::from_static("x-envoy-original-path")),
            otherwise: Some(FieldName::Path),
        });
        assert_eq!(format.pieces(), [Piece::Value { operator, max_chars: Some(3) }]);
    }

    #[test]
    fn a_wrong_format_is_refused() {
        for wrong in [
            "%",
            "%PROTOCOL",
            "%REQ(a",
            "%REQ(a b)%",
            "%NOPE%",
            "%PROTOCOL:x%",
            "%PROTOCOL(x)%",
            "%REQ%",
            "%START_TIME(%Q%!)%",
        ] {
            assert!(Format::parse(wrong).is_err(), "{wrong}");
        }
    }
}
