//! The program `winrm`: operations on resources of this computer and of hosts.

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::winrm()
}
