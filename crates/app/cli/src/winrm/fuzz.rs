//! Replays the saved inputs of the fuzz target of `winrm`'s command line.
#![allow(
    clippy::duplicate_mod,
    clippy::panic,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a target that cannot go on has found something; targets share files"
)]

#[path = "../../../../../fuzz/support/replay.rs"]
mod replay;

#[path = "../../../../../fuzz/support/winrm_rules.rs"]
mod rules;

#[path = "../../../../../fuzz/fuzz_targets/cli_winrm.rs"]
mod cli_winrm;

#[test]
fn cli_winrm_passes_its_saved_inputs() {
    replay::replay("cli_winrm", cli_winrm::run);
}
