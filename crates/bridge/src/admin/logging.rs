//! `/logging`: what is logged, and how much.

use std::fmt;
use std::str::FromStr;

use super::query::Query;
use super::{Admin, AdminResponse, Refusal};

/// How much a logger says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// Nothing.
    Off,
    /// What failed.
    Error,
    /// What may fail.
    Warning,
    /// What happens.
    Info,
    /// How it happens.
    Debug,
    /// Everything.
    Trace,
}

impl FromStr for LogLevel {
    type Err = String;

    /// Envoy's names; `warn` and `critical` as well.
    fn from_str(name: &str) -> Result<Self, String> {
        Ok(match name {
            "off" => Self::Off,
            "error" | "critical" => Self::Error,
            "warning" | "warn" => Self::Warning,
            "info" => Self::Info,
            "debug" => Self::Debug,
            "trace" => Self::Trace,
            _ => return Err(format!("`{name}` is no level; use trace, debug, info, warning, error or off")),
        })
    }
}

impl fmt::Display for LogLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Off => "off",
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        })
    }
}

/// The loggers of the process.
pub trait LogLevels: Send + Sync {
    /// Every logger and its level, in the order to show them.
    fn levels(&self) -> Vec<(String, LogLevel)>;

    /// Changes the level of one logger, or (`None`) of all.
    ///
    /// # Errors
    /// There is no such logger; nothing has changed.
    fn set(&self, logger: Option<&str>, level: LogLevel) -> Result<(), UnknownLogger>;
}

/// There is no logger of that name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownLogger;

pub(super) fn answer(admin: &Admin, query: &Query<'_>) -> Result<AdminResponse, Refusal> {
    let changes = parse_changes(query)?;
    for (logger, level) in changes {
        admin.logs.set(logger, level).map_err(|UnknownLogger| {
            let name = logger.unwrap_or_default();
            let known: Vec<String> = admin.logs.levels().into_iter().map(|(name, _)| name).collect();
            Refusal::bad_request(format_args!("there is no logger `{name}`; there are: {}", known.join(", ")))
        })?;
    }
    let lines = admin.logs.levels().into_iter().map(|(name, level)| format!("  {name}: {level}\n"));
    Ok(AdminResponse::ok(format!("active loggers:\n{}\n", lines.collect::<String>())))
}

type Change<'q> = (Option<&'q str>, LogLevel);

/// All changes before the first is made, so that a mistake changes nothing.
fn parse_changes<'q>(query: &'q Query<'_>) -> Result<Vec<Change<'q>>, Refusal> {
    let level = |name: &str| name.parse().map_err(Refusal::bad_request);
    let mut changes = Vec::new();
    for (name, value) in query.pairs() {
        match name {
            "level" => changes.push((None, level(value)?)),
            "paths" => {
                for pair in value.split(',') {
                    let (logger, wanted) = pair
                        .split_once(':')
                        .ok_or_else(|| Refusal::bad_request("paths must be name:level,name:level"))?;
                    changes.push((Some(logger), level(wanted)?));
                }
            }
            // Envoy's older spelling: ?name=level.
            logger => changes.push((Some(logger), level(value)?)),
        }
    }
    Ok(changes)
}
