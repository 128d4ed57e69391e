//! One call from a command line: JSON in, JSON out, in any of the three protocols.
//!
//! ```text
//!              knowledge: the method, by files or the server's reflection; or nothing, where JSON passes
//!                  |
//! [Order] --> input: documents -> messages ----> client::carry ----> talk: messages -> documents on the [`screen`]
//!                                                     |
//!                                                     '--> the end, as an exit status
//! ```
//!
//! [`run`] does what an [`Order`] says and prints what comes of it: responses on standard output, one JSON document each,
//! and all else on standard error.

mod address;
mod call;
mod documents;
mod failure;
mod files;
mod input;
mod knowledge;
mod layout;
mod order;
mod reflection;
mod screen;
mod server;
mod symbols;
mod talk;

pub use address::{Address, AddressError, MethodName};
pub use landbridge_client::Proxy;
pub use order::{CallOrder, Data, Order, Reflection, SchemaSource, Task};
pub use server::Server;

use failure::Failure;
use screen::Screen;

/// Does it, to the end, and gives the exit status:
///
/// | status | meaning |
/// |---|---|
/// | 0 | the call succeeded |
/// | 1 | the call could not be made |
/// | 2 | what was given is wrong: JSON, a file, the method's name |
/// | 64 and the number of a gRPC code | the call failed with this code: 69 is `not_found` |
/// | 141 | standard output was closed early |
pub fn run(order: &Order) -> u8 {
    let screen = Screen::new(order.verbose);
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return screen.failure(&Failure::Unable(error.to_string())),
    };
    let done = runtime.block_on(async {
        match &order.task {
            Task::Call(call) => call::make(order, call, screen).await,
            Task::List => symbols::list(order, screen).await,
            Task::Describe(symbol) => symbols::describe(order, symbol, screen).await,
        }
    });
    // A thread that waits for the terminal, or for whoever reads our output, is not waited for.
    runtime.shutdown_background();
    done.map_or_else(|failure| screen.failure(&failure), |()| 0)
}
