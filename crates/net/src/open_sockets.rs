//! Which sockets are open, for a process that forks.

use std::collections::HashSet;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The descriptors of the connections of all endpoints that were given it. Clones are one record.
///
/// A child has copies of its parent's sockets. Their peers are told that a connection is over only when the last copy is
/// closed, so the child has to let go of them; but nothing of what knows them in its memory is fit to do that.
#[derive(Clone, Debug, Default)]
pub struct OpenSockets(Arc<Mutex<HashSet<RawFd>>>);

/// One that is open, until this is dropped.
#[derive(Debug)]
pub(crate) struct OpenSocket {
    all: OpenSockets,
    descriptor: RawFd,
}

impl OpenSockets {
    pub(crate) fn record(&self, socket: &impl AsRawFd) -> OpenSocket {
        let descriptor = socket.as_raw_fd();
        self.lock().insert(descriptor);
        OpenSocket { all: self.clone(), descriptor }
    }

    /// Those that are open, which are forgotten here.
    pub fn take(&self) -> Vec<RawFd> {
        self.lock().drain().collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<RawFd>> {
        // Each change is one operation of the set.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for OpenSocket {
    fn drop(&mut self) {
        self.all.lock().remove(&self.descriptor);
    }
}
