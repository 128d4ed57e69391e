//! What the fuzz targets share: input that steers towards the parsers, a transport without sockets, and the laws that
//! hold for any input.
//!
//! Each target in `targets/` takes one way in (a head, a body, a file) and asserts such a law; that nothing panics,
//! hangs or eats memory is the fuzzer's own watch.

mod ends;
mod headers;
mod json;
mod pieces;
mod requests;
mod responses;
mod schema;

pub use ends::{assert_end_survives, bare};
pub use headers::Headers;
pub use json::assert_json_is_stable;
pub use pieces::Pieces;
pub use requests::{Reading, accepting, post, read_request};
pub use responses::{Answer, Ending, deliver, opened, read_response};
pub use schema::{ChangedFile, everything};

/// The message limit the targets read with, in bytes: small enough for the fuzzer to pass it.
pub const LIMIT: usize = 1024;
