//! The fields of one message.

use std::cell::{Cell, RefCell};

use super::{At, Read, Reported, joined};
use crate::config::yaml::{Entry, Value};

/// A map read as a protobuf message: its keys are field names, in `snake_case` or in `lowerCamelCase`.
///
/// A field that is null counts as absent, as in protobuf's JSON mapping.
pub(in crate::config) struct Message<'a, 'm> {
    at: &'m At<'a>,
    entries: &'a [Entry],
    asked: RefCell<Vec<&'static str>>,
    /// Fields refused with a reason of their own; they are no part of what is supported.
    refused: RefCell<Vec<&'static str>>,
    faulty: Cell<Option<Reported>>,
}

impl<'a, 'm> Message<'a, 'm> {
    pub(super) fn open(at: &'m At<'a>) -> Read<Self> {
        let entries = match &at.node.value {
            Value::Map(entries) => entries.as_slice(),
            // `router:` with nothing behind it is an empty message.
            _ if at.node.is_null() => &[],
            _ => return Err(at.expected("a map of fields")),
        };
        Ok(Self {
            at,
            entries,
            asked: RefCell::default(),
            refused: RefCell::default(),
            faulty: Cell::new(None),
        })
    }

    /// Refuses what nobody asked for.
    pub(super) fn close(self) -> Read<()> {
        let asked = self.asked.borrow();
        let refused = self.refused.borrow();
        for entry in self.entries {
            if !asked.iter().chain(refused.iter()).any(|name| names(name, &entry.key)) {
                let path = joined(&self.at.path, &entry.key);
                let message = unknown_field(&entry.key, &asked);
                self.faulty.set(Some(self.at.report.add(&path, entry.mark, message)));
            }
        }
        match self.faulty.get() {
            None => Ok(()),
            Some(reported) => Err(reported),
        }
    }

    /// Where the message stands, to report what concerns it as a whole.
    pub(in crate::config) fn at(&self) -> &'m At<'a> {
        self.at
    }

    /// The field, if it is there and not null.
    pub(in crate::config) fn field(&self, name: &'static str) -> Option<At<'a>> {
        if !self.asked.borrow().contains(&name) {
            self.asked.borrow_mut().push(name);
        }
        self.find(name)
    }

    fn find(&self, name: &'static str) -> Option<At<'a>> {
        let mut found: Option<&Entry> = None;
        for entry in self.entries.iter().filter(|entry| names(name, &entry.key)) {
            if found.is_some() {
                let path = joined(&self.at.path, &entry.key);
                let message = format!("the same field as `{name}`, given twice");
                self.faulty.set(Some(self.at.report.add(&path, entry.mark, message)));
            }
            found = Some(entry);
        }
        let entry = found.filter(|entry| !entry.value.is_null())?;
        Some(At {
            node: &entry.value,
            // A list or map starts below its key; the key's line is the one a reader looks for.
            mark: entry.mark,
            path: joined(&self.at.path, &entry.key),
            report: self.at.report,
        })
    }

    pub(in crate::config) fn optional<T>(
        &self,
        name: &'static str,
        read: impl FnOnce(&At<'a>) -> Read<T>,
    ) -> Read<Option<T>> {
        self.field(name).map(|at| read(&at)).transpose()
    }

    pub(in crate::config) fn required<T>(
        &self,
        name: &'static str,
        read: impl FnOnce(&At<'a>) -> Read<T>,
    ) -> Read<T> {
        match self.field(name) {
            Some(at) => read(&at),
            None => Err(self.at.refuse(format_args!("`{name}` is missing"))),
        }
    }

    pub(in crate::config) fn or<T>(
        &self,
        name: &'static str,
        absent: T,
        read: impl FnOnce(&At<'a>) -> Read<T>,
    ) -> Read<T> {
        self.field(name).map_or(Ok(absent), |at| read(&at))
    }

    /// A repeated field; absent is empty.
    pub(in crate::config) fn list<T>(
        &self,
        name: &'static str,
        read: impl Fn(&At<'a>) -> Read<T>,
    ) -> Read<Vec<T>> {
        self.or(name, Vec::new(), |at| at.list(read))
    }

    /// A field that Envoy has and we refuse, with the reason and what to do instead.
    pub(in crate::config) fn refuse(&self, name: &'static str, why: &str) {
        self.refused.borrow_mut().push(name);
        if let Some(at) = self.find(name) {
            self.faulty.set(Some(at.refuse(format_args!("not supported: {why}"))));
        }
    }

    /// A field of which only one value makes sense here; it is accepted and means nothing.
    pub(in crate::config) fn only(&self, name: &'static str, value: bool, why: &str) -> Read<()> {
        let given = self.optional(name, At::bool)?;
        match (given, self.field(name)) {
            (Some(given), Some(at)) if given != value => {
                Err(at.refuse(format_args!("only `{value}` is supported: {why}")))
            }
            _ => Ok(()),
        }
    }

    /// At most one of the fields of a protobuf `oneof`.
    pub(in crate::config) fn at_most_one(&self, fields: &[&'static str]) -> Read<Option<&'static str>> {
        let given: Vec<&'static str> =
            fields.iter().copied().filter(|name| self.field(name).is_some()).collect();
        match given.as_slice() {
            [] => Ok(None),
            [one] => Ok(Some(one)),
            several => {
                Err(self.at.refuse(format_args!("only one of `{}` may be given", several.join("`, `"))))
            }
        }
    }

    /// Exactly one of the fields of a protobuf `oneof`.
    pub(in crate::config) fn exactly_one(&self, fields: &[&'static str]) -> Read<&'static str> {
        match self.at_most_one(fields)? {
            Some(name) => Ok(name),
            None => Err(self.at.refuse(format_args!("one of `{}` is needed", fields.join("`, `")))),
        }
    }

    /// A single fault for the message as a whole, reported at one of its fields.
    pub(in crate::config) fn refuse_at(&self, name: &'static str, message: &str) -> Reported {
        match self.field(name) {
            Some(at) => at.refuse(message),
            None => self.at.refuse(message),
        }
    }
}

/// Whether `key` spells the field `name`: as it is, or in lowerCamelCase.
fn names(name: &str, key: &str) -> bool {
    if name == key {
        return true;
    }
    let mut key = key.chars();
    let mut upper = false;
    for c in name.chars() {
        if c == '_' {
            upper = true;
            continue;
        }
        let c = if upper { c.to_ascii_uppercase() } else { c };
        upper = false;
        if key.next() != Some(c) {
            return false;
        }
    }
    key.next().is_none()
}

fn unknown_field(key: &str, supported: &[&'static str]) -> String {
    let mut sorted: Vec<&str> = supported.iter().copied().filter(|name| *name != "@type").collect();
    sorted.sort_unstable();
    let near = sorted
        .iter()
        .map(|name| (distance(name, key), *name))
        .min()
        .filter(|(distance, name)| *distance <= 1 + name.len() / 4);
    let mut message = String::from("unknown or unsupported field");
    if let Some((_, name)) = near {
        message.push_str(&format!("; did you mean `{name}`"));
    }
    if sorted.is_empty() {
        message.push_str("; no fields are supported here");
    } else {
        message.push_str(&format!("; supported here: {}", sorted.join(", ")));
    }
    message
}

/// Edit distance (Levenshtein), on one row.
fn distance(a: &str, b: &str) -> usize {
    // A key as long as this is no misspelling, and comparing it would cost.
    if b.len() > 64 {
        return usize::MAX;
    }
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replace = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = replace.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}
