//! Envoy's `HttpConnectionManager`: how a listener speaks HTTP, and to where it routes.

use std::time::Duration;

use http::HeaderValue;

use super::access_log::AccessLog;
use super::cluster::KnownClusters;
use super::headers::HeaderChanges;
use super::http_filters::HttpFilters;
use super::http2::Http2Settings;
use super::reader::{At, Message, Read};
use super::route::{Level, RouteTable};

/// How a listener speaks HTTP. Where Envoy's default and this one differ, the field says so.
#[derive(Debug, Clone)]
pub struct HttpConnectionManager {
    /// The name of its statistics, `http.<stat_prefix>.`; not empty.
    pub stat_prefix: String,
    /// Which HTTP is spoken.
    pub codec: Codec,
    /// The routes.
    pub routes: RouteTable,
    /// What is translated.
    pub filters: HttpFilters,
    /// How long a stream may be silent. Default 5 min; `None`: for ever. Routes have it handed down (see
    /// [`Forward::idle_timeout`](super::Forward::idle_timeout)); what a route answers by itself is never silent.
    pub stream_idle_timeout: Option<Duration>,
    /// From the head of a request to its last byte. Default `None`: no limit.
    pub request_timeout: Option<Duration>,
    /// From the first byte of a head to its last. Default 10 s, where Envoy has no limit; `None`: no limit.
    pub request_headers_timeout: Option<Duration>,
    /// How long a connection without streams stays open. Default 1 h; `None`: for ever.
    pub idle_timeout: Option<Duration>,
    /// How long a connection lives before it is drained. Default `None`: no limit.
    pub max_connection_duration: Option<Duration>,
    /// Requests after which a connection is drained. Default `None`: no limit.
    pub max_requests_per_connection: Option<u32>,
    /// Most headers of a request. Default 100.
    pub max_headers_count: u32,
    /// Largest head of a request, in bytes. Default 60 KiB, as in Envoy.
    pub max_request_headers_bytes: u32,
    /// HTTP/2 settings.
    pub http2: Http2Settings,
    /// The address of the client's connection is the client's own: it is added to `x-forwarded-for`, and
    /// `x-forwarded-proto` says how the client connected. Default false.
    pub use_remote_address: bool,
    /// How many proxies in front are trusted to have added to `x-forwarded-for`. Default 0.
    pub xff_num_trusted_hops: u32,
    /// The `server` header of responses.
    pub server_header: ServerHeader,
    /// Adds `x-request-id` to requests that lack one. Default false, where Envoy has true.
    pub generate_request_id: bool,
    /// Between the two GOAWAY frames of a connection that drains. Default 5 s. Without effect: the second frame follows
    /// once the client has answered a PING sent with the first, so no request can cross it.
    pub drain_timeout: Duration,
    /// How long a connection goes on reading, once the answer is complete and its writing side is closed, so that a client
    /// which is still sending its request gets to read the answer. Default 1 s; `None`: it closes at once.
    pub delayed_close_timeout: Option<Duration>,
    /// Access logs.
    pub access_logs: Vec<AccessLog>,
}

/// Which HTTP a listener speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Codec {
    /// HTTP/1.1 or HTTP/2: by ALPN, or by the first bytes where there is none.
    Auto,
    /// Only HTTP/1.1.
    Http1,
    /// Only HTTP/2.
    Http2,
}

/// What happens to the `server` header of a response.
///
/// Envoy writes `server: envoy` unless told otherwise. A bridge that nobody told anything passes on what there is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerHeader {
    /// As the upstream has it.
    PassThrough,
    /// Always this.
    Overwrite(HeaderValue),
    /// This, where the upstream has none.
    AppendIfAbsent(HeaderValue),
}

impl HttpConnectionManager {
    pub(super) const STREAM_IDLE_TIMEOUT: Duration = Duration::from_secs(300);
    const IDLE_TIMEOUT: Duration = Duration::from_secs(3600);
    const HEADERS_TIMEOUT: Duration = Duration::from_secs(10);

