//! The programs `transom` and `winrs`.
//!
//! Each program is a function that returns its exit code; `transom winrs …` and a link named `winrs` are `winrs` too.
//! What the programs can do is in the crates below: `client` for `winrs`, `server`, `spawner` and `plugins` for the
//! service. Here are command lines, terminals, and words for people.

mod command_error;
mod memory;
mod signals;
mod switches;
mod terminal;
mod transom;
mod winrs;

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

/// The program `winrs`: runs a command line on a remote host.
#[must_use]
pub fn winrs() -> ExitCode {
    let words: Vec<OsString> = std::env::args_os().collect();
    winrs::run(&words, 1)
}

/// The program `transom`: the tools and the service as subcommands.
///
/// Must be called first thing in `main`: the service as root needs a process that has done nothing yet.
#[must_use]
pub fn transom() -> ExitCode {
    let words: Vec<OsString> = std::env::args_os().collect();
    let called = words.first().and_then(|word| Path::new(word).file_name());
    if called.is_some_and(|name| name == "winrs") {
        return winrs::run(&words, 1);
    }
    if words.get(1).is_some_and(|word| word == "winrs") {
        return winrs::run(&words, 2);
    }
    transom::run(&words)
}
