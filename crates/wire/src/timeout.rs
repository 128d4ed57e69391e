//! Timeouts as header values: `grpc-timeout` and `connect-timeout-ms`.

use std::time::Duration;

use http::HeaderValue;

use crate::{Code, RpcError};

/// Reads `grpc-timeout`: one to eight digits and a unit (gRPC, PROTOCOL-HTTP2, "Timeout").
pub fn parse_grpc(value: &HeaderValue) -> Result<Duration, RpcError> {
    let invalid =
        || invalid("grpc-timeout", value, "one to eight digits and one of the units H, M, S, m, u, n");
    let (unit, digits) = value.as_bytes().split_last().ok_or_else(invalid)?;
    let number = parse_digits(digits, 8).ok_or_else(invalid)?;
    Ok(match unit {
        b'H' => Duration::from_secs(number * 3600),
        b'M' => Duration::from_secs(number * 60),
        b'S' => Duration::from_secs(number),
        b'm' => Duration::from_millis(number),
        b'u' => Duration::from_micros(number),
        b'n' => Duration::from_nanos(number),
        _ => return Err(invalid()),
    })
}

/// Reads `connect-timeout-ms`: one to ten digits (Connect protocol, "Timeout-Milliseconds").
pub fn parse_connect(value: &HeaderValue) -> Result<Duration, RpcError> {
    parse_digits(value.as_bytes(), 10)
        .map(Duration::from_millis)
        .ok_or_else(|| invalid("connect-timeout-ms", value, "one to ten digits"))
}

/// Writes `grpc-timeout` in the finest of the units that hold it in eight digits, from microseconds up.
///
/// Rounded down, so that the callee never believes to have more time than the caller has.
pub fn format_grpc(timeout: Duration) -> HeaderValue {
    const MAX: u128 = 99_999_999;
    let micros = timeout.as_micros();
    let (number, unit) = if micros <= MAX {
        (micros, 'u')
    } else if timeout.as_millis() <= MAX {
        (timeout.as_millis(), 'm')
    } else if u128::from(timeout.as_secs()) <= MAX {
        (u128::from(timeout.as_secs()), 'S')
    } else if u128::from(timeout.as_secs() / 60) <= MAX {
        (u128::from(timeout.as_secs() / 60), 'M')
    } else {
        (u128::from(timeout.as_secs() / 3600).min(MAX), 'H')
    };
    ascii(&format!("{number}{unit}"))
}

/// Writes `connect-timeout-ms`, rounded down; at most ten digits.
pub fn format_connect(timeout: Duration) -> HeaderValue {
    ascii(&timeout.as_millis().min(9_999_999_999).to_string())
}

fn ascii(text: &str) -> HeaderValue {
    // Digits and a letter are always a legal header value.
    HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static("0"))
}

fn parse_digits(digits: &[u8], most: usize) -> Option<u64> {
    if digits.is_empty() || digits.len() > most || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

fn invalid(header: &str, value: &HeaderValue, wanted: &str) -> RpcError {
    RpcError::new(Code::InvalidArgument, format!("{header} is {value:?}: it must be {wanted}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grpc(text: &str) -> Option<Duration> {
        parse_grpc(&HeaderValue::from_str(text).unwrap()).ok()
    }

    fn connect(text: &str) -> Option<Duration> {
        parse_connect(&HeaderValue::from_str(text).unwrap()).ok()
    }

    #[test]
    fn grpc_timeouts_take_every_unit() {
        assert_eq!(grpc("1H"), Some(Duration::from_secs(3600)));
        assert_eq!(grpc("2M"), Some(Duration::from_secs(120)));
        assert_eq!(grpc("3S"), Some(Duration::from_secs(3)));
        assert_eq!(grpc("4m"), Some(Duration::from_millis(4)));
        assert_eq!(grpc("5u"), Some(Duration::from_micros(5)));
        assert_eq!(grpc("6n"), Some(Duration::from_nanos(6)));
        assert_eq!(grpc("0m"), Some(Duration::ZERO));
        assert_eq!(grpc("99999999H"), Some(Duration::from_secs(99_999_999 * 3600)));
    }

    #[test]
    fn malformed_timeouts_are_refused() {
        for text in ["", "m", "1", "-1m", "+1m", "1.5S", "123456789m", "1 m", "1x", "1mm"] {
            assert_eq!(grpc(text), None, "{text:?}");
        }
        for text in ["", "-1", "+1", "1.0", "12345678901", " 1", "1s"] {
            assert_eq!(connect(text), None, "{text:?}");
        }
        assert_eq!(connect("9999999999"), Some(Duration::from_millis(9_999_999_999)));
        assert_eq!(connect("0"), Some(Duration::ZERO));
    }

    #[test]
    fn formatted_timeouts_never_exceed_what_was_given() {
        for timeout in [
            Duration::ZERO,
            Duration::from_nanos(1),
            Duration::from_millis(250),
            Duration::from_secs(100),
            Duration::from_secs(86_400 * 400),
            Duration::MAX,
        ] {
            let text = format_grpc(timeout);
            assert!(text.len() <= 9);
            assert!(parse_grpc(&text).unwrap() <= timeout);
            let text = format_connect(timeout);
            assert!(text.len() <= 10);
            assert!(parse_connect(&text).unwrap() <= timeout);
        }
        assert_eq!(format_grpc(Duration::from_millis(250)), "250000u");
        assert_eq!(format_grpc(Duration::from_secs(600)), "600000m");
    }
}
