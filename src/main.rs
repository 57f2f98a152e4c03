//! The `goldsmith` program. Everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    goldsmith::cli::main()
}
