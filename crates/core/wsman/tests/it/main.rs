//! The codec against recorded messages, golden bytes, limits and hostile input; the machines rule by rule.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed; helpers are not marked as tests"
)]

mod canonical;
mod charset;
mod check;
mod code_page;
mod compression;
mod corpora;
mod enumeration;
mod enumeration_rules;
mod fault;
mod fragment;
mod fuzz;
mod golden;
mod identify;
mod limits;
mod plug_in_client;
mod plug_in_pair;
mod plug_in_replay;
mod plug_in_scene;
mod plug_in_server;
mod properties;
mod robust;
mod round_trip;
mod shell;
mod shell_client;
mod shell_client_lost;
mod shell_client_scene;
mod shell_pair;
mod shell_pair_scene;
mod shell_replay;
mod shell_scene;
mod shell_server;
mod shell_server_input;
mod shell_server_lists;
mod shell_server_receive;
mod shell_wire;
mod transfer;
