//! Bound sockets that accept.

use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use tokio::net::{TcpListener, TcpSocket, UnixListener};

use crate::address::Address;
use crate::transport::{Socket, unix_address};

/// Connections that may wait to be accepted.
const BACKLOG: u32 = 1_024;

/// A bound, listening socket.
///
/// Each worker has one of its own: the first binds, [`share`](Self::share) makes the others, and the kernel spreads
/// the connections (SO_REUSEPORT; a Unix socket is accepted from by all).
#[derive(Debug)]
pub struct Listener {
    socket: Bound,
    local: Address,
}

#[derive(Debug)]
enum Bound {
    Tcp(TcpListener),
    Unix { listener: UnixListener, _file: Option<SocketFile> },
}

/// A Unix socket's file, removed when its first listener is dropped.
#[derive(Debug)]
struct SocketFile(PathBuf);

/// Why an address cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {advice}: {source}")]
pub struct ListenError {
    /// The address asked for.
    pub address: Address,
    advice: &'static str,
    /// What the system said.
    pub source: io::Error,
}

impl Listener {
    /// Binds `address`; port 0 lets the system choose. Has to be called within a tokio runtime.
    ///
    /// An address that another process listens on is refused, even where the system would let both share it. The
    /// stale file of a Unix socket that nobody listens on is replaced.
    ///
    /// # Errors
    /// Says which address, and what to do about it.
    pub fn bind(address: &Address) -> Result<Self, ListenError> {
        let bound = match address {
            Address::Tcp(tcp) => {
                // Sockets of one user may share a port; a second server there is a mistake all the same.
                let alone = if tcp.port() == 0 { Ok(()) } else { tcp_socket(*tcp, false).map(drop) };
                alone.and_then(|()| tcp_listener(*tcp)).map(Bound::Tcp)
            }
            Address::Unix(path) => unix_listener(path)
                .map(|listener| Bound::Unix { listener, _file: Some(SocketFile(path.clone())) }),
        };
        bound.and_then(Self::new).map_err(|source| ListenError {
            address: address.clone(),
            advice: advice(source.kind()),
            source,
        })
    }

    /// Another listener on the same address, for another worker. Has to be called within that worker's runtime.
    ///
    /// # Errors
    /// What the system said.
    pub fn share(&self) -> io::Result<Self> {
        match &self.socket {
            Bound::Tcp(listener) => Self::new(Bound::Tcp(tcp_listener(listener.local_addr()?)?)),
            Bound::Unix { listener, .. } => {
                use std::os::fd::AsFd;
                let copy = std::os::unix::net::UnixListener::from(listener.as_fd().try_clone_to_owned()?);
                copy.set_nonblocking(true)?;
                Self::new(Bound::Unix { listener: UnixListener::from_std(copy)?, _file: None })
            }
        }
    }

    /// Where it listens, with the port that the system chose.
    pub fn local_address(&self) -> &Address {
        &self.local
    }

    pub(crate) async fn accept(&self) -> io::Result<(Socket, Address)> {
        match &self.socket {
            Bound::Tcp(listener) => {
                let (socket, peer) = listener.accept().await?;
                // Fails only on a connection that is gone already, which reading from it will show.
                let _set = socket.set_nodelay(true);
                Ok((Socket::Tcp(socket), Address::Tcp(peer)))
            }
            Bound::Unix { listener, .. } => {
                let (socket, peer) = listener.accept().await?;
                Ok((Socket::Unix(socket), unix_address(&peer)))
            }
        }
    }

    fn new(socket: Bound) -> io::Result<Self> {
        let local = match &socket {
            Bound::Tcp(listener) => Address::Tcp(listener.local_addr()?),
            Bound::Unix { listener, .. } => unix_address(&listener.local_addr()?),
        };
        Ok(Self { socket, local })
    }
}

fn tcp_socket(address: std::net::SocketAddr, shared: bool) -> io::Result<TcpSocket> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.set_reuseport(shared)?;
    socket.bind(address)?;
    Ok(socket)
}

fn tcp_listener(address: std::net::SocketAddr) -> io::Result<TcpListener> {
    tcp_socket(address, true)?.listen(BACKLOG)
}

fn unix_listener(path: &Path) -> io::Result<UnixListener> {
    match UnixListener::bind(path) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse && is_stale(path) => {
            std::fs::remove_file(path)?;
            UnixListener::bind(path)
        }
        bound => bound,
    }
}

/// Whether a Unix socket's file is there and nobody listens on it.
fn is_stale(path: &Path) -> bool {
    let is_socket = std::fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket());
    let refused = || {
        std::os::unix::net::UnixStream::connect(path)
            .is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
    };
    is_socket && refused()
}

fn advice(kind: io::ErrorKind) -> &'static str {
    match kind {
        io::ErrorKind::AddrInUse => "another process listens there; stop it or choose another address",
        io::ErrorKind::AddrNotAvailable => "this machine has no such address; choose one it has, or 0.0.0.0",
        io::ErrorKind::PermissionDenied => {
            "this user may not; choose a port above 1023 or grant the permission"
        }
        io::ErrorKind::NotFound => "the folder of the socket does not exist; create it",
        _ => "the system refused",
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        // Somebody else may have removed it.
        let _removed = std::fs::remove_file(&self.0);
    }
}
