//! The two directions of a message's content, the same on either side of a connection and for either HTTP.

mod recv;
mod send;

pub(crate) use recv::Hold;
pub use recv::{Frame, RecvBody};
pub(crate) use send::Outlet;
pub use send::SendBody;
