//! Names that applications give to codecs and compressions of their own.

use std::sync::{PoisonError, RwLock};

/// Names of one kind, each kept for the life of the process. Requests are only looked up in it, so it is as large as
/// what the applications of the process have registered.
#[derive(Debug)]
pub(crate) struct Names(RwLock<Vec<&'static str>>);

impl Names {
    pub(crate) const fn new() -> Self {
        Self(RwLock::new(Vec::new()))
    }

    /// The name as it was registered, however it is written in a message.
    pub(crate) fn find(&self, name: &str) -> Option<&'static str> {
        let names = self.0.read().unwrap_or_else(PoisonError::into_inner);
        names.iter().copied().find(|known| known.eq_ignore_ascii_case(name))
    }

    /// Keeps a name, in lower case. None where it cannot stand in a header (RFC 9110 section 5.6.2, token).
    pub(crate) fn register(&self, name: &str) -> Option<&'static str> {
        if let Some(known) = self.find(name) {
            return Some(known);
        }
        let is_token = !name.is_empty()
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*.^_`|~-".contains(&byte));
        if !is_token {
            return None;
        }
        let kept: &'static str = Box::leak(name.to_ascii_lowercase().into_boxed_str());
        self.0.write().unwrap_or_else(PoisonError::into_inner).push(kept);
        Some(kept)
    }
}
