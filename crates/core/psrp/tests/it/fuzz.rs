//! Replays the saved inputs of this crate's fuzz targets.
#![allow(
    clippy::arithmetic_side_effects,
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

#[path = "../../../../../fuzz/fuzz_targets/psrp_bridge.rs"]
mod psrp_bridge;

use replay::replay;

#[test]
fn psrp_bridge_passes_its_saved_inputs() {
    replay("psrp_bridge", psrp_bridge::run);
}
