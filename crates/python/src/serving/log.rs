//! What I/O threads have to say, for Python's log.

use std::fmt::{self, Write as _};
use std::sync::Arc;

use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::{Interest, Subscriber};
use tracing::{Level, Metadata};

use crate::handoff::{Event, LoopQueue};

/// Hands on to the event loop, which logs it, what our crates say in the threads that it is set for.
#[derive(Debug)]
pub(super) struct Log {
    events: Arc<LoopQueue<Event>>,
    least: Level,
}

impl Log {
    /// `detailed`: also what only concerns a single connection.
    pub(super) fn new(events: Arc<LoopQueue<Event>>, detailed: bool) -> Self {
        Self { events, least: if detailed { Level::DEBUG } else { Level::WARN } }
    }
}

impl Subscriber for Log {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if self.enabled(metadata) { Interest::always() } else { Interest::never() }
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && *metadata.level() <= self.least && metadata.target().starts_with("landbridge_")
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.least.into())
    }

    fn event(&self, event: &tracing::Event<'_>) {
        let mut said = Said::default();
        event.record(&mut said);
        let message = said.line();
        self.events.put(Event::Log { level: *event.metadata().level(), message });
    }

    // Spans are never enabled.

    fn new_span(&self, _span: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _span: &Id, _values: &Record<'_>) {}

    fn record_follows_from(&self, _span: &Id, _follows: &Id) {}

    fn enter(&self, _span: &Id) {}

    fn exit(&self, _span: &Id) {}
}

/// One line: the message, and what belongs to it.
#[derive(Default)]
struct Said {
    message: String,
    fields: String,
}

impl Said {
    /// Not more than [`LONGEST`], and nothing that a terminal or a reader of lines takes for more than text: some of it
    /// comes from peers.
    fn line(self) -> String {
        let said = self.message + &self.fields;
        let mut line = String::with_capacity(said.len());
        for character in said.chars().take(LONGEST) {
            match character.is_control() {
                true => line.extend(character.escape_default()),
                false => line.push(character),
            }
        }
        line
    }
}

/// The most characters of a line.
const LONGEST: usize = 1_000;

impl Visit for Said {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing to a string does not fail.
        let _written = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.fields, "; {name}: {value:?}"),
        };
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        let _written = write!(self.fields, "; {}: {value}", field.name());
    }
}
