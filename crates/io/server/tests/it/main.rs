//! The service on loopback: a raw TCP client, logins by our own initiator, and a stand-in plug-in
//! with real pipes.
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "tests may panic"
)]

mod access;
mod audit;
mod client_certificates;
mod clock;
mod configuration;
mod credssp;
mod encodings;
mod failed_logins;
mod fuzz;
mod http_rules;
mod https;
mod kerberos;
mod live_settings;
mod logins;
mod malformed;
mod ownership;
mod places;
mod plugin_quotas;
mod plugins;
mod quotas;
mod replayed;
mod robust;
mod sealing;
mod service;
mod shells;
mod slow_clients;
mod stopping;
mod support;
mod tls_attacks;
