//! TLS on both sides, and the one judgement over certificates.
//!
//! ```text
//!  connect ──► Client::connect ──handshake──► chain ──► trust::Validator ──► stream + channel binding ──► login
//!  accept  ──► Server::accept  ──handshake─────────────────────────────────► stream + channel binding ──► login
//! ```
//!
//! The handshake is rustls's (TLS 1.2 and 1.3). Whether a host is believed is decided by
//! [`trust::Validator`] alone, which knows nothing of rustls's connections: whatever else makes a
//! handshake asks the same validator, so that one host cannot be judged twice differently.

pub mod certificate;
mod client;
mod error;
pub mod identity;
mod roots;
mod server;
pub mod trust;

use std::sync::Arc;

use rustls::crypto::{CryptoProvider, ring};

pub use certificate::{Facts, Moment};
pub use client::{Client, ClientStream, Connected};
pub use error::{CertificateError, TlsError, TrustError};
pub use identity::{Identity, IdentityError};
pub use server::{Server, ServerStream};
pub use trust::{Authorities, Pin, Trust, Validator};

/// The versions that are spoken; older ones are broken.
const VERSIONS: &[&rustls::SupportedProtocolVersion] =
    &[&rustls::version::TLS13, &rustls::version::TLS12];

/// The primitives under both roles. Named instead of installed: a process-wide default could be
/// somebody else's.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}
