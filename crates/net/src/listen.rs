//! Bound sockets that accept.

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tokio::net::{TcpListener, TcpSocket, TcpStream, UnixListener, UnixStream};

use crate::address::Address;
use crate::settings::ListenSettings;
use crate::transport::{Socket, unix_address};

/// A bound, listening socket.
///
/// Each worker has one of its own: the first binds, [`share`](Self::share) makes the others, and the kernel spreads
/// the connections (SO_REUSEPORT), or all accept from one queue: by setting, and always on a Unix socket.
#[derive(Debug)]
pub struct Listener {
    socket: Bound,
    settings: ListenSettings,
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

impl ListenError {
    /// What the system said of this address.
    pub fn new(address: Address, source: io::Error) -> Self {
        Self { address, advice: listen_advice(source.kind()), source }
    }
}

impl Listener {
    /// Binds `address`; port 0 lets the system choose. Has to be called within a tokio runtime.
    ///
    /// An address that another process listens on is refused, even where the system would let both share it, unless the
    /// settings say that it is to be shared. The stale file of a Unix socket that nobody listens on is replaced.
    ///
    /// # Errors
    /// Says which address, and what to do about it.
    pub fn bind(address: &Address, settings: &ListenSettings) -> Result<Self, ListenError> {
        let bound = match address {
            Address::Tcp(tcp) => {
                // Sockets of one user may share a port; a second server there that nobody meant is a mistake all the
                // same.
                let meant = settings.shared_port || tcp.port() == 0;
                let alone = if meant { Ok(()) } else { tcp_socket(*tcp, false).map(drop) };
                alone.and_then(|()| tcp_listener(*tcp, settings)).map(Bound::Tcp)
            }
            Address::Unix(path) => unix_listener(path, settings.unix_mode)
                .map(|listener| Bound::Unix { listener, _file: Some(SocketFile(path.clone())) }),
        };
        bound
            .and_then(|socket| Self::new(socket, settings.clone()))
            .map_err(|source| ListenError::new(address.clone(), source))
    }

    /// Takes over a socket that listens already, bound by this process or by the one that started it. Has to be called
    /// within a tokio runtime.
    ///
    /// # Errors
    /// What the system said.
    pub fn adopt(socket: std::net::TcpListener, settings: &ListenSettings) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        Self::new(Bound::Tcp(TcpListener::from_std(socket)?), settings.clone())
    }

    /// Another listener on the same address, for another worker. Has to be called within that worker's runtime.
    ///
    /// # Errors
    /// What the system said.
    pub fn share(&self) -> io::Result<Self> {
        let shared = match &self.socket {
            Bound::Tcp(listener) if self.settings.queue_per_worker => {
                Bound::Tcp(tcp_listener(listener.local_addr()?, &self.settings)?)
            }
            // A copy of the descriptor is non-blocking as the original is.
            Bound::Tcp(listener) => {
                let copy = std::net::TcpListener::from(listener.as_fd().try_clone_to_owned()?);
                Bound::Tcp(TcpListener::from_std(copy)?)
            }
            Bound::Unix { listener, .. } => {
                let copy = std::os::unix::net::UnixListener::from(listener.as_fd().try_clone_to_owned()?);
                Bound::Unix { listener: UnixListener::from_std(copy)?, _file: None }
            }
        };
        Self::new(shared, self.settings.clone())
    }

    /// Where it listens, with the port that the system chose.
    pub fn local_address(&self) -> &Address {
        &self.local
    }

    pub(crate) async fn accept(&self) -> io::Result<(Socket, Address)> {
        match &self.socket {
            Bound::Tcp(listener) => {
                let (socket, peer) = listener.accept().await?;
                Ok(accepted_tcp(socket, peer))
            }
            Bound::Unix { listener, .. } => {
                let (socket, peer) = listener.accept().await?;
                Ok((Socket::Unix(socket), unix_address(&peer)))
            }
        }
    }

    /// Stops listening, except to those who are connected already as far as they know.
    pub(crate) fn into_queue(self) -> io::Result<Queue> {
        let socket = match self.socket {
            Bound::Tcp(listener) => Waiting::Tcp(listener.into_std()?),
            Bound::Unix { listener, _file } => Waiting::Unix { listener: listener.into_std()?, _file },
        };
        Ok(Queue { socket, most: self.settings.backlog })
    }

