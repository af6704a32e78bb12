//! Tests of the crate `client` from outside: against a server that is not ours.
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "tests may panic"
)]

mod certificates;
mod fuzz;
mod hostile;
mod https;
mod kerberos;
mod later;
mod pool;
mod raw;
mod requests;
mod robust;
mod stub;
mod trust;
