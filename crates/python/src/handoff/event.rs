//! What I/O threads have for an event loop.

use std::sync::Arc;

use pyo3::{Py, PyAny};
use tracing::Level;

use super::channel::Channel;

/// Something that an I/O thread of a server has for the event loop.
#[derive(Debug)]
pub(crate) enum Event {
    /// A call has come.
    Started(Arc<Channel>),
    /// What this future waits for has happened.
    Woken(Py<PyAny>),
    /// The caller is gone, or its deadline: whoever works for it is to be cancelled.
    Over(Py<PyAny>),
    /// Something that the log has to say.
    Log { level: Level, message: String },
}
