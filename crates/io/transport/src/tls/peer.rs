//! What a client has shown of itself, for a service that logs in by certificates.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::CertificateDer;

use super::error::TlsError;
use super::ossl;

/// The certificates of the client of one connection. That the client has the key of the first one is proven; nobody has
/// judged them. Clones are cheap, and keep no connection open.
#[derive(Clone)]
pub struct PeerCertificates(pub(super) Source);

#[derive(Clone)]
pub(super) enum Source {
    /// It was asked in the handshake, or not at all.
    First(Option<Arc<[CertificateDer<'static>]>>),
    /// It is asked when somebody wants to know.
    Late(ossl::Late),
}

impl PeerCertificates {
    /// The chain that the client has shown so far, its own certificate first.
    #[must_use]
    pub fn chain(&self) -> Option<Vec<CertificateDer<'static>>> {
        match &self.0 {
            Source::First(chain) => chain.as_deref().map(<[_]>::to_vec),
            Source::Late(late) => late.chain(),
        }
    }

    /// The chain of the client, its own certificate first; `None` when it has none to show. Where the listener asks late
    /// this asks, once per connection, and waits up to `limit` while somebody else reads and writes the stream: the answer
    /// of later calls is that of the first one. What arrives of a request's body meanwhile is kept, up to 192 KiB.
    ///
    /// # Errors
    ///
    /// [`TlsError::NoLateCertificate`]: the client speaks TLS 1.3 and cannot be asked; the connection goes on. After any
    /// other error the connection is over.
    ///
    /// # Cancel safety
    ///
    /// The question stays asked; another call waits for the answer.
    pub async fn request(
        &self,
        limit: Duration,
    ) -> Result<Option<Vec<CertificateDer<'static>>>, TlsError> {
        match &self.0 {
            Source::First(_) => Ok(self.chain()),
            Source::Late(late) => late.request(limit).await,
        }
    }
}

impl fmt::Debug for PeerCertificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_late = matches!(self.0, Source::Late(_));
        let certificates = self.chain().map(|chain| chain.len());
        f.debug_struct("PeerCertificates")
            .field("is_late", &is_late)
            .field("certificates", &certificates)
            .finish()
    }
}
