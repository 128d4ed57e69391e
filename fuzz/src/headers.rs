//! Headers that often are the ones the protocols know.

use arbitrary::{Arbitrary, Unstructured};
use http::{HeaderMap, HeaderName, HeaderValue};

/// Names that mean something in at least one protocol.
const KNOWN: &[&str] = &[
    "accept-encoding",
    "connect-accept-encoding",
    "connect-content-encoding",
    "connect-protocol-version",
    "connect-timeout-ms",
    "content-encoding",
    "content-length",
    "content-type",
    "grpc-accept-encoding",
    "grpc-encoding",
    "grpc-message",
    "grpc-status",
    "grpc-status-details-bin",
    "grpc-timeout",
    "te",
    "trailer-x-user",
    "x-user",
    "x-user-bin",
];

/// Values that some of those names have; others come from the fuzzer.
const VALUES: &[&str] = &[
    "0",
    "1",
    "13",
    "application/connect+json",
    "application/connect+proto",
    "application/grpc",
    "application/grpc+json",
    "application/grpc-web+proto",
    "application/grpc-web-text",
    "application/json",
    "application/proto",
    "br",
    "gzip",
    "identity",
    "zstd, gzip;q=0",
];

/// Any headers.
#[derive(Clone, Debug)]
pub struct Headers(pub HeaderMap);

impl<'a> Arbitrary<'a> for Headers {
    fn arbitrary(u: &mut Unstructured<'a>) -> arbitrary::Result<Self> {
        let mut headers = HeaderMap::new();
        for _ in 0..u.int_in_range(0..=8)? {
            let name = if u.ratio(7, 8)? {
                HeaderName::from_static(u.choose(KNOWN)?)
            } else {
                let Ok(name) = HeaderName::from_bytes(<&[u8]>::arbitrary(u)?) else { continue };
                name
            };
            let value = if u.ratio(1, 2)? {
                HeaderValue::from_static(u.choose(VALUES)?)
            } else {
                let Ok(value) = HeaderValue::from_bytes(<&[u8]>::arbitrary(u)?) else { continue };
                value
            };
            headers.append(name, value);
        }
        Ok(Self(headers))
    }
}
