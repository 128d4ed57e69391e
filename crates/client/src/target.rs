//! Where a client's calls go.

use std::borrow::Cow;

use http::uri::Authority;
use landbridge_net::{Address, HostPort};

/// A server, under one or several addresses.
///
/// | text | meaning |
/// |---|---|
/// | `http://host:8080`, `https://host` | a name or IP address; a name stands for all addresses that it has |
/// | `http://host:8080/prefix` | the same, with a path that goes before the path of every method |
/// | `unix:path`, `unix:///path` | a Unix socket, in cleartext |
/// | `dns:///host:50051`, `ipv4:a:1,b:2`, `ipv6:[a]:1` | as grpc names them, in cleartext |
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Target {
    /// Whether connections are under TLS.
    pub tls: bool,
    /// What goes before the path of every method, without a slash at its end; usually nothing.
    pub prefix: String,
    pub(crate) places: Vec<Place>,
}

/// One server, or one name of servers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Place {
    pub(crate) at: At,
    pub(crate) authority: Authority,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum At {
    Socket(Address),
    Name(HostPort),
}

/// A text that names no target.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no address of a server: {problem}")]
pub struct TargetError {
    text: String,
    problem: Cow<'static, str>,
}

impl Target {
    /// Reads one or several addresses, which have to agree in scheme and path.
    ///
    /// # Errors
    /// Names the address and what is wrong with it.
    pub fn parse<T: AsRef<str>>(texts: &[T]) -> Result<Self, TargetError> {
        let mut target: Option<Self> = None;
        for text in texts {
            let text = text.as_ref();
            let error = |problem| TargetError { text: text.to_owned(), problem };
            let next =
                parse_one(text).map_err(|problem| error(better_written(text).unwrap_or(problem.into())))?;
            match &mut target {
                None => target = Some(next),
                Some(first) if first.tls == next.tls && first.prefix == next.prefix => {
                    first.places.extend(next.places);
                }
                Some(_) => {
                    return Err(error("all addresses of a client need the same scheme and path".into()));
                }
            }
        }
        target.ok_or_else(|| TargetError { text: String::new(), problem: "at least one is needed".into() })
    }

    /// Whether more than one place was named.
    pub fn has_several_addresses(&self) -> bool {
        self.places.len() > 1
    }

    /// What calls are addressed to.
    pub(crate) fn authority(&self) -> &Authority {
        // `parse` leaves none without a place.
        &self.places[0].authority
    }
}

fn parse_one(text: &str) -> Result<Target, &'static str> {
    if let Some(path) = text.strip_prefix("unix:") {
        let path = path.strip_prefix("//").unwrap_or(path);
        if path.is_empty() {
            return Err("a path has to follow `unix:`");
        }
        let authority = Authority::from_static("localhost");
        let at = At::Socket(Address::Unix(path.into()));
        return Ok(Target { tls: false, prefix: String::new(), places: vec![Place { at, authority }] });
    }
    if let Some(name) = text.strip_prefix("dns:") {
        let name =
            name.strip_prefix("//").map_or(Some(name), |rest| rest.split_once('/').map(|(_, name)| name));
        let name = name.ok_or("write it as dns:///host:port")?;
        return Ok(cleartext(vec![place(name, 443)?]));
    }
    if let Some(list) = text.strip_prefix("ipv4:").or_else(|| text.strip_prefix("ipv6:")) {
        let places = list.split(',').map(|one| place(one, 443)).collect::<Result<_, _>>()?;
        return Ok(cleartext(places));
    }
    let (tls, rest) = match text.split_once("://") {
        Some(("http", rest)) => (false, rest),
        Some(("https", rest)) => (true, rest),
        _ => return Err("it has to start with http://, https://, unix:, dns:, ipv4: or ipv6:"),
    };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    if authority.contains('@') || path.contains(['?', '#']) {
        return Err("it may have a host, a port and a path, and nothing else");
    }
    let prefix = path.trim_end_matches('/').to_owned();
    if prefix.parse::<http::uri::PathAndQuery>().is_err() && !prefix.is_empty() {
        return Err("its path has characters that have to be percent-encoded");
    }
    Ok(Target { tls, prefix, places: vec![place(authority, if tls { 443 } else { 80 })?] })
}

