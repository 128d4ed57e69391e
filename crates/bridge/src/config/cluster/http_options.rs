//! The HTTP that a cluster speaks.

use std::time::Duration;

use crate::config::http2::Http2Settings;
use crate::config::reader::{At, Message, Read};

const HTTP_OPTIONS: &str = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";

/// Envoy's upstream `HttpProtocolOptions`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamHttp {
    /// Which HTTP. As in Envoy, HTTP/1.1 unless the file says otherwise.
    pub version: UpstreamHttpVersion,
    /// How long a connection without calls stays open. Default 1 h; `None`: for ever.
    pub idle_timeout: Option<Duration>,
    /// How long a connection lives before it takes no more calls. `None`: no limit.
    pub max_connection_duration: Option<Duration>,
    /// How long a stream may live. `None`: no limit.
    pub max_stream_duration: Option<Duration>,
    /// Calls after which a connection takes no more. `None`: no limit.
    pub max_requests_per_connection: Option<u32>,
}

/// The HTTP version of a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UpstreamHttpVersion {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2, with prior knowledge where there is no TLS.
    Http2(Http2Settings),
    /// What ALPN agrees on; these are the settings if that is HTTP/2. Only with TLS.
    Alpn(Http2Settings),
}

/// Envoy's default for the idle time of a connection.
const IDLE_TIMEOUT: Duration = Duration::from_secs(3600);

impl UpstreamHttp {
    pub(in crate::config) fn of(version: UpstreamHttpVersion) -> Self {
        Self {
            version,
            idle_timeout: Some(IDLE_TIMEOUT),
            max_connection_duration: None,
            max_stream_duration: None,
            max_requests_per_connection: None,
        }
    }

    /// Reads `typed_extension_protocol_options` and the older `http2_protocol_options` of a cluster.
    pub(super) fn read(cluster: &Message<'_, '_>, tls: bool) -> Read<Self> {
        let one = cluster.at_most_one(&["typed_extension_protocol_options", "http2_protocol_options"]);
        let older = cluster.optional("http2_protocol_options", |at| {
            let settings = at.message(Http2Settings::read)?;
            Ok(Self::of(UpstreamHttpVersion::Http2(settings)))
        });
        let typed = cluster.optional("typed_extension_protocol_options", |at| {
            let mut options = None;
            for (name, at) in at.entries()? {
                if name != HTTP_OPTIONS {
                    return Err(at.refuse(format_args!("not supported; supported here: {HTTP_OPTIONS}")));
                }
                options =
                    Some(at.any(&[(HTTP_OPTIONS, ())], |options, ()| Self::read_options(options, tls))?);
            }
            Ok(options)
        });
        one?;
        Ok(older?.or(typed?.flatten()).unwrap_or(Self::of(UpstreamHttpVersion::Http1)))
    }

    fn read_options(options: &Message<'_, '_>, tls: bool) -> Read<Self> {
        let kind = options.exactly_one(&["explicit_http_config", "auto_config"]);
        let explicit = options.optional("explicit_http_config", |at| {
            at.message(|explicit| {
                let kind = explicit.exactly_one(&["http_protocol_options", "http2_protocol_options"]);
                let http1 = explicit.optional("http_protocol_options", read_http1);
                let http2 = explicit.optional("http2_protocol_options", |at| at.message(Http2Settings::read));
                explicit.refuse("http3_protocol_options", "HTTP/3 is not supported; use HTTP/2");
                kind?;
                http1?;
                Ok(http2?.map_or(UpstreamHttpVersion::Http1, UpstreamHttpVersion::Http2))
            })
        });
        let auto = options.optional("auto_config", |at| {
            at.message(|auto| {
                let http1 = auto.optional("http_protocol_options", read_http1);
                let http2 = auto.or("http2_protocol_options", Http2Settings::default(), |at| {
                    at.message(Http2Settings::read)
                });
                auto.refuse("http3_protocol_options", "HTTP/3 is not supported; use HTTP/2");
                http1?;
                if !tls {
                    return Err(auto.at().refuse("ALPN needs TLS: give the cluster a `transport_socket`, or use `explicit_http_config`"));
                }
                Ok(UpstreamHttpVersion::Alpn(http2?))
            })
        });
        options.refuse(
            "use_downstream_protocol_config",
            "the upstream's protocol does not follow the client's; use `explicit_http_config`",
        );
        options.refuse("http_filters", "filters stand in the listener's `http_filters`");
        let mut http = Self::of(UpstreamHttpVersion::Http1);
        let common = options.optional("common_http_protocol_options", |at| {
            at.message(|common| {
                let idle_timeout = common.or("idle_timeout", Some(IDLE_TIMEOUT), At::duration_or_off);
                let connection = common.or("max_connection_duration", None, At::duration_or_off);
                let stream = common.or("max_stream_duration", None, At::duration_or_off);
                let requests = common.or("max_requests_per_connection", 0, At::u32);
                Ok((idle_timeout?, connection?, stream?, requests?))
            })
        });
        let sni = options.optional("upstream_http_protocol_options", |at| {
            at.message(|options| {
                let one_name = "connections of a cluster are shared by calls to all authorities; give the name in \
                     `sni` of the cluster's `transport_socket`, and `auto_sni_san_validation` to check it";
                let auto_sni = options.only("auto_sni", false, one_name);
                let validation = options.only("auto_san_validation", false, one_name);
                options.refuse("override_auto_sni_header", one_name);
                auto_sni?;
                validation
            })
        });
        kind?;
        sni?;
        let (explicit, auto, common) = (explicit?, auto?, common?);
        http.version = explicit.or(auto).unwrap_or(UpstreamHttpVersion::Http1);
        if let Some((idle_timeout, connection, stream, requests)) = common {
            http.idle_timeout = idle_timeout;
            http.max_connection_duration = connection;
            http.max_stream_duration = stream;
            http.max_requests_per_connection = Some(requests).filter(|requests| *requests > 0);
        }
        Ok(http)
    }
}

/// Envoy's `Http1ProtocolOptions`; an empty one says HTTP/1.1 and is enough.
fn read_http1(at: &At<'_>) -> Read<()> {
    at.message(|_| Ok(()))
}
