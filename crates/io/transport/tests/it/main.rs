//! TLS between this crate's two ends, and between each of them and rustls alone.
#![allow(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "tests may panic")]

mod bindings;
mod clients;
mod credssp;
mod fuzz;
mod hostile;
mod identities;
mod judgement;
mod kerberos;
mod kerberos_configuration;
mod late;
mod loopback;
mod old_hosts;
mod revocation;
mod support;
