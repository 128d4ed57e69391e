//! The query of an admin request.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use super::Refusal;

/// Parameters, decoded, in the order they came.
pub(super) struct Query<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'a> Query<'a> {
    pub(super) fn parse(query: &'a str) -> Self {
        let decode = |text| percent_decode_str(text).decode_utf8_lossy();
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        let pairs = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        Self(pairs.map(|(name, value)| (decode(name), decode(value))).collect())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The first value of a parameter; empty for a parameter without one.
    pub(super) fn value(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(found, _)| found == name);
        found.map(|(_, value)| value.as_ref())
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.value(name).is_some()
    }

    /// All parameters.
    pub(super) fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_ref(), value.as_ref()))
    }

    /// A parameter that is a regular expression.
    pub(super) fn regex(&self, name: &str) -> Result<Option<regex::Regex>, Refusal> {
        let Some(text) = self.value(name) else {
            return Ok(None);
        };
        let regex = regex::RegexBuilder::new(text).size_limit(1 << 20).build();
        regex.map(Some).map_err(|error| {
            let reason = error.to_string();
            let last = reason.lines().last().unwrap_or_default().trim_start_matches("error: ");
            Refusal::bad_request(format_args!("Invalid regex in `{name}`: {last}: {text}"))
        })
    }

    /// Whether `format=json` is asked for; anything but text and JSON is refused.
    pub(super) fn wants_json(&self) -> Result<bool, Refusal> {
        match self.value("format") {
            None | Some("text") => Ok(false),
            Some("json") => Ok(true),
            Some(other) => {
                Err(Refusal::bad_request(format_args!("format `{other}` is not supported; use text or json")))
            }
        }
    }
}
