//! Where I/O threads and Python meet.
//!
//! ```text
//!  I/O thread                                                    Python
//!  carry -> [Channel] --readable, over--> [LoopQueue] --fd--> event loop: poll()
//!                     --new call--------> [LoopQueue] or [ThreadQueue] --> handler
//!  carry <- [Channel] <--[Woken]-- messages, end
//! ```
//!
//! I/O threads never take the GIL. What is ready crosses in batches, both ways: one queue, one flag that says somebody
//! was told, and one wake-up however many calls are ready.

mod backlog;
mod channel;
mod event;
mod loop_queue;
mod thread_queue;
mod wakeup;
mod woken;

pub(crate) use backlog::{Backlog, cost};
pub(crate) use channel::{Channel, Flow, Outgoing, Over, Received};
pub(crate) use event::Event;
pub(crate) use loop_queue::LoopQueue;
pub(crate) use thread_queue::{Full, ThreadQueue};
pub(crate) use woken::Woken;
