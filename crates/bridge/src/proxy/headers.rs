//! What the file adds to heads and takes from them, and what no caller may set.

use http::{HeaderMap, HeaderName, HeaderValue, header};

use landbridge_wire::cors::CrossOrigin;

use super::facts::{Facts, Moment};
use super::record::Record;
use crate::config::{AppendAction, Format, HeaderChange, ServerHeader};

/// Removes what only a proxy in front of the server may say.
pub(super) fn strip_untrusted(headers: &mut HeaderMap) {
    let names: Vec<HeaderName> =
        headers.keys().filter(|name| name.as_str().starts_with("x-envoy-")).cloned().collect();
    for name in names {
        headers.remove(name);
    }
}

/// Applies the changes of a route to a request, in their order.
pub(super) fn change_request(changes: &[HeaderChange], headers: &mut HeaderMap, facts: &Facts<'_>) {
    change(changes, headers, |value, headers| facts.render(value, Moment::Request(headers)));
}

fn change(changes: &[HeaderChange], headers: &mut HeaderMap, text: impl Fn(&Format, &HeaderMap) -> String) {
    for change in changes {
        match change {
            HeaderChange::Remove(name) => {
                headers.remove(name);
            }
            HeaderChange::Set { name, value, action, keep_empty } => {
                let text = text(value, headers);
                // What a value names may hold bytes that no header can; then there is nothing to set.
                let Ok(value) = HeaderValue::from_str(&text) else { continue };
                if value.is_empty() && !keep_empty {
                    continue;
                }
                set(headers, name, value, *action);
            }
        }
    }
}

fn set(headers: &mut HeaderMap, name: &HeaderName, value: HeaderValue, action: AppendAction) {
    let exists = headers.contains_key(name);
    match action {
        AppendAction::Append => {
            headers.append(name, value);
        }
        AppendAction::AddIfAbsent if exists => {}
        AppendAction::OverwriteIfExists if !exists => {}
        AppendAction::AddIfAbsent | AppendAction::Overwrite | AppendAction::OverwriteIfExists => {
            headers.insert(name, value);
        }
    }
}

/// What is added to the head of every response of one request.
#[derive(Debug)]
pub(crate) struct ResponseHeaders<'a> {
    pub(super) changes: &'a [HeaderChange],
    pub(super) cors: Option<CrossOrigin<'a>>,
    pub(super) server: &'a ServerHeader,
}

impl ResponseHeaders<'_> {
    /// Adds it. The record has the facts whenever there are changes.
    pub(crate) fn apply(&self, headers: &mut HeaderMap, record: &Record<'_>) {
        match self.server {
            ServerHeader::PassThrough => {}
            ServerHeader::Overwrite(name) => {
                headers.insert(header::SERVER, name.clone());
            }
            ServerHeader::AppendIfAbsent(name) => {
                headers.entry(header::SERVER).or_insert_with(|| name.clone());
            }
        }
        if let Some(facts) = record.facts() {
            change(self.changes, headers, |value, headers| facts.render(value, Moment::Response(headers)));
        }
        if let Some(cors) = &self.cors {
            cors.expose(headers);
        }
    }
}