    fn new(socket: Bound, settings: ListenSettings) -> io::Result<Self> {
        let local = match &socket {
            Bound::Tcp(listener) => Address::Tcp(listener.local_addr()?),
            Bound::Unix { listener, .. } => unix_address(&listener.local_addr()?),
        };
        Ok(Self { socket, settings, local })
    }
}

/// The connections that wait on a socket that is about to close. What comes after it has run empty is refused.
///
/// Asks the system each time: what the runtime knows of the socket is as old as its last turn.
#[derive(Debug)]
pub(crate) struct Queue {
    socket: Waiting,
    /// What may still be taken; without it new arrivals could keep the queue from ever running empty.
    most: u32,
}

#[derive(Debug)]
enum Waiting {
    Tcp(std::net::TcpListener),
    Unix { listener: std::os::unix::net::UnixListener, _file: Option<SocketFile> },
}

impl Queue {
    /// The next of them. Has to be called within a tokio runtime.
    ///
    /// # Errors
    /// The system is out of something; what still waits is lost.
    pub(crate) fn next(&mut self) -> io::Result<Option<(Socket, Address)>> {
        while let Some(most) = self.most.checked_sub(1) {
            self.most = most;
            match self.socket.accept() {
                Ok(accepted) => return Ok(Some(accepted)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if concerns_one_connection(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }
}

impl Waiting {
    fn accept(&self) -> io::Result<(Socket, Address)> {
        match self {
            Self::Tcp(listener) => {
                let (socket, peer) = listener.accept()?;
                socket.set_nonblocking(true)?;
                Ok(accepted_tcp(TcpStream::from_std(socket)?, peer))
            }
            Self::Unix { listener, .. } => {
                let (socket, _peer) = listener.accept()?;
                socket.set_nonblocking(true)?;
                let socket = UnixStream::from_std(socket)?;
                let peer = unix_address(&socket.peer_addr()?);
                Ok((Socket::Unix(socket), peer))
            }
        }
    }
}

fn accepted_tcp(socket: TcpStream, peer: SocketAddr) -> (Socket, Address) {
    // Fails only on a connection that is gone already, which reading from it will show.
    let _set = socket.set_nodelay(true);
    (Socket::Tcp(socket), Address::Tcp(peer))
}

/// Errors that the next `accept` will not meet again: the connection died while it was queued.
pub(crate) fn concerns_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

fn tcp_socket(address: SocketAddr, shared: bool) -> io::Result<TcpSocket> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.set_reuseport(shared)?;
    socket.bind(address)?;
    Ok(socket)
}

fn tcp_listener(address: SocketAddr, settings: &ListenSettings) -> io::Result<TcpListener> {
    tcp_socket(address, settings.queue_per_worker)?.listen(settings.backlog)
}

fn unix_listener(path: &Path, mode: Option<u32>) -> io::Result<UnixListener> {
    let listener = unix_socket(path)?;
    if let Some(mode) = mode {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))?;
    }
    Ok(listener)
}

fn unix_socket(path: &Path) -> io::Result<UnixListener> {
    match UnixListener::bind(path) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse && is_stale(path) => {
            std::fs::remove_file(path)?;
            UnixListener::bind(path)
        }
        Err(error) if error.kind() == io::ErrorKind::AddrInUse && !is_socket(path) => {
            Err(io::Error::new(io::ErrorKind::AlreadyExists, "the file is no socket"))
        }
        bound => bound,
    }
}

/// Whether a Unix socket's file is there and nobody listens on it.
fn is_stale(path: &Path) -> bool {
    let refused = || {
        std::os::unix::net::UnixStream::connect(path)
            .is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
    };
    is_socket(path) && refused()
}

fn is_socket(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket())
}

/// What to do about an address that cannot be listened on.
pub fn listen_advice(kind: io::ErrorKind) -> &'static str {
    match kind {
        io::ErrorKind::AddrInUse => "another process listens there; stop it or choose another address",
        io::ErrorKind::AlreadyExists => "something else is at this path; remove it or choose another path",
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
