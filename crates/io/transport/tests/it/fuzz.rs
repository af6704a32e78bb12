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

#[path = "../../../../../fuzz/fuzz_targets/transport_client_certificate.rs"]
mod transport_client_certificate;

#[path = "../../../../../fuzz/fuzz_targets/transport_chain.rs"]
mod transport_chain;

#[path = "../../../../../fuzz/fuzz_targets/transport_identity.rs"]
mod transport_identity;

#[path = "../../../../../fuzz/fuzz_targets/transport_krb5_conf.rs"]
mod transport_krb5_conf;

use replay::replay;

#[test]
fn transport_client_certificate_passes_its_saved_inputs() {
    replay("transport_client_certificate", transport_client_certificate::run);
}

#[test]
fn transport_identity_passes_its_saved_inputs() {
    replay("transport_identity", transport_identity::run);
}

#[test]
fn transport_chain_passes_its_saved_inputs() {
    replay("transport_chain", transport_chain::run);
}

#[test]
fn transport_krb5_conf_passes_its_saved_inputs() {
    replay("transport_krb5_conf", transport_krb5_conf::run);
}
