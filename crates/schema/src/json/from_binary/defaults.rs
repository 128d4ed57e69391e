//! Fields that are written although they are not there: those that cannot tell whether they were set.

use std::collections::BTreeSet;
use std::iter::Peekable;
use std::ops::Range;
use std::vec;

use buffa_descriptor::{FieldDescriptor, FieldKind, MessageIndex, SingularKind};

use super::{Conversion, Stop, default_of, tells_whether_set};

impl<'a> Conversion<'a> {
    /// Those of the message gathered at `places`, in the order of their numbers; none unless they are asked for.
    pub(super) fn unset(
        &self,
        index: MessageIndex,
        places: Range<usize>,
    ) -> Peekable<vec::IntoIter<&'a FieldDescriptor>> {
        let mut unset = Vec::new();
        if self.write_defaults {
            let set: BTreeSet<u32> = self.places[places].iter().map(|place| place.number).collect();
            let fields = self.pool.message(index).fields().iter();
            unset.extend(fields.filter(|field| !tells_whether_set(field) && !set.contains(&field.number())));
            unset.sort_by_key(|field| field.number());
        }
        unset.into_iter().peekable()
    }

    pub(super) fn default_member(&mut self, field: &FieldDescriptor, comma: bool) -> Result<(), Stop> {
        if comma {
            self.out.raw(b",")?;
        }
        self.out.json(field.json_name())?;
        self.out.raw(b":")?;
        match field.kind() {
            FieldKind::Singular(SingularKind::Scalar(kind)) => self.scalar(kind, default_of(kind)),
            FieldKind::Singular(SingularKind::Enum(index)) => self.enumeration(index, 0),
            // A message always tells whether it is set.
            FieldKind::Singular(SingularKind::Message(_)) => Ok(self.out.raw(b"null")?),
            FieldKind::List(_) => Ok(self.out.raw(b"[]")?),
            FieldKind::Map { .. } => Ok(self.out.raw(b"{}")?),
        }
    }
}
