//! A running bridge between a caller and a server of ours: what the file's fields do to a request on its way.

mod access_log;
mod bad_input;
mod flow;
mod heads;
mod life;
mod limits;
#[path = "../../../net/tests/net/raw.rs"]
#[expect(dead_code, reason = "the network layer's own tests use all of it")]
mod raw;
mod world;
