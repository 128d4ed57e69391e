//! The plugin as a program: `protoc --connect-python_out=DIR`.

use std::io::{self, Read, Write};

fn main() -> io::Result<()> {
    let mut request = Vec::new();
    io::stdin().read_to_end(&mut request)?;
    let response = landbridge_codegen::plugin(&request).map_err(io::Error::other)?;
    io::stdout().write_all(&response)
}
