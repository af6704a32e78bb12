//! The second backend, OpenSSL: certificates asked for after the handshake, on both sides, and the versions and suites that
//! rustls rightly leaves out.
//!
//! ```text
//!  Context ──connect, accept──► handshake ──► Stream (hyper reads and writes)
//!     judge: the chain, in the handshake        │  TLS 1.2: HelloRequest ──► handshake again
//!     watch: what the peer asks for             │  TLS 1.3: CertificateRequest ──► Certificate, Finished
//!                                               └──► Late::request (service): waits for the answer
//! ```
//!
//! OpenSSL builds no chain and judges none: its verification is replaced by a call that hands the chain to the
//! [`Validator`](super::Validator), on the service's side to nobody. Session tickets and resumption are off, since a resumed
//! session would skip the client's certificate; so is compression. No configuration file and no variable of the environment
//! is read.

mod context;
mod judge;
mod late;
mod stream;
mod sys;

pub(super) use context::{ClientContext, ServerContext, base, problem};
pub(super) use late::Late;
pub(super) use stream::Stream;

/// Prepares OpenSSL before anything else of it is used, and before a sandbox closes: no configuration file is loaded, and the
/// generator of random numbers has its seed.
pub(super) fn prepare() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        sys::init();
        // Failing is for the first handshake to say.
        drop(openssl::rand::rand_bytes(&mut [0; 1]));
    });
}
