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

#[path = "../../../../../fuzz/fuzz_targets/client_redaction.rs"]
mod client_redaction;

use replay::replay;

#[test]
fn client_redaction_passes_its_saved_inputs() {
    replay("client_redaction", client_redaction::run);
}
