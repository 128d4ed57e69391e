//! Which web pages may call (Envoy's `CorsPolicy`).

use std::time::Duration;

use http::HeaderName;
use landbridge_wire::cors::{Grants, Listed};

use crate::config::reader::{At, Read};
use crate::config::string_matcher::StringMatcher;

const CORS_POLICY: &str = "envoy.extensions.filters.http.cors.v3.CorsPolicy";

/// Whose pages may call, and with what.
#[derive(Debug, Clone)]
pub struct CorsPolicy {
    /// One of these must match the `origin` header. See [`Self::allows_origin`].
    pub allow_origins: Vec<StringMatcher>,
    /// What they may do.
    pub grants: Grants,
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
            let grants = Grants {
                methods: methods?,
                request_headers: allow?,
                response_headers: expose?,
                max_age: max_age?.map(|seconds| Duration::from_secs(seconds.unsigned_abs())),
                credentials: credentials?,
            };
            Ok(Self { allow_origins: origins?, grants })
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
            let grants = Grants {
                methods: Listed::NONE,
                request_headers: allow?,
                response_headers: expose?,
                max_age: max_age?,
                credentials: credentials?,
            };
            Ok(Self { allow_origins: origins?, grants })
        })
    }
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
