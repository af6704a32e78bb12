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

#[path = "../../../../../fuzz/fuzz_targets/server_accounts.rs"]
mod server_accounts;
#[path = "../../../../../fuzz/fuzz_targets/server_clients.rs"]
mod server_clients;
#[path = "../../../../../fuzz/fuzz_targets/server_configuration_frames.rs"]
mod server_configuration_frames;
#[path = "../../../../../fuzz/fuzz_targets/server_kerberos_frames.rs"]
mod server_kerberos_frames;
#[path = "../../../../../fuzz/fuzz_targets/server_principals.rs"]
mod server_principals;
#[path = "../../../../../fuzz/fuzz_targets/server_settings.rs"]
mod server_settings;

use replay::replay;

#[test]
fn server_accounts_passes_its_saved_inputs() {
    replay("server_accounts", server_accounts::run);
}

#[test]
fn server_clients_passes_its_saved_inputs() {
    replay("server_clients", server_clients::run);
}

#[test]
fn server_configuration_frames_passes_its_saved_inputs() {
    replay("server_configuration_frames", server_configuration_frames::run);
}

#[test]
fn server_kerberos_frames_passes_its_saved_inputs() {
    replay("server_kerberos_frames", server_kerberos_frames::run);
}

#[test]
fn server_principals_passes_its_saved_inputs() {
    replay("server_principals", server_principals::run);
}

#[test]
fn server_settings_passes_its_saved_inputs() {
    replay("server_settings", server_settings::run);
}
