//! Where log lines go, and which of them.

use std::io::IsTerminal;

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::reload::{self, Handle};
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Registry, fmt};

/// How much is logged: Envoy's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "lower")]
pub(crate) enum Level {
    /// Everything.
    Trace,
    /// What each request and connection does.
    Debug,
    /// What an operator wants to know.
    Info,
    /// What may need a look.
    #[value(alias = "warn")]
    Warning,
    /// What failed.
    Error,
    /// The same as error.
    Critical,
    /// Nothing.
    Off,
}

/// What a log line looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "lower")]
pub(crate) enum Format {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Changes the level while the program runs.
pub(crate) type LevelHandle = Handle<EnvFilter, Registry>;

/// Starts logging to standard error. `RUST_LOG`, where it is set, goes before the level.
pub(crate) fn start(level: Level, format: Format) -> LevelHandle {
    let (filter, handle) = reload::Layer::new(filter(level));
    let registry = tracing_subscriber::registry().with(filter);
    let layer = fmt::layer().with_writer(std::io::stderr).with_ansi(std::io::stderr().is_terminal());
    match format {
        Format::Text => registry.with(layer).init(),
        Format::Json => registry.with(layer.json().flatten_event(true)).init(),
    }
    handle
}

/// Lines of this level and above.
pub(crate) fn filter(level: Level) -> EnvFilter {
    let level = match level {
        Level::Trace => LevelFilter::TRACE,
        Level::Debug => LevelFilter::DEBUG,
        Level::Info => LevelFilter::INFO,
        Level::Warning => LevelFilter::WARN,
        Level::Error | Level::Critical => LevelFilter::ERROR,
        Level::Off => LevelFilter::OFF,
    };
    EnvFilter::builder().with_default_directive(level.into()).from_env_lossy()
}
