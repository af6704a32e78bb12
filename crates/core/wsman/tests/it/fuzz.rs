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

#[path = "../../../../../fuzz/fuzz_targets/wsman_client_shell.rs"]
mod wsman_client_shell;
#[path = "../../../../../fuzz/fuzz_targets/wsman_code_page.rs"]
mod wsman_code_page;
#[path = "../../../../../fuzz/fuzz_targets/wsman_compression.rs"]
mod wsman_compression;
#[path = "../../../../../fuzz/fuzz_targets/wsman_enumeration.rs"]
mod wsman_enumeration;
#[path = "../../../../../fuzz/fuzz_targets/wsman_envelope.rs"]
mod wsman_envelope;
#[path = "../../../../../fuzz/fuzz_targets/wsman_fragment.rs"]
mod wsman_fragment;
#[path = "../../../../../fuzz/fuzz_targets/wsman_messages.rs"]
mod wsman_messages;
#[path = "../../../../../fuzz/fuzz_targets/wsman_server_shell.rs"]
mod wsman_server_shell;
#[path = "../../../../../fuzz/fuzz_targets/wsman_transfer.rs"]
mod wsman_transfer;
#[path = "../../../../../fuzz/fuzz_targets/wsman_values.rs"]
mod wsman_values;
#[path = "../../../../../fuzz/fuzz_targets/wsman_xml.rs"]
mod wsman_xml;

use replay::replay;

#[test]
fn wsman_client_shell_passes_its_saved_inputs() {
    replay("wsman_client_shell", wsman_client_shell::run);
}

#[test]
fn wsman_code_page_passes_its_saved_inputs() {
    replay("wsman_code_page", wsman_code_page::run);
}

#[test]
fn wsman_compression_passes_its_saved_inputs() {
    replay("wsman_compression", wsman_compression::run);
}

#[test]
fn wsman_enumeration_passes_its_saved_inputs() {
    replay("wsman_enumeration", wsman_enumeration::run);
}

#[test]
fn wsman_envelope_passes_its_saved_inputs() {
    replay("wsman_envelope", wsman_envelope::run);
}

#[test]
fn wsman_fragment_passes_its_saved_inputs() {
    replay("wsman_fragment", wsman_fragment::run);
}

#[test]
fn wsman_messages_passes_its_saved_inputs() {
    replay("wsman_messages", wsman_messages::run);
}

#[test]
fn wsman_server_shell_passes_its_saved_inputs() {
    replay("wsman_server_shell", wsman_server_shell::run);
}

#[test]
fn wsman_transfer_passes_its_saved_inputs() {
    replay("wsman_transfer", wsman_transfer::run);
}

#[test]
fn wsman_values_passes_its_saved_inputs() {
    replay("wsman_values", wsman_values::run);
}

#[test]
fn wsman_xml_passes_its_saved_inputs() {
    replay("wsman_xml", wsman_xml::run);
}
