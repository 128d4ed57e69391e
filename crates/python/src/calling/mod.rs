//! Calls that Python makes.
//!
//! ```text
//! Python                                              the I/O thread
//! Transport -> Client -> ClientMethod.start() ------> [IoThread]: carry(channel, spec, Outbound)
//! ClientCall: send, receive, cancel --[Outbound]----> messages out
//!             futures <--[Events: fd]--[Outbound]---- head, messages, end
//!     threads that wait <--[Sleepers]--[Outbound]----
//! ```
//!
//! One I/O thread serves all transports of the process; it ends with the last of them. Threads that make one blocking
//! call after the other do its work themselves ([`landbridge_client::Wheel`]). A call of an event loop that streams its
//! request is only prepared by `start`, and made by the loop. Each event loop has one queue of events and one descriptor
//! to watch.

mod call;
mod client;
mod events;
mod foreign;
mod io_thread;
mod outbound;
mod signals;
mod sleepers;
mod transport;

pub(crate) use call::ClientCall;
pub(crate) use client::{Client, ClientMethod};
pub(crate) use events::Events;
pub(crate) use foreign::ClientExchange;
pub(crate) use io_thread::{after_fork_in_child, after_fork_in_parent, before_fork};
pub(crate) use transport::Transport;
