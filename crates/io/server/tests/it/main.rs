//! The service on loopback: a raw TCP client, logins by our own initiator, and a stand-in plug-in
//! with real pipes.

mod http_rules;
mod logins;
mod ownership;
mod sealing;
mod service;
mod shells;
mod stopping;
mod support;
