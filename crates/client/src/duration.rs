//! Durations in files that are written in Protobuf's JSON: service configs, and the bridge's.

use std::time::Duration;

/// Protobuf's largest duration, about 10,000 years.
const MAX_SECONDS: u64 = 315_576_000_000;

/// A duration in Protobuf's JSON form: seconds with up to nine decimals and an `s`, such as `0.25s`. None for anything
/// else, and for one below 0, which no setting has a meaning for.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let number = text.strip_suffix('s')?;
    let (seconds, decimals) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if !digits(seconds) || !digits(decimals) || decimals.len() > 9 {
        return None;
    }
    let seconds: u64 = seconds.parse().ok().filter(|s| *s <= MAX_SECONDS)?;
    let nanos: u32 = format!("{decimals:0<9}").parse().ok()?;
    Some(Duration::new(seconds, nanos))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_seconds_with_up_to_nine_decimals() {
        let millis = |ms| Some(Duration::from_millis(ms));
        assert_eq!(parse_duration("0.25s"), millis(250));
        assert_eq!(parse_duration("15s"), millis(15_000));
        assert_eq!(parse_duration("0s"), Some(Duration::ZERO));
        assert_eq!(parse_duration("1.000000001s"), Some(Duration::new(1, 1)));
        for wrong in [
            "",
            "s",
            "15",
            "-1s",
            "1.s",
            ".5s",
            "1.0000000001s",
            "1m",
            "250ms",
            "+1s",
            "315576000001s",
            "1e3s",
        ] {
            assert_eq!(parse_duration(wrong), None, "{wrong}");
        }
    }
}
