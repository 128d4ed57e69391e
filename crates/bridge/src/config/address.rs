//! Where to listen and where to connect.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

use super::reader::{At, Message, Read};

/// Where a listener or the admin server listens.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ListenAddress {
    /// A TCP address. Port 0 lets the system pick one.
    Tcp(SocketAddr),
    /// A Unix domain socket.
    Pipe {
        /// Path of the socket; not empty.
        path: PathBuf,
        /// Permission bits the socket gets, when the file sets them.
        mode: Option<u32>,
    },
}

impl ListenAddress {
    /// Envoy's `Address`, which must name an IP address here: a listener's name is not looked up.
    pub(super) fn read(at: &At<'_>) -> Read<Self> {
        at.message(|address| match RawAddress::read(address)? {
            RawAddress::Pipe { path, mode } => Ok(Self::Pipe { path, mode }),
            RawAddress::Socket { host, port } => match host.parse::<IpAddr>() {
                Ok(ip) => Ok(Self::Tcp(SocketAddr::new(ip, port))),
                Err(_) => Err(address.refuse_at(
                    "socket_address",
                    "the address to listen on must be an IP address, such as 127.0.0.1, 0.0.0.0 or ::",
                )),
            },
        })
    }
}

/// A text that is no address, and what would be one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct AddressError(&'static str);

impl FromStr for ListenAddress {
    type Err = AddressError;

    /// Reads `IP:PORT` or `[IPv6]:PORT`.
    fn from_str(text: &str) -> Result<Self, AddressError> {
        let expected =
            "an IP address and a port are needed, such as 127.0.0.1:8080, 0.0.0.0:8080 or [::]:8080";
        text.parse().map(Self::Tcp).map_err(|_| AddressError(expected))
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Pipe { path, .. } => path.display().fmt(f),
        }
    }
}

/// Where an upstream endpoint is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum EndpointAddress {
    /// An IP address and a port that is not 0.
    Ip(SocketAddr),
    /// A name to look up, and a port that is not 0.
    Dns {
        /// The name, as written.
        host: String,
        /// The port of each address the name resolves to.
        port: u16,
    },
    /// A Unix domain socket.
    Pipe(PathBuf),
}

impl EndpointAddress {
    pub(super) fn read(at: &At<'_>) -> Read<Self> {
        at.message(|address| match RawAddress::read(address)? {
            RawAddress::Pipe { path, .. } => Ok(Self::Pipe(path)),
            RawAddress::Socket { port: 0, .. } => {
                Err(address.refuse_at("socket_address", "an endpoint needs a port_value from 1 to 65535"))
            }
            RawAddress::Socket { host, port } => Ok(Self::of(host, port)),
        })
    }

    /// An IP address if `host` is one, otherwise a name to look up.
    pub(super) fn of(host: String, port: u16) -> Self {
        match host.parse() {
            Ok(ip) => Self::Ip(SocketAddr::new(ip, port)),
            Err(_) => Self::Dns { host, port },
        }
    }
}

impl FromStr for EndpointAddress {
    type Err = AddressError;

    /// Reads `HOST:PORT`, where the host is a name, an IPv4 address, or an IPv6 address in brackets.
    fn from_str(text: &str) -> Result<Self, AddressError> {
        if text.contains("://") {
            return Err(AddressError("write the host and port alone, such as localhost:8081"));
        }
        let (host, port) = text
            .rsplit_once(':')
            .ok_or(AddressError("a host and a port are needed, such as localhost:8081 or 127.0.0.1:8081"))?;
        let port = match port.parse() {
            Ok(0) | Err(_) => return Err(AddressError("its port is no number from 1 to 65535")),
            Ok(port) => port,
        };
        if let Some(ip) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            let ip = ip.parse().map_err(|_| AddressError("there is no IPv6 address in its brackets"))?;
            return Ok(Self::Ip(SocketAddr::new(IpAddr::V6(ip), port)));
        }
        if host.contains(':') {
            return Err(AddressError("put an IPv6 address into brackets, such as [::1]:8081"));
        }
        let in_names = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        if host.is_empty() || !host.bytes().all(in_names) {
            return Err(AddressError("its host is neither a host name nor an IP address"));
        }
        Ok(Self::of(host.to_owned(), port))
    }
}