    /// All defaults.
    pub(super) fn new(stat_prefix: &str, routes: RouteTable) -> Self {
        Self {
            stat_prefix: stat_prefix.to_owned(),
            codec: Codec::Auto,
            routes,
            filters: HttpFilters::TRANSLATE_ALL,
            stream_idle_timeout: Some(Self::STREAM_IDLE_TIMEOUT),
            request_timeout: None,
            request_headers_timeout: Some(Self::HEADERS_TIMEOUT),
            idle_timeout: Some(Self::IDLE_TIMEOUT),
            max_connection_duration: None,
            max_requests_per_connection: None,
            max_headers_count: 100,
            max_request_headers_bytes: 60 << 10,
            http2: Http2Settings::default(),
            use_remote_address: false,
            xff_num_trusted_hops: 0,
            server_header: ServerHeader::PassThrough,
            generate_request_id: false,
            drain_timeout: Duration::from_secs(5),
            delayed_close_timeout: Some(Duration::from_secs(1)),
            access_logs: Vec::new(),
        }
    }

    pub(super) fn read(manager: &Message<'_, '_>, clusters: &KnownClusters) -> Read<Self> {
        let stat_prefix = manager.required("stat_prefix", |at| at.name().map(str::to_owned));
        let codec = manager.or("codec_type", Codec::Auto, |at| {
            at.choice(&[("AUTO", 0, Codec::Auto), ("HTTP1", 1, Codec::Http1), ("HTTP2", 2, Codec::Http2)])
        });
        let filters = manager.required("http_filters", HttpFilters::read);
        let stream_idle =
            manager.or("stream_idle_timeout", Some(Self::STREAM_IDLE_TIMEOUT), At::duration_or_off);
        let common = manager.or("common_http_protocol_options", Common::default(), Common::read);
        let level = Level {
            headers: HeaderChanges::default(),
            outer_last: true,
            // Where the filters are wrong, that is the fault to report, and not what follows from it.
            cors_filter: filters.map_or(true, |filters| filters.cors),
            cors: None,
            idle_timeout: stream_idle.unwrap_or_default(),
            max_stream_duration: common.as_ref().map_or(None, |common| common.max_stream_duration),
        };
        let routes = manager.required("route_config", |at| RouteTable::read(at, clusters, &level));
        let request = manager.or("request_timeout", None, At::duration_or_off);
        let headers = manager.or("request_headers_timeout", Some(Self::HEADERS_TIMEOUT), At::duration_or_off);
        let head_kib = manager.or("max_request_headers_kb", 60, |at| at.u32_within(1..=8192));
        let http2 = manager
            .or("http2_protocol_options", Http2Settings::default(), |at| at.message(Http2Settings::read));
        let http1 = manager.optional("http_protocol_options", read_http1);
        let remote = manager.or("use_remote_address", false, At::bool);
        let hops = manager.or("xff_num_trusted_hops", 0, At::u32);
        let server_header = ServerHeader::read(manager);
        let request_id = manager.or("generate_request_id", false, At::bool);
        let drain = manager.or("drain_timeout", Duration::from_secs(5), At::duration);
        let delayed_close =
            manager.or("delayed_close_timeout", Some(Duration::from_secs(1)), At::duration_or_off);
        let access_logs = manager.list("access_log", AccessLog::read);
        let as_sent = "paths go upstream as they came, and RPC paths need no normalizing";
        let normalize = manager.only("normalize_path", false, as_sent);
        let merge = manager.only("merge_slashes", false, as_sent);
        refuse_the_rest(manager);

        let common = common?;
        normalize?;
        merge?;
        http1?;
        Ok(Self {
            stat_prefix: stat_prefix?,
            codec: codec?,
            routes: routes?,
            filters: filters?,
            stream_idle_timeout: stream_idle?,
            request_timeout: request?,
            request_headers_timeout: headers?,
            idle_timeout: common.idle_timeout,
            max_connection_duration: common.max_connection_duration,
            max_requests_per_connection: common.max_requests_per_connection,
            max_headers_count: common.max_headers_count,
            max_request_headers_bytes: head_kib? << 10,
            http2: http2?,
            use_remote_address: remote?,
            xff_num_trusted_hops: hops?,
            server_header: server_header?,
            generate_request_id: request_id?,
            drain_timeout: drain?,
            delayed_close_timeout: delayed_close?,
            access_logs: access_logs?,
        })
    }
}

