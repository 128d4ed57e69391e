//! Binary -> JSON, straight from the bytes of the message.
//!
//! A message is gone through twice: once to note where each field lies (eight bytes a field), because the same field may
//! come several times and in any order, and then field by field to write it.

mod defaults;
mod gather;
mod map;
mod output;
mod scalar;
mod well_known;

use std::ops::Range;

use buffa::DecodeError;
use buffa::editions::FieldPresence;
use buffa::encoding::WireType;
use buffa_descriptor::{DescriptorPool, FieldDescriptor, FieldKind, MessageIndex, ScalarType, SingularKind};
use bytes::Bytes;

use self::gather::{Bodies, Place};
use self::output::Output;
use super::number;
use super::well_known::WellKnown;
use super::{JsonError, JsonOptions, MAX_DEPTH, Trail};
use crate::wire::{Reader, Span, TooLarge, Value};

pub(super) fn convert(
    pool: &DescriptorPool,
    index: MessageIndex,
    input: &[u8],
    options: &JsonOptions,
) -> Result<Bytes, JsonError> {
    let mut conversion = Conversion {
        pool,
        input,
        out: Output { bytes: Vec::new(), max_bytes: options.max_bytes },
        places: Vec::new(),
        write_defaults: options.write_defaults,
        trail: Trail::default(),
    };
    let whole = Bodies::One(Span { start: 0, end: input.len() });
    let result = if input.len() > i32::MAX as usize {
        Err(Stop::Invalid("longer than 2 GiB, the limit of protobuf".to_owned()))
    } else {
        descend(options.max_depth.min(MAX_DEPTH)).and_then(|depth| conversion.message(index, whole, depth))
    };
    match result {
        Ok(()) => Ok(conversion.out.bytes.into()),
        Err(Stop::TooLarge) => Err(JsonError::TooLarge { max_bytes: options.max_bytes }),
        Err(Stop::Invalid(reason)) => Err(JsonError::Invalid {
            message_type: pool.message(index).full_name().to_owned(),
            path: conversion.trail.path(),
            position: None,
            reason,
        }),
    }
}

/// Why a conversion ends early.
enum Stop {
    TooLarge,
    Invalid(String),
}

impl From<TooLarge> for Stop {
    fn from(_: TooLarge) -> Self {
        Self::TooLarge
    }
}

impl From<DecodeError> for Stop {
    fn from(error: DecodeError) -> Self {
        Self::Invalid(error.to_string())
    }
}

impl From<&str> for Stop {
    fn from(reason: &str) -> Self {
        Self::Invalid(reason.to_owned())
    }
}

/// Takes one level of nesting from what is left.
fn descend(depth: u32) -> Result<u32, Stop> {
    depth.checked_sub(1).ok_or_else(|| Stop::from("messages are nested too deeply"))
}

struct Conversion<'a> {
    pool: &'a DescriptorPool,
    input: &'a [u8],
    out: Output,
    /// The fields of the messages being written, those of the innermost last.
    places: Vec<Place>,
    write_defaults: bool,
    trail: Trail,
}

/// A field or extension that the schema knows, with its name in JSON.
#[derive(Clone, Copy)]
struct Known<'a> {
    field: &'a FieldDescriptor,
    name: &'a str,
}

impl<'a> Conversion<'a> {
    /// Writes a message as the JSON value it is.
    fn message(&mut self, index: MessageIndex, bodies: Bodies, depth: u32) -> Result<(), Stop> {
        let message = self.pool.message(index);
        let start = self.places.len();
        self.gather(index, bodies)?;
        match WellKnown::of(message) {
            None => {
                self.out.raw(b"{")?;
                self.members(index, start, depth, false)?;
                self.out.raw(b"}")?;
            }
            Some(WellKnown::Text(kind)) => self.text(kind, start)?,
            Some(WellKnown::Wrapper(kind)) => self.wrapper(kind, start)?,
            Some(WellKnown::Struct) => self.structure(message, start, depth)?,
            Some(WellKnown::ListValue) => self.list_value(message, start, depth)?,
            Some(WellKnown::Value) => self.value(message, start, depth)?,
            Some(WellKnown::Any) => self.any(start, depth)?,
        }
        self.places.truncate(start);
        Ok(())
    }

