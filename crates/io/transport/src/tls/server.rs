//! The service's side of a TLS connection.

use std::sync::Arc;
use std::time::Duration;

use auth::ChannelBinding;
use rustls::ServerConfig;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::certificate;
use super::error::TlsError;
use super::identity::{Identity, IdentityError};

/// A TLS connection of a service.
pub type ServerStream = tokio_rustls::server::TlsStream<TcpStream>;

/// What all TLS connections of a listener have in common.
#[derive(Clone)]
pub struct Server {
    acceptor: TlsAcceptor,
    binding: Option<ChannelBinding>,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("binding", &self.binding).finish_non_exhaustive()
    }
}

impl Server {
    /// A service that shows this certificate, and asks clients for none.
    ///
    /// # Errors
    ///
    /// [`IdentityError`] when the key cannot be used.
    pub fn new(identity: &Identity) -> Result<Self, IdentityError> {
        let mut config = ServerConfig::builder_with_provider(super::provider())
            .with_protocol_versions(super::VERSIONS)
            .map_err(|error| IdentityError::Key(error.to_string()))?
            .with_no_client_auth()
            .with_single_cert(identity.chain().to_vec(), identity.key().clone_key())
            .map_err(|error| IdentityError::Key(error.to_string()))?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let own = identity.chain().first();
        let binding = own.and_then(|own| certificate::channel_binding(own));
        Ok(Self { acceptor: TlsAcceptor::from(Arc::new(config)), binding })
    }

    /// What ties a login to a connection with this service; `None` where the certificate's
    /// algorithm defines nothing.
    #[must_use]
    pub const fn channel_binding(&self) -> Option<ChannelBinding> {
        self.binding
    }

    /// Makes the handshake with a client within `limit`.
    ///
    /// # Errors
    ///
    /// [`TlsError`]; the connection is closed.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the connection.
    pub async fn accept(
        &self,
        stream: TcpStream,
        limit: Duration,
    ) -> Result<ServerStream, TlsError> {
        match timeout(limit, self.acceptor.accept(stream)).await {
            Ok(made) => made.map_err(TlsError::of_handshake),
            Err(_) => Err(TlsError::Timeout(limit)),
        }
    }
}
