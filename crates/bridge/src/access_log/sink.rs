//! Where lines go: a file or a standard stream.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::config::AccessLogSink;

/// Why an access log cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum OpenLogError {
    /// The file cannot be opened.
    #[error("the access log {} cannot be opened: {source}", path.display())]
    File {
        /// The path, as the file has it.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The system gives no thread or signal.
    #[error("access logs cannot be written: {0}")]
    System(#[from] io::Error),
}

/// An open sink, and what has not been written to it yet.
#[derive(Debug)]
pub(super) struct Sink {
    target: Target,
    waiting: Vec<u8>,
    /// The last write failed; it is reported once, not for each.
    failing: bool,
}

#[derive(Debug)]
enum Target {
    File { path: PathBuf, file: File },
    Stdout,
    Stderr,
}

impl Sink {
    pub(super) fn open(place: &AccessLogSink) -> Result<Self, OpenLogError> {
        let target = match place {
            AccessLogSink::File(path) => {
                let file =
                    append_to(path).map_err(|source| OpenLogError::File { path: path.clone(), source })?;
                Target::File { path: path.clone(), file }
            }
            AccessLogSink::Stdout => Target::Stdout,
            AccessLogSink::Stderr => Target::Stderr,
        };
        Ok(Self { target, waiting: Vec::new(), failing: false })
    }

    pub(super) fn add(&mut self, line: &str) {
        self.waiting.extend_from_slice(line.as_bytes());
    }

    /// Writes what waits; none if nothing does. What cannot be written is lost.
    pub(super) fn flush(&mut self) -> Option<io::Result<()>> {
        if self.waiting.is_empty() {
            return None;
        }
        let written = match &mut self.target {
            Target::File { file, .. } => file.write_all(&self.waiting),
            Target::Stdout => whole(&mut io::stdout().lock(), &self.waiting),
            Target::Stderr => whole(&mut io::stderr().lock(), &self.waiting),
        };
        self.waiting.clear();
        if let Err(error) = &written
            && !self.failing
        {
            tracing::error!(log = %self, %error, "the access log cannot be written; lines are lost");
        }
        self.failing = written.is_err();
        Some(written)
    }

    /// Opens a file anew by its path, after somebody has moved the old one away. Where that fails the old one is kept.
    pub(super) fn reopen(&mut self) -> io::Result<()> {
        if let Target::File { path, file } = &mut self.target {
            *file = append_to(path)?;
        }
        Ok(())
    }
}

impl std::fmt::Display for Sink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.target {
            Target::File { path, .. } => path.display().fmt(f),
            Target::Stdout => f.write_str("standard output"),
            Target::Stderr => f.write_str("standard error"),
        }
    }
}

fn append_to(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).open(path)
}

fn whole(stream: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
    stream.write_all(bytes)?;
    stream.flush()
}
