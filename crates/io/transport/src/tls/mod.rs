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
//! the same one, so that one host cannot be judged twice differently. Client certificates have [`ClientValidator`],
//! revocation lists of both sides [`revocation`].

pub mod certificate;
mod client;
mod clients;
mod error;
pub mod identity;
mod inner;
mod level;
mod ossl;
mod peer;
pub mod revocation;
mod roots;
mod server;
mod stream;
mod thumbprint;
pub mod trust;
mod verifier;

use std::sync::Arc;

use rustls::crypto::{CryptoProvider, ring};

pub use certificate::{Facts, Moment, Subjects, Usage};
pub use client::{Client, ClientOptions, ClientStream, Connected};
pub use clients::{ClientCertificateError, ClientValidator};
pub use error::{CertificateError, Mismatch, TlsError, TrustError};
pub use identity::{Identity, IdentityError, certificate_pem, list_pem};
pub use inner::{InnerClient, InnerServer};
pub use level::{Level, UnknownLevel};
pub use peer::PeerCertificates;
pub use revocation::{ListFacts, Lists, Revocation};
pub use roots::{DamagedPem, certificates};
pub use rustls::pki_types::{CertificateDer, UnixTime};
pub use server::{Accepted, ClientCertificates, Server, ServerOptions, ServerStream};
pub use stream::{Negotiated, TlsStream};
pub use thumbprint::{InvalidThumbprint, Thumbprint};
pub use trust::{Authorities, Pin, Trust, Validator};

/// The versions that are spoken; older ones are broken.
const VERSIONS: &[&rustls::SupportedProtocolVersion] =
    &[&rustls::version::TLS13, &rustls::version::TLS12];

/// The older one of them alone.
const TLS12_ONLY: &[&rustls::SupportedProtocolVersion] = &[&rustls::version::TLS12];

/// The primitives under both roles. Named instead of installed: a process-wide default could be
/// somebody else's.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}
