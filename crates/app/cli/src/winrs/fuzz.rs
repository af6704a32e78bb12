//! Replays the saved inputs of this crate's fuzz targets.
#![allow(
    clippy::disallowed_methods,
    clippy::duplicate_mod,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a target that cannot go on has found something; targets share files"
)]

#[path = "../../../../../fuzz/support/replay.rs"]
mod replay;

#[path = "../../../../../fuzz/fuzz_targets/cli_escape.rs"]
mod cli_escape;
#[path = "../../../../../fuzz/fuzz_targets/cli_records.rs"]
mod cli_records;
#[path = "../../../../../fuzz/fuzz_targets/cli_switches.rs"]
mod cli_switches;

use replay::replay;

#[test]
fn cli_escape_passes_its_saved_inputs() {
    replay("cli_escape", cli_escape::run);
}

#[test]
fn cli_records_passes_its_saved_inputs() {
    replay("cli_records", cli_records::run);
}

#[test]
fn cli_switches_passes_its_saved_inputs() {
    replay("cli_switches", cli_switches::run);
}
