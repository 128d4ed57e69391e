//! Numbers as JSON writes them (bare, quoted, with fraction or exponent) -> the scalars of protobuf.

use buffa::encoding::WireType;
use buffa_descriptor::ScalarType;

use crate::wire::{TooLarge, Writer};

/// A number or boolean, ready for the wire.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Scalar {
    Varint(u64),
    Fixed32(u32),
    Fixed64(u64),
}

impl Scalar {
    pub(super) fn write(self, out: &mut Writer) -> Result<(), TooLarge> {
        match self {
            Self::Varint(value) => out.varint(value),
            Self::Fixed32(value) => out.raw(&value.to_le_bytes()),
            Self::Fixed64(value) => out.raw(&value.to_le_bytes()),
        }
    }

    /// Whether this is the value that absence stands for. Negative zero is not.
    pub(super) fn is_default(self) -> bool {
        matches!(self, Self::Varint(0) | Self::Fixed32(0) | Self::Fixed64(0))
    }
}

/// The wire type of a scalar on its own (not in a packed list).
pub(super) fn wire_type(scalar: ScalarType) -> WireType {
    match scalar {
        ScalarType::Double | ScalarType::Fixed64 | ScalarType::Sfixed64 => WireType::Fixed64,
        ScalarType::Float | ScalarType::Fixed32 | ScalarType::Sfixed32 => WireType::Fixed32,
        ScalarType::String | ScalarType::Bytes => WireType::LengthDelimited,
        ScalarType::Int64
        | ScalarType::Uint64
        | ScalarType::Int32
        | ScalarType::Bool
        | ScalarType::Uint32
        | ScalarType::Sint32
        | ScalarType::Sint64 => WireType::Varint,
    }
}

/// The number is not one of the kind asked for.
#[derive(Debug, PartialEq)]
pub(super) struct Misfit;

pub(super) fn from_bool(kind: ScalarType, value: bool) -> Result<Scalar, Misfit> {
    match kind {
        ScalarType::Bool => Ok(Scalar::Varint(value.into())),
        _ => Err(Misfit),
    }
}

/// From an integer that JSON wrote without fraction or exponent.
pub(super) fn from_integer(kind: ScalarType, value: i128) -> Result<Scalar, Misfit> {
    fn fit<T: TryFrom<i128>>(value: i128) -> Result<T, Misfit> {
        T::try_from(value).map_err(|_| Misfit)
    }
    Ok(match kind {
        // Negative 32-bit integers go over the wire with the sign of 64 bits.
        ScalarType::Int32 => Scalar::Varint(i64::from(fit::<i32>(value)?) as u64),
        ScalarType::Int64 => Scalar::Varint(fit::<i64>(value)? as u64),
        ScalarType::Uint32 => Scalar::Varint(fit::<u32>(value)?.into()),
        ScalarType::Uint64 => Scalar::Varint(fit(value)?),
        ScalarType::Sint32 => {
            let value: i32 = fit(value)?;
            Scalar::Varint(((value << 1) ^ (value >> 31)) as u32 as u64)
        }
        ScalarType::Sint64 => {
            let value: i64 = fit(value)?;
            Scalar::Varint(((value << 1) ^ (value >> 63)) as u64)
        }
        ScalarType::Fixed32 => Scalar::Fixed32(fit(value)?),
        ScalarType::Sfixed32 => Scalar::Fixed32(fit::<i32>(value)? as u32),
        ScalarType::Fixed64 => Scalar::Fixed64(fit(value)?),
        ScalarType::Sfixed64 => Scalar::Fixed64(fit::<i64>(value)? as u64),
        ScalarType::Float => Scalar::Fixed32((value as f32).to_bits()),
        ScalarType::Double => Scalar::Fixed64((value as f64).to_bits()),
        ScalarType::Bool | ScalarType::String | ScalarType::Bytes => return Err(Misfit),
    })
}

/// From a finite number that JSON wrote with a fraction or an exponent.
pub(super) fn from_float(kind: ScalarType, value: f64) -> Result<Scalar, Misfit> {
    /// Below this every integer is a double; from here on, digits may have been lost already.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match kind {
        ScalarType::Double => Ok(Scalar::Fixed64(value.to_bits())),
        ScalarType::Float => {
            let narrow = value as f32;
            if narrow.is_finite() { Ok(Scalar::Fixed32(narrow.to_bits())) } else { Err(Misfit) }
        }
        _ if value.fract() == 0.0 && value.abs() < EXACT => from_integer(kind, value as i128),
        _ => Err(Misfit),
    }
}

