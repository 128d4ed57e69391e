//! Access logs: a line for each request, written when it is over.
//!
//! A worker makes the line in memory and puts it into a bounded queue; one thread takes lines from there to files and
//! standard streams. So no worker ever waits for a disk: where the thread does not keep up, lines are dropped and counted.

mod line;
mod names;
mod sink;
mod trouble;
mod writer;

use std::sync::Arc;

pub(crate) use names::NamedHeaders;
pub use sink::OpenLogError;
pub(crate) use trouble::Trouble;

use crate::config::{AccessLogFormat, AccessLogSink, Listener, Operator};
use crate::stats::AccessLogStats;
use sink::Sink;
use writer::{Queue, Writer};

/// The logs of all listeners, and the thread that writes them.
#[derive(Debug)]
pub(crate) struct AccessLogs {
    /// By the place of their listeners in the file.
    listeners: Vec<Option<Arc<AccessLog>>>,
    /// None where nothing is logged: then there is no thread.
    writer: Option<Writer>,
}

impl AccessLogs {
    /// Opens the files and starts to write.
    ///
    /// # Errors
    /// A file that cannot be opened, or the system gives no thread.
    pub(crate) fn open(listeners: &[Listener], stats: &Arc<AccessLogStats>) -> Result<Self, OpenLogError> {
        let mut places: Vec<&AccessLogSink> = Vec::new();
        for log in listeners.iter().flat_map(|listener| &listener.http.access_logs) {
            if !places.contains(&&log.sink) {
                places.push(&log.sink);
            }
        }
        if places.is_empty() {
            return Ok(Self { listeners: listeners.iter().map(|_| None).collect(), writer: None });
        }
        let sinks = places.iter().map(|place| Sink::open(place)).collect::<Result<_, _>>()?;
        let writer = Writer::start(sinks, Arc::clone(stats))?;
        let log_of = |listener: &Listener| {
            let logs = listener.http.access_logs.iter();
            let lines: Vec<Line> = logs
                .filter_map(|log| {
                    let sink = places.iter().position(|place| **place == log.sink)?;
                    Some(Line { sink, format: log.format.clone() })
                })
                .collect();
            (!lines.is_empty()).then(|| Arc::new(AccessLog { lines, queue: writer.queue() }))
        };
        Ok(Self { listeners: listeners.iter().map(log_of).collect(), writer: Some(writer) })
    }

    /// The log of each listener, in the order of the file; none where a listener has none.
    pub(crate) fn of_listeners(&self) -> &[Option<Arc<AccessLog>>] {
        &self.listeners
    }

    /// Writes what is queued. For when nobody adds to it any more.
    pub(crate) fn finish(self) {
        if let Some(writer) = self.writer {
            writer.finish();
        }
    }
}

/// The log of one listener.
#[derive(Debug)]
pub(crate) struct AccessLog {
    lines: Vec<Line>,
    queue: Queue,
}

/// What is written for a request, and where to. A listener may have several.
#[derive(Debug)]
struct Line {
    sink: usize,
    format: AccessLogFormat,
}

impl AccessLog {
    /// Writes down a request. `value` writes the value of an operator and says whether there is one.
    pub(crate) fn write(&self, value: impl Fn(&Operator, &mut String) -> bool) {
        for Line { sink, format } in &self.lines {
            self.queue.push(*sink, line::of(format, &value));
        }
    }
}

#[cfg(test)]
mod tests;
