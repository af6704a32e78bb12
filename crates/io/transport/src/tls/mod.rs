//! TLS on both sides, and the one judgement over certificates.
//!
//! ```text
//!  connect ──► Client::connect ──handshake──► chain ──► trust::Validator ──► stream + channel binding ──► login
//!  accept  ──► Server::accept  ──handshake─────────────────────────────────► stream + channel binding ──► login
//! ```
//!
//! rustls makes the handshake (TLS 1.2 and 1.3), and OpenSSL where rustls cannot: for certificates that clients show when
//! they are asked in the middle of a connection, and for old versions and suites, which only the user can ask for
//! ([`Level`]). Whether a host is believed is decided by [`trust::Validator`] alone, which knows nothing of either: both ask
//! the same one, so that one host cannot be judged twice differently.

pub mod certificate;
mod client;
mod error;
pub mod identity;
mod level;
mod ossl;
mod peer;
mod roots;
mod server;
mod stream;
pub mod trust;
mod verifier;

use std::sync::Arc;

use rustls::crypto::{CryptoProvider, ring};

pub use certificate::{Facts, Moment};
pub use client::{Client, ClientOptions, ClientStream, Connected};
pub use error::{CertificateError, Mismatch, TlsError, TrustError};
pub use identity::{Identity, IdentityError};
pub use level::{Level, UnknownLevel};
pub use peer::PeerCertificates;
pub use server::{Accepted, ClientCertificates, Server, ServerOptions, ServerStream};
pub use stream::{Negotiated, TlsStream};
pub use trust::{Authorities, Pin, Trust, Validator};

/// The versions that are spoken; older ones are broken.
const VERSIONS: &[&rustls::SupportedProtocolVersion] =
    &[&rustls::version::TLS13, &rustls::version::TLS12];

/// The primitives under both roles. Named instead of installed: a process-wide default could be
/// somebody else's.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}
