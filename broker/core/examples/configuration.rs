//! Prints the reference page of every key: `make docs`.

use std::io::{self, Write as _};

fn main() -> io::Result<()> {
    io::stdout().write_all(milena_core::config::reference::markdown().as_bytes())
}
