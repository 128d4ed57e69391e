//! A typed cursor over the tree: it knows the path it stands at and reports what it cannot take.
//!
//! A reading either gives a value or says that a fault [was reported](Reported); so a reader of a message reads *all* its
//! fields first and puts the value together afterwards (`name: name?`), which is how one run finds every fault of a file.
//! The fields a reader asked for are the fields the message supports: [`At::message`] refuses all others.

mod message;
mod scalar;

use std::cell::RefCell;
use std::fmt::Display;

use super::error::{ConfigError, ConfigErrors};
use super::yaml::{Mark, Node, Value};

pub(super) use message::Message;

/// The fault that stopped a reading is in the report already. Only [`Report`] makes one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reported(());

/// What a reading gives.
pub(super) type Read<T> = Result<T, Reported>;

/// Where all readings of one file leave their faults.
#[derive(Default)]
pub(super) struct Report {
    found: RefCell<Vec<ConfigError>>,
}

impl Report {
    pub(super) fn add(&self, path: &str, mark: Mark, message: impl Display) -> Reported {
        self.found.borrow_mut().push(ConfigError {
            path: path.to_owned(),
            line: mark.line,
            column: mark.column,
            message: message.to_string(),
        });
        Reported(())
    }

    pub(super) fn into_errors(self) -> Option<ConfigErrors> {
        ConfigErrors::from_found(self.found.into_inner())
    }
}

/// A node, the path that led to it, and the report its faults go to.
#[derive(Clone)]
pub(super) struct At<'a> {
    node: &'a Node,
    mark: Mark,
    path: String,
    report: &'a Report,
}

impl<'a> At<'a> {
    pub(super) fn root(node: &'a Node, report: &'a Report) -> Self {
        Self { node, mark: node.mark, path: String::new(), report }
    }

    pub(super) fn path(&self) -> &str {
        &self.path
    }

    pub(super) fn node(&self) -> &'a Node {
        self.node
    }

    /// Reports a fault here.
    pub(super) fn refuse(&self, message: impl Display) -> Reported {
        self.report.add(&self.path, self.mark, message)
    }

    /// Reports a wrong type here. Says what kind of node there is, never its content: it may be a key.
    fn expected(&self, what: &str) -> Reported {
        let found = match &self.node.value {
            Value::List(_) => "a list",
            Value::Map(_) => "a map",
            Value::Scalar(_) if self.node.is_null() => "nothing",
            Value::Scalar(scalar) => match scalar.meaning() {
                super::yaml::Meaning::Text(_) => "text",
                super::yaml::Meaning::Bool(_) => "a boolean",
                _ => "a number",
            },
        };
        self.refuse(format_args!("expected {what}, found {found}"))
    }

    /// The elements of a list, each with its own path.
    pub(super) fn items(&self) -> Read<Vec<At<'a>>> {
        let Value::List(items) = &self.node.value else {
            return Err(self.expected("a list"));
        };
        Ok(items
            .iter()
            .enumerate()
            .map(|(index, node)| At {
                node,
                mark: node.mark,
                path: format!("{}[{index}]", self.path),
                report: self.report,
            })
            .collect())
    }

    /// Reads every element of a list, all of them even if one is refused.
    pub(super) fn list<T>(&self, read: impl Fn(&At<'a>) -> Read<T>) -> Read<Vec<T>> {
        let all: Vec<Read<T>> = self.items()?.iter().map(read).collect();
        all.into_iter().collect()
    }

    /// The entries of a map with free keys, in the order of the file.
    pub(super) fn entries(&self) -> Read<Vec<(&'a str, At<'a>)>> {
        let Value::Map(entries) = &self.node.value else {
            return Err(self.expected("a map"));
        };
        Ok(entries
            .iter()
            .map(|entry| {
                let at = At {
                    node: &entry.value,
                    mark: entry.mark,
                    path: joined(&self.path, &entry.key),
                    report: self.report,
                };
                (entry.key.as_str(), at)
            })
            .collect())
    }

    /// Reads a message: `read` asks for its fields, and whatever it did not ask for is refused.
    ///
    /// `read` must ask for all fields before it gives up, or fields it knows would be reported as unknown.
    pub(super) fn message<T>(&self, read: impl FnOnce(&Message<'a, '_>) -> Read<T>) -> Read<T> {
        let message = Message::open(self)?;
        let value = read(&message);
        message.close()?;
        value
    }

    /// Reads the content of an `Any` whose `@type` is one of `types` (full names), and says which it was.
    pub(super) fn any<K: Copy, T>(
        &self,
        types: &[(&str, K)],
        read: impl FnOnce(&Message<'a, '_>, K) -> Read<T>,
    ) -> Read<T> {
        let message = Message::open(self)?;
        let kind = message.required("@type", |at| {
            let url = at.text()?;
            let name = url.rsplit('/').next().unwrap_or(url);
            types.iter().find(|(known, _)| *known == name).map(|(_, kind)| *kind).ok_or_else(|| {
                let supported: Vec<&str> = types.iter().map(|(known, _)| *known).collect();
                at.refuse(format_args!("`{name}` is not supported here; supported: {}", supported.join(", ")))
            })
        })?;
        let value = read(&message, kind);
        message.close()?;
        value
    }
}

/// `path` extended by a field or a map key; keys that are not words are quoted, as in `a["b.c"]`.
fn joined(path: &str, key: &str) -> String {
    let word = !key.is_empty()
        && key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '@' | '$'));
    match (path.is_empty(), word) {
        (true, true) => key.to_owned(),
        (false, true) => format!("{path}.{key}"),
        (_, false) => format!("{path}[{key:?}]"),
    }
}