impl fmt::Display for EndpointAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address) => address.fmt(f),
            Self::Dns { host, port } => write!(f, "{host}:{port}"),
            Self::Pipe(path) => path.display().fmt(f),
        }
    }
}

/// Envoy's `Address` as it is written.
enum RawAddress {
    Socket { host: String, port: u16 },
    Pipe { path: PathBuf, mode: Option<u32> },
}

impl RawAddress {
    fn read(address: &Message<'_, '_>) -> Read<Self> {
        let kind = address.exactly_one(&["socket_address", "pipe"]);
        let socket = address.optional("socket_address", read_socket);
        let pipe = address.optional("pipe", read_pipe);
        kind?;
        match (socket?, pipe?) {
            (Some(socket), _) => Ok(socket),
            (_, Some(pipe)) => Ok(pipe),
            (None, None) => Err(address.at().refuse("one of `socket_address`, `pipe` is needed")),
        }
    }
}

fn read_socket(at: &At<'_>) -> Read<RawAddress> {
    at.message(|socket| {
        let protocol = socket.or("protocol", (), |at| at.choice(&[("TCP", 0, ())]));
        let host = socket.required("address", |at| at.name().map(str::to_owned));
        socket.refuse("named_port", "give the number in `port_value`");
        socket.refuse("resolver_name", "names are resolved by the system");
        let compat = socket.only("ipv4_compat", false, "listen on an IPv4 address as well");
        let port = socket.required("port_value", |at| at.u32_within(0..=u32::from(u16::MAX)));
        protocol?;
        compat?;
        let port =
            u16::try_from(port?).map_err(|_| socket.refuse_at("port_value", "must be at most 65535"))?;
        Ok(RawAddress::Socket { host: host?, port })
    })
}

fn read_pipe(at: &At<'_>) -> Read<RawAddress> {
    at.message(|pipe| {
        let path = pipe.required("path", |at| match at.name()? {
            path if path.starts_with('@') => {
                Err(at.refuse("abstract sockets are not supported; give a file path"))
            }
            path => Ok(PathBuf::from(path)),
        });
        let mode = pipe.optional("mode", |at| at.u32_within(0..=0o777));
        Ok(RawAddress::Pipe { path: path?, mode: mode? })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upstream_is_a_name_or_an_ip_address_with_a_port() {
        let read = |text: &str| text.parse::<EndpointAddress>().unwrap();
        let name = |host: &str, port| EndpointAddress::Dns { host: host.to_owned(), port };
        assert_eq!(read("localhost:8081"), name("localhost", 8081));
        assert_eq!(read("grpc-server:1"), name("grpc-server", 1));
        assert_eq!(
            read("my_app.default.svc.cluster.local:65535"),
            name("my_app.default.svc.cluster.local", 65535)
        );
        assert_eq!(read("127.0.0.1:80"), EndpointAddress::Ip(([127, 0, 0, 1], 80).into()));
        assert_eq!(read("[::1]:80"), EndpointAddress::Ip(([0, 0, 0, 0, 0, 0, 0, 1], 80).into()));
    }

    #[test]
    fn what_is_no_upstream_is_told_what_would_be_one() {
        for (text, advice) in [
            ("", "localhost:8081"),
            ("localhost", "localhost:8081"),
            ("http://localhost:8081", "alone"),
            ("::1:8081", "[::1]:8081"),
            ("[localhost]:1", "IPv6"),
            ("localhost:0", "65535"),
            ("localhost:65536", "65535"),
            ("localhost:http", "65535"),
            (":8081", "host name"),
            ("a b:8081", "host name"),
            ("user@host:8081", "host name"),
        ] {
            let error = text.parse::<EndpointAddress>().unwrap_err().to_string();
            assert!(error.contains(advice), "{text}: {error}");
        }
    }

    #[test]
    fn to_listen_takes_an_ip_address() {
        let read = |text: &str| text.parse::<ListenAddress>();
        assert_eq!(read("127.0.0.1:0"), Ok(ListenAddress::Tcp(([127, 0, 0, 1], 0).into())));
        assert_eq!(read("[::]:8080"), Ok(ListenAddress::Tcp(([0; 8], 8080).into())));
        for text in ["localhost:8080", "8080", ":8080", "::1:8080"] {
            assert!(read(text).unwrap_err().to_string().contains("0.0.0.0:8080"), "{text}");
        }
    }
}
