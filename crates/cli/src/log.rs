//! Where log lines go, and which of them.

use std::io::IsTerminal;
use std::sync::{Mutex, PoisonError};

use clap::ValueEnum;
use landbridge_bridge::admin::{LogLevel, LogLevels, UnknownLogger};
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

/// The levels, as the admin server shows and changes them: there is one logger, whose name is `landbridge`.
#[derive(Debug)]
pub(crate) struct Levels {
    handle: Handle<EnvFilter, Registry>,
    current: Mutex<LogLevel>,
}

/// Starts logging to standard error. `RUST_LOG`, where it is set, goes before the level.
pub(crate) fn start(level: Level, format: Format) -> Levels {
    let level = match level {
        Level::Trace => LogLevel::Trace,
        Level::Debug => LogLevel::Debug,
        Level::Info => LogLevel::Info,
        Level::Warning => LogLevel::Warning,
        Level::Error | Level::Critical => LogLevel::Error,
        Level::Off => LogLevel::Off,
    };
    let chosen = EnvFilter::builder().with_default_directive(filter_of(level).into()).from_env_lossy();
    let (filter, handle) = reload::Layer::new(chosen);
    let registry = tracing_subscriber::registry().with(filter);
    let layer = fmt::layer().with_writer(std::io::stderr).with_ansi(std::io::stderr().is_terminal());
    match format {
        Format::Text => registry.with(layer).init(),
        Format::Json => registry.with(layer.json().flatten_event(true)).init(),
    }
    Levels { handle, current: Mutex::new(level) }
}

const LOGGER: &str = "landbridge";

impl LogLevels for Levels {
    fn levels(&self) -> Vec<(String, LogLevel)> {
        vec![(LOGGER.to_owned(), *self.current.lock().unwrap_or_else(PoisonError::into_inner))]
    }

    fn set(&self, logger: Option<&str>, level: LogLevel) -> Result<(), UnknownLogger> {
        if logger.is_some_and(|logger| logger != LOGGER) {
            return Err(UnknownLogger);
        }
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = level;
        // Fails only when the subscriber is gone, and then nothing is logged anyway.
        let _reloaded = self.handle.reload(EnvFilter::default().add_directive(filter_of(level).into()));
        Ok(())
    }
}

fn filter_of(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Trace => LevelFilter::TRACE,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Warning => LevelFilter::WARN,
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Off => LevelFilter::OFF,
    }
}
