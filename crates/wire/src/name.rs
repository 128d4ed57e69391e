//! Names that applications give to codecs and compressions of their own.

use std::sync::{PoisonError, RwLock};

/// A name, by its place among those of its kind: small, because every call holds a handful of codecs and compressions.
/// It means nothing among those of another kind, so each kind wraps it in a type of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Name(u16);

/// Names of one kind, each kept for the life of the process. Requests are only looked up in it, so it is as large as
/// what the applications of the process have registered.
#[derive(Debug)]
pub(crate) struct Names(RwLock<Vec<&'static str>>);

impl Names {
    pub(crate) const fn new() -> Self {
        Self(RwLock::new(Vec::new()))
    }

    /// The name that was registered, however it is written in a message.
    pub(crate) fn find(&self, name: &str) -> Option<Name> {
        let names = self.0.read().unwrap_or_else(PoisonError::into_inner);
        place_of(name, &names)
    }

    /// Keeps a name, in lower case. None where it cannot stand in a header (RFC 9110 section 5.6.2, token), and for the
    /// one after 65,536 others.
    ///
    /// A token may hold `+` as well. In content-types that is what the codec's name comes behind, so no name has it.
    pub(crate) fn register(&self, name: &str) -> Option<Name> {
        let is_token = !name.is_empty()
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*.^_`|~-".contains(&byte));
        if !is_token {
            return None;
        }
        let mut names = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = place_of(name, &names) {
            return Some(known);
        }
        let place = u16::try_from(names.len()).ok()?;
        names.push(Box::leak(name.to_ascii_lowercase().into_boxed_str()));
        Some(Name(place))
    }

    /// A name of this kind as it was registered.
    pub(crate) fn text(&self, Name(place): Name) -> &'static str {
        let names = self.0.read().unwrap_or_else(PoisonError::into_inner);
        // Names are never taken out again.
        names.get(usize::from(place)).copied().unwrap_or_default()
    }
}

fn place_of(name: &str, names: &[&'static str]) -> Option<Name> {
    let place = names.iter().position(|known| known.eq_ignore_ascii_case(name))?;
    u16::try_from(place).ok().map(Name)
}
