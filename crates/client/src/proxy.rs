//! HTTP proxies in front of servers: how they are written, and which of them the environment names.

use http::{HeaderValue, Uri};
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use landbridge_net::{Address, HostPort};

use crate::target::{At, Target};

/// An HTTP proxy that opens connections for us (`CONNECT`, RFC 9110 section 9.3.6).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Proxy {
    /// Where it is.
    pub at: HostPort,
    /// The value of `proxy-authorization`.
    pub authorization: Option<HeaderValue>,
}

/// A text that names no proxy that connections can be made through.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{shown:?} is no proxy that calls can go through: give http://host:port")]
pub struct ProxyError {
    /// The text, without a password.
    shown: String,
}

impl Proxy {
    /// Reads `http://[user:password@]host:port`; the scheme may be left out.
    ///
    /// # Errors
    /// It is something else, or a proxy of another kind.
    pub fn parse(text: &str) -> Result<Self, ProxyError> {
        let matcher = Matcher::builder().all(text).build();
        let proxy = matcher.intercept(&Uri::from_static("http://any.invalid/"));
        proxy.as_ref().and_then(Self::read).ok_or_else(|| ProxyError { shown: without_password(text) })
    }

    fn read(proxy: &Intercept) -> Option<Self> {
        let uri = proxy.uri();
        if uri.scheme_str() != Some("http") {
            return None;
        }
        let host = uri.host()?.trim_matches(['[', ']']).to_owned();
        let at = HostPort { host, port: uri.port_u16().unwrap_or(80) };
        Some(Self { at, authorization: proxy.basic_auth().cloned() })
    }

    /// The one that the environment names for calls to a target: `https_proxy` for those under TLS, else `http_proxy`;
    /// `all_proxy` where there is none. Each may also be written in capitals. None where `no_proxy` names the target, or
    /// what is given in its place: hosts, which stand for all names below them, addresses and networks, each perhaps with
    /// a port, or `*`; separated by commas.
    ///
    /// # Errors
    /// What it names is no proxy.
    pub fn of_environment(target: &Target, no_proxy: Option<&str>) -> Result<Option<Self>, ProxyError> {
        chosen(target, no_proxy, |name| std::env::var(name).ok())
    }
}

fn chosen(
    target: &Target,
    no_proxy: Option<&str>,
    environment: impl Fn(&str) -> Option<String>,
) -> Result<Option<Proxy>, ProxyError> {
    // A variable in lower case counts even where it is empty.
    let variable = |name: &str| {
        // Under CGI, HTTP_PROXY is what a client has sent in a header.
        let is_callers = name == "http_proxy" && environment("REQUEST_METHOD").is_some();
        let capitals = || environment(&name.to_ascii_uppercase()).filter(|_| !is_callers);
        environment(name).or_else(capitals).filter(|text| !text.trim().is_empty())
    };
    let own = if target.tls { "https_proxy" } else { "http_proxy" };
    let Some(proxy) = variable(own).or_else(|| variable("all_proxy")) else { return Ok(None) };
    let no_proxy = no_proxy.map(str::to_owned).or_else(|| variable("no_proxy"));
    if goes_without(target, no_proxy.as_deref().unwrap_or_default()) {
        return Ok(None);
    }
    Proxy::parse(proxy.trim()).map(Some)
}

fn goes_without(target: &Target, no_proxy: &str) -> bool {
    // One proxy stands in front of all places of a target; `parse` leaves none without a place.
    let (host, port) = match &target.places[0].at {
        At::Name(HostPort { host, port }) => (host.clone(), *port),
        At::Socket(Address::Tcp(address)) => (address.ip().to_string(), address.port()),
        // Nobody else can reach a socket of this machine.
        At::Socket(Address::Unix(_)) => return true,
    };
    let host = if host.contains(':') { format!("[{host}]") } else { host };
    let entries = no_proxy.split(',').map(str::trim).filter_map(|entry| for_port(entry, port));
    let entries: Vec<&str> = entries.collect();
    if entries.contains(&"*") {
        return true;
    }
    let matcher = Matcher::builder().all("http://any.invalid").no(entries.join(",")).build();
    // What cannot be asked for is let through the proxy, which will say what it makes of it.
    format!("http://{host}/").parse().is_ok_and(|uri| matcher.intercept(&uri).is_none())
}

/// The host of an entry of `no_proxy`, where it has no port or this one.
fn for_port(entry: &str, port: u16) -> Option<&str> {
    let with_port = entry.rsplit_once(':').filter(|(host, _)| !host.contains(':') || host.ends_with(']'));
    let (host, wanted) = with_port.map_or((entry, None), |(host, port)| (host, Some(port)));
    let fits = wanted.is_none_or(|wanted| wanted.parse() == Ok(port));
    fits.then(|| host.trim_matches(['[', ']']))
}

