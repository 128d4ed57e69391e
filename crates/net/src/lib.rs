//! Landbridge's network floor: listening, TLS, HTTP/1.1 and HTTP/2 both ways, connection pools, name resolution and
//! draining. It knows HTTP, and nothing of what is said over it.
//!
//! # The picture
//!
//! ```text
//! listen -> tls -> server (detect -> h1 | h2) -> Handler(request, Responder)
//!                                                    |
//! resolve -> Members -> Endpoint (pool -> connect -> h1 | h2) -> ResponseFuture
//! ```
//!
//! Both sides meet in the same two types: [`RecvBody`] and [`SendBody`], whatever HTTP is spoken.
//!
//! # Threads
//!
//! A worker is a thread with a current-thread runtime, a [`Listener`] of its own on the shared port and
//! [`Endpoint`]s of its own. A request never leaves its worker: client stream, handler and upstream stream run on one
//! thread. Everything is `Send` all the same, and works on any tokio runtime.

mod address;
mod batch;
mod body;
mod chunk;
mod client_frames;
mod drain;
mod error;
mod h2_stream;
mod handoff;
mod keepalive;
mod listen;
mod open_sockets;
mod outbox;
mod parting;
mod resolve;
mod server;
mod settings;
mod stats;
mod tls;
mod transport;
mod upstream;

pub use address::Address;
pub use body::{Frame, RecvBody, SendBody};
pub use drain::{Drain, DrainPhase};
pub use error::{RecvError, SendError};
pub use h2::Reason;
pub use listen::{ListenError, Listener, listen_advice};
pub use open_sockets::OpenSockets;
pub use parting::Parting;
pub use resolve::{HostPort, Lookup, Resolution, ResolveMode, ResolveSettings, Resolver, SystemLookup};
pub use server::{Connection, Handler, HttpVersion, Responder, Server, serve};
pub use settings::{
    EndpointSettings, Http2Settings, ListenSettings, ServerHttp, ServerSettings, TcpKeepalive, UpstreamHttp,
};
pub use stats::{Counter, Gauge, ServerStats, Traffic, UpstreamStats};
pub use tls::{
    ALPN_H2, ALPN_HTTP1, CertificateName, CheckName, ClientCertificates, ClientTls, ClientTlsConfig,
    Identity, Pem, ServerTls, ServerTlsConfig, TlsCause, TlsError, TlsFailure, TlsInfo, TlsProblem,
    TlsVersions, TrustedRoots,
};
pub use upstream::{
    ConnectError, Endpoint, EndpointConfig, EndpointStatus, Members, OpenError, OtherHttp, ResponseFuture,
    Tunnel, set_authority,
};
