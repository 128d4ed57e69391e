//! A descriptor that becomes readable, for event loops that wait on descriptors.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};

use rustix::io::{read, write};

/// Raised by any thread, seen by whoever polls the descriptor, until it is cleared.
#[derive(Debug)]
pub(crate) struct Wakeup {
    watched: OwnedFd,
    /// The other end where it is not the same descriptor.
    raised: Option<OwnedFd>,
}

impl Wakeup {
    /// # Errors
    /// The system has no descriptors left.
    pub(crate) fn new() -> io::Result<Self> {
        Self::open()
    }

    #[cfg(target_os = "linux")]
    fn open() -> io::Result<Self> {
        use rustix::event::{EventfdFlags, eventfd};
        let watched = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self { watched, raised: None })
    }

    #[cfg(not(target_os = "linux"))]
    fn open() -> io::Result<Self> {
        let (watched, raised) = std::os::unix::net::UnixStream::pair()?;
        watched.set_nonblocking(true)?;
        raised.set_nonblocking(true)?;
        Ok(Self { watched: watched.into(), raised: Some(raised.into()) })
    }

    /// What to watch for being readable.
    pub(crate) fn descriptor(&self) -> RawFd {
        self.watched.as_raw_fd()
    }

    pub(crate) fn raise(&self) {
        let raised = self.raised.as_ref().unwrap_or(&self.watched);
        // Full means that it is raised already. Eight bytes are what an eventfd takes.
        let _full = write(raised.as_fd(), &1u64.to_ne_bytes());
    }

    pub(crate) fn clear(&self) {
        let mut bytes = [0u8; 64];
        // Nothing to read means that it was not raised.
        let _empty = read(self.watched.as_fd(), &mut bytes);
    }
}