/// Fields that people do use, so that the answer says more than "unknown".
fn refuse_the_rest(manager: &Message<'_, '_>) {
    manager.refuse("rds", "routes come from `route_config`, not from a discovery service");
    manager.refuse("scoped_routes", "routes come from `route_config`");
    manager.refuse("tracing", "tracing is not supported");
    manager.refuse("upgrade_configs", "HTTP upgrades are not proxied");
    manager
        .refuse("local_reply_config", "what the bridge answers itself is an error in the caller's protocol");
    let port = "set `ignore_port_in_host_matching` of `route_config`";
    manager.refuse("strip_matching_host_port", port);
    manager.refuse("strip_any_host_port", port);
    manager.refuse("forward_client_cert_details", "client certificates are not sent on");
    manager.refuse("set_current_client_cert_details", "client certificates are not sent on");
    manager.refuse("http3_protocol_options", "HTTP/3 is not supported; use HTTP/2");
    manager.refuse("path_with_escaped_slashes_action", "paths go upstream as they came");
    manager.refuse("original_ip_detection_extensions", "use `use_remote_address` and `xff_num_trusted_hops`");
    manager.refuse("skip_xff_append", "x-forwarded-for is added to only with `use_remote_address`");
}

/// Envoy's `HttpProtocolOptions`, downstream.
struct Common {
    idle_timeout: Option<Duration>,
    max_connection_duration: Option<Duration>,
    max_stream_duration: Option<Duration>,
    max_headers_count: u32,
    max_requests_per_connection: Option<u32>,
}

impl Default for Common {
    fn default() -> Self {
        Self {
            idle_timeout: Some(HttpConnectionManager::IDLE_TIMEOUT),
            max_connection_duration: None,
            max_stream_duration: None,
            max_headers_count: 100,
            max_requests_per_connection: None,
        }
    }
}

impl Common {
    fn read(at: &At<'_>) -> Read<Self> {
        at.message(|common| {
            let default = Self::default();
            let idle_timeout = common.or("idle_timeout", default.idle_timeout, At::duration_or_off);
            let connection = common.or("max_connection_duration", None, At::duration_or_off);
            let stream = common.or("max_stream_duration", None, At::duration_or_off);
            let headers =
                common.or("max_headers_count", default.max_headers_count, |at| at.u32_within(1..=u32::MAX));
            let requests = common.or("max_requests_per_connection", 0, At::u32);
            let underscores =
                common.or("headers_with_underscores_action", (), |at| at.choice(&[("ALLOW", 0, ())]));
            underscores?;
            Ok(Self {
                idle_timeout: idle_timeout?,
                max_connection_duration: connection?,
                max_stream_duration: stream?,
                max_headers_count: headers?,
                max_requests_per_connection: Some(requests?).filter(|requests| *requests > 0),
            })
        })
    }
}

/// Envoy's `Http1ProtocolOptions`: only what says what is so anyway.
fn read_http1(at: &At<'_>) -> Read<()> {
    at.message(|http1| {
        let old = http1.only("accept_http_10", false, "HTTP/1.0 is not spoken");
        let absolute = http1.only("allow_absolute_url", true, "absolute URLs are part of HTTP/1.1");
        let chunked = http1.only("allow_chunked_length", false, "a length and chunks together are an attack");
        let trailers = http1.optional("enable_trailers", At::bool);
        http1.refuse("header_key_format", "header names are lower-case");
        old?;
        absolute?;
        chunked?;
        // The RPC protocols send no trailers over HTTP/1.1.
        trailers?;
        Ok(())
    })
}

impl ServerHeader {
    fn read(manager: &Message<'_, '_>) -> Read<Self> {
        let name = manager.optional("server_name", |at| {
            HeaderValue::from_str(at.name()?).map_err(|_| at.refuse("not a header value"))
        });
        // Envoy's numbers, which a file may use as well: 0 overwrites.
        let kind = manager.optional("server_header_transformation", |at| {
            at.choice(&[("OVERWRITE", 0, 0), ("APPEND_IF_ABSENT", 1, 1), ("PASS_THROUGH", 2, 2)])
        });
        let (name, kind) = (name?, kind?);
        let value = name.clone().unwrap_or(HeaderValue::from_static("landbridge"));
        Ok(match (kind, name) {
            (Some(2), _) | (None, None) => Self::PassThrough,
            (Some(1), _) => Self::AppendIfAbsent(value),
            _ => Self::Overwrite(value),
        })
    }
}
