//! The programs `transom`, `winrm`, `winrs` and `pssession`, and the cmdlets as programs.
//!
//! Each program is a function that returns its exit code; `transom winrs …` and a link named `winrs` are `winrs` too. So it
//! is with `winrm`, `pssession` and with each cmdlet: `transom Test-WSMan …`, or a link named `Test-WSMan`.
//! What the programs can do is in the crates below: `client` for `winrs`, `server`, `spawner` and `plugins` for the
//! service. Here are command lines, terminals, and words for people.

mod client_settings;
mod command_error;
mod memory;
mod powershell;
mod signals;
mod switches;
mod terminal;
mod transom;
mod winrm;
mod winrs;

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::ExitCode;

/// The program `winrs`: runs a command line on a remote host.
#[must_use]
pub fn winrs() -> ExitCode {
    let words: Vec<OsString> = std::env::args_os().collect();
    winrs::run(&words, 1)
}

/// The program `winrm`: operations on resources of this computer and of hosts.
#[must_use]
pub fn winrm() -> ExitCode {
    let words: Vec<OsString> = std::env::args_os().collect();
    winrm::run(&words, 1)
}

/// The program `pssession`: PowerShell's remoting cmdlets.
#[must_use]
pub fn pssession() -> ExitCode {
    let words: Vec<OsString> = std::env::args_os().collect();
    powershell::run(&words)
}

/// The program `transom`: the tools and the service as subcommands.
///
/// Must be called first thing in `main`: the service as root needs a process that has done nothing yet.
#[must_use]
pub fn transom() -> ExitCode {
    let words: Vec<OsString> = std::env::args_os().collect();
    let called = words.first().and_then(|word| Path::new(word).file_name()).and_then(OsStr::to_str);
    let first = words.get(1).and_then(|word| word.to_str());
    if let Some(code) = called.and_then(|name| by_name(name, &words, 1)) {
        return code;
    }
    if let Some(code) = first.and_then(|name| by_name(name, &words, 2)) {
        return code;
    }
    transom::run(&words)
}

/// Runs the program or cmdlet that a name means, if it is not `transom` itself; its words begin at `first`.
fn by_name(name: &str, words: &[OsString], first: usize) -> Option<ExitCode> {
    match name {
        "winrm" => Some(winrm::run(words, first)),
        "winrs" => Some(winrs::run(words, first)),
        "pssession" => Some(powershell::run(words.get(first - 1..).unwrap_or_default())),
        name => powershell::called(name, words, first),
    }
}
