//! Which HTTP a client speaks, from its first bytes.

use std::io;

use bytes::BytesMut;
use tokio::io::AsyncReadExt;

use crate::server::connection::HttpVersion;
use crate::transport::Transport;

/// What every HTTP/2 client sends first (RFC 9113 section 3.4).
pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Reads no more than it takes to tell, and leaves the transport as if nothing had been read. However the preface is
/// cut into packets, it is recognized; the caller bounds the time. `None`: the client closed without a word.
pub(super) async fn detect(transport: &mut Transport) -> io::Result<Option<HttpVersion>> {
    let mut seen = BytesMut::with_capacity(PREFACE.len());
    let version = loop {
        let mut rest = (&mut *transport).take((PREFACE.len() - seen.len()) as u64);
        if rest.read_buf(&mut seen).await? == 0 {
            if seen.is_empty() {
                return Ok(None);
            }
            break HttpVersion::Http1;
        }
        if !PREFACE.starts_with(&seen) {
            break HttpVersion::Http1;
        }
        if seen.len() == PREFACE.len() {
            break HttpVersion::Http2;
        }
    };
    transport.unread(seen.freeze());
    Ok(Some(version))
}
