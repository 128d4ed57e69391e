//! Envoy's `RouteMatch`, and the rewriting of what it matched.

use std::borrow::Cow;

use super::RouteRequest;
use super::header_matcher::HeaderMatcher;
use crate::config::reader::{At, Message, Read};
use crate::config::string_matcher::{FullMatch, Search, StringMatcher};

/// What a request must be like to take a route: all of this.
#[derive(Debug, Clone)]
pub struct RouteMatch {
    /// The test of the path without its query.
    pub path: PathMatch,
    /// Whether the case of letters counts in the path (not for a regex).
    pub case_sensitive: bool,
    /// Tests of headers.
    pub headers: Vec<HeaderMatcher>,
    /// Tests of the query.
    pub query: Vec<QueryMatcher>,
    /// Only gRPC calls ([`RouteRequest::grpc`]).
    pub grpc: bool,
}

/// A test of a path.
#[derive(Debug, Clone)]
pub enum PathMatch {
    /// It starts with this. Plain text: `/a` matches `/ab` too.
    Prefix(String),
    /// It starts with this, and ends there or goes on with `/`.
    SeparatedPrefix(String),
    /// It is this.
    Exact(String),
    /// The whole of it matches.
    Regex(FullMatch),
}

/// A test of one query parameter, of which the first value counts, as it is written (not decoded).
#[derive(Debug, Clone)]
pub struct QueryMatcher {
    /// Its name.
    pub name: String,
    /// The test.
    pub test: QueryTest,
}

/// What is tested of a query parameter.
#[derive(Debug, Clone)]
pub enum QueryTest {
    /// It is there, or (`false`) is not.
    Present(bool),
    /// Its value passes.
    Value(StringMatcher),
}

impl RouteMatch {
    /// Matches every path.
    pub(super) fn everything() -> Self {
        Self {
            path: PathMatch::Prefix("/".into()),
            case_sensitive: true,
            headers: Vec::new(),
            query: Vec::new(),
            grpc: false,
        }
    }

    /// Whether the request passes.
    #[must_use]
    pub fn matches(&self, request: &RouteRequest<'_>) -> bool {
        let (path, query) = split_query(request.path);
        (!self.grpc || (request.grpc)())
            && self.matched_length(path).is_some()
            && self.headers.iter().all(|matcher| matcher.matches(request))
            && self.query.iter().all(|matcher| matcher.matches(query))
    }

    /// How much of the start of `path` (without a query) the path test matched.
    fn matched_length(&self, path: &str) -> Option<usize> {
        let starts = |prefix: &str| {
            path.as_bytes().get(..prefix.len()).is_some_and(|head| match self.case_sensitive {
                true => head == prefix.as_bytes(),
                false => head.eq_ignore_ascii_case(prefix.as_bytes()),
            })
        };
        match &self.path {
            PathMatch::Prefix(prefix) => starts(prefix).then_some(prefix.len()),
            PathMatch::Exact(exact) => (path.len() == exact.len() && starts(exact)).then_some(exact.len()),
            PathMatch::SeparatedPrefix(prefix) => {
                let separated = matches!(path.as_bytes().get(prefix.len()), None | Some(b'/'));
                (separated && starts(prefix)).then_some(prefix.len())
            }
            PathMatch::Regex(regex) => regex.matches(path).then_some(path.len()),
        }
    }

    pub(super) fn read(at: &At<'_>) -> Read<Self> {
        at.message(|matcher| {
            let kind = matcher.exactly_one(&["prefix", "path", "safe_regex", "path_separated_prefix"]);
            let paths = [
                matcher.optional("prefix", |at| Ok(PathMatch::Prefix(read_path(at)?))),
                matcher.optional("path", |at| Ok(PathMatch::Exact(read_path(at)?))),
                matcher.optional("safe_regex", |at| Ok(PathMatch::Regex(FullMatch::read(at)?))),
                matcher.optional("path_separated_prefix", |at| match read_path(at)? {
                    path if path.ends_with('/') => Err(at.refuse("must not end with `/`")),
                    path => Ok(PathMatch::SeparatedPrefix(path)),
                }),
            ];
            let case_sensitive = matcher.or("case_sensitive", true, At::bool);
            let headers = matcher.list("headers", HeaderMatcher::read);
            let query = matcher.list("query_parameters", QueryMatcher::read);
            let grpc = matcher.optional("grpc", |at| at.message(|_| Ok(())));
            matcher.refuse("runtime_fraction", "there is no runtime layer; use `weighted_clusters`");
            matcher.refuse("connect_matcher", "the HTTP method CONNECT is not proxied");
            matcher.refuse("tls_context", "client certificates are required or not by the listener");
            matcher.refuse("dynamic_metadata", "there is no dynamic metadata");
            kind?;
            let paths: Vec<_> = paths.into_iter().collect::<Read<_>>()?;
            let path = paths.into_iter().flatten().next();
            Ok(Self {
                path: path.ok_or_else(|| matcher.at().refuse("a path to match is missing"))?,
                case_sensitive: case_sensitive?,
                headers: headers?,
                query: query?,
                grpc: grpc?.is_some(),
            })
        })
    }
}

