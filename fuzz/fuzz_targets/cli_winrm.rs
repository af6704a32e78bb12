//! The command line of `winrm`: whatever the words are, they are understood or refused with a reason, a password is found where it
//! stands, and what is given to an operation can be written as XML.
#![cfg_attr(not(test), no_main)]

#[cfg(not(test))]
#[path = "../../crates/app/cli/src/command_error.rs"]
#[allow(dead_code, reason = "a part of the program")]
mod command_error;
#[cfg(not(test))]
#[path = "../../crates/app/cli/src/switches.rs"]
#[allow(dead_code, reason = "a part of the program")]
mod switches;
#[cfg(not(test))]
#[path = "../support/winrm.rs"]
mod winrm;
#[cfg(not(test))]
#[path = "../support/winrs.rs"]
mod winrs;

#[cfg(test)]
use super::rules;
#[cfg(not(test))]
use winrm::rules;

#[cfg(not(test))]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| run(bytes));

/// Each line is a word.
pub(crate) fn run(bytes: &[u8]) {
    rules::check(bytes);
}
