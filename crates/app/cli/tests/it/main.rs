//! The real programs, started as a user starts them.
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "tests may panic, and say on stderr what they skip"
)]

mod account;
mod demo;
mod endings;
mod errors;
mod help;
mod memory;
mod peers;
mod processes;
mod prompt;
mod run;
mod security;
mod service;
mod stub;
mod tool;
