//! Tests of the login crate through its public interface: one file per topic.

#![expect(
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "test code, also outside of functions marked as tests: it reads corpora, starts a peer, and fails loudly"
)]

mod basic;
mod credssp;
mod fuzz;
mod initiator;
mod kerberos_acceptor;
mod kerberos_sealing;
mod kerberos_spnego;
mod kerberos_support;
mod ms_nlmp;
mod mutations;
mod pair;
mod peer_bindings;
mod peer_pyspnego;
mod pyspnego_tokens;
mod refusals;
mod sddl;
mod sealing;
mod spnego;
mod support;
