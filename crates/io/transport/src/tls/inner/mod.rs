//! The TLS session inside a login by CredSSP: no socket, records in and records out ([MS-CSSP] 3.1.5, step 1).
//!
//! ```text
//!  InnerServer (own key) ──channel──► rustls ─┐
//!  InnerClient (any host) ─channel──► rustls ─┼──► auth::credssp::Channel
//!        └── old versions were asked for ──► OpenSSL ─┘
//! ```
//!
//! The client believes any certificate: the login inside proves afterwards that the host has its key. That the host signed
//! the handshake with that key is checked here all the same.

mod modern;
mod old;
mod own;

use std::sync::Arc;

use auth::credssp::Channel;
use rustls::pki_types::ServerName;

use super::error::TrustError;
use super::identity::{Identity, IdentityError};
use super::level::Level;

/// The service's side: what all sessions of it have in common.
#[derive(Debug, Clone)]
pub struct InnerServer {
    config: Arc<rustls::ServerConfig>,
    key: Arc<[u8]>,
}

impl InnerServer {
    /// Sessions that show this certificate. TLS 1.2 and 1.3 are spoken.
    ///
    /// pyspnego, and with it pywinrm and pypsrp, know RSA keys only.
    ///
    /// # Errors
    ///
    /// [`IdentityError`] when the key cannot be used.
    pub fn new(identity: &Identity) -> Result<Self, IdentityError> {
        let own = identity.chain().first().ok_or(IdentityError::NoCertificate)?;
        let key = super::certificate::subject_public_key(own);
        let key = key.ok_or(IdentityError::Certificate)?.into();
        Ok(Self { config: Arc::new(modern::server(identity)?), key })
    }

    /// The same with a certificate made for the occasion, whose key (RSA, 2,048 bits, as on Windows) is nowhere else.
    ///
    /// # Errors
    ///
    /// [`IdentityError`] when it cannot be made.
    pub fn self_signed() -> Result<Self, IdentityError> {
        Self::new(&own::self_signed()?)
    }

    /// A session that has not begun.
    ///
    /// # Errors
    ///
    /// [`IdentityError`] when the certificate cannot be used after all.
    pub fn channel(&self) -> Result<Box<dyn Channel>, IdentityError> {
        let session = modern::Session::accept(&self.config, &self.key);
        session
            .map(|session| Box::new(session) as Box<dyn Channel>)
            .map_err(|error| IdentityError::Key(error.to_string()))
    }
}

/// The client's side: what all sessions of it have in common.
#[derive(Debug, Clone)]
pub struct InnerClient(Backend);

#[derive(Debug, Clone)]
enum Backend {
    Modern(Arc<rustls::ClientConfig>),
    Old(old::Context),
}

impl InnerClient {
    /// Sessions of this level: rustls speaks the modern one, OpenSSL those with more versions and suites.
    ///
    /// # Errors
    ///
    /// [`TrustError::Setup`].
    pub fn new(level: Level) -> Result<Self, TrustError> {
        Ok(Self(match level {
            Level::Modern => Backend::Modern(Arc::new(modern::client()?)),
            Level::Compat | Level::Legacy => Backend::Old(old::Context::new(level)?),
        }))
    }

    /// A session that has not begun, with `host`, a name or an address without brackets.
    ///
    /// # Errors
    ///
    /// [`TrustError`] for a host that no TLS knows.
    pub fn channel(&self, host: &str) -> Result<Box<dyn Channel>, TrustError> {
        let name: ServerName<'static> = super::client::server_name(host)?;
        Ok(match &self.0 {
            Backend::Modern(config) => Box::new(modern::Session::connect(config, name)?),
            Backend::Old(context) => Box::new(old::Session::connect(context, &name)?),
        })
    }
}
