//! Envoy's HTTP/2 options, applied to `net`'s settings of either side.

use crate::config::Http2Settings;

/// Sets what the file says; the rest stays as it is.
pub(crate) fn apply(options: &Http2Settings, settings: &mut landbridge_net::Http2Settings) {
    if let Some(window) = options.initial_stream_window_size {
        settings.stream_window = window;
    }
    if let Some(window) = options.initial_connection_window_size {
        settings.connection_window = window;
    }
    if let Some(keepalive) = options.keepalive {
        settings.keepalive_interval = Some(keepalive.interval);
        settings.keepalive_timeout = keepalive.timeout;
    }
}
