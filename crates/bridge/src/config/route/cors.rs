//! Which web pages may call (Envoy's `CorsPolicy`).

use std::time::Duration;

use http::{HeaderName, Method};

use crate::config::reader::{At, Read};
use crate::config::string_matcher::StringMatcher;

const CORS_POLICY: &str = "envoy.extensions.filters.http.cors.v3.CorsPolicy";

/// Whose pages may call, and with what.
#[derive(Debug, Clone)]
pub struct CorsPolicy {
    /// One of these must match the `origin` header. See [`Self::allows_origin`].
    pub allow_origins: Vec<StringMatcher>,
    /// Methods to allow; empty means what the RPC protocols need (`GET`, `POST`).
    pub allow_methods: Listed<Method>,
    /// Request headers to allow; empty means what the RPC protocols need.
    pub allow_headers: Listed<HeaderName>,
    /// Response headers a page may read; empty means what the RPC protocols need.
    pub expose_headers: Listed<HeaderName>,
    /// How long a browser may remember the answer. `None`: not said.
    pub max_age: Option<Duration>,
    /// Whether requests may carry cookies and credentials.
    pub allow_credentials: bool,
}

/// Some, or all (`*`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listed<T> {
    /// All.
    Any,
    /// These.
    These(Vec<T>),
}

impl CorsPolicy {
    /// Whether pages of `origin` may call. As in Envoy, a matcher that matches `*` allows every origin.
    #[must_use]
    pub fn allows_origin(&self, origin: &str) -> bool {
        self.allow_origins.iter().any(|matcher| matcher.matches("*") || matcher.matches(origin))
    }

    /// From `typed_per_filter_config`.
    pub(super) fn read_typed(at: &At<'_>) -> Read<Self> {
        at.any(&[(CORS_POLICY, ())], |policy, ()| {
            let origins = policy.list("allow_origin_string_match", StringMatcher::read);
            let methods = policy.or("allow_methods", Listed::NONE, read_commas);
            let allow = policy.or("allow_headers", Listed::NONE, read_commas);
            let expose = policy.or("expose_headers", Listed::NONE, read_commas);
            let max_age = policy.optional("max_age", |at| {
                // A string in Envoy, because it is copied into the header.
                at.integer(0..=i64::from(u32::MAX))
            });
            let credentials = policy.or("allow_credentials", false, At::bool);
            let runtime = "there is no runtime layer; leave the policy away instead";
            policy.refuse("filter_enabled", runtime);
            policy.refuse("shadow_enabled", runtime);
            policy.refuse("allow_private_network_access", "not supported");
            Ok(Self {
                allow_origins: origins?,
                allow_methods: methods?,
                allow_headers: allow?,
                expose_headers: expose?,
                max_age: max_age?.map(|seconds| Duration::from_secs(seconds.unsigned_abs())),
                allow_credentials: credentials?,
            })
        })
    }

    /// From `metadata.filter_metadata.landbridge.cors`.
    pub(in crate::config) fn read_ours(at: &At<'_>) -> Read<Self> {
        at.message(|policy| {
            let origins =
                policy.required("allow_origins", |at| at.list(|at| at.name().map(StringMatcher::exact)));
            let allow = policy.or("allow_headers", Listed::NONE, read_list);
            let expose = policy.or("expose_headers", Listed::NONE, read_list);
            let max_age = policy.optional("max_age", At::duration);
            let credentials = policy.or("allow_credentials", false, At::bool);
            Ok(Self {
                allow_origins: origins?,
                allow_methods: Listed::NONE,
                allow_headers: allow?,
                expose_headers: expose?,
                max_age: max_age?,
                allow_credentials: credentials?,
            })
        })
    }
}

impl<T> Listed<T> {
    const NONE: Self = Self::These(Vec::new());
}

/// `a, b` or `*`, in one string.
fn read_commas<T: for<'t> TryFrom<&'t str>>(at: &At<'_>) -> Read<Listed<T>> {
    let text = at.text()?;
    if text.trim() == "*" {
        return Ok(Listed::Any);
    }
    let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
    let these: Result<Vec<T>, _> = names.map(T::try_from).collect();
    these.map(Listed::These).map_err(|_| at.refuse("expected names with commas between, or `*`"))
}

/// A list of names; `*` among them means all.
fn read_list(at: &At<'_>) -> Read<Listed<HeaderName>> {
    let names = at.list(|at| match at.name()? {
        "*" => Ok(None),
        _ => at.header_name().map(Some),
    })?;
    let these: Option<Vec<HeaderName>> = names.into_iter().collect();
    Ok(these.map_or(Listed::Any, Listed::These))
}