/// From a number in quotes, as 64-bit integers, map keys and the values beyond numbers (`NaN`) are written.
pub(super) fn from_text(kind: ScalarType, text: &str) -> Result<Scalar, Misfit> {
    match (kind, text) {
        (ScalarType::Double, "NaN") => return Ok(Scalar::Fixed64(f64::NAN.to_bits())),
        (ScalarType::Double, "Infinity") => return Ok(Scalar::Fixed64(f64::INFINITY.to_bits())),
        (ScalarType::Double, "-Infinity") => return Ok(Scalar::Fixed64(f64::NEG_INFINITY.to_bits())),
        (ScalarType::Float, "NaN") => return Ok(Scalar::Fixed32(f32::NAN.to_bits())),
        (ScalarType::Float, "Infinity") => return Ok(Scalar::Fixed32(f32::INFINITY.to_bits())),
        (ScalarType::Float, "-Infinity") => return Ok(Scalar::Fixed32(f32::NEG_INFINITY.to_bits())),
        _ => {}
    }
    if !is_json_number(text) {
        return Err(Misfit);
    }
    let integral = !text.contains(['.', 'e', 'E']);
    let float = matches!(kind, ScalarType::Double | ScalarType::Float);
    if integral && !float {
        return from_integer(kind, text.parse().map_err(|_| Misfit)?);
    }
    let value: f64 = text.parse().map_err(|_| Misfit)?;
    if value.is_finite() { from_float(kind, value) } else { Err(Misfit) }
}

/// JSON's grammar of numbers, which the parsers of the standard library exceed (`+1`, `.5`, `inf`).
fn is_json_number(text: &str) -> bool {
    fn digits(text: &str) -> (usize, &str) {
        let rest = text.trim_start_matches(|c: char| c.is_ascii_digit());
        (text.len() - rest.len(), rest)
    }
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (integer, mut rest) = digits(unsigned);
    if integer == 0 || (integer > 1 && unsigned.starts_with('0')) {
        return false;
    }
    if let Some(fraction) = rest.strip_prefix('.') {
        let (count, after) = digits(fraction);
        if count == 0 {
            return false;
        }
        rest = after;
    }
    if let Some(exponent) = rest.strip_prefix(['e', 'E']) {
        let (count, after) = digits(exponent.strip_prefix(['+', '-']).unwrap_or(exponent));
        if count == 0 {
            return false;
        }
        rest = after;
    }
    rest.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_a_number_only_by_the_grammar_of_json() {
        for good in ["0", "-0", "12", "1.0", "1e5", "-1.5E-3", "0.1e+2"] {
            assert!(is_json_number(good), "{good}");
        }
        for bad in ["", "-", "+1", "01", ".5", "5.", "1e", "1e+", " 1", "1 ", "inf", "nan", "0x1", "1_0", "١"]
        {
            assert!(!is_json_number(bad), "{bad}");
        }
    }

    #[test]
    fn integers_fit_exactly_their_own_range() {
        assert_eq!(from_text(ScalarType::Int32, "-1"), Ok(Scalar::Varint(u64::MAX)));
        assert_eq!(from_text(ScalarType::Int32, "2147483648"), Err(Misfit));
        assert_eq!(from_text(ScalarType::Uint64, "18446744073709551615"), Ok(Scalar::Varint(u64::MAX)));
        assert_eq!(from_text(ScalarType::Uint64, "18446744073709551616"), Err(Misfit));
        assert_eq!(from_text(ScalarType::Uint32, "-1"), Err(Misfit));
        assert_eq!(from_text(ScalarType::Sint32, "-2147483648"), Ok(Scalar::Varint(u32::MAX.into())));
        assert_eq!(from_text(ScalarType::Int64, "1.5e3"), Ok(Scalar::Varint(1500)));
        assert_eq!(from_text(ScalarType::Int64, "1.5"), Err(Misfit));
        // The nearest double is another integer.
        assert_eq!(from_text(ScalarType::Int64, "9007199254740993.0"), Err(Misfit));
    }

    #[test]
    fn floats_overflow_to_an_error_and_never_to_infinity() {
        assert_eq!(from_text(ScalarType::Double, "1e400"), Err(Misfit));
        assert_eq!(from_float(ScalarType::Float, 1e39), Err(Misfit));
        assert_eq!(
            from_float(ScalarType::Float, f64::from(f32::MAX)),
            Ok(Scalar::Fixed32(f32::MAX.to_bits()))
        );
    }
}
