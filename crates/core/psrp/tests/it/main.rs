//! The tests of this crate that need recordings, other programs, or more than one module.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test that cannot go on has failed; helpers are not marked as tests"
)]

mod bridge;
mod client_replay;
mod clixml_pwsh;
mod clixml_recorded;
mod corpora;
mod engine_pool;
mod engine_replay;
mod fuzz;
mod graph;
mod messages;
mod pair;