/// What to write in place of a host and port alone, which are what grpc's users know as a target.
fn better_written(text: &str) -> Option<Cow<'static, str>> {
    let is_bare = !text.contains("://") && parse_one(&format!("http://{text}")).is_ok();
    is_bare.then(|| format!("write http://{text}, or https://{text} for TLS").into())
}

fn cleartext(places: Vec<Place>) -> Target {
    Target { tls: false, prefix: String::new(), places }
}

fn place(text: &str, default_port: u16) -> Result<Place, &'static str> {
    let authority: Authority = text.parse().map_err(|_| "a host and perhaps a port are expected")?;
    let host = authority.host();
    let port = match authority.as_str().get(host.len()..) {
        None | Some("") => default_port,
        Some(_) => authority.port_u16().ok_or("its port is no number up to 65535")?,
    };
    let host = host.trim_matches(['[', ']']);
    if host.is_empty() {
        return Err("it has no host");
    }
    let name = HostPort { host: host.to_owned(), port };
    let at = name.literal().map_or(At::Name(name), At::Socket);
    Ok(Place { at, authority })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> Target {
        Target::parse(&[text]).unwrap()
    }

    #[test]
    fn urls_name_a_scheme_a_place_and_a_prefix() {
        let target = one("http://127.0.0.1:8080");
        assert!(!target.tls);
        assert_eq!(target.prefix, "");
        assert_eq!(target.places[0].at, At::Socket(Address::Tcp(([127, 0, 0, 1], 8080).into())));
        let target = one("https://example.com/api/v1/");
        assert!(target.tls);
        assert_eq!(target.prefix, "/api/v1");
        let name = HostPort { host: "example.com".to_owned(), port: 443 };
        assert_eq!(target.places[0].at, At::Name(name));
        assert_eq!(target.authority(), "example.com");
        let target = one("http://[::1]:9000");
        assert_eq!(target.places[0].at, At::Socket(Address::Tcp(([0, 0, 0, 0, 0, 0, 0, 1], 9000).into())));
    }

    #[test]
    fn names_that_grpc_users_write_are_known() {
        assert_eq!(one("unix:///run/s.sock").places[0].at, At::Socket(Address::Unix("/run/s.sock".into())));
        assert_eq!(one("unix:run/s.sock").places[0].at, At::Socket(Address::Unix("run/s.sock".into())));
        assert_eq!(one("ipv4:10.0.0.1:1,10.0.0.2:2").places.len(), 2);
        for name in ["dns:///svc.local:50051", "dns:svc.local:50051", "dns://8.8.8.8/svc.local:50051"] {
            let at = At::Name(HostPort { host: "svc.local".to_owned(), port: 50051 });
            assert_eq!(one(name).places[0].at, at);
        }
    }

    #[test]
    fn several_addresses_have_to_agree() {
        let target = Target::parse(&["http://a:1", "http://b:2"]).unwrap();
        assert_eq!(target.places.len(), 2);
        assert!(Target::parse(&["http://a:1", "https://b:2"]).is_err());
        assert!(Target::parse::<&str>(&[]).is_err());
    }

    #[test]
    fn what_is_no_address_is_said_to_be_none() {
        for text in
            ["", "localhost:80", "ftp://a", "http://", "http://a:99999", "http://u@a", "http://a/?q", "unix:"]
        {
            let error = Target::parse(&[text]).unwrap_err().to_string();
            assert!(error.contains("is no address of a server"), "{text}: {error}");
        }
    }

    #[test]
    fn a_host_and_port_alone_are_told_their_scheme() {
        for text in ["localhost:50051", "127.0.0.1:80", "[::1]:80", "example.com", "host:80/prefix"] {
            let error = Target::parse(&[text]).unwrap_err().to_string();
            assert!(error.ends_with(&format!("write http://{text}, or https://{text} for TLS")), "{error}");
        }
        for text in ["", "ftp://a", "xds:///a", "localhost:99999"] {
            let error = Target::parse(&[text]).unwrap_err().to_string();
            assert!(error.ends_with("http://, https://, unix:, dns:, ipv4: or ipv6:"), "{error}");
        }
        let error = Target::parse(&["unix:"]).unwrap_err().to_string();
        assert!(error.ends_with("a path has to follow `unix:`"), "{error}");
    }
}
