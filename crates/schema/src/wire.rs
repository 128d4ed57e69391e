//! Protobuf's binary form: reading it field by field in place, and writing it in one pass.

use buffa::DecodeError;
use buffa::encoding::{Tag, WireType, decode_varint, encode_varint, varint_len};

/// How deep groups may nest inside a field that is only stepped over.
const MAX_SKIPPED_GROUPS: u32 = 100;

/// A stretch of the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: usize,
    pub(crate) end: usize,
}

impl Span {
    pub(crate) fn of(self, input: &[u8]) -> &[u8] {
        &input[self.start..self.end]
    }
}

/// The payload of one field, where it lies.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Value {
    Varint(u64),
    Fixed32(u32),
    Fixed64(u64),
    /// Length-delimited.
    Bytes(Span),
    /// Between a start and an end group tag.
    Group(Span),
}

/// One field of a message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field {
    pub(crate) number: u32,
    /// Where its tag begins.
    pub(crate) at: usize,
    pub(crate) value: Value,
}

/// Steps through the fields of one message inside a larger input.
pub(crate) struct Reader<'a> {
    input: &'a [u8],
    at: usize,
    end: usize,
}

impl<'a> Reader<'a> {
    /// Reads `span` of `input`; the offsets it reports count from the start of `input`.
    pub(crate) fn new(input: &'a [u8], span: Span) -> Self {
        Self { input, at: span.start, end: span.end }
    }

    /// The next field, or `None` at the end of the message.
    pub(crate) fn field(&mut self) -> Result<Option<Field>, DecodeError> {
        if self.at == self.end {
            return Ok(None);
        }
        let at = self.at;
        let tag = self.tag()?;
        let value = self.value(tag, MAX_SKIPPED_GROUPS)?;
        Ok(Some(Field { number: tag.field_number(), at, value }))
    }

    /// The value of the field whose tag begins at `at`, which an earlier pass has found whole.
    pub(crate) fn value_at(input: &'a [u8], at: usize) -> Result<Value, DecodeError> {
        let mut reader = Self { input, at, end: input.len() };
        let tag = reader.tag()?;
        reader.value(tag, MAX_SKIPPED_GROUPS)
    }

    /// The next element of a packed list, or `None` at its end.
    pub(crate) fn packed(&mut self, wire_type: WireType) -> Result<Option<Value>, DecodeError> {
        if self.at == self.end {
            return Ok(None);
        }
        Ok(Some(match wire_type {
            WireType::Fixed32 => Value::Fixed32(u32::from_le_bytes(self.take()?)),
            WireType::Fixed64 => Value::Fixed64(u64::from_le_bytes(self.take()?)),
            _ => Value::Varint(self.varint()?),
        }))
    }

    fn value(&mut self, tag: Tag, groups_left: u32) -> Result<Value, DecodeError> {
        Ok(match tag.wire_type() {
            WireType::Varint => Value::Varint(self.varint()?),
            WireType::Fixed32 => Value::Fixed32(u32::from_le_bytes(self.take()?)),
            WireType::Fixed64 => Value::Fixed64(u64::from_le_bytes(self.take()?)),
            WireType::LengthDelimited => {
                let length = usize::try_from(self.varint()?).map_err(|_| DecodeError::UnexpectedEof)?;
                if length > self.end - self.at {
                    return Err(DecodeError::UnexpectedEof);
                }
                let start = self.at;
                self.at += length;
                Value::Bytes(Span { start, end: self.at })
            }
            WireType::StartGroup => {
                let start = self.at;
                let end = self.skip_group(tag.field_number(), groups_left)?;
                Value::Group(Span { start, end })
            }
            // An end group that no start group opened; `Tag` knows no other types.
            _ => return Err(DecodeError::InvalidEndGroup(tag.field_number())),
        })
    }

    /// Steps over a group and its end tag; returns where that end tag begins.
    fn skip_group(&mut self, number: u32, groups_left: u32) -> Result<usize, DecodeError> {
        let groups_left = groups_left.checked_sub(1).ok_or(DecodeError::RecursionLimitExceeded)?;
        loop {
            let at = self.at;
            let tag = self.tag()?;
            if tag.wire_type() == WireType::EndGroup {
                return if tag.field_number() == number {
                    Ok(at)
                } else {
                    Err(DecodeError::InvalidEndGroup(tag.field_number()))
                };
            }
            self.value(tag, groups_left)?;
        }
    }

    fn tag(&mut self) -> Result<Tag, DecodeError> {
        let mut rest = &self.input[self.at..self.end];
        let tag = Tag::decode(&mut rest)?;
        self.at = self.end - rest.len();
        Ok(tag)
    }

    fn varint(&mut self) -> Result<u64, DecodeError> {
        let mut rest = &self.input[self.at..self.end];
        let value = decode_varint(&mut rest)?;
        self.at = self.end - rest.len();
        Ok(value)
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let (taken, _) =
            self.input[self.at..self.end].split_first_chunk().ok_or(DecodeError::UnexpectedEof)?;
        self.at += N;
        Ok(*taken)
    }
}

/// The output passed its limit.
#[derive(Debug)]
pub(crate) struct TooLarge;

/// Writes a message and the messages nested in it front to back.
///
/// A nested message stands behind its own length, which is known only when it ends. Instead of moving bytes to make room,
/// the lengths are kept aside and slipped in at the end, in one copy.
pub(crate) struct Writer {
    bytes: Vec<u8>,
    /// In the order of their places.
    lengths: Vec<Length>,
    /// How many bytes the lengths of all closed messages take.
    lengths_size: usize,
    max_bytes: usize,
}

