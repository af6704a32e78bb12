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

#[path = "../../../../../fuzz/fuzz_targets/auth_credssp.rs"]
mod auth_credssp;
#[path = "../../../../../fuzz/fuzz_targets/auth_digest.rs"]
mod auth_digest;
#[path = "../../../../../fuzz/fuzz_targets/auth_kerberos.rs"]
mod auth_kerberos;
#[path = "../../../../../fuzz/fuzz_targets/auth_ntlm.rs"]
mod auth_ntlm;
#[path = "../../../../../fuzz/fuzz_targets/auth_sddl.rs"]
mod auth_sddl;
#[path = "../../../../../fuzz/fuzz_targets/auth_spnego.rs"]
mod auth_spnego;

use replay::replay;

#[test]
fn auth_credssp_passes_its_saved_inputs() {
    replay("auth_credssp", auth_credssp::run);
}

#[test]
fn auth_digest_passes_its_saved_inputs() {
    replay("auth_digest", auth_digest::run);
}

#[test]
fn auth_kerberos_passes_its_saved_inputs() {
    replay("auth_kerberos", auth_kerberos::run);
}

#[test]
fn auth_ntlm_passes_its_saved_inputs() {
    replay("auth_ntlm", auth_ntlm::run);
}

#[test]
fn auth_sddl_passes_its_saved_inputs() {
    replay("auth_sddl", auth_sddl::run);
}

#[test]
fn auth_spnego_passes_its_saved_inputs() {
    replay("auth_spnego", auth_spnego::run);
}
