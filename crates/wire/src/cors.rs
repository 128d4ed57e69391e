//! Cross-origin calls from browsers (the Fetch standard, section 3.3, "CORS protocol").

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header};

/// What pages of an allowed origin may do. The default is what the protocols need.
#[derive(Clone, Debug, Default)]
pub struct Grants {
    /// Methods to allow; empty means what the protocols need (`GET`, `POST`).
    pub methods: Listed<Method>,
    /// Request headers to allow; empty means [`REQUEST_HEADERS`].
    pub request_headers: Listed<HeaderName>,
    /// Response headers that a page may read; empty means all that a response has, and those that the protocols need.
    pub response_headers: Listed<HeaderName>,
    /// How long a browser may remember the answer. `None`: not said.
    pub max_age: Option<Duration>,
    /// Whether requests may carry cookies and credentials.
    pub credentials: bool,
}

/// Some, or all (`*`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listed<T> {
    /// All.
    Any,
    /// These.
    These(Vec<T>),
}

impl<T> Listed<T> {
    /// None of them.
    pub const NONE: Self = Self::These(Vec::new());
}

impl<T> Default for Listed<T> {
    fn default() -> Self {
        Self::NONE
    }
}

/// Request headers that the protocols need, beside those that browsers send freely.
pub const REQUEST_HEADERS: &str = "authorization,content-type,connect-protocol-version,connect-timeout-ms,grpc-timeout,\
     x-grpc-web,x-user-agent";
/// Response headers that the protocols need a page to read.
const RESPONSE_HEADERS: &str = "grpc-status,grpc-message,grpc-status-details-bin,grpc-encoding,content-encoding,\
     connect-content-encoding";

/// A request to a server that lets pages of other origins call.
#[derive(Debug)]
pub struct CrossOrigin<'a> {
    grants: &'a Grants,
    /// The origin of the page that it comes from, where that may call.
    origin: Option<HeaderValue>,
}

impl<'a> CrossOrigin<'a> {
    /// `allows` says which origins may call.
    pub fn of(grants: &'a Grants, headers: &HeaderMap, allows: impl FnOnce(&str) -> bool) -> Self {
        let origin = headers.get(header::ORIGIN).filter(|origin| origin.to_str().is_ok_and(allows)).cloned();
        Self { grants, origin }
    }

    /// The answer to a preflight request of a page that may call; none for any other request.
    pub fn preflight(&self, method: &Method, headers: &HeaderMap) -> Option<Response<()>> {
        let origin = self.origin.as_ref()?;
        if method != Method::OPTIONS || !headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD) {
            return None;
        }
        let mut response = Response::new(());
        *response.status_mut() = StatusCode::NO_CONTENT;
        let out = response.headers_mut();
        self.allow(origin, out);
        let methods = match &self.grants.methods {
            Listed::These(methods) if methods.is_empty() => HeaderValue::from_static("GET,POST"),
            Listed::These(methods) => joined(methods.iter().map(Method::as_str)),
            Listed::Any => headers[header::ACCESS_CONTROL_REQUEST_METHOD].clone(),
        };
        out.insert(header::ACCESS_CONTROL_ALLOW_METHODS, methods);
        let asked = headers.get(header::ACCESS_CONTROL_REQUEST_HEADERS);
        let allowed = match &self.grants.request_headers {
            Listed::These(names) if names.is_empty() => Some(HeaderValue::from_static(REQUEST_HEADERS)),
            Listed::These(names) => Some(joined(names.iter().map(HeaderName::as_str))),
            // A `*` would not count for requests with credentials.
            Listed::Any => asked.cloned(),
        };
        if let Some(allowed) = allowed {
            out.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, allowed);
        }
        if let Some(age) = self.grants.max_age {
            out.insert(header::ACCESS_CONTROL_MAX_AGE, age.as_secs().into());
        }
        Some(response)
    }

    /// Says in a response what a page may do with it.
    pub fn expose(&self, out: &mut HeaderMap) {
        let Some(origin) = &self.origin else {
            vary(out);
            return;
        };
        self.allow(origin, out);
        let exposed = match &self.grants.response_headers {
            // The names that this response really has, trailers of unary calls among them.
            Listed::These(names) if names.is_empty() => {
                let own =
                    out.keys().map(HeaderName::as_str).filter(|name| !name.starts_with("access-control-"));
                joined(RESPONSE_HEADERS.split(',').chain(own))
            }
            Listed::These(names) => joined(names.iter().map(HeaderName::as_str)),
            Listed::Any => joined(out.keys().map(HeaderName::as_str)),
        };
        out.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
    }

    fn allow(&self, origin: &HeaderValue, out: &mut HeaderMap) {
        out.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        vary(out);
        if self.grants.credentials {
            out.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
    }
}

/// The answer depends on who asks, and caches have to know.
fn vary(out: &mut HeaderMap) {
    out.append(header::VARY, HeaderValue::from_static("origin"));
}

fn joined<'n>(names: impl Iterator<Item = &'n str>) -> HeaderValue {
    let names: Vec<&str> = names.collect();
    // Names of headers and methods are legal values, and so is a list of them.
    HeaderValue::from_str(&names.join(",")).unwrap_or_else(|_| HeaderValue::from_static(""))
}
