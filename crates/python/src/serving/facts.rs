//! What is known of a request besides its content.

use std::sync::Arc;
use std::time::Instant;

use http::{HeaderMap, HeaderValue, Uri, Version, header};
use landbridge_net::Connection;
use landbridge_wire::{Accepted, Codec, Compression, Protocol};

/// One request as its handler may ask about it.
#[derive(Debug)]
pub(crate) struct Facts {
    pub(crate) kind: Kind,
    pub(crate) http_method: http::Method,
    pub(crate) version: Version,
    /// A call's metadata; all headers of plain HTTP.
    pub(crate) headers: HeaderMap,
    /// The host that the caller asked for.
    pub(crate) authority: Option<HeaderValue>,
    pub(crate) connection: Arc<Connection>,
}

/// What the request is.
#[derive(Debug)]
pub(crate) enum Kind {
    /// A call of the method with this number.
    Call {
        method: usize,
        protocol: Protocol,
        codec: Codec,
        /// Of those request messages that are compressed.
        encoding: Compression,
        /// Of the response, unless the handler chooses another.
        response_encoding: Compression,
        /// What the caller takes.
        accepts: Accepted,
        /// When the caller stops waiting.
        deadline: Option<Instant>,
    },
    /// Plain HTTP, for the application behind.
    Http { uri: Uri },
}

impl Facts {
    /// Whether the request came over TLS.
    pub(crate) fn is_encrypted(&self) -> bool {
        self.connection.tls().is_some()
    }
}

/// The host of a request: `:authority`, else the `host` header.
pub(crate) fn authority<B>(request: &http::Request<B>) -> Option<HeaderValue> {
    match request.uri().authority() {
        Some(authority) => HeaderValue::from_str(authority.as_str()).ok(),
        None => request.headers().get(header::HOST).cloned(),
    }
}

/// The host that a caller asked for, with a port: its own, else that of its scheme.
pub(crate) fn with_port(authority: &str, is_encrypted: bool) -> String {
    // An IPv6 address stands in brackets, so that what is behind its last colon is no number.
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => (host, port),
        _ => (authority, ""),
    };
    let port = match port {
        "" if is_encrypted => "443",
        "" => "80",
        own => own,
    };
    format!("{host}:{port}")
}
