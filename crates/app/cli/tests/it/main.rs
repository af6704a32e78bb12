//! The real programs, started as a user starts them.
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "tests may panic, and say on stderr what they skip"
)]

mod account;
mod administrator;
mod bulk;
mod cert;
mod certificate_login;
mod chaos;
mod check;
mod client_certificates;
mod concurrent_sets;
mod config_sddl;
mod configuration;
mod credssp;
mod demo;
mod digest;
mod docs;
mod doctor;
mod doctor_record;
mod doctor_tickets;
mod domain;
mod domain_matrix;
mod double_hop;
mod encodings;
mod endings;
mod enter;
mod errors;
mod examples;
mod fair;
mod forged;
mod front;
mod full_disk;
mod help;
mod host_calls;
mod https;
mod invoke;
mod invoke_sessions;
mod ipv6;
mod json;
mod kerberos_service;
mod listeners;
mod local_groups;
mod log_file;
mod login_matrix;
mod manual;
mod many_shells;
mod memory;
mod metrics;
mod moving;
mod odd;
mod peers;
mod pool_dropped;
mod pool_left;
mod pool_others;
mod pool_relay;
mod powershell;
mod principal;
mod private_socket;
mod processes;
mod prompt;
mod proxy;
mod pssession;
mod redirection;
mod relay;
mod run;
mod screens;
mod security;
mod service;
mod session_list;
mod session_options;
mod sessions;
mod set_settings;
mod slow_reader;
mod soak;
mod stub;
mod terminal;
mod tickets;
mod tls_logins;
mod tool;
mod unencrypted;
mod winrm;
mod winrm_recorded;
mod wsman_cmdlets;
mod wsman_far;
mod wsman_seed;
mod wsman_setup;
