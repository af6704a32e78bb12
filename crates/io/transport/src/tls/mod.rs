//! TLS on both sides, and the one judgement over certificates.
//!
//! ```text
//!  connect ──► Client::connect ──handshake──► chain ──► trust::Validator ──► stream + channel binding ──► login
//!  accept  ──► Server::accept  ──handshake─────────────────────────────────► stream + channel binding ──► login
//! ```
//!
//! Client certificates have [`ClientValidator`], revocation lists of both sides [`revocation`].
//!
//! The handshake is rustls's (TLS 1.2 and 1.3). Whether a host is believed is decided by
//! [`trust::Validator`] alone, which knows nothing of rustls's connections: whatever else makes a
//! handshake asks the same validator, so that one host cannot be judged twice differently.

pub mod certificate;
mod client;
mod clients;
mod error;
pub mod identity;
pub mod revocation;
mod roots;
mod server;
pub mod trust;

use std::sync::Arc;

use rustls::crypto::{CryptoProvider, ring};

pub use certificate::{Facts, Moment, Subjects, Usage};
pub use client::{Client, ClientStream, Connected};
pub use clients::{ClientCertificateError, ClientValidator};
pub use error::{CertificateError, TlsError, TrustError};
pub use identity::{Identity, IdentityError, certificate_pem, list_pem};
pub use revocation::{ListFacts, Lists, Revocation};
pub use roots::{DamagedPem, certificates};
pub use rustls::pki_types::{CertificateDer, UnixTime};
pub use server::{
    Accepted, ClientCertificates, PeerCertificates, Server, ServerOptions, ServerStream,
};
pub use trust::{Authorities, Pin, Trust, Validator};

/// The versions that are spoken; older ones are broken.
const VERSIONS: &[&rustls::SupportedProtocolVersion] =
    &[&rustls::version::TLS13, &rustls::version::TLS12];

/// The primitives under both roles. Named instead of installed: a process-wide default could be
/// somebody else's.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}
