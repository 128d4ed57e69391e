//! Which HTTP an upstream speaks, told by the first bytes that it sends.

use crate::address::Address;
use crate::server::HttpVersion;

/// An upstream that was called in one version of HTTP and speaks another.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{address} {}", match .called_in {
    HttpVersion::Http1 => "speaks HTTP/2, and was called in HTTP/1.1",
    HttpVersion::Http2 => "does not speak HTTP/2, in which it was called",
})]
pub struct OtherHttp {
    /// The upstream.
    pub address: Address,
    /// What it was called in.
    pub called_in: HttpVersion,
}

/// How a server begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Greeting {
    /// By a SETTINGS frame, as all do that speak HTTP/2 (RFC 9113 section 3.4).
    Settings,
    /// By anything else.
    Other,
}

impl Greeting {
    /// None where these are too few bytes to tell.
    pub(crate) fn of(first: &[u8]) -> Option<Self> {
        /// Type, flags and stream, behind the three bytes of its length (RFC 9113 section 4.1).
        const HEAD: [u8; 6] = [4, 0, 0, 0, 0, 0];
        let head = first.get(3..).unwrap_or_default();
        if first.first().is_some_and(|length| *length > 0) || head.iter().zip(HEAD).any(|(a, b)| *a != b) {
            Some(Self::Other)
        } else {
            (head.len() >= HEAD.len()).then_some(Self::Settings)
        }
    }

    /// Whether a server that begins so cannot be called in this HTTP. HTTP/1.1 has no beginning that all have in common.
    pub(crate) fn rules_out(self, http: HttpVersion) -> bool {
        match http {
            HttpVersion::Http1 => self == Self::Settings,
            HttpVersion::Http2 => self == Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_of_http_2_begins_with_settings_and_no_other_does() {
        let settings = [0, 0, 18, 4, 0, 0, 0, 0, 0, 0, 4];
        for len in 0..settings.len() {
            assert_eq!(Greeting::of(&settings[..len]), (len >= 9).then_some(Greeting::Settings), "{len}");
        }
        let ping = [0, 0, 8, 6, 0, 0, 0, 0, 0];
        for other in [&b"HTTP/1.1 400 Bad Request\r\n"[..], b"H", b"<!DOCTYPE HTML>", &ping] {
            assert_eq!(Greeting::of(other), Some(Greeting::Other), "{other:?}");
        }
    }
}
