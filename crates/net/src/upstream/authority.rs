//! Whom a request is addressed to.

use http::uri::{Authority, Uri};

/// Addresses a request to another authority than the one it was written for. A URI without a scheme stays as
/// it is.
pub fn set_authority(uri: &mut Uri, authority: &Authority) {
    if uri.scheme().is_none() {
        return;
    }
    let mut parts = std::mem::take(uri).into_parts();
    parts.authority = Some(authority.clone());
    // Where there is a scheme there is a path, and all three are what `from_parts` asks for.
    *uri = Uri::from_parts(parts).unwrap_or_default();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_authority_of_a_uri_changes() {
        for (uri, addressed) in [
            ("http://localhost/a.S/M?x=1", "http://one.test:81/a.S/M?x=1"),
            ("https://127.0.0.1:80", "https://one.test:81/"),
            ("/a.S/M", "/a.S/M"),
        ] {
            let mut uri: Uri = uri.parse().unwrap();
            set_authority(&mut uri, &Authority::from_static("one.test:81"));
            assert_eq!(uri, addressed);
        }
    }
}
