//! The named limits and times, each with its default.
//!
//! Every structure here implements `Default`; a user changes the fields that matter and leaves the rest.

use std::time::Duration;

use crate::open_sockets::OpenSockets;

/// What both sides of an HTTP/2 connection are tuned by (RFC 9113).
#[derive(Clone, Debug)]
pub struct Http2Settings {
    /// Bytes a peer may send on one stream before we have read them (section 6.9). Default 1 MiB.
    ///
    /// This bounds the memory of a stream whose reader is slow; an idle stream costs nothing of it.
    pub stream_window: u32,
    /// Bytes a peer may send on all streams of a connection before we have read them. Default 8 MiB.
    pub connection_window: u32,
    /// Largest frame payload we accept, in bytes: 16,384 to 16,777,215 (section 4.2). Default 16,384.
    pub max_frame_size: u32,
    /// Bytes of ours that may wait in a stream for the socket, past the peer's window. Default 256 KiB.
    pub send_buffer: usize,
    /// Bytes of a received header list, each field counted with 32 bytes on top (section 6.5.2). Default 64 KiB.
    pub max_header_bytes: u32,
    /// A PING goes out when nothing was received for this long. Default `None`: no pings.
    ///
    /// Many gRPC servers close a connection that pings more than once in five minutes without data.
    pub keepalive_interval: Option<Duration>,
    /// How long the answer to a PING may take before the connection counts as dead. Default 20 s.
    pub keepalive_timeout: Duration,
    /// What unread DATA frames under 256 bytes may waste, in bytes: each counts for what it falls short of 256. Default
    /// 32 MiB, about 130,000 of the smallest messages; more closes the connection (RUSTSEC-2026-0258).
    ///
    /// The windows bound only the content of frames. This bounds the rest of their cost, and has to leave room for
    /// honest streams of tiny messages whose reader rests.
    pub small_frame_allowance: usize,
    /// Streams that we reset and remember for a second, because the peer may still be sending on them. Default 1,024.
    ///
    /// What comes on a stream that is forgotten is an error of the peer.
    pub remembered_resets: usize,
}

impl Default for Http2Settings {
    fn default() -> Self {
        Self {
            stream_window: 1 << 20,
            connection_window: 8 << 20,
            max_frame_size: 16_384,
            send_buffer: 256 << 10,
            max_header_bytes: 64 << 10,
            keepalive_interval: None,
            keepalive_timeout: Duration::from_secs(20),
            small_frame_allowance: 32 << 20,
            remembered_resets: 1_024,
        }
    }
}

/// How an address is listened on.
#[derive(Clone, Debug)]
pub struct ListenSettings {
    /// Connections that may wait to be accepted; the system may have a lower limit. TCP only. Default 1,024.
    pub backlog: u32,
    /// Every worker gets a socket and a queue of its own, and the kernel spreads the connections (SO_REUSEPORT); else
    /// all accept from one queue. TCP only. Default true.
    pub queue_per_worker: bool,
    /// Another process of the same user may listen on the port at the same time, for as long as one takes over from the
    /// other: the kernel spreads the connections between them. TCP only, and only with `queue_per_worker`. Default
    /// false: a port in use is refused.
    pub shared_port: bool,
    /// Permission bits of a Unix socket's file. Default `None`: as the process's umask has it.
    pub unix_mode: Option<u32>,
}

impl Default for ListenSettings {
    fn default() -> Self {
        Self { backlog: 1_024, queue_per_worker: true, shared_port: false, unix_mode: None }
    }
}

/// Which HTTP a server speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ServerHttp {
    /// What ALPN settles; without ALPN, what the first bytes of the connection say.
    #[default]
    Auto,
    /// HTTP/1.1 only.
    Http1,
    /// HTTP/2 only.
    Http2,
}

/// How a server treats its connections.
#[derive(Clone, Debug)]
pub struct ServerSettings {
    /// Which HTTP is spoken. Default: either.
    pub http: ServerHttp,
    /// HTTP/2 tuning.
    pub http2: Http2Settings,
    /// Streams a client may have open at once on one HTTP/2 connection. Default 1,024.
    pub max_concurrent_streams: u32,
    /// Streams that a client has reset and that were not even looked at yet. Default 256; more closes the connection.
    pub max_pending_resets: usize,
    /// HTTP/2 streams we reset because of the client's own errors before the connection is closed. Default 1,024.
    pub max_error_resets: usize,
    /// A request that the client resets within this time of its start is reset early (rapid reset, CVE-2023-44487),
    /// unless some of the answer's content was sent by then. Default 10 ms.
    pub early_reset_time: Duration,
    /// Early resets a client is forgiven at once. Default 500.
    ///
    /// One more closes the connection with `ENHANCE_YOUR_CALM`, if by then more than half of all its requests were reset
    /// early.
    pub max_early_resets: u32,
    /// Early resets that are forgiven and no longer counted, for every second that goes by. Default 100.
    pub early_resets_per_second: u32,
    /// Bytes of an HTTP/1.1 request head. Default 64 KiB; more is answered 431.
    pub http1_max_header_bytes: usize,
    /// Number of HTTP/1.1 header fields. Default 128; more is answered 431.
    pub http1_max_headers: usize,
    /// Bytes of an HTTP/1.1 response that may wait for the socket. Default 64 KiB.
    pub http1_send_buffer: usize,
    /// Bytes of an HTTP/1.1 request that are read and discarded when its answer is complete before it is, so that the
    /// connection can be used again. Default 256 KiB. Where more is announced the answer says that the connection closes;
    /// where nothing is announced (chunked content) only [`lingering_time`](Self::lingering_time) bounds it.
    pub http1_discard_limit: u64,
    /// How long a client may go on sending the rest of a request whose answer is complete, its first bytes to a
    /// connection that is about to close because a drain has begun, and one more request on an idle HTTP/1.1 connection
    /// that is retired. Default 1 s.
    ///
    /// Then the connection is closed, or on HTTP/2 the stream. At once, that can cost the client an answer which is
    /// already on its way (the system resets the connection, and some clients drop the answer of a stream that is reset),
    /// or a request that it sends in that moment.
    pub lingering_time: Duration,
    /// Time for a whole request head (on HTTP/2 a header block with all its CONTINUATION frames), and for the first
    /// bytes of a connection. Default 15 s.
    pub header_timeout: Duration,
    /// Time for a whole TLS handshake. Default 10 s.
    pub handshake_timeout: Duration,
    /// How long a connection without a request in flight is kept. Default 5 minutes; `None` keeps it.
    pub idle_timeout: Option<Duration>,
    /// Age at which a connection is retired: GOAWAY, or `connection: close`. Default `None`.
    pub max_connection_age: Option<Duration>,
    /// What requests in flight on a retired connection still get before it is cut. Default 30 s.
    pub connection_grace: Duration,
    /// Requests after which a connection is retired. Default `None`.
    pub max_requests_per_connection: Option<u64>,
    /// Connections open at once, over all listeners that share the server. Default 16,384; more are closed at once.
    pub max_connections: usize,
}