fn read_path(at: &At<'_>) -> Read<String> {
    match at.name()? {
        path if path.contains(['?', '#']) => {
            Err(at.refuse("a path is matched without its query; use `query_parameters`"))
        }
        path if !path.starts_with('/') => Err(at.refuse("must start with `/`")),
        path => Ok(path.to_owned()),
    }
}

impl QueryMatcher {
    fn matches(&self, query: &str) -> bool {
        let value = query.split('&').find_map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (name == self.name).then_some(value)
        });
        match (&self.test, value) {
            (QueryTest::Present(present), value) => value.is_some() == *present,
            (QueryTest::Value(matcher), Some(value)) => matcher.matches(value),
            (QueryTest::Value(_), None) => false,
        }
    }

    fn read(at: &At<'_>) -> Read<Self> {
        at.message(|matcher| {
            let name = matcher.required("name", |at| at.name().map(str::to_owned));
            let one = matcher.at_most_one(&["string_match", "present_match"]);
            let value = matcher.optional("string_match", |at| StringMatcher::read(at).map(QueryTest::Value));
            let present = matcher.optional("present_match", |at| at.bool().map(QueryTest::Present));
            one?;
            Ok(Self { name: name?, test: value?.or(present?).unwrap_or(QueryTest::Present(true)) })
        })
    }
}

/// How the path changes on its way upstream; the query stays.
#[derive(Debug, Clone)]
pub enum PathRewrite {
    /// What the route matched is replaced (`prefix_rewrite`); a regex matched the whole path.
    Matched(String),
    /// Every match is replaced (`regex_rewrite`).
    Regex(Substitution),
}

/// Search and replace.
#[derive(Debug, Clone)]
pub struct Substitution {
    search: Search,
    /// In the regex engine's own notation.
    replacement: String,
}

impl PathRewrite {
    /// The path to send upstream for a request whose path (with or without query) `matcher` matched.
    #[must_use]
    pub fn apply<'p>(&self, matcher: &RouteMatch, path: &'p str) -> Cow<'p, str> {
        let (bare, query) = split_query(path);
        let mark = if bare.len() < path.len() { "?" } else { "" };
        let rewritten = match self {
            Self::Matched(replacement) => {
                let rest =
                    matcher.matched_length(bare).and_then(|length| bare.get(length..)).unwrap_or_default();
                Cow::Owned(format!("{replacement}{rest}"))
            }
            Self::Regex(Substitution { search, replacement }) => {
                search.0.replace_all(bare, replacement.as_str())
            }
        };
        match rewritten {
            Cow::Borrowed(_) => Cow::Borrowed(path),
            Cow::Owned(rewritten) => Cow::Owned(format!("{rewritten}{mark}{query}")),
        }
    }

    /// Reads `prefix_rewrite` and `regex_rewrite` of a route action.
    pub(super) fn read(action: &Message<'_, '_>) -> Read<Option<Self>> {
        let one = action.at_most_one(&["prefix_rewrite", "regex_rewrite"]);
        let prefix = action.optional("prefix_rewrite", |at| Ok(Self::Matched(read_path(at)?)));
        let regex = action.optional("regex_rewrite", |at| {
            at.message(|rewrite| {
                let search = rewrite.required("pattern", Search::read);
                let substitution = rewrite.required("substitution", |at| Ok((at.clone(), at.text()?)));
                let (search, (at, text)) = (search?, substitution?);
                let groups = search.0.captures_len();
                let replacement = to_engine_notation(text, groups).map_err(|message| at.refuse(message))?;
                Ok(Self::Regex(Substitution { search, replacement }))
            })
        });
        one?;
        Ok(prefix?.or(regex?))
    }
}

/// RE2 writes the first group as `\1`; the engine here as `${1}`.
fn to_engine_notation(text: &str, groups: usize) -> Result<String, String> {
    let mut out = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (c, c == '\\') {
            ('$', _) => out.push_str("$$"),
            (_, false) => out.push(c),
            (_, true) => match chars.next() {
                Some('\\') => out.push('\\'),
                Some(digit @ '0'..='9') if usize::from(digit as u8 - b'0') < groups => {
                    out.push_str(&format!("${{{digit}}}"));
                }
                Some(digit @ '0'..='9') => {
                    return Err(format!("`\\{digit}` names a group that the pattern does not have"));
                }
                _ => return Err("after a backslash only a group's digit or a backslash may stand".to_owned()),
            },
        }
    }
    Ok(out)
}

/// A path and its query, without the `?`.
fn split_query(path: &str) -> (&str, &str) {
    path.split_once('?').unwrap_or((path, ""))
}
