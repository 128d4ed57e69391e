//! Trailers as the last envelope of the body: `name: value` lines, as in an HTTP/1.1 head.

use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::envelope::{COMPRESSED, Envelope, PREFIX, Prefix};
use crate::{Code, RpcError};

/// Bit 7 of the flags: the payload is trailers.
const TRAILERS: u8 = 0b1000_0000;

/// Whether the envelope holds trailers, compressed or not.
pub(crate) fn is_trailers(envelope: &Envelope) -> bool {
    envelope.flags & !COMPRESSED == TRAILERS
}

/// The envelope of these trailers.
pub(crate) fn write_trailers(trailers: &HeaderMap) -> Bytes {
    let len: usize = trailers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    let mut frame = BytesMut::with_capacity(PREFIX + len);
    frame.put_slice(&Prefix { flags: TRAILERS, len }.encode());
    for (name, value) in trailers {
        frame.put_slice(name.as_str().as_bytes());
        frame.put_slice(b": ");
        // A `HeaderValue` holds neither CR nor LF, so a value cannot forge a line.
        frame.put_slice(value.as_bytes());
        frame.put_slice(b"\r\n");
    }
    frame.freeze()
}

/// Reads the payload of a trailers envelope. Lines may end with CRLF or LF alone, names may be in any case.
///
/// # Errors
/// `internal`, for a line that is no header.
pub(crate) fn read_trailers(payload: &[u8]) -> Result<HeaderMap, RpcError> {
    let mut trailers = HeaderMap::new();
    for line in payload.split(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            continue;
        }
        let (name, value) = parse_line(line).ok_or_else(|| {
            let line = String::from_utf8_lossy(line).into_owned();
            RpcError::new(
                Code::Internal,
                format!("the line {line:?} of the response's trailers is no header"),
            )
        })?;
        trailers.append(name, value);
    }
    Ok(trailers)
}

fn parse_line(line: &[u8]) -> Option<(HeaderName, HeaderValue)> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    let name = HeaderName::from_bytes(line[..colon].trim_ascii()).ok()?;
    let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii()).ok()?;
    Some((name, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trailers_are_written_byte_for_byte_and_read_back() {
        let mut trailers = HeaderMap::new();
        trailers.append("grpc-status", HeaderValue::from_static("0"));
        trailers.append("x-a", HeaderValue::from_static("1"));
        trailers.append("x-a", HeaderValue::from_static("2"));
        let frame = write_trailers(&trailers);
        assert_eq!(&frame[..], b"\x80\0\0\0 grpc-status: 0\r\nx-a: 1\r\nx-a: 2\r\n");
        assert_eq!(read_trailers(&frame[PREFIX..]).unwrap(), trailers);
    }

    #[test]
    fn other_writers_forms_are_read() {
        let read = read_trailers(b"Grpc-Status:5\ngrpc-message:a:b \r\n\r\n").unwrap();
        assert_eq!(read["grpc-status"], "5");
        assert_eq!(read["grpc-message"], "a:b");
    }

    #[test]
    fn forged_lines_are_refused() {
        for bad in [&b"no colon\r\n"[..], b": x\r\n", b"na me: x", b"a: x\ry: z", b"a: \0"] {
            assert!(read_trailers(bad).is_err(), "{bad:?}");
        }
    }
}
