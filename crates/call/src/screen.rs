//! What a person, or a program behind a pipe, gets to see.

use std::fmt::{self, Write as _};
use std::io::{self, IsTerminal as _, Write as _};

use http::{HeaderMap, Request};
use landbridge_client::Head;

use crate::failure::Failure;
use crate::layout;

/// Standard output, for documents, and standard error, for all else.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Screen {
    /// Whether people read the documents.
    indented: bool,
    verbose: bool,
}

impl Screen {
    pub(crate) fn new(verbose: bool) -> Self {
        Self { indented: io::stdout().is_terminal(), verbose }
    }

    /// Prints a document. Waits for whoever reads it.
    ///
    /// # Errors
    /// Where nobody does.
    pub(crate) fn document(self, json: &str) -> Result<(), Failure> {
        let mut text = if self.indented { layout::indented(json) } else { layout::one_line(json) };
        text.push('\n');
        self.text(&text)
    }

    /// Prints text as it is.
    ///
    /// # Errors
    /// As [`document`](Self::document).
    pub(crate) fn text(self, text: &str) -> Result<(), Failure> {
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(|error| match error.kind() {
            io::ErrorKind::BrokenPipe => Failure::OutputClosed,
            _ => Failure::Unable(format!("standard output: {error}")),
        })
    }

    pub(crate) fn request(self, head: &Request<()>) {
        if self.verbose {
            let mut text = format!("> {} {}\n", head.method(), head.uri());
            lines(&mut text, "> ", head.headers());
            say(&(text + ">\n"));
        }
    }

    pub(crate) fn head(self, head: &Head) {
        if self.verbose {
            let mut text = format!("< HTTP {}\n", head.status);
            lines(&mut text, "< ", &head.metadata);
            say(&(text + "<\n"));
        }
    }

    pub(crate) fn trailers(self, trailers: &HeaderMap) {
        if self.verbose && !trailers.is_empty() {
            let mut text = String::new();
            lines(&mut text, "< ", trailers);
            say(&text);
        }
    }

    /// What happens beside the call.
    pub(crate) fn note(self, note: fmt::Arguments<'_>) {
        if self.verbose {
            say(&format!("* {}\n", printable(&note.to_string())));
        }
    }

    /// A problem that stops nothing.
    pub(crate) fn warning(self, problem: fmt::Arguments<'_>) {
        say(&format!("landbridge call: {}\n", printable(&problem.to_string())));
    }

    /// Prints why there is no good answer, and returns the exit status.
    pub(crate) fn failure(self, failure: &Failure) -> u8 {
        match failure {
            Failure::Given(text) | Failure::Unable(text) => self.warning(format_args!("{text}")),
            Failure::Rpc { code, message, details, hint } => {
                let mut text = format!("{code}: {}\n", printable(message));
                for (name, content) in details {
                    let _written = writeln!(text, "  {}: {}", printable(name), printable(content));
                }
                say(&text);
                if let Some(hint) = hint {
                    self.warning(format_args!("{hint}"));
                }
            }
            Failure::OutputClosed => {}
        }
        failure.status()
    }
}

fn say(text: &str) {
    // Standard error may be closed; there is nobody else to tell.
    let _written = io::stderr().write_all(text.as_bytes());
}

fn lines(text: &mut String, before: &str, headers: &HeaderMap) {
    for (name, value) in headers {
        let value = String::from_utf8_lossy(value.as_bytes());
        let _written = writeln!(text, "{before}{name}: {}", printable(&value));
    }
}

/// A server's text, without what would have a terminal do things.
fn printable(text: &str) -> String {
    let mut printable = String::with_capacity(text.len());
    for letter in text.chars() {
        if letter.is_control() && !matches!(letter, '\n' | '\t') {
            printable.extend(letter.escape_default());
        } else {
            printable.push(letter);
        }
    }
    printable
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_servers_text_cannot_steer_the_terminal() {
        assert_eq!(printable("a\nb\tc"), "a\nb\tc");
        assert_eq!(printable("\x1b[2J\r\u{9b}é"), "\\u{1b}[2J\\r\\u{9b}é");
    }
}