fn without_password(text: &str) -> String {
    match (text.rsplit_once('@'), text.split_once("://")) {
        (Some((_, place)), Some((scheme, _))) => format!("{scheme}://{place}"),
        (Some((_, place)), None) => place.to_owned(),
        (None, _) => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_written_as_a_url_or_without_its_scheme() {
        for (text, host, port) in [
            ("http://proxy.example:3128", "proxy.example", 3128),
            ("http://proxy.example/", "proxy.example", 80),
            ("127.0.0.1:8080", "127.0.0.1", 8080),
            ("http://[::1]:8080", "::1", 8080),
        ] {
            let proxy = Proxy::parse(text).unwrap();
            assert_eq!(proxy.at, HostPort { host: host.to_owned(), port });
            assert_eq!(proxy.authorization, None);
        }
        let proxy = Proxy::parse("http://user:pass%20word@proxy.example:1").unwrap();
        assert_eq!(proxy.authorization.as_ref().unwrap(), "Basic dXNlcjpwYXNzIHdvcmQ=");
        assert!(!format!("{proxy:?}").contains("Basic"));
    }

    #[test]
    fn what_is_no_proxy_of_http_is_refused_without_telling_passwords() {
        for text in
            ["", "socks5://u:secret@proxy.example:1", "https://u:secret@proxy.example", "http://", "a b"]
        {
            let error = Proxy::parse(text).unwrap_err().to_string();
            assert!(error.contains("is no proxy") && !error.contains("secret"), "{error}");
        }
    }

    fn of(target: &str, no_proxy: Option<&str>, environment: &[(&str, &str)]) -> Option<String> {
        let environment = |name: &str| {
            let found = environment.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        let proxy = chosen(&Target::parse(&[target]).unwrap(), no_proxy, environment).unwrap();
        proxy.map(|proxy| proxy.at.host)
    }

    #[test]
    fn the_environment_names_proxies_by_the_scheme() {
        let both = [("http_proxy", "http://a:1"), ("https_proxy", "http://b:1")];
        assert_eq!(of("http://x", None, &both).unwrap(), "a");
        assert_eq!(of("https://x", None, &both).unwrap(), "b");
        assert_eq!(of("dns:///x:50051", None, &both).unwrap(), "a");
        assert_eq!(of("unix:/run/x.sock", None, &both), None);
        assert_eq!(of("https://x", None, &both[..1]), None);
        let all = [("ALL_PROXY", "http://c:1"), ("HTTPS_PROXY", "http://b:1")];
        assert_eq!(of("http://x", None, &all).unwrap(), "c");
        assert_eq!(of("https://x", None, &all).unwrap(), "b");
        assert_eq!(of("http://x", None, &[]), None);
    }

    #[test]
    fn small_letters_count_before_capitals() {
        assert_eq!(of("http://x", None, &[("HTTP_PROXY", "b:1"), ("http_proxy", "a:1")]).unwrap(), "a");
        assert_eq!(of("http://x", None, &[("HTTP_PROXY", "b:1"), ("http_proxy", "")]), None);
    }

    #[test]
    fn a_header_of_a_caller_of_cgi_is_no_proxy() {
        let cgi = [("REQUEST_METHOD", "GET"), ("HTTP_PROXY", "a:1"), ("HTTPS_PROXY", "b:1")];
        assert_eq!(of("http://x", None, &cgi), None);
        assert_eq!(of("https://x", None, &cgi).unwrap(), "b");
    }

    #[test]
    fn what_no_proxy_names_is_reached_directly() {
        for (target, no_proxy) in [
            ("http://x", "*"),
            ("http://127.0.0.1:80", "other, *"),
            ("http://x.example", "x.example"),
            ("http://X.example", "a, .x.EXAMPLE"),
            ("http://www.x.example", "x.example"),
            ("http://127.0.0.1:80", "127.0.0.1"),
            ("http://10.1.2.3", "10.0.0.0/8"),
            ("http://[::1]:80", "::1"),
            ("http://[::1]:80", "[::1]:80"),
            ("http://x:8080", "x:8080"),
        ] {
            assert_eq!(
                of(target, None, &[("http_proxy", "a:1"), ("no_proxy", no_proxy)]),
                None,
                "{no_proxy}"
            );
            assert_eq!(of(target, Some(no_proxy), &[("http_proxy", "a:1"), ("no_proxy", "")]), None);
        }
        for (target, no_proxy) in [
            ("http://x", ""),
            ("http://xx.example", "x.example"),
            ("http://11.1.2.3", "10.0.0.0/8"),
            ("http://x:8080", "x:80"),
            ("http://127.0.0.1", "127.0.0.2, ::1"),
        ] {
            assert!(
                of(target, None, &[("http_proxy", "a:1"), ("NO_PROXY", no_proxy)]).is_some(),
                "{no_proxy}"
            );
            assert!(of(target, Some(no_proxy), &[("http_proxy", "a:1"), ("no_proxy", "*")]).is_some());
        }
    }
}
