//! Envoy's access loggers: where a line per request goes, and what is in it.

use std::path::PathBuf;

use super::format::Format;
use super::reader::{At, Message, Read};
use super::yaml::{Meaning, Value};

const FILE: &str = "envoy.extensions.access_loggers.file.v3.FileAccessLog";
const STDOUT: &str = "envoy.extensions.access_loggers.stream.v3.StdoutAccessLog";
const STDERR: &str = "envoy.extensions.access_loggers.stream.v3.StderrAccessLog";

/// Writes a line per request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessLog {
    /// Where to.
    pub sink: AccessLogSink,
    /// What.
    pub format: AccessLogFormat,
}

/// Where access log lines go.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum AccessLogSink {
    /// Appended to a file.
    File(PathBuf),
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// What an access log line is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccessLogFormat {
    /// Text, with the line end it has itself. Values are escaped as in a JSON string, so none can forge a line.
    Text(Format),
    /// One JSON object a line.
    Json(Vec<(String, JsonFormat)>),
}

/// A value of a JSON access log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JsonFormat {
    /// A string; a format of a single numeric operator gives a number.
    Format(Format),
    /// An object.
    Object(Vec<(String, JsonFormat)>),
    /// A list.
    List(Vec<JsonFormat>),
    /// Always this: a number, a boolean or null.
    Literal(serde_json::Value),
}

/// What a line has when the file names no format: what Envoy's has.
const DEFAULT_FORMAT: &str = "[%START_TIME%] \"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%\" \
     %RESPONSE_CODE% %RESPONSE_FLAGS% %BYTES_RECEIVED% %BYTES_SENT% %DURATION% \"%REQ(X-FORWARDED-FOR)%\" \
     \"%REQ(USER-AGENT)%\" \"%REQ(X-REQUEST-ID)%\" \"%REQ(:AUTHORITY)%\" \"%UPSTREAM_HOST%\"\n";

#[derive(Clone, Copy)]
enum Kind {
    File,
    Stdout,
    Stderr,
}

impl AccessLog {
    pub(super) fn read(at: &At<'_>) -> Read<Self> {
        at.message(|log| {
            let name = log.optional("name", At::text);
            log.refuse("filter", "every request is logged");
            let config = log.required("typed_config", |at| {
                let kinds = [(FILE, Kind::File), (STDOUT, Kind::Stdout), (STDERR, Kind::Stderr)];
                at.any(&kinds, Self::read_config)
            });
            name?;
            config
        })
    }

    fn read_config(config: &Message<'_, '_>, kind: Kind) -> Read<Self> {
        let format = config.optional("log_format", |at| at.message(read_format));
        let (sink, older) = match kind {
            Kind::Stdout => (Ok(AccessLogSink::Stdout), Ok(None)),
            Kind::Stderr => (Ok(AccessLogSink::Stderr), Ok(None)),
            Kind::File => {
                let sink = config.required("path", |at| {
                    Ok(match at.name()? {
                        "/dev/stdout" => AccessLogSink::Stdout,
                        "/dev/stderr" => AccessLogSink::Stderr,
                        path => AccessLogSink::File(PathBuf::from(path)),
                    })
                });
                (sink, read_older_format(config))
            }
        };
        let format = format?.or(older?);
        Ok(Self {
            sink: sink?,
            format: match format {
                Some(format) => format,
                None => {
                    AccessLogFormat::Text(Format::parse(DEFAULT_FORMAT).map_err(|e| config.at().refuse(e))?)
                }
            },
        })
    }
}

/// Envoy's `SubstitutionFormatString`.
fn read_format(format: &Message<'_, '_>) -> Read<AccessLogFormat> {
    let one = format.exactly_one(&["text_format_source", "text_format", "json_format"]);
    let source = format.optional("text_format_source", |at| {
        at.message(|source| {
            source.refuse("filename", "give the format as `inline_string`");
            source.refuse("inline_bytes", "give the format as `inline_string`");
            source.refuse("environment_variable", "give the format as `inline_string`");
            source.required("inline_string", Format::read)
        })
    });
    let text = format.optional("text_format", Format::read);
    let json = format.optional("json_format", read_json_object);
    let omit = format.only("omit_empty_values", false, "a missing value is written as `-`, or null in JSON");
    format.refuse("formatters", "there are no further operators");
    format.refuse("json_format_options", "the order of the fields is that of the file");
    format.refuse("content_type", "a log has none");
    one?;
    omit?;
    let text = source?.or(text?).map(AccessLogFormat::Text);
    let json = json?.map(AccessLogFormat::Json);
    text.or(json).ok_or_else(|| format.at().refuse("a format is missing"))
}

/// The fields that `log_format` took the place of.
fn read_older_format(config: &Message<'_, '_>) -> Read<Option<AccessLogFormat>> {
    let one = config.at_most_one(&["log_format", "format", "json_format", "typed_json_format"]);
    let text = config.optional("format", Format::read);
    let json = config.optional("json_format", read_json_object);
    let typed = config.optional("typed_json_format", read_json_object);
    one?;
    Ok(text?.map(AccessLogFormat::Text).or(json?.or(typed?).map(AccessLogFormat::Json)))
}

fn read_json_object(at: &At<'_>) -> Read<Vec<(String, JsonFormat)>> {
    let entries = at.entries()?;
    let all: Vec<Read<(String, JsonFormat)>> =
        entries.iter().map(|(name, at)| Ok(((*name).to_owned(), read_json(at)?))).collect();
    all.into_iter().collect()
}

/// Depth is bounded: so is the tree's.
fn read_json(at: &At<'_>) -> Read<JsonFormat> {
    match &at.node().value {
        Value::Map(_) => read_json_object(at).map(JsonFormat::Object),
        Value::List(_) => at.list(read_json).map(JsonFormat::List),
        Value::Scalar(scalar) => match scalar.meaning() {
            Meaning::Text(_) => Format::read(at).map(JsonFormat::Format),
            _ => Ok(JsonFormat::Literal(scalar.to_json())),
        },
    }
}
