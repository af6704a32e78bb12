//! The program `transom`: the tools and the service, each a subcommand.

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::transom()
}