    fn known(&self, index: MessageIndex, number: u32) -> Option<Known<'a>> {
        let message = self.pool.message(index);
        if let Some(field) = message.field(number) {
            return Some(Known { field, name: field.json_name() });
        }
        if !message.in_extension_range(number) {
            return None;
        }
        let extension = self.pool.extension_for(index, number)?;
        Some(Known { field: extension.field(), name: extension.json_key() })
    }

    /// Writes the gathered fields from `start` on as members; `comma` if another member stands before them.
    fn members(
        &mut self,
        index: MessageIndex,
        start: usize,
        depth: u32,
        mut comma: bool,
    ) -> Result<(), Stop> {
        let end = self.places.len();
        let mut unset = self.unset(index, start..end);
        let mut from = start;
        while from < end {
            let number = self.places[from].number;
            while let Some(field) = unset.next_if(|field| field.number() < number) {
                self.default_member(field, comma)?;
                comma = true;
            }
            let to = from + self.places[from..end].iter().take_while(|place| place.number == number).count();
            if let Some(known) = self.known(index, number) {
                let written = self.member(known, from..to, depth, comma);
                if written.is_err() {
                    self.trail.field(known.name);
                }
                comma |= written?;
            }
            from = to;
        }
        for field in unset {
            self.default_member(field, comma)?;
            comma = true;
        }
        Ok(())
    }

    /// Writes one member, unless it has nothing to say. Returns whether it did.
    fn member(
        &mut self,
        known: Known<'a>,
        places: Range<usize>,
        depth: u32,
        comma: bool,
    ) -> Result<bool, Stop> {
        let Known { field, name } = known;
        let before = self.out.bytes.len();
        if comma {
            self.out.raw(b",")?;
        }
        self.out.json(name)?;
        self.out.raw(b":")?;
        let written = match field.kind() {
            FieldKind::Singular(SingularKind::Message(index)) => {
                self.nested(index, Bodies::Occurrences(places), depth)?;
                true
            }
            FieldKind::Singular(kind) => {
                // The last one wins; a field has at least one place.
                let value = Reader::value_at(self.input, self.places[places.end - 1].at as usize)?;
                if !self.write_defaults && !tells_whether_set(field) && is_default(kind, value) {
                    false
                } else {
                    self.single(kind, value, depth)?;
                    true
                }
            }
            FieldKind::List(kind) => self.list(field, kind, places, depth)? > 0 || self.write_defaults,
            FieldKind::Map { key, value } => {
                self.map(field, key, value, places, depth)? > 0 || self.write_defaults
            }
        };
        if !written {
            self.out.bytes.truncate(before);
        }
        Ok(written)
    }

    fn nested(&mut self, index: MessageIndex, bodies: Bodies, depth: u32) -> Result<(), Stop> {
        self.message(index, bodies, descend(depth)?)
    }

    /// Writes a value that fits its kind.
    fn single(&mut self, kind: SingularKind, value: Value, depth: u32) -> Result<(), Stop> {
        match (kind, value) {
            (SingularKind::Scalar(kind), value) => self.scalar(kind, value),
            (SingularKind::Enum(index), Value::Varint(number)) => self.enumeration(index, number as i32),
            (SingularKind::Message(index), Value::Bytes(span) | Value::Group(span)) => {
                self.nested(index, Bodies::One(span), depth)
            }
            (SingularKind::Enum(_) | SingularKind::Message(_), _) => Err("wrong wire type".into()),
        }
    }

    /// Writes a list; returns how many elements it has.
    fn list(
        &mut self,
        field: &FieldDescriptor,
        kind: SingularKind,
        places: Range<usize>,
        depth: u32,
    ) -> Result<usize, Stop> {
        let mut count = 0;
        self.out.raw(b"[")?;
        for place in places {
            let value = Reader::value_at(self.input, self.places[place].at as usize)?;
            match value {
                Value::Bytes(span) if packable(kind) => {
                    let mut elements = Reader::new(self.input, span);
                    while let Some(value) = elements.packed(element_wire_type(kind))? {
                        if self.fits(field, value) {
                            self.element(kind, value, depth, &mut count)?;
                        }
                    }
                }
                value => self.element(kind, value, depth, &mut count)?,
            }
        }
        self.out.raw(b"]")?;
        Ok(count)
    }

    fn element(
        &mut self,
        kind: SingularKind,
        value: Value,
        depth: u32,
        count: &mut usize,
    ) -> Result<(), Stop> {
        if *count > 0 {
            self.out.raw(b",")?;
        }
        let written = self.single(kind, value, depth);
        if written.is_err() {
            self.trail.element(*count);
        }
        *count += 1;
        written
    }
}

/// Whether an unset field differs from one that is set to its default.
fn tells_whether_set(field: &FieldDescriptor) -> bool {
    field.presence() != FieldPresence::Implicit || field.oneof_index().is_some()
}

fn wire_type(value: Value) -> WireType {
    match value {
        Value::Varint(_) => WireType::Varint,
        Value::Fixed32(_) => WireType::Fixed32,
        Value::Fixed64(_) => WireType::Fixed64,
        Value::Bytes(_) => WireType::LengthDelimited,
        Value::Group(_) => WireType::StartGroup,
    }
}

/// The wire type of an element of a list or a map value (groups are neither).
fn element_wire_type(kind: SingularKind) -> WireType {
    match kind {
        SingularKind::Scalar(kind) => number::wire_type(kind),
        SingularKind::Enum(_) => WireType::Varint,
        SingularKind::Message(_) => WireType::LengthDelimited,
    }
}

/// Whether a list of these may come packed, whatever its declaration says.
fn packable(kind: SingularKind) -> bool {
    element_wire_type(kind) != WireType::LengthDelimited
}

fn is_default(kind: SingularKind, value: Value) -> bool {
    /// Of whose varints the upper half is cut off.
    fn is_narrow(kind: SingularKind) -> bool {
        use ScalarType::{Int32, Sint32, Uint32};
        matches!(kind, SingularKind::Enum(_) | SingularKind::Scalar(Int32 | Uint32 | Sint32))
    }
    match value {
        Value::Varint(value) if is_narrow(kind) => value as u32 == 0,
        Value::Varint(value) => value == 0,
        Value::Fixed32(value) => value == 0,
        Value::Fixed64(value) => value == 0,
        Value::Bytes(span) | Value::Group(span) => span.start == span.end,
    }
}

fn default_of(kind: ScalarType) -> Value {
    match number::wire_type(kind) {
        WireType::Fixed32 => Value::Fixed32(0),
        WireType::Fixed64 => Value::Fixed64(0),
        WireType::LengthDelimited => Value::Bytes(Span { start: 0, end: 0 }),
        _ => Value::Varint(0),
    }
}
