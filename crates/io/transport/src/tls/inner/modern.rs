//! Inner sessions by rustls: TLS 1.2 and 1.3 with forward secrecy and authenticated encryption.

use std::fmt;
use std::io::{Read as _, Write as _};
use std::sync::Arc;

use auth::credssp::{Channel, ChannelError};
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::StoresServerSessions;
use rustls::{
    ClientConfig, ClientConnection, Connection, DigitallySignedStruct, ProtocolVersion,
    ServerConfig, ServerConnection, SignatureScheme,
};

use crate::tls::error::TrustError;
use crate::tls::identity::{Identity, IdentityError};

/// The tag of every suite that rustls has (RFC 5116 5).
const TAG: usize = 16;
/// TLS 1.3 hides the type of a record behind its data (RFC 8446 5.2).
const HIDDEN_TYPE: usize = 1;

/// One session.
pub(super) struct Session {
    connection: Connection,
    /// The own key of a service.
    key: Option<Arc<[u8]>>,
}

impl Session {
    pub(super) fn accept(
        config: &Arc<ServerConfig>,
        key: &Arc<[u8]>,
    ) -> Result<Self, rustls::Error> {
        let connection = ServerConnection::new(Arc::clone(config))?;
        Ok(Self { connection: connection.into(), key: Some(Arc::clone(key)) }.unbounded())
    }

    pub(super) fn connect(
        config: &Arc<ClientConfig>,
        host: ServerName<'static>,
    ) -> Result<Self, TrustError> {
        let connection = ClientConnection::new(Arc::clone(config), host);
        let connection = connection.map_err(|error| TrustError::Setup(error.to_string()))?;
        Ok(Self { connection: connection.into(), key: None }.unbounded())
    }

    /// What is sent is taken away at once, however much it is.
    fn unbounded(mut self) -> Self {
        self.connection.set_buffer_limit(None);
        self
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("version", &self.connection.protocol_version())
            .finish_non_exhaustive()
    }
}

impl Channel for Session {
    fn receive(&mut self, records: &[u8]) -> Result<Vec<u8>, ChannelError> {
        let (mut rest, mut data) = (records, Vec::new());
        while !rest.is_empty() {
            let read = self.connection.read_tls(&mut rest);
            if !matches!(read, Ok(1..)) {
                return Err(ChannelError::Malformed);
            }
            let state = self.connection.process_new_packets().map_err(|error| reason(&error))?;
            let (start, more) = (data.len(), state.plaintext_bytes_to_read());
            data.resize(start + more, 0);
            let place = data.get_mut(start..).unwrap_or_default();
            self.connection.reader().read_exact(place).map_err(|_| ChannelError::Failed)?;
        }
        Ok(data)
    }

    fn send(&mut self, data: &[u8]) -> Result<(), ChannelError> {
        if self.connection.is_handshaking() {
            return Err(ChannelError::Failed);
        }
        self.connection.writer().write_all(data).map_err(|_| ChannelError::Failed)
    }

    fn take_records(&mut self) -> Vec<u8> {
        let mut records = Vec::new();
        while self.connection.wants_write() {
            // A vector takes everything.
            if !matches!(self.connection.write_tls(&mut records), Ok(1..)) {
                break;
            }
        }
        records
    }

    fn is_handshaking(&self) -> bool {
        self.connection.is_handshaking()
    }

    fn server_key(&self) -> Option<Vec<u8>> {
        if let Some(key) = &self.key {
            return Some(key.to_vec());
        }
        let own = self.connection.peer_certificates()?.first()?;
        crate::tls::certificate::subject_public_key(own)
    }

    fn trailer(&self, _length: usize) -> usize {
        if self.connection.protocol_version() == Some(ProtocolVersion::TLSv1_3) {
            TAG + HIDDEN_TYPE
        } else {
            TAG
        }
    }
}

fn reason(error: &rustls::Error) -> ChannelError {
    if let rustls::Error::AlertReceived(alert) = error {
        ChannelError::Alert((*alert).into())
    } else if let rustls::Error::DecryptError = error {
        ChannelError::Tampered
    } else if let rustls::Error::InvalidCertificate(_) = error {
        ChannelError::Certificate
    } else if matches!(error, rustls::Error::PeerIncompatible(_)) {
        ChannelError::Incompatible
    } else if matches!(
        error,
        rustls::Error::InvalidMessage(_)
            | rustls::Error::InappropriateMessage { .. }
            | rustls::Error::InappropriateHandshakeMessage { .. }
            | rustls::Error::PeerMisbehaved(_)
    ) {
        ChannelError::Malformed
    } else {
        ChannelError::Failed
    }
}

/// Takes sessions, and forgets them. Clients of TLS 1.3 want an answer to their last flight, and tickets are the one that
/// there is; none of them will ever be worth anything.
#[derive(Debug)]
struct Forgetful;

impl StoresServerSessions for Forgetful {
    fn put(&self, _key: Vec<u8>, _value: Vec<u8>) -> bool {
        true
    }

    fn get(&self, _key: &[u8]) -> Option<Vec<u8>> {
        None
    }

    fn take(&self, _key: &[u8]) -> Option<Vec<u8>> {
        None
    }

    fn can_cache(&self) -> bool {
        true
    }
}

pub(super) fn server(identity: &Identity) -> Result<ServerConfig, IdentityError> {
    let unusable = |error: rustls::Error| IdentityError::Key(error.to_string());
    let mut config = ServerConfig::builder_with_provider(crate::tls::provider())
        .with_protocol_versions(crate::tls::VERSIONS)
        .map_err(unusable)?
        .with_no_client_auth()
        .with_single_cert(identity.chain().to_vec(), identity.key().clone_key())
        .map_err(unusable)?;
    config.session_storage = Arc::new(Forgetful);
    config.send_tls13_tickets = 1;
    Ok(config)
}

pub(super) fn client() -> Result<ClientConfig, TrustError> {
    let provider = crate::tls::provider();
    let verifier = AnyKey { provider: Arc::clone(&provider) };
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(crate::tls::VERSIONS)
        .map_err(|error| TrustError::Setup(error.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    // A session taken up again would not show the key.
    config.resumption = Resumption::disabled();
    Ok(config)
}

/// Takes any certificate whose key signed the handshake: whose key it is, the login inside proves.
#[derive(Debug)]
struct AnyKey {
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for AnyKey {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _host: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
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
