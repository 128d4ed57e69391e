//! Envoy's `Http2ProtocolOptions`, of a listener or a cluster.

use std::time::Duration;

use super::reader::{At, Message, Read};

/// Settings of HTTP/2 connections. `None` in a field: the default of the side that speaks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Http2Settings {
    /// Streams at once on a connection, from 1 to 2^31-1. For a cluster, how many calls share one connection.
    pub max_concurrent_streams: Option<u32>,
    /// Flow-control window of a stream in bytes, from 65,535 to 2^31-1.
    pub initial_stream_window_size: Option<u32>,
    /// Flow-control window of a connection in bytes, from 65,535 to 2^31-1.
    pub initial_connection_window_size: Option<u32>,
    /// PING frames that tell a dead connection. `None`: off.
    pub keepalive: Option<Http2Keepalive>,
}

/// PING frames in regular intervals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Http2Keepalive {
    /// Time between PINGs; at least 1 ms.
    pub interval: Duration,
    /// How long an answer may take before the connection is closed; at least 1 ms.
    pub timeout: Duration,
}

impl Http2Settings {
    pub(super) fn read(options: &Message<'_, '_>) -> Read<Self> {
        const MAX: u32 = (1 << 31) - 1;
        let window = |at: &At<'_>| at.u32_within(65_535..=MAX);
        let streams = options.optional("max_concurrent_streams", |at| at.u32_within(1..=MAX));
        let stream_window = options.optional("initial_stream_window_size", window);
        let connection_window = options.optional("initial_connection_window_size", window);
        let keepalive = options.optional("connection_keepalive", Http2Keepalive::read);
        let connect = options.only("allow_connect", false, "the HTTP method CONNECT is not proxied");
        options.refuse("hpack_table_size", "the tables have the size HTTP/2 starts with, 4096 bytes");
        options.refuse(
            "override_stream_error_on_invalid_http_message",
            "an invalid message ends its stream, not the connection",
        );
        connect?;
        Ok(Self {
            max_concurrent_streams: streams?,
            initial_stream_window_size: stream_window?,
            initial_connection_window_size: connection_window?,
            keepalive: keepalive?,
        })
    }
}

impl Http2Keepalive {
    fn read(at: &At<'_>) -> Read<Self> {
        at.message(|keepalive| {
            let at_least_a_millisecond = |at: &At<'_>| match at.duration()? {
                duration if duration < Duration::from_millis(1) => Err(at.refuse("must be at least 0.001s")),
                duration => Ok(duration),
            };
            let interval = keepalive.required("interval", at_least_a_millisecond);
            let timeout = keepalive.required("timeout", at_least_a_millisecond);
            keepalive.refuse("interval_jitter", "PINGs are sent in even intervals");
            keepalive.refuse("connection_idle_interval", "PINGs are sent every `interval`");
            Ok(Self { interval: interval?, timeout: timeout? })
        })
    }
}
