//! Which pages of other origins may call from browsers.

use http::HeaderMap;
use landbridge_wire::cors::{CrossOrigin, Grants};

/// Whose pages may call, and with what.
#[derive(Clone, Debug)]
pub(crate) struct Cors {
    /// None: those of every origin.
    pub(crate) origins: Option<Vec<String>>,
    pub(crate) grants: Grants,
}

impl Cors {
    pub(super) fn of(&self, headers: &HeaderMap) -> CrossOrigin<'_> {
        CrossOrigin::of(&self.grants, headers, |origin| {
            self.origins.as_ref().is_none_or(|origins| origins.iter().any(|allowed| allowed == origin))
        })
    }
}
