//! The address of a method: `http://host:8080/package.Service/Method`.

use std::fmt;
use std::path::Path;

use http::uri::{Authority, PathAndQuery};
use landbridge_client::{Target, TargetError};

/// A server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// Where it is.
    pub target: Target,
    /// What calls are addressed to, where that is not the target's own.
    pub authority: Option<Authority>,
}

/// `package.Service` and `Method`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MethodName {
    service: String,
    method: String,
}

/// Why a text is no address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// It names no server.
    #[error(transparent)]
    Server(#[from] TargetError),
    /// It names no method.
    #[error(
        "{url:?} names no method: it has to end with /package.Service/Method; --list shows which there are"
    )]
    NoMethod {
        /// The address.
        url: String,
    },
}

impl Address {
    /// Reads the address of a server. With a `socket` the connection goes to that, and only what is said over it goes to
    /// the address.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn parse(url: &str, socket: Option<&Path>) -> Result<Self, AddressError> {
        let target = Target::parse(&[url])?;
        let Some(socket) = socket else { return Ok(Self { target, authority: None }) };
        let mut at_socket = Target::parse(&[format!("unix:{}", socket.display())])?;
        (at_socket.tls, at_socket.prefix) = (target.tls, target.prefix);
        let authority = url.parse::<http::Uri>().ok().and_then(|uri| uri.authority().cloned());
        Ok(Self { target: at_socket, authority })
    }

    /// Cuts the address of a method into that of its server and its name.
    ///
    /// # Errors
    /// Where it does not end with a method's name.
    pub fn split(url: &str) -> Result<(&str, MethodName), AddressError> {
        let split = || {
            let (rest, method) = url.rsplit_once('/')?;
            let (server, service) = rest.rsplit_once('/')?;
            // What stands between the slashes of `http://` is a host.
            let is_host = server.ends_with(":/") || server.ends_with('/');
            let method = MethodName { service: service.to_owned(), method: method.to_owned() };
            (!is_host && method.is_well_formed()).then_some((server, method))
        };
        split().ok_or_else(|| AddressError::NoMethod { url: url.to_owned() })
    }
}

impl MethodName {
    /// `package.Service`.
    pub fn service(&self) -> &str {
        &self.service
    }

    /// The path under which a server has it.
    pub(crate) fn path(&self, prefix: &str) -> Option<PathAndQuery> {
        format!("{prefix}/{}/{}", self.service, self.method).parse().ok()
    }

    fn is_well_formed(&self) -> bool {
        let is_word = |word: &str| {
            let mut letters = word.chars();
            letters.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
                && letters.all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
        };
        self.service.split('.').all(is_word) && is_word(&self.method)
    }
}

impl fmt::Display for MethodName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.service, self.method)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_two_parts_of_an_address_name_the_method() {
        for (url, server) in [
            ("http://127.0.0.1:8080/talk.v1.TalkService/Say", "http://127.0.0.1:8080"),
            ("https://host/api/v1/talk.v1.TalkService/Say", "https://host/api/v1"),
            ("unix:/run/talk.sock/talk.v1.TalkService/Say", "unix:/run/talk.sock"),
            ("dns:///host:50051/talk.v1.TalkService/Say", "dns:///host:50051"),
        ] {
            let (found, method) = Address::split(url).unwrap();
            assert_eq!((found, method.to_string().as_str()), (server, "talk.v1.TalkService/Say"), "{url}");
            assert!(Address::parse(found, None).is_ok(), "{url}");
        }
        let (_, method) = Address::split("http://host/api/Service/Method").unwrap();
        assert_eq!(method.path("/api").unwrap(), "/api/Service/Method");
    }

    #[test]
    fn an_address_without_a_method_is_refused() {
        for url in [
            "",
            "http://host:8080",
            "http://localhost/",
            "http://localhost/Say",
            "http://host/talk.v1.TalkService",
            "http://host/talk.v1.TalkService/",
            "http://host/talk.v1.TalkService/Say?x=1",
            "http://host/talk..Service/Say",
        ] {
            let error = Address::split(url).unwrap_err();
            assert!(error.to_string().contains("/package.Service/Method"), "{url}");
        }
    }

    #[test]
    fn over_a_socket_calls_are_addressed_to_the_host_of_the_address() {
        let address = Address::parse("http://talk.local/api", Some(Path::new("/run/talk.sock"))).unwrap();
        assert_eq!(address.authority.unwrap(), "talk.local");
        let mut direct = Target::parse(&["unix:/run/talk.sock"]).unwrap();
        direct.prefix = "/api".to_owned();
        assert_eq!(address.target, direct);
    }
}
