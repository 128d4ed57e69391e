//! The server: requests from `net` to Python handlers, and their answers back.
//!
//! ```text
//! net -> Front (routes, refusals, limits) -> carry: Receiving -> Channel -> Python
//!                                                   Answering <- Channel <-
//! ```

mod answering;
mod carry;
mod cors;
mod facts;
mod front;
mod io_threads;
mod log;
mod plain_http;
mod receiving;
mod routes;

pub(crate) use carry::too_late;
pub(crate) use cors::Cors;
pub(crate) use facts::{Facts, Kind, authority, with_port};
pub(crate) use front::{Front, Limits};
pub(crate) use io_threads::IoThreads;
pub(crate) use routes::{Method, Routes, Service, info};
