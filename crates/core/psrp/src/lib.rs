#![doc = include_str!("../README.md")]
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "of the many messages, values and elements a place takes a few, and treats the rest alike"
)]

pub mod bridge;
pub mod client;
pub mod clixml;
pub mod entropy;
pub mod fragment;
pub mod host;
pub mod message;
pub mod messages;
pub mod out_of_process;
pub mod server;
pub mod session_key;
pub mod version;