impl Default for ServerSettings {
    fn default() -> Self {
        Self {
            http: ServerHttp::default(),
            http2: Http2Settings::default(),
            max_concurrent_streams: 1_024,
            max_pending_resets: 256,
            max_error_resets: 1_024,
            early_reset_time: Duration::from_millis(10),
            max_early_resets: 500,
            early_resets_per_second: 100,
            http1_max_header_bytes: 64 << 10,
            http1_max_headers: 128,
            http1_send_buffer: 64 << 10,
            http1_discard_limit: 256 << 10,
            lingering_time: Duration::from_secs(1),
            header_timeout: Duration::from_secs(15),
            handshake_timeout: Duration::from_secs(10),
            idle_timeout: Some(Duration::from_secs(300)),
            max_connection_age: None,
            connection_grace: Duration::from_secs(30),
            max_requests_per_connection: None,
            max_connections: 16_384,
        }
    }
}

/// Which HTTP an upstream speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UpstreamHttp {
    /// HTTP/2: by prior knowledge in cleartext, offered alone by ALPN under TLS.
    #[default]
    Http2,
    /// HTTP/1.1 only.
    Http1,
    /// What ALPN settles under TLS, of `h2` and `http/1.1`; HTTP/1.1 in cleartext.
    Auto,
}

/// Probes on a silent TCP connection (RFC 9293 section 3.8.4). `None` in a field: the system's default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TcpKeepalive {
    /// Silence before the first probe; whole seconds.
    pub time: Option<Duration>,
    /// Time between probes; whole seconds.
    pub interval: Option<Duration>,
    /// Probes without an answer after which the connection counts as dead.
    pub probes: Option<u32>,
}

/// How one upstream endpoint is connected to.
#[derive(Clone, Debug)]
pub struct EndpointSettings {
    /// Which HTTP the upstream speaks. Default HTTP/2.
    pub http: UpstreamHttp,
    /// HTTP/2 tuning. Default as everywhere, but for a connection window of 2 GiB: the calls of all callers share a
    /// connection, and with a window that a few streams can fill, those who do not take their answers would hold up
    /// everybody else's. What bounds memory is the window of each stream.
    pub http2: Http2Settings,
    /// Bytes of an HTTP/1.1 response head. Default 64 KiB.
    pub http1_max_header_bytes: usize,
    /// Bytes of an HTTP/1.1 request that may wait for the socket. Default 64 KiB.
    pub http1_send_buffer: usize,
    /// Time for the socket and the TLS handshake together. Default 5 s.
    pub connect_timeout: Duration,
    /// Connections held at once. Default 1,024.
    pub max_connections: usize,
    /// Requests that may wait for a connection. Default 1,024; one more fails with an overflow.
    pub max_pending: usize,
    /// Streams on one HTTP/2 connection, where the peer allows more. Default: what the peer allows.
    pub max_concurrent_streams: Option<usize>,
    /// Requests after which a connection is not used again. Default `None`.
    pub max_requests_per_connection: Option<u64>,
    /// How long a connection without a request in flight is kept. Default 1 hour; `None` keeps it.
    pub idle_timeout: Option<Duration>,
    /// Age from which a connection takes no more requests; it closes when those in flight are done. Default `None`.
    pub max_connection_age: Option<Duration>,
    /// TCP keep-alive probes. Default `None`: no probes.
    pub tcp_keepalive: Option<TcpKeepalive>,
    /// Delay before the second connection attempt after a failure; doubles from there. Default 50 ms.
    pub backoff_base: Duration,
    /// The longest such delay. Default 5 s.
    pub backoff_max: Duration,
    /// Where its connections are recorded. Default `None`: nowhere.
    pub open_sockets: Option<OpenSockets>,
}

impl Default for EndpointSettings {
    fn default() -> Self {
        Self {
            http: UpstreamHttp::default(),
            http2: Http2Settings { connection_window: (1 << 31) - 1, ..Http2Settings::default() },
            http1_max_header_bytes: 64 << 10,
            http1_send_buffer: 64 << 10,
            connect_timeout: Duration::from_secs(5),
            max_connections: 1_024,
            max_pending: 1_024,
            max_concurrent_streams: None,
            max_requests_per_connection: None,
            idle_timeout: Some(Duration::from_secs(3_600)),
            max_connection_age: None,
            tcp_keepalive: None,
            backoff_base: Duration::from_millis(50),
            backoff_max: Duration::from_secs(5),
            open_sockets: None,
        }
    }
}
