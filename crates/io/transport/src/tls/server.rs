//! The service's side of a TLS connection.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use auth::ChannelBinding;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, ServerConfig, SignatureScheme};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::certificate;
use super::error::TlsError;
use super::identity::{Identity, IdentityError};

/// A TLS connection of a service.
pub type ServerStream = tokio_rustls::server::TlsStream<TcpStream>;

/// What a service shows, and what it asks clients for.
#[derive(Debug, Clone)]
#[expect(clippy::exhaustive_structs, reason = "a listener decides about each of these")]
pub struct ServerOptions {
    /// The service's certificate.
    pub identity: Arc<Identity>,
    /// Whether clients are asked for one.
    pub clients: ClientCertificates,
}

/// When clients are asked for a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(clippy::exhaustive_enums, reason = "each is another promise to those who connect")]
pub enum ClientCertificates {
    /// Never.
    #[default]
    Never,
    /// In the first handshake. A client without one gets its connection all the same.
    First,
    /// When [`PeerCertificates::request`] is called.
    Late,
}

/// A connection with a client.
#[derive(Debug)]
#[non_exhaustive]
pub struct Accepted {
    /// The connection.
    pub stream: ServerStream,
    /// The client's certificate.
    pub peer: PeerCertificates,
}

/// The certificate of a connection's client, whose key the client has proven to have. Nobody has judged it yet.
#[derive(Debug, Clone)]
pub struct PeerCertificates(Arc<[CertificateDer<'static>]>);

impl PeerCertificates {
    /// The client's chain, its own certificate first, as far as it was shown.
    #[must_use]
    pub fn chain(&self) -> Option<Vec<CertificateDer<'static>>> {
        (!self.0.is_empty()).then(|| self.0.to_vec())
    }

    /// The client's chain; the client is asked for it within `limit` where it was not yet.
    ///
    /// # Errors
    ///
    /// [`TlsError`] when asking breaks the connection.
    #[expect(clippy::unused_async, reason = "only what asks late waits")]
    pub async fn request(
        &self,
        _limit: Duration,
    ) -> Result<Option<Vec<CertificateDer<'static>>>, TlsError> {
        Ok(self.chain())
    }
}

/// What all TLS connections of a listener have in common.
#[derive(Clone)]
pub struct Server {
    acceptor: TlsAcceptor,
    binding: Option<ChannelBinding>,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("binding", &self.binding).finish_non_exhaustive()
    }
}

impl Server {
    /// A service that shows its certificate, and asks clients for theirs as `options` say.
    ///
    /// # Errors
    ///
    /// [`IdentityError`] when the key cannot be used.
    pub fn new(options: &ServerOptions) -> Result<Self, IdentityError> {
        let ServerOptions { identity, clients } = options;
        let provider = super::provider();
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(super::VERSIONS)
            .map_err(|error| IdentityError::Key(error.to_string()))?;
        let builder = match clients {
            ClientCertificates::Never => builder.with_no_client_auth(),
            ClientCertificates::Late => {
                return Err(IdentityError::Key(
                    "this version cannot ask for certificates late: ClientCertNegotiation = true"
                        .to_owned(),
                ));
            }
            ClientCertificates::First => {
                builder.with_client_cert_verifier(Arc::new(AnyClient { provider }))
            }
        };
        let mut config = builder
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
    pub async fn accept(&self, stream: TcpStream, limit: Duration) -> Result<Accepted, TlsError> {
        let stream = match timeout(limit, self.acceptor.accept(stream)).await {
            Ok(made) => made.map_err(TlsError::of_handshake)?,
            Err(_) => return Err(TlsError::Timeout(limit)),
        };
        let (_, connection) = stream.get_ref();
        let chain = connection.peer_certificates().unwrap_or_default();
        let peer =
            PeerCertificates(chain.iter().cloned().map(CertificateDer::into_owned).collect());
        Ok(Accepted { stream, peer })
    }
}

/// Takes the certificate of any client, or none: TLS proves that the client has the key, and whether that counts is
/// judged when the client wants to log in with it.
#[derive(Debug)]
struct AnyClient {
    provider: Arc<CryptoProvider>,
}

impl ClientCertVerifier for AnyClient {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        // Whom the service trusts is nobody's business, and certificates that vouch for themselves have no authority.
        &[]
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
