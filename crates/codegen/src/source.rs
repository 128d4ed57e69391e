//! Indented text.

/// Python source, line by line.
#[derive(Debug, Default)]
pub(crate) struct Source {
    text: String,
    depth: usize,
}

impl Source {
    pub(crate) fn line(&mut self, line: &str) {
        if !line.is_empty() {
            self.text.extend(std::iter::repeat_n("    ", self.depth));
            self.text.push_str(line);
        }
        self.text.push('\n');
    }

    pub(crate) fn blank(&mut self, lines: usize) {
        self.text.extend(std::iter::repeat_n('\n', lines));
    }

    /// What `inside` writes stands one step further in.
    pub(crate) fn indented(&mut self, inside: impl FnOnce(&mut Self)) {
        self.deeper();
        inside(self);
        self.shallower();
    }

    /// What comes stands one step further in, until `shallower`.
    pub(crate) fn deeper(&mut self) {
        self.depth += 1;
    }

    /// Ends what `deeper` began.
    pub(crate) fn shallower(&mut self) {
        self.depth = self.depth.saturating_sub(1);
    }

    /// A docstring of these lines.
    pub(crate) fn docstring(&mut self, lines: &[String]) {
        let lines: Vec<String> = lines.iter().map(|line| escaped(line)).collect();
        match lines.as_slice() {
            [] => {}
            // A quote at the end would run into those that close.
            [only] if !only.ends_with('"') => self.line(&format!("\"\"\"{only}\"\"\"")),
            [first, rest @ ..] => {
                self.line(&format!("\"\"\"{first}"));
                rest.iter().for_each(|line| self.line(line));
                self.line("\"\"\"");
            }
        }
    }

    pub(crate) fn into_text(self) -> String {
        self.text
    }
}

/// Text within three quotes.
fn escaped(text: &str) -> String {
    one_line(text).replace('\\', "\\\\").replace("\"\"\"", "\\\"\\\"\\\"")
}

/// Text without what would end a line, or the file.
pub(crate) fn one_line(text: &str) -> String {
    text.replace(|letter: char| letter.is_control() && letter != '\t', " ")
}

/// A string literal.
pub(crate) fn literal(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_cannot_end_their_docstring() {
        let mut source = Source::default();
        source.docstring(&[r#"a """ and \n "quoted""#.to_owned(), "b".to_owned()]);
        source.docstring(&[r#"ends in "quotes""#.to_owned()]);
        let expected =
            "\"\"\"a \\\"\\\"\\\" and \\\\n \"quoted\"\nb\n\"\"\"\n\"\"\"ends in \"quotes\"\n\"\"\"\n";
        assert_eq!(source.into_text(), expected);
    }
}
