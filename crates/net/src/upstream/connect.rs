//! Making one connection: socket, then TLS.

use std::io;
use std::time::Duration;

use tokio::net::{TcpStream, UnixStream};

use crate::address::Address;
use crate::server::HttpVersion;
use crate::settings::UpstreamHttp;
use crate::tls::{ALPN_H2, ALPN_HTTP1};
use crate::transport::{Meter, Socket, Transport};
use crate::upstream::endpoint::EndpointConfig;

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
    /// The TLS handshake failed: a certificate that is not trusted, or no common protocol.
    #[error("the TLS handshake with {address} failed: {problem}")]
    Tls {
        /// The upstream.
        address: Address,
        /// What went wrong.
        problem: String,
    },
    /// HTTP could not be started on the connection.
    #[error("{address} does not speak the expected HTTP: {problem}")]
    Http {
        /// The upstream.
        address: Address,
        /// What went wrong.
        problem: String,
    },
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
    let socket = connect_socket(&config.address).await.map_err(|problem| ConnectError::Socket {
        address: config.address.clone(),
        problem: problem.to_string(),
    })?;
    let Some(tls) = &config.tls else {
        let http = match config.settings.http {
            UpstreamHttp::Http2 => HttpVersion::Http2,
            UpstreamHttp::Http1 | UpstreamHttp::Auto => HttpVersion::Http1,
        };
        return Ok((Transport::plain(socket, meter), http));
    };
    let failed = |problem: String| ConnectError::Tls { address: config.address.clone(), problem };
    let offered: &[&[u8]] = match config.settings.http {
        UpstreamHttp::Http2 => &[ALPN_H2],
        UpstreamHttp::Http1 => &[ALPN_HTTP1],
        UpstreamHttp::Auto => &[ALPN_H2, ALPN_HTTP1],
    };
    let host = config.host.clone().unwrap_or_else(|| match config.address.ip() {
        Some(ip) => ip.to_string(),
        None => "localhost".to_owned(),
    });
    let (connector, name) = tls.connector(&host, offered).map_err(|error| failed(error.to_string()))?;
    let stream = connector.connect(name, socket).await.map_err(|error| failed(error.to_string()))?;
    let http = match (config.settings.http, stream.get_ref().1.alpn_protocol()) {
        // A server without ALPN that is said to speak HTTP/2 is taken at its word.
        (UpstreamHttp::Http2, _) | (UpstreamHttp::Auto, Some(ALPN_H2)) => HttpVersion::Http2,
        (UpstreamHttp::Http1 | UpstreamHttp::Auto, _) => HttpVersion::Http1,
    };
    Ok((Transport::tls(stream, meter), http))
}

async fn connect_socket(address: &Address) -> io::Result<Socket> {
    match address {
        Address::Tcp(address) => {
            let socket = TcpStream::connect(address).await?;
            socket.set_nodelay(true)?;
            Ok(Socket::Tcp(socket))
        }
        Address::Unix(path) => UnixStream::connect(path).await.map(Socket::Unix),
    }
}
