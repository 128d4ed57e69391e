//! How much waits in one direction of one call, and when whoever puts in has to wait.

use landbridge_wire::plain::Content;

/// Bytes that may wait; whoever would put in more waits until there is room again.
const HIGH_WATER: usize = 64 << 10;
/// There is room again once no more than this waits: well below, so that each wait is worth a change of threads.
const LOW_WATER: usize = HIGH_WATER / 2;
/// What a message counts for besides its bytes.
const MESSAGE_COST: usize = 64;

/// The bytes that wait, of messages that count for [`cost`] each.
#[derive(Debug, Default)]
pub(crate) struct Backlog {
    bytes: usize,
    is_full: bool,
    /// So many of the bytes are on their way, and wait until that is reported.
    leaving: usize,
}

/// What a message counts for while it waits.
pub(crate) fn cost(message: &Content) -> usize {
    message.len() + MESSAGE_COST
}

impl Backlog {
    /// A message waits.
    pub(crate) fn add(&mut self, message: &Content) {
        self.bytes += cost(message);
        self.is_full |= self.bytes >= HIGH_WATER;
    }

    /// So much waits no more. Says whether there is room again, where there was none.
    pub(crate) fn remove(&mut self, bytes: usize) -> bool {
        self.bytes = self.bytes.saturating_sub(bytes);
        self.leaving = self.leaving.saturating_sub(bytes);
        let has_room_again = self.is_full && self.bytes <= LOW_WATER;
        self.is_full &= !has_room_again;
        has_room_again
    }

    pub(crate) fn has_room(&self) -> bool {
        !self.is_full
    }

    /// All of it is on its way now. Says what that counts for which was not before, to be [removed](Self::remove) when it
    /// has left.
    pub(crate) fn leave(&mut self) -> usize {
        let more = self.bytes - self.leaving;
        self.leaving = self.bytes;
        more
    }
}
