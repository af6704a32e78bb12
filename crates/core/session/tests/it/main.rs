//! Tests of the crate `session` from outside.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "tests may panic, and read recorded messages"
)]

mod access;
mod fuzz;
mod kerberos_login;
mod kerberos_sealed;
mod login;
mod oracle;
mod pieces;
mod pool_link;
mod pool_replay;
mod readings;
mod replay;
mod sealed;
mod throttle;
