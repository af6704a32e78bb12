//! Tests of the login crate through its public interface: one file per topic.

mod basic;
mod fuzz_inputs;
mod initiator;
mod ms_nlmp;
mod mutations;
mod pair;
mod peer_pyspnego;
mod pyspnego_tokens;
mod refusals;
mod sealing;
mod spnego;
mod support;
