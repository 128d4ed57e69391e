//! Scalars, by protobuf's JSON mapping.

use std::num::NonZeroU32;
use std::ops::RangeInclusive;
use std::time::Duration;

use http::HeaderName;
use landbridge_client::parse_duration;

use super::{At, Read};
use crate::config::yaml::{Meaning, Scalar, Value};

impl<'a> At<'a> {
    fn scalar(&self, what: &str) -> Read<&'a Scalar> {
        match &self.node.value {
            Value::Scalar(scalar) => Ok(scalar),
            _ => Err(self.expected(what)),
        }
    }

    /// A string. A bare number or boolean is refused, as Envoy refuses it.
    pub(in crate::config) fn text(&self) -> Read<&'a str> {
        match self.scalar("text")?.meaning() {
            Meaning::Text(text) => Ok(text),
            _ => Err(self.refuse("expected text; put it in quotes")),
        }
    }

    /// A string that is not empty.
    pub(in crate::config) fn name(&self) -> Read<&'a str> {
        match self.text()? {
            "" => Err(self.refuse("must not be empty")),
            text => Ok(text),
        }
    }

    /// An owned [`Self::text`].
    pub(in crate::config) fn string(&self) -> Read<String> {
        self.text().map(str::to_owned)
    }

    pub(in crate::config) fn bool(&self) -> Read<bool> {
        match self.scalar("true or false")?.meaning() {
            Meaning::Bool(value) => Ok(value),
            _ => Err(self.expected("true or false")),
        }
    }

    /// An integer within `range`; a quoted one too.
    pub(in crate::config) fn integer(&self, range: RangeInclusive<i64>) -> Read<i64> {
        let value = match self.scalar("a number")?.meaning() {
            Meaning::Integer(integer) => i64::try_from(integer).ok(),
            Meaning::Text(text) => match text.parse::<i64>() {
                Ok(integer) => Some(integer),
                Err(_) => return Err(self.expected("a whole number")),
            },
            _ => return Err(self.expected("a whole number")),
        };
        value.filter(|value| range.contains(value)).ok_or_else(|| {
            self.refuse(format_args!("must be a whole number from {} to {}", range.start(), range.end()))
        })
    }

    pub(in crate::config) fn u32(&self) -> Read<u32> {
        self.u32_within(0..=u32::MAX)
    }

    pub(in crate::config) fn u32_within(&self, range: RangeInclusive<u32>) -> Read<u32> {
        let value = self.integer(i64::from(*range.start())..=i64::from(*range.end()))?;
        u32::try_from(value).map_err(|_| self.refuse("out of range"))
    }

    pub(in crate::config) fn positive(&self) -> Read<NonZeroU32> {
        let value = self.u32_within(1..=u32::MAX)?;
        NonZeroU32::new(value).ok_or_else(|| self.refuse("must not be 0"))
    }

    /// A duration: seconds with up to nine decimals and an `s`, such as `0.25s`.
    pub(in crate::config) fn duration(&self) -> Read<Duration> {
        let scalar = self.scalar("a duration such as 0.25s")?;
        parse_duration(&scalar.text).ok_or_else(|| {
            self.refuse("expected a duration: seconds followed by `s`, such as 15s or 0.25s, not negative")
        })
    }

    /// A duration in which 0 switches something off.
    pub(in crate::config) fn duration_or_off(&self) -> Read<Option<Duration>> {
        self.duration().map(|duration| Some(duration).filter(|d| !d.is_zero()))
    }

    /// A duration that is not 0.
    pub(in crate::config) fn positive_duration(&self) -> Read<Duration> {
        match self.duration()? {
            Duration::ZERO => Err(self.refuse("must be more than 0s")),
            duration => Ok(duration),
        }
    }

    /// An enum, by the name or the number of its value.
    pub(in crate::config) fn choice<T: Clone>(&self, choices: &[(&str, i128, T)]) -> Read<T> {
        let chosen = match self.scalar("the name of a value")?.meaning() {
            Meaning::Integer(number) => choices.iter().find(|(_, n, _)| *n == number),
            _ => {
                let text = &self.scalar("the name of a value")?.text;
                choices.iter().find(|(name, _, _)| name == text)
            }
        };
        match chosen {
            Some((_, _, value)) => Ok(value.clone()),
            None => {
                let names: Vec<&str> = choices.iter().map(|(name, _, _)| *name).collect();
                Err(self.refuse(format_args!("not supported; supported: {}", names.join(", "))))
            }
        }
    }

    /// One of a few words.
    pub(in crate::config) fn word<T: Copy>(&self, words: &[(&str, T)]) -> Read<T> {
        let text = self.text()?;
        let found = words.iter().find(|(word, _)| *word == text);
        found.map(|(_, value)| *value).ok_or_else(|| {
            let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            self.refuse(format_args!("not supported; supported: {}", words.join(", ")))
        })
    }

    pub(in crate::config) fn header_name(&self) -> Read<HeaderName> {
        HeaderName::try_from(self.name()?)
            .map_err(|_| self.refuse("not a header name; letters, digits and `-` are usual"))
    }
}
