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

#[path = "../../../../../fuzz/fuzz_targets/session_endpoint.rs"]
mod session_endpoint;
#[path = "../../../../../fuzz/fuzz_targets/session_login.rs"]
mod session_login;
#[path = "../../../../../fuzz/fuzz_targets/session_replay.rs"]
mod session_replay;
#[path = "../../../../../fuzz/fuzz_targets/session_sealed.rs"]
mod session_sealed;

use replay::replay;

#[test]
fn session_endpoint_passes_its_saved_inputs() {
    replay("session_endpoint", session_endpoint::run);
}

#[test]
fn session_login_passes_its_saved_inputs() {
    replay("session_login", session_login::run);
}

#[test]
fn session_replay_passes_its_saved_inputs() {
    replay("session_replay", session_replay::run);
}

#[test]
fn session_sealed_passes_its_saved_inputs() {
    replay("session_sealed", session_sealed::run);
}