/// The length to slip in before `bytes[at]`.
struct Length {
    at: u32,
    value: u32,
}

/// A nested message that has begun.
#[must_use]
pub(crate) struct Open {
    index: usize,
    lengths_size: usize,
}

/// A state of the writer to go back to.
pub(crate) struct Mark {
    bytes: usize,
    lengths: usize,
    lengths_size: usize,
}

impl Writer {
    /// A writer that stops when the message passes `max_bytes`.
    pub(crate) fn new(max_bytes: usize) -> Self {
        // Protobuf itself ends at 2 GiB, so that offsets and lengths fit in 32 bits.
        let max_bytes = max_bytes.min(i32::MAX as usize);
        Self { bytes: Vec::new(), lengths: Vec::new(), lengths_size: 0, max_bytes }
    }

    pub(crate) fn tag(&mut self, number: u32, wire_type: WireType) -> Result<(), TooLarge> {
        self.varint(u64::from(number) << 3 | wire_type as u64)
    }

    pub(crate) fn varint(&mut self, value: u64) -> Result<(), TooLarge> {
        self.reserve(varint_len(value))?;
        encode_varint(value, &mut self.bytes);
        Ok(())
    }

    /// Bytes as they are.
    pub(crate) fn raw(&mut self, bytes: &[u8]) -> Result<(), TooLarge> {
        self.reserve(bytes.len())?;
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    /// A length-delimited field that is known whole: a string, bytes.
    pub(crate) fn bytes_field(&mut self, number: u32, bytes: &[u8]) -> Result<(), TooLarge> {
        self.tag(number, WireType::LengthDelimited)?;
        self.varint(bytes.len() as u64)?;
        self.raw(bytes)
    }

    pub(crate) fn varint_field(&mut self, number: u32, value: u64) -> Result<(), TooLarge> {
        self.tag(number, WireType::Varint)?;
        self.varint(value)
    }

    /// Begins a length-delimited field; what is written until [`Writer::close`] is its content.
    pub(crate) fn open(&mut self, number: u32) -> Result<Open, TooLarge> {
        self.tag(number, WireType::LengthDelimited)?;
        let open = Open { index: self.lengths.len(), lengths_size: self.lengths_size };
        // `reserve` keeps the bytes under 2 GiB.
        self.lengths.push(Length { at: self.bytes.len() as u32, value: 0 });
        Ok(open)
    }

    pub(crate) fn close(&mut self, open: Open) -> Result<(), TooLarge> {
        let length = &mut self.lengths[open.index];
        let nested_lengths = self.lengths_size - open.lengths_size;
        length.value = (self.bytes.len() - length.at as usize + nested_lengths) as u32;
        self.lengths_size += varint_len(u64::from(length.value));
        self.reserve(0)
    }

    pub(crate) fn mark(&self) -> Mark {
        Mark { bytes: self.bytes.len(), lengths: self.lengths.len(), lengths_size: self.lengths_size }
    }

    /// Takes back all that was written since `mark`.
    pub(crate) fn rewind(&mut self, mark: &Mark) {
        self.bytes.truncate(mark.bytes);
        self.lengths.truncate(mark.lengths);
        self.lengths_size = mark.lengths_size;
    }

    /// The whole message.
    pub(crate) fn finish(self) -> Vec<u8> {
        if self.lengths.is_empty() {
            return self.bytes;
        }
        let mut whole = Vec::with_capacity(self.bytes.len() + self.lengths_size);
        let mut copied = 0;
        for length in &self.lengths {
            let at = length.at as usize;
            whole.extend_from_slice(&self.bytes[copied..at]);
            encode_varint(u64::from(length.value), &mut whole);
            copied = at;
        }
        whole.extend_from_slice(&self.bytes[copied..]);
        whole
    }

    fn reserve(&self, more: usize) -> Result<(), TooLarge> {
        let room = self.max_bytes.checked_sub(self.bytes.len() + self.lengths_size);
        if room.is_some_and(|room| more <= room) { Ok(()) } else { Err(TooLarge) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_lengths_count_the_lengths_inside_them() {
        let mut writer = Writer::new(1 << 20);
        let outer = writer.open(1).unwrap();
        let inner = writer.open(2).unwrap();
        writer.raw(&[7; 200]).unwrap();
        writer.close(inner).unwrap();
        writer.varint_field(3, 1).unwrap();
        writer.close(outer).unwrap();
        let mut expected = vec![0x0a, 0xcd, 0x01, 0x12, 0xc8, 0x01];
        expected.extend([7; 200]);
        expected.extend([0x18, 1]);
        assert_eq!(writer.finish(), expected);
    }

    #[test]
    fn a_rewound_message_leaves_no_trace() {
        let mut writer = Writer::new(1 << 20);
        writer.varint_field(1, 1).unwrap();
        let mark = writer.mark();
        let open = writer.open(2).unwrap();
        writer.raw(b"gone").unwrap();
        writer.close(open).unwrap();
        writer.rewind(&mark);
        assert_eq!(writer.finish(), [8, 1]);
    }

    #[test]
    fn the_limit_counts_lengths_too() {
        let write = |max| {
            let mut writer = Writer::new(max);
            let open = writer.open(1)?;
            writer.raw(b"ab")?;
            writer.close(open)?;
            Ok::<_, TooLarge>(writer.finish())
        };
        assert_eq!(write(4).unwrap(), [0x0a, 2, b'a', b'b']);
        assert!(write(3).is_err());
    }
}
