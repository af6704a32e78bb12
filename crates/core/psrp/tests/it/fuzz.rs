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
#[path = "../../../../../fuzz/fuzz_targets/psrp_client_pool.rs"]
mod psrp_client_pool;
#[path = "../../../../../fuzz/fuzz_targets/psrp_clixml.rs"]
mod psrp_clixml;
#[path = "../../../../../fuzz/fuzz_targets/psrp_fragments.rs"]
mod psrp_fragments;
#[path = "../../../../../fuzz/fuzz_targets/psrp_lines.rs"]
mod psrp_lines;
#[path = "../../../../../fuzz/fuzz_targets/psrp_messages.rs"]
mod psrp_messages;
#[path = "../../../../../fuzz/fuzz_targets/psrp_server_pool.rs"]
mod psrp_server_pool;

use replay::replay;

#[test]
fn psrp_bridge_passes_its_saved_inputs() {
    replay("psrp_bridge", psrp_bridge::run);
}

#[test]
fn psrp_client_pool_passes_its_saved_inputs() {
    replay("psrp_client_pool", psrp_client_pool::run);
}

#[test]
fn psrp_clixml_passes_its_saved_inputs() {
    replay("psrp_clixml", psrp_clixml::run);
}

#[test]
fn psrp_fragments_passes_its_saved_inputs() {
    replay("psrp_fragments", psrp_fragments::run);
}

#[test]
fn psrp_lines_passes_its_saved_inputs() {
    replay("psrp_lines", psrp_lines::run);
}

#[test]
fn psrp_messages_passes_its_saved_inputs() {
    replay("psrp_messages", psrp_messages::run);
}

#[test]
fn psrp_server_pool_passes_its_saved_inputs() {
    replay("psrp_server_pool", psrp_server_pool::run);
}
