//! A TLS connection of either role, whichever library makes it.

use std::fmt;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use rustls::pki_types::CertificateDer;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::ossl;

/// A TLS connection. One task reads and writes, or two that share it under a lock.
pub struct TlsStream(pub(super) Backend);

pub(super) enum Backend {
    Rustls(Box<tokio_rustls::TlsStream<TcpStream>>),
    Openssl(ossl::Stream),
}

/// What the two sides agreed on.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Negotiated {
    /// `TLSv1.2`, `TLSv1.3`.
    pub version: String,
    /// The cipher suite by its registered name: `TLS_AES_256_GCM_SHA384`.
    pub suite: String,
    /// The library that speaks: `rustls` or `OpenSSL`.
    pub library: &'static str,
}

impl TlsStream {
    /// What the two sides agreed on.
    #[must_use]
    pub fn negotiated(&self) -> Negotiated {
        match &self.0 {
            Backend::Rustls(stream) => {
                let (_, connection) = stream.get_ref();
                let version = connection.protocol_version().and_then(|version| version.as_str());
                let suite = connection.negotiated_cipher_suite().map(|suite| suite.suite());
                let suite = suite.and_then(|suite| suite.as_str()).unwrap_or_default();
                Negotiated {
                    version: version.unwrap_or_default().replace('_', "."),
                    // rustls writes the suites of TLS 1.3 with their version.
                    suite: suite.replace("TLS13_", "TLS_"),
                    library: "rustls",
                }
            }
            Backend::Openssl(stream) => {
                let (version, suite) = stream.negotiated();
                Negotiated {
                    version: version.to_owned(),
                    suite: suite.unwrap_or_default().to_owned(),
                    library: "OpenSSL",
                }
            }
        }
    }

    /// The certificate of the peer, if it showed one in the handshake.
    pub(super) fn own_certificate(&self) -> Option<Vec<u8>> {
        match &self.0 {
            Backend::Rustls(stream) => {
                let (_, connection) = stream.get_ref();
                connection.peer_certificates()?.first().map(|own| own.to_vec())
            }
            Backend::Openssl(stream) => stream.own_certificate(),
        }
    }

    /// The chain of the peer, if rustls has it.
    pub(super) fn first_chain(&self) -> Option<Vec<CertificateDer<'static>>> {
        match &self.0 {
            Backend::Rustls(stream) => {
                let (_, connection) = stream.get_ref();
                let chain = connection.peer_certificates()?;
                Some(chain.iter().map(|one| one.clone().into_owned()).collect())
            }
            Backend::Openssl(_) => None,
        }
    }
}

impl fmt::Debug for TlsStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TlsStream").field(&self.negotiated()).finish()
    }
}

impl AsyncRead for TlsStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.0 {
            Backend::Rustls(stream) => Pin::new(stream.as_mut()).poll_read(cx, buffer),
            Backend::Openssl(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for TlsStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.0 {
            Backend::Rustls(stream) => Pin::new(stream.as_mut()).poll_write(cx, bytes),
            Backend::Openssl(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.0 {
            Backend::Rustls(stream) => Pin::new(stream.as_mut()).poll_write_vectored(cx, pieces),
            Backend::Openssl(stream) => Pin::new(stream).poll_write_vectored(cx, pieces),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.0 {
            Backend::Rustls(stream) => stream.is_write_vectored(),
            Backend::Openssl(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.0 {
            Backend::Rustls(stream) => Pin::new(stream.as_mut()).poll_flush(cx),
            Backend::Openssl(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.0 {
            Backend::Rustls(stream) => Pin::new(stream.as_mut()).poll_shutdown(cx),
            Backend::Openssl(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
