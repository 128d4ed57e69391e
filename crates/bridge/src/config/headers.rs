//! Headers that a configuration adds and removes.

use http::HeaderName;
use landbridge_wire::metadata::is_of_the_connection;

use super::format::Format;
use super::reader::{At, Message, Read};

/// One change of a head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeaderChange {
    /// Removes every value.
    Remove(HeaderName),
    /// Adds or replaces.
    Set {
        /// The header; never one the bridge itself writes (see [`HeaderChanges`]).
        name: HeaderName,
        /// Its value.
        value: Format,
        /// What to do with values that are there.
        action: AppendAction,
        /// Sets the header even where the value comes out empty.
        keep_empty: bool,
    },
}

/// What to do when the header exists already (Envoy's `append_action`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AppendAction {
    /// Adds a further value.
    Append,
    /// Leaves it as it is.
    AddIfAbsent,
    /// Replaces all values, or adds one.
    Overwrite,
    /// Replaces all values, but adds none.
    OverwriteIfExists,
}

/// Changes of the request head (sent upstream) and of the response head (sent to the client), in the order to apply them.
///
/// Headers that carry the RPC protocols or the framing of HTTP (`grpc-*`, `connect-*`, `content-type`, `te`, ...) are
/// the bridge's own and refused here.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HeaderChanges {
    /// For the request.
    pub request: Vec<HeaderChange>,
    /// For the response.
    pub response: Vec<HeaderChange>,
}

impl HeaderChanges {
    /// Whether there is nothing to change.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.request.is_empty() && self.response.is_empty()
    }

    /// Reads the four `*_headers_to_*` fields of a message. Removals come before additions, as in Envoy.
    pub(super) fn read(message: &Message<'_, '_>) -> Read<Self> {
        let request_remove = message.list("request_headers_to_remove", read_removal);
        let request_add = message.list("request_headers_to_add", read_addition);
        let response_remove = message.list("response_headers_to_remove", read_removal);
        let response_add = message.list("response_headers_to_add", read_addition);
        let (mut request, mut response) = (request_remove?, response_remove?);
        request.extend(request_add?);
        response.extend(response_add?);
        Ok(Self { request, response })
    }

    /// These changes, then `next`.
    pub(super) fn then(&self, next: &Self) -> Self {
        Self {
            request: [self.request.as_slice(), &next.request].concat(),
            response: [self.response.as_slice(), &next.response].concat(),
        }
    }
}

fn read_removal(at: &At<'_>) -> Read<HeaderChange> {
    changeable(at).map(HeaderChange::Remove)
}

/// Envoy's `HeaderValueOption`.
fn read_addition(at: &At<'_>) -> Read<HeaderChange> {
    at.message(|option| {
        let header = option.required("header", |at| {
            at.message(|header| {
                let name = header.required("key", changeable);
                let value = header.required("value", Format::read_header_value);
                header.refuse("raw_value", "use `value`");
                Ok((name?, value?))
            })
        });
        let action = option.optional("append_action", |at| {
            at.choice(&[
                ("APPEND_IF_EXISTS_OR_ADD", 0, AppendAction::Append),
                ("ADD_IF_ABSENT", 1, AppendAction::AddIfAbsent),
                ("OVERWRITE_IF_EXISTS_OR_ADD", 2, AppendAction::Overwrite),
                ("OVERWRITE_IF_EXISTS", 3, AppendAction::OverwriteIfExists),
            ])
        });
        // The field `append_action` took the place of; true by default.
        let append = option.optional("append", At::bool);
        let keep_empty = option.or("keep_empty_value", false, At::bool);
        let one = option.at_most_one(&["append_action", "append"]);
        let (name, value) = header?;
        let append = append?.unwrap_or(true);
        one?;
        Ok(HeaderChange::Set {
            name,
            value,
            action: action?.unwrap_or(if append { AppendAction::Append } else { AppendAction::Overwrite }),
            keep_empty: keep_empty?,
        })
    })
}

fn changeable(at: &At<'_>) -> Read<HeaderName> {
    let name = at.header_name()?;
    if is_ours(&name) {
        return Err(at.refuse(format_args!(
            "`{name}` belongs to HTTP or to the RPC protocols, and the bridge writes it; it cannot be changed here"
        )));
    }
    Ok(name)
}

/// Not what `wire` keeps from being metadata (`is_reserved`): these are heads of HTTP, where a file may well say
/// `date`, and where every name of a protocol is kept back, also those that gRPC leaves to applications.
fn is_ours(name: &HeaderName) -> bool {
    let name = name.as_str();
    let of_the_message = ["content-encoding", "content-length", "content-type", "host", "trailer"];
    is_of_the_connection(name)
        || of_the_message.contains(&name)
        || name.starts_with("grpc-")
        || name.starts_with("connect-")
}
