//! The client's side of a TLS connection.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use auth::ChannelBinding;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, OtherError, SignatureScheme};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::certificate;
use super::error::{TlsError, TrustError};
use super::trust::{Trust, Validator};

/// A TLS connection of a client.
pub type ClientStream = tokio_rustls::client::TlsStream<TcpStream>;

/// A connection to a host that is believed.
#[derive(Debug)]
#[non_exhaustive]
pub struct Connected {
    /// The connection.
    pub stream: ClientStream,
    /// What ties a login to it; `None` where the certificate's algorithm defines nothing.
    pub binding: Option<ChannelBinding>,
}

/// What all TLS connections of a client have in common.
#[derive(Debug, Clone)]
pub struct Client {
    config: Arc<ClientConfig>,
    server_name: Option<ServerName<'static>>,
}

impl Client {
    /// A client that believes hosts as `trust` says.
    ///
    /// # Errors
    ///
    /// [`TrustError`] names what cannot be used.
    pub fn new(trust: &Trust) -> Result<Self, TrustError> {
        let server_name = trust.server_name.as_deref().map(server_name).transpose()?;
        let provider = super::provider();
        let verifier =
            Verifier { validator: Validator::new(trust)?, provider: Arc::clone(&provider) };
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(super::VERSIONS)
            .map_err(|error| TrustError::Setup(error.to_string()))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { config: Arc::new(config), server_name })
    }

    /// Makes the handshake with `host`, a name or an address without brackets, within `limit`.
    ///
    /// # Errors
    ///
    /// [`TlsError`]; with [`TlsError::Certificate`] nothing was sent but the handshake.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the connection.
    pub async fn connect(
        &self,
        stream: TcpStream,
        host: &str,
        limit: Duration,
    ) -> Result<Connected, TlsError> {
        let name = match &self.server_name {
            Some(name) => name.clone(),
            None => server_name(host)?,
        };
        let handshake = TlsConnector::from(Arc::clone(&self.config)).connect(name, stream);
        let stream = match timeout(limit, handshake).await {
            Ok(made) => made.map_err(TlsError::of_handshake)?,
            Err(_) => return Err(TlsError::Timeout(limit)),
        };
        let (_, connection) = stream.get_ref();
        let own = connection.peer_certificates().and_then(<[_]>::first);
        let binding = own.and_then(|own| certificate::channel_binding(own));
        Ok(Connected { stream, binding })
    }
}

/// A host as certificates name it: the zone of an IPv6 address is no part of it, nor is the dot
/// at the end of a name.
fn server_name(host: &str) -> Result<ServerName<'static>, TrustError> {
    let bare = host.split('%').next().unwrap_or_default();
    if let Ok(address) = bare.parse::<IpAddr>() {
        return Ok(address.into());
    }
    let name = host.strip_suffix('.').unwrap_or(host).to_owned();
    ServerName::try_from(name).map_err(|_| TrustError::Name(host.to_owned()))
}

/// The validator as rustls asks for it.
#[derive(Debug)]
struct Verifier {
    validator: Validator,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        host: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let chain: Vec<CertificateDer<'_>> =
            std::iter::once(end_entity).chain(intermediates).cloned().collect();
        match self.validator.validate(&chain, host, now) {
            Ok(()) => Ok(ServerCertVerified::assertion()),
            Err(error) => {
                let error = rustls::CertificateError::Other(OtherError(Arc::new(error)));
                Err(rustls::Error::InvalidCertificate(error))
            }
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_become_the_names_of_certificates() {
        let name = |host| server_name(host).unwrap().to_str().into_owned();
        assert_eq!(name("server01"), "server01");
        assert_eq!(name("a.example."), "a.example");
        assert_eq!(name("::1"), "::1");
        assert_eq!(name("fe80::1%eth0"), "fe80::1");
        assert_eq!(name("127.0.0.1"), "127.0.0.1");
        assert!(server_name("a b").is_err());
    }
}
