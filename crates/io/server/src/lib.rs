//! Async WS-Management service: listeners, certificates, accounts, client certificates, settings, dispatch, plug-in traits.
//!
//! ```text
//!  TCP ──► listen, gate ──► connection (one login each) ──► dispatch ──► shells ──► one actor per shell
//!                          │                             │                        │
//!                     session::server::login        session::access      wsman::shell::server (machine)
//!                          │                                                      │
//!               accounts::Verifier, clients::Judge                           plugin (its commands' pipes)
//! ```
//!
//! What is decided without I/O is decided in `session` and `wsman`; this crate moves bytes, time
//! and processes between them. [`run`] is the whole service.

pub mod accounts;
mod answer;
pub mod audit;
mod body;
pub mod certificates;
pub mod clients;
pub mod configuration;
mod connection;
mod dispatch;
mod gate;
mod gatekeeper;
pub mod kerberos;
mod listen;
mod live;
mod local;
pub mod metrics;
mod offer;
mod pace;
mod patience;
mod peer;
mod places;
pub mod plugin;
pub mod principals;
mod random;
pub mod resource;
mod service;
pub mod settings;
mod shells;

use std::pin::Pin;

pub use listen::Listeners;
pub use local::{ADMINISTRATOR_ID, Administrator, LocalSocket};
pub use plugin::ShellPlugin;
pub use service::{Config, Ready, RunError, run};
pub use settings::Settings;

/// A future that can be stored: what the plug-in traits return.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
