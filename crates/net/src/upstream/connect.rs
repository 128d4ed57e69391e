//! Making one connection: socket, then TLS.

use std::io;
use std::time::Duration;

use socket2::SockRef;
use tokio::net::{TcpSocket, UnixStream};

use crate::address::Address;
use crate::open_sockets::OpenSocket;
use crate::server::HttpVersion;
use crate::settings::{TcpKeepalive, UpstreamHttp};
use crate::tls::{ALPN_H2, ALPN_HTTP1, TlsFailure, TlsProblem};
use crate::transport::{Meter, Socket, Transport};
use crate::upstream::endpoint::EndpointConfig;
use crate::upstream::greeting::OtherHttp;

/// Why an upstream cannot be connected to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    /// The socket was refused, or there is no way to the address.
    #[error("cannot connect to {address}: {problem}")]
    Socket {
        /// The upstream.
        address: Address,
        /// What the system said.
        problem: String,
    },
    /// It took longer than `connect_timeout`.
    #[error("connecting to {address} took longer than {limit:?}")]
    Timeout {
        /// The upstream.
        address: Address,
        /// The limit.
        limit: Duration,
    },
    /// The name that the upstream goes by cannot be used in TLS.
    #[error("TLS cannot be spoken with {address}: {problem}")]
    TlsName {
        /// The upstream.
        address: Address,
        /// What is wrong with it.
        problem: String,
    },
    /// The TLS handshake failed: a certificate that is not trusted, or no common protocol.
    #[error(transparent)]
    Tls(#[from] TlsFailure),
    /// HTTP could not be started on the connection.
    #[error("{address} does not speak the expected HTTP: {problem}")]
    Http {
        /// The upstream.
        address: Address,
        /// What went wrong.
        problem: String,
    },
    /// The upstream speaks another version of HTTP.
    #[error(transparent)]
    OtherHttp(#[from] OtherHttp),
}

/// Connects within the endpoint's time, and says which HTTP was settled on.
pub(super) async fn connect(
    config: &EndpointConfig,
    meter: std::sync::Arc<Meter>,
) -> Result<(Transport, HttpVersion), ConnectError> {
    let limit = config.settings.connect_timeout;
    match tokio::time::timeout(limit, connect_untimed(config, meter)).await {
        Ok(connected) => connected,
        Err(_elapsed) => Err(ConnectError::Timeout { address: config.address.clone(), limit }),
    }
}

async fn connect_untimed(
    config: &EndpointConfig,
    meter: std::sync::Arc<Meter>,
) -> Result<(Transport, HttpVersion), ConnectError> {
    let failed = |problem: io::Error| ConnectError::Socket {
        address: config.address.clone(),
        problem: problem.to_string(),
    };
    let (mut socket, open) = connect_socket(config).await.map_err(failed)?;
    if let Some(tunnel) = &config.tunnel {
        tunnel.open(&mut socket).await.map_err(failed)?;
    }
    let Some(tls) = &config.tls else {
        let http = match config.settings.http {
            UpstreamHttp::Http2 => HttpVersion::Http2,
            UpstreamHttp::Http1 | UpstreamHttp::Auto => HttpVersion::Http1,
        };
        return Ok((Transport::plain(socket, meter).recorded(open), http));
    };
    let address = || config.address.clone();
    let offered: &[&[u8]] = match config.settings.http {
        UpstreamHttp::Http2 => &[ALPN_H2],
        UpstreamHttp::Http1 => &[ALPN_HTTP1],
        UpstreamHttp::Auto => &[ALPN_H2, ALPN_HTTP1],
    };
    let host = config.host.clone().unwrap_or_else(|| match config.address.ip() {
        Some(ip) => ip.to_string(),
        None => "localhost".to_owned(),
    });
    let (connector, name) = tls
        .connector(&host, offered)
        .map_err(|error| ConnectError::TlsName { address: address(), problem: error.to_string() })?;
    let stream = connector
        .connect(name, socket)
        .await
        .map_err(|error| TlsFailure { address: address(), problem: TlsProblem::of_handshake(&error) })?;
    let http = match (config.settings.http, stream.get_ref().1.alpn_protocol()) {
        // A server without ALPN that is said to speak HTTP/2 is taken at its word.
        (UpstreamHttp::Http2, _) | (UpstreamHttp::Auto, Some(ALPN_H2)) => HttpVersion::Http2,
        (UpstreamHttp::Http1 | UpstreamHttp::Auto, _) => HttpVersion::Http1,
    };
    Ok((Transport::tls(stream, meter).recorded(open), http))
}

async fn connect_socket(config: &EndpointConfig) -> io::Result<(Socket, Option<OpenSocket>)> {
    let all = config.settings.open_sockets.as_ref();
    match &config.address {
        Address::Tcp(address) => {
            let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
            let open = all.map(|all| all.record(&socket));
            let socket = socket.connect(*address).await?;
            socket.set_nodelay(true)?;
            if let Some(keepalive) = &config.settings.tcp_keepalive {
                SockRef::from(&socket).set_tcp_keepalive(&probes(keepalive))?;
            }
            Ok((Socket::Tcp(socket), open))
        }
        Address::Unix(path) => {
            let socket = UnixStream::connect(path).await?;
            let open = all.map(|all| all.record(&socket));
            Ok((Socket::Unix(socket), open))
        }
    }
}

fn probes(keepalive: &TcpKeepalive) -> socket2::TcpKeepalive {
    let mut probes = socket2::TcpKeepalive::new();
    if let Some(time) = keepalive.time {
        probes = probes.with_time(time);
    }
    if let Some(interval) = keepalive.interval {
        probes = probes.with_interval(interval);
    }
    if let Some(count) = keepalive.probes {
        probes = probes.with_retries(count);
    }
    probes
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn tcp_keepalive_is_set_as_wanted_and_off_otherwise() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut config = EndpointConfig::new(listener.local_addr().unwrap());
        let connected = async |config: &EndpointConfig| match connect_socket(config).await.unwrap().0 {
            Socket::Tcp(socket) => socket,
            Socket::Unix(_) => panic!("TCP"),
        };
        assert!(!SockRef::from(&connected(&config).await).keepalive().unwrap());
        let (time, interval) = (Duration::from_secs(7), Duration::from_secs(3));
        config.settings.tcp_keepalive =
            Some(TcpKeepalive { time: Some(time), interval: Some(interval), probes: Some(2) });
        let socket = connected(&config).await;
        let socket = SockRef::from(&socket);
        assert!(socket.keepalive().unwrap());
        assert_eq!(socket.tcp_keepalive_time().unwrap(), time);
        assert_eq!(socket.tcp_keepalive_interval().unwrap(), interval);
        assert_eq!(socket.tcp_keepalive_retries().unwrap(), 2);
    }
}
