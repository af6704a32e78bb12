//! The program `winrs`: a command line on a remote host.

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::winrs()
}
