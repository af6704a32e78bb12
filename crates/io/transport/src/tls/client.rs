//! The client's side of a TLS connection.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use auth::ChannelBinding;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::certificate;
use super::error::{TlsError, TrustError};
use super::identity::Identity;
use super::level::Level;
use super::ossl;
use super::stream::{Backend, TlsStream};
use super::trust::{Trust, Validator};
use super::verifier::Hosts;

/// A TLS connection of a client.
pub type ClientStream = TlsStream;

/// What a client asks of hosts, offers them, and shows.
#[derive(Debug, Clone, Default)]
#[expect(
    clippy::exhaustive_structs,
    reason = "meant to be written out with `..Default::default()`"
)]
pub struct ClientOptions {
    /// Whom it believes.
    pub trust: Trust,
    /// Which TLS it speaks.
    pub level: Level,
    /// The certificate that it shows to hosts that ask for one, in the handshake or later.
    pub identity: Option<Arc<Identity>>,
}

impl From<Trust> for ClientOptions {
    /// Modern TLS, and no certificate.
    fn from(trust: Trust) -> Self {
        Self { trust, ..Self::default() }
    }
}

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
    connector: Connector,
    server_name: Option<ServerName<'static>>,
}

#[derive(Debug, Clone)]
enum Connector {
    Rustls(Arc<ClientConfig>),
    Openssl(ossl::ClientContext),
}

impl Client {
    /// A client as the options say. rustls speaks where it can: without a certificate, which hosts may want to see late, and
    /// without old versions and suites. Else OpenSSL speaks.
    ///
    /// # Errors
    ///
    /// [`TrustError`] names what cannot be used.
    pub fn new(options: &ClientOptions) -> Result<Self, TrustError> {
        let ClientOptions { trust, level, identity } = options;
        let server_name = trust.server_name.as_deref().map(server_name).transpose()?;
        let validator = Validator::new(trust)?;
        let connector = match (level, identity) {
            (Level::Modern, None) => Connector::Rustls(Arc::new(rustls(validator)?)),
            (level, identity) => {
                let identity = identity.as_deref();
                Connector::Openssl(ossl::ClientContext::new(validator, *level, identity)?)
            }
        };
        Ok(Self { connector, server_name })
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
        let made = timeout(limit, self.handshake(stream, name)).await;
        let stream = made.unwrap_or(Err(TlsError::Timeout(limit)))?;
        let own = stream.own_certificate();
        let binding = own.and_then(|own| certificate::channel_binding(&own));
        Ok(Connected { stream, binding })
    }

    async fn handshake(
        &self,
        stream: TcpStream,
        name: ServerName<'static>,
    ) -> Result<TlsStream, TlsError> {
        match &self.connector {
            Connector::Rustls(config) => {
                let made = TlsConnector::from(Arc::clone(config)).connect(name, stream).await;
                let refused = |error| TlsError::of_handshake(error).offered(Level::Modern);
                let stream = made.map_err(refused)?;
                Ok(TlsStream(Backend::Rustls(Box::new(stream.into()))))
            }
            Connector::Openssl(context) => {
                let made = ossl::Stream::connect(context, stream, &name).await;
                let stream = made.map_err(|error| error.offered(context.level()))?;
                Ok(TlsStream(Backend::Openssl(stream)))
            }
        }
    }
}

fn rustls(validator: Validator) -> Result<ClientConfig, TrustError> {
    let provider = super::provider();
    let verifier = Hosts::new(validator, Arc::clone(&provider));
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(super::VERSIONS)
        .map_err(|error| TrustError::Setup(error.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// A host as certificates name it: the zone of an IPv6 address is no part of it, nor is the dot
/// at the end of a name.
pub(super) fn server_name(host: &str) -> Result<ServerName<'static>, TrustError> {
    let bare = host.split('%').next().unwrap_or_default();
    if let Ok(address) = bare.parse::<IpAddr>() {
        return Ok(address.into());
    }
    let name = host.strip_suffix('.').unwrap_or(host).to_owned();
    ServerName::try_from(name).map_err(|_| TrustError::Name(host.to_owned()))
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
