//! Envoy's `HeaderMatcher`.

use std::ops::Range;

use super::RouteRequest;
use crate::config::format::FieldName;
use crate::config::reader::{At, Read};
use crate::config::string_matcher::{FullMatch, StringMatcher};

/// A test of one header. Where it has several values, one that passes is enough; `invert` then takes the opposite.
#[derive(Debug, Clone)]
pub struct HeaderMatcher {
    /// The header, or a pseudo-header.
    pub name: FieldName,
    /// The test.
    pub test: HeaderTest,
    /// Takes the opposite. A test of a value that is missing fails either way.
    pub invert: bool,
    /// Tests a missing header as if it were empty.
    pub missing_is_empty: bool,
}

/// What is tested.
#[derive(Debug, Clone)]
pub enum HeaderTest {
    /// The header is there, or (`false`) is not.
    Present(bool),
    /// A test of its value.
    Value(StringMatcher),
    /// The value is a whole number in this range.
    Range(Range<i64>),
}

impl HeaderTest {
    /// Of one value.
    fn passes(&self, value: &str) -> bool {
        match self {
            Self::Present(_) => true,
            Self::Value(matcher) => matcher.matches(value),
            Self::Range(range) => value.parse().is_ok_and(|number| range.contains(&number)),
        }
    }
}

impl HeaderMatcher {
    /// Whether the request passes.
    #[must_use]
    pub fn matches(&self, request: &RouteRequest<'_>) -> bool {
        let mut present = false;
        let mut passes = false;
        self.each_value(request, |value| {
            present = true;
            passes |= self.test.passes(value);
        });
        if !present && self.missing_is_empty {
            present = true;
            passes = self.test.passes("");
        }
        match self.test {
            HeaderTest::Present(expected) => (present == expected) != self.invert,
            HeaderTest::Value(_) | HeaderTest::Range(_) => present && passes != self.invert,
        }
    }

    fn each_value(&self, request: &RouteRequest<'_>, mut take: impl FnMut(&str)) {
        match &self.name {
            FieldName::Method => take(request.method.as_str()),
            FieldName::Path => take(request.path),
            FieldName::Authority => take(request.host),
            // The reader lets no test of it pass.
            FieldName::Scheme => {}
            FieldName::Header(name) => {
                for value in request.headers.get_all(name) {
                    take(&String::from_utf8_lossy(value.as_bytes()));
                }
            }
        }
    }

    pub(super) fn read(at: &At<'_>) -> Read<Self> {
        at.message(|matcher| {
            let name = matcher.required("name", field_name);
            let test = matcher.at_most_one(&[
                "string_match",
                "exact_match",
                "prefix_match",
                "suffix_match",
                "contains_match",
                "safe_regex_match",
                "present_match",
                "range_match",
            ]);
            // The older spellings of `string_match` mean the same and are still common.
            let literal = |name, kind: fn(String) -> StringMatcher| {
                matcher.optional(name, |at| Ok(HeaderTest::Value(kind(at.name()?.to_owned()))))
            };
            let tests = [
                matcher.optional("string_match", |at| StringMatcher::read(at).map(HeaderTest::Value)),
                literal("exact_match", |text| StringMatcher::Exact(text.into())),
                literal("prefix_match", |text| StringMatcher::Prefix(text.into())),
                literal("suffix_match", |text| StringMatcher::Suffix(text.into())),
                literal("contains_match", |text| StringMatcher::Contains(text.into())),
                matcher.optional("safe_regex_match", |at| {
                    FullMatch::read(at).map(|regex| HeaderTest::Value(StringMatcher::Regex(regex)))
                }),
                matcher.optional("present_match", |at| at.bool().map(HeaderTest::Present)),
                matcher.optional("range_match", |at| read_range(at).map(HeaderTest::Range)),
            ];
            let invert = matcher.or("invert_match", false, At::bool);
            let missing_is_empty = matcher.or("treat_missing_header_as_empty", false, At::bool);
            test?;
            let tests: Vec<_> = tests.into_iter().collect::<Read<_>>()?;
            Ok(Self {
                name: name?,
                // Envoy's meaning of a matcher that names a header and nothing else.
                test: tests.into_iter().flatten().next().unwrap_or(HeaderTest::Present(true)),
                invert: invert?,
                missing_is_empty: missing_is_empty?,
            })
        })
    }
}

/// The name of a header to test.
fn field_name(at: &At<'_>) -> Read<FieldName> {
    match FieldName::parse(at.name()?) {
        Some(FieldName::Scheme) => Err(at.refuse("`:scheme` cannot be tested; make two listeners")),
        Some(name) => Ok(name),
        None => Err(at.refuse("not a header name; pseudo-headers are :method, :path, :authority")),
    }
}

/// Envoy's `Int64Range`: from `start`, up to but without `end`.
fn read_range(at: &At<'_>) -> Read<Range<i64>> {
    at.message(|range| {
        let start = range.or("start", 0, |at| at.integer(i64::MIN..=i64::MAX));
        let end = range.or("end", 0, |at| at.integer(i64::MIN..=i64::MAX));
        match (start?, end?) {
            (start, end) if start < end => Ok(start..end),
            _ => Err(range.at().refuse("`start` must be less than `end`")),
        }
    })
}
