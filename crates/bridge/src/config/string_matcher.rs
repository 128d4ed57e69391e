//! Envoy's `StringMatcher` and `RegexMatcher`.

use regex::{Regex, RegexBuilder};

use super::reader::{At, Message, Read};

/// A test of a text.
#[derive(Debug, Clone)]
pub enum StringMatcher {
    /// The whole text is equal.
    Exact(Pattern),
    /// The text starts with this.
    Prefix(Pattern),
    /// The text ends with this.
    Suffix(Pattern),
    /// The text has this somewhere.
    Contains(Pattern),
    /// The whole text matches the expression.
    Regex(FullMatch),
}

/// A literal, and whether the case of ASCII letters counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    /// The literal.
    pub text: String,
    /// Whether `A` equals `a`.
    pub ignore_case: bool,
}

/// Case counts.
impl From<String> for Pattern {
    fn from(text: String) -> Self {
        Self { text, ignore_case: false }
    }
}

impl Pattern {
    fn at_start_of(&self, text: &[u8]) -> bool {
        let literal = self.text.as_bytes();
        text.get(..literal.len()).is_some_and(|head| self.equals(head))
    }

    fn at_end_of(&self, text: &[u8]) -> bool {
        let literal = self.text.as_bytes();
        text.len().checked_sub(literal.len()).is_some_and(|start| self.equals(&text[start..]))
    }

    fn within(&self, text: &[u8]) -> bool {
        self.text.is_empty() || text.windows(self.text.len()).any(|window| self.equals(window))
    }

    fn equals(&self, text: &[u8]) -> bool {
        if self.ignore_case {
            text.eq_ignore_ascii_case(self.text.as_bytes())
        } else {
            text == self.text.as_bytes()
        }
    }
}

impl StringMatcher {
    /// Matches the one text `text`.
    #[must_use]
    pub fn exact(text: impl Into<String>) -> Self {
        Self::Exact(text.into().into())
    }

    /// Whether `text` passes the test.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        let bytes = text.as_bytes();
        match self {
            Self::Exact(pattern) => pattern.equals(bytes),
            Self::Prefix(pattern) => pattern.at_start_of(bytes),
            Self::Suffix(pattern) => pattern.at_end_of(bytes),
            Self::Contains(pattern) => pattern.within(bytes),
            Self::Regex(regex) => regex.matches(text),
        }
    }

    /// The only text that passes, if there is only one.
    #[must_use]
    pub fn exact_text(&self) -> Option<&str> {
        match self {
            Self::Exact(Pattern { text, ignore_case: false }) => Some(text),
            _ => None,
        }
    }

    pub(super) fn read(at: &At<'_>) -> Read<Self> {
        at.message(|matcher| {
            let kind = matcher.exactly_one(&["exact", "prefix", "suffix", "contains", "safe_regex"]);
            let ignore_case = matcher.or("ignore_case", false, At::bool);
            matcher.refuse("custom", "use `safe_regex`");
            let exact = matcher.optional("exact", At::string);
            let rest: Vec<_> = ["prefix", "suffix", "contains"]
                .into_iter()
                .map(|name| matcher.optional(name, |at| at.name().map(str::to_owned)))
                .collect();
            let regex = matcher.optional("safe_regex", FullMatch::read);
            let (kind, ignore_case, exact, regex) = (kind?, ignore_case?, exact?, regex?);
            if let Some(regex) = regex {
                if ignore_case {
                    return Err(matcher
                        .refuse_at("ignore_case", "has no effect on a regex; start the regex with (?i)"));
                }
                return Ok(Self::Regex(regex));
            }
            let rest: Option<String> =
                rest.into_iter().collect::<Read<Vec<_>>>()?.into_iter().flatten().next();
            let text = exact.or(rest).unwrap_or_default();
            let pattern = Pattern { text, ignore_case };
            Ok(match kind {
                "prefix" => Self::Prefix(pattern),
                "suffix" => Self::Suffix(pattern),
                "contains" => Self::Contains(pattern),
                _ => Self::Exact(pattern),
            })
        })
    }
}

/// An expression that must match a whole text. It runs in time linear in the text.
#[derive(Debug, Clone)]
pub struct FullMatch(Regex);

impl FullMatch {
    /// Whether the whole of `text` matches.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        self.0.is_match(text)
    }

    /// Envoy's `RegexMatcher`.
    pub(super) fn read(at: &At<'_>) -> Read<Self> {
        at.message(|matcher| Ok(Self(compile(matcher, |regex| format!("^(?:{regex})$"))?)))
    }
}

/// An expression that finds every place it matches.
#[derive(Debug, Clone)]
pub(super) struct Search(pub(super) Regex);

impl Search {
    pub(super) fn read(at: &At<'_>) -> Read<Self> {
        at.message(|matcher| Ok(Self(compile(matcher, str::to_owned)?)))
    }
}

fn compile(matcher: &Message<'_, '_>, frame: impl FnOnce(&str) -> String) -> Read<Regex> {
    // The engine is linear as RE2 is; `google_re2` only names it.
    let engine = matcher
        .optional("google_re2", |at| at.message(|re2| re2.optional("max_program_size", At::u32).map(drop)));
    let regex = matcher.required("regex", |at| {
        let text = at.name()?;
        // The expression by itself first, so that `a)|(b` is no way out of the frame.
        let own = RegexBuilder::new(text).size_limit(1 << 20).build();
        let framed = own.and_then(|_| RegexBuilder::new(&frame(text)).size_limit(1 << 20).build());
        framed.map_err(|error| {
            let reason = error.to_string();
            let last = reason.lines().last().unwrap_or_default().trim_start_matches("error: ");
            at.refuse(format_args!("not a regular expression: {last}"))
        })
    });
    engine?;
    regex
}
