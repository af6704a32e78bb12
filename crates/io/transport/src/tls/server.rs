//! The service's side of a TLS connection.

use std::sync::Arc;
use std::time::Duration;

use auth::ChannelBinding;
use rustls::ServerConfig;
use rustls::server::NoServerSessionStorage;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::certificate;
use super::error::TlsError;
use super::identity::{Identity, IdentityError};
use super::ossl;
use super::peer::{PeerCertificates, Source};
use super::stream::{Backend, TlsStream};
use super::verifier::Clients;

/// A TLS connection of a service.
pub type ServerStream = TlsStream;

/// What a listener shows, and asks of its clients.
#[derive(Debug, Clone)]
#[expect(clippy::exhaustive_structs, reason = "a listener decides about each of these")]
pub struct ServerOptions {
    /// The certificate of the service.
    pub identity: Arc<Identity>,
    /// Whether clients are asked for theirs.
    pub clients: ClientCertificates,
    /// Speaks TLS 1.2 alone: for clients of certificates that cannot be asked late in TLS 1.3.
    pub disable_tls13: bool,
}

/// When clients are asked for a certificate. Showing none is always allowed here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(clippy::exhaustive_enums, reason = "each is another promise to those who connect")]
pub enum ClientCertificates {
    /// Never: rustls.
    #[default]
    Never,
    /// In the handshake, of everyone: rustls. Browsers and other logins see the question too.
    First,
    /// When [`PeerCertificates::request`] is called, as Windows does: OpenSSL.
    Late,
}

/// A connection with a client.
#[derive(Debug)]
#[non_exhaustive]
pub struct Accepted {
    /// The connection.
    pub stream: ServerStream,
    /// What the client shows of itself.
    pub peer: PeerCertificates,
}

/// What all TLS connections of a listener have in common.
#[derive(Clone)]
pub struct Server {
    acceptor: Acceptor,
    binding: Option<ChannelBinding>,
}

#[derive(Clone)]
enum Acceptor {
    Rustls(TlsAcceptor),
    Openssl(ossl::ServerContext),
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("binding", &self.binding).finish_non_exhaustive()
    }
}

impl Server {
    /// A service as the options say. Everything that a sandbox could forbid later is done here.
    ///
    /// # Errors
    ///
    /// [`IdentityError`] when the key cannot be used.
    pub fn new(options: &ServerOptions) -> Result<Self, IdentityError> {
        let ServerOptions { identity, clients, disable_tls13 } = options;
        let acceptor = match clients {
            ClientCertificates::Never | ClientCertificates::First => {
                Acceptor::Rustls(rustls(options)?)
            }
            ClientCertificates::Late => {
                Acceptor::Openssl(ossl::ServerContext::new(identity, *disable_tls13)?)
            }
        };
        let own = identity.chain().first();
        let binding = own.and_then(|own| certificate::channel_binding(own));
        Ok(Self { acceptor, binding })
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
    pub async fn accept(&self, stream: TcpStream, limit: Duration) -> Result<Accepted, TlsError> {
        let made = timeout(limit, self.handshake(stream)).await;
        made.unwrap_or(Err(TlsError::Timeout(limit)))
    }

    async fn handshake(&self, stream: TcpStream) -> Result<Accepted, TlsError> {
        match &self.acceptor {
            Acceptor::Rustls(acceptor) => {
                let stream = acceptor.accept(stream).await.map_err(TlsError::of_handshake)?;
                let stream = TlsStream(Backend::Rustls(Box::new(stream.into())));
                let chain = stream.first_chain().map(Arc::from);
                Ok(Accepted { stream, peer: PeerCertificates(Source::First(chain)) })
            }
            Acceptor::Openssl(context) => {
                let stream = ossl::Stream::accept(context, stream).await?;
                let peer = PeerCertificates(Source::Late(stream.late()));
                Ok(Accepted { stream: TlsStream(Backend::Openssl(stream)), peer })
            }
        }
    }
}

fn rustls(options: &ServerOptions) -> Result<TlsAcceptor, IdentityError> {
    let ServerOptions { identity, clients, disable_tls13 } = options;
    let asks = *clients == ClientCertificates::First;
    let versions = if *disable_tls13 { super::TLS12_ONLY } else { super::VERSIONS };
    let unusable = |error: rustls::Error| IdentityError::Key(error.to_string());
    let provider = super::provider();
    let config = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(versions)
        .map_err(unusable)?;
    let config = if asks {
        config.with_client_cert_verifier(Arc::new(Clients::new(provider)))
    } else {
        config.with_no_client_auth()
    };
    let mut config = config
        .with_single_cert(identity.chain().to_vec(), identity.key().clone_key())
        .map_err(unusable)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    if asks {
        // A session taken up again would not prove the key anew.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
    }
    Ok(TlsAcceptor::from(Arc::new(config)))
}
