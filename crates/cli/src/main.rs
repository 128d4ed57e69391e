//! The `landbridge` program.

use std::process::ExitCode;

/// Many small buffers come and go with every call; this allocator is made for that.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    ExitCode::from(landbridge_cli::run(std::env::args_os()))
}
