//! Finding the fields of a message, by protobuf's rules of what wins and what merges.

use std::collections::BTreeMap;
use std::ops::Range;

use buffa::editions::EnumType;
use buffa_descriptor::{EnumIndex, FieldDescriptor, FieldKind, MessageIndex, SingularKind};

use super::{Conversion, Known, Stop, packable, wire_type};
use crate::json::number;
use crate::wire::{Reader, Span, Value};

/// Where a field lies.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) number: u32,
    /// The offset of its tag. Protobuf's limit of 2 GiB lets it fit.
    pub(super) at: u32,
}

/// The bytes of a message: in one piece, or in all the occurrences of its field, which merge.
#[derive(Clone)]
pub(super) enum Bodies {
    One(Span),
    /// Indices of `places`.
    Occurrences(Range<usize>),
}

impl<'a> Conversion<'a> {
    /// Notes the places of the message's known fields, in the order of their numbers.
    pub(super) fn gather(&mut self, index: MessageIndex, bodies: Bodies) -> Result<(), Stop> {
        let start = self.places.len();
        let mut state = Gathering { last: None, sorted: true, oneof_members: 0 };
        match bodies {
            Bodies::One(span) => self.gather_from(index, span, &mut state)?,
            Bodies::Occurrences(range) => {
                for place in range {
                    match Reader::value_at(self.input, self.places[place].at as usize)? {
                        Value::Bytes(span) | Value::Group(span) => {
                            self.gather_from(index, span, &mut state)?
                        }
                        Value::Varint(_) | Value::Fixed32(_) | Value::Fixed64(_) => {}
                    }
                }
            }
        }
        if state.oneof_members > 1 {
            self.settle_oneofs(index, start);
        }
        if !state.sorted {
            self.places[start..].sort_by_key(|place| place.number);
        }
        Ok(())
    }

    fn gather_from(
        &mut self,
        index: MessageIndex,
        span: Span,
        state: &mut Gathering<'a>,
    ) -> Result<(), Stop> {
        let mut reader = Reader::new(self.input, span);
        while let Some(found) = reader.field()? {
            let known = match state.last {
                Some((number, known)) if number == found.number => known,
                _ => {
                    let known = self.known(index, found.number);
                    state.sorted &= state.last.is_none_or(|(last, _)| last < found.number);
                    state.last = Some((found.number, known));
                    known
                }
            };
            let Some(Known { field, .. }) = known.filter(|known| self.fits(known.field, found.value)) else {
                continue;
            };
            state.oneof_members += usize::from(field.oneof_index().is_some());
            self.places.push(Place { number: found.number, at: found.at as u32 });
        }
        Ok(())
    }

    /// Whether the value is one of the field: of its wire type, and no unknown value of a closed enum. Others count as
    /// unknown fields.
    pub(super) fn fits(&self, field: &FieldDescriptor, value: Value) -> bool {
        let singular = |kind| match (kind, value) {
            (SingularKind::Scalar(kind), value) => wire_type(value) == number::wire_type(kind),
            (SingularKind::Enum(index), Value::Varint(number)) => self.enum_value_fits(field, index, number),
            (SingularKind::Enum(_), _) => false,
            (SingularKind::Message(_), Value::Bytes(_)) => !field.is_delimited(),
            (SingularKind::Message(_), Value::Group(_)) => field.is_delimited(),
            (SingularKind::Message(_), _) => false,
        };
        match field.kind() {
            FieldKind::Singular(kind) => singular(kind),
            FieldKind::List(kind) => singular(kind) || (packable(kind) && matches!(value, Value::Bytes(_))),
            FieldKind::Map { .. } => matches!(value, Value::Bytes(_)),
        }
    }

    pub(super) fn enum_value_fits(&self, field: &FieldDescriptor, index: EnumIndex, number: u64) -> bool {
        let kind = self.pool.enumeration(index);
        let closed = field.enum_type().unwrap_or_else(|| kind.enum_type()) == EnumType::Closed;
        !closed || kind.value(number as i32).is_some()
    }

    /// Of each oneof keeps the member that came last, and of that only what came after any other member.
    fn settle_oneofs(&mut self, index: MessageIndex, start: usize) {
        enum Winner {
            Open(u32),
            Closed,
        }
        let mut winners: BTreeMap<u16, Winner> = BTreeMap::new();
        let mut lost = Vec::new();
        for place in (start..self.places.len()).rev() {
            let number = self.places[place].number;
            let Some(oneof) = self.known(index, number).and_then(|known| known.field.oneof_index()) else {
                continue;
            };
            match winners.entry(oneof).or_insert(Winner::Open(number)) {
                Winner::Open(winner) if *winner == number => {}
                other => {
                    *other = Winner::Closed;
                    lost.push(place);
                }
            }
        }
        let mut place = start;
        let mut kept = start;
        while place < self.places.len() {
            if lost.last() == Some(&place) {
                lost.pop();
            } else {
                self.places[kept] = self.places[place];
                kept += 1;
            }
            place += 1;
        }
        self.places.truncate(kept);
    }
}

/// What is known while the fields of a message are gathered.
struct Gathering<'a> {
    /// The field looked up last: those of a list follow each other.
    last: Option<(u32, Option<Known<'a>>)>,
    sorted: bool,
    oneof_members: usize,
}
