//! The program `pssession`: PowerShell's remoting cmdlets.

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::pssession()
}
