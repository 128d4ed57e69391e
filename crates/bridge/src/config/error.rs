//! What is wrong with a configuration: every fault, where it is, and what would be right.

use std::fmt;

/// How many faults are listed before the rest are only counted.
const LISTED: usize = 64;

/// Everything found wrong in one configuration file, in the order of its lines.
///
/// Never empty. Prints one line a fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ConfigErrors {
    errors: Vec<ConfigError>,
    unlisted: usize,
}

impl ConfigErrors {
    /// The faults, first line first. At most 64; [`Self::unlisted`] counts the others.
    #[must_use]
    pub fn as_slice(&self) -> &[ConfigError] {
        &self.errors
    }

    /// How many more faults there are than [`Self::as_slice`] lists.
    #[must_use]
    pub fn unlisted(&self) -> usize {
        self.unlisted
    }

    pub(super) fn one(error: ConfigError) -> Self {
        Self { errors: vec![error], unlisted: 0 }
    }

    /// `None` when nothing was found.
    pub(super) fn from_found(mut errors: Vec<ConfigError>) -> Option<Self> {
        if errors.is_empty() {
            return None;
        }
        errors.sort_by_key(|error| (error.line, error.column));
        errors.dedup();
        let unlisted = errors.len().saturating_sub(LISTED);
        errors.truncate(LISTED);
        Some(Self { errors, unlisted })
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.errors.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            error.fmt(f)?;
        }
        if self.unlisted > 0 {
            write!(f, "\nand {} more", self.unlisted)?;
        }
        Ok(())
    }
}

/// One fault of a configuration file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// The full path of the field, such as `static_resources.listeners[0].address`. Empty for the file as a whole.
    pub path: String,
    /// Line in the text, from 1.
    pub line: usize,
    /// Column in the line, in characters, from 1.
    pub column: usize,
    /// What is wrong, and what is supported there.
    pub message: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: ", self.line, self.column)?;
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)
    }
}
