//! Replays the saved inputs of the fuzz target of PowerShell's spelling; the tests write scripts with its help.
#![allow(
    clippy::duplicate_mod,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a target that cannot go on has found something; targets share files"
)]

#[path = "../../../../../fuzz/support/replay.rs"]
mod replay;

#[path = "../../../../../fuzz/fuzz_targets/cli_powershell.rs"]
pub(crate) mod cli_powershell;

#[test]
fn cli_powershell_passes_its_saved_inputs() {
    replay::replay("cli_powershell", cli_powershell::run);
}
