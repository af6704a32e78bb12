//! What a client is made of: where, who, and by which login.

use std::sync::Arc;

use auth::Secret;
use session::client::endpoint::{Endpoint, Transport};
use transport::tls::{ClientOptions, Identity};
use wsman::Charset;

use crate::error::ConfigError;
use crate::settings::Settings;

/// Everything that a [`Client`](crate::Client) needs to know.
#[derive(Debug, Clone)]
pub struct Config {
    /// The service.
    pub endpoint: Endpoint,
    /// Who logs in.
    pub credentials: Credentials,
    /// By which login.
    pub authentication: Authentication,
    /// The certificate that is shown to a host that asks for one; [`Authentication::Certificate`] logs in by it, other
    /// logins may need it as well where something in front of the host asks for one.
    pub identity: Option<Arc<Identity>>,
    /// Leaves messages readable on plain HTTP, where the login could seal them: `winrs -unencrypted`. The settings of
    /// both sides must allow it; https has its own encryption, and this changes nothing there.
    pub unencrypted: bool,
    /// The user's settings.
    pub settings: Settings,
    /// The language that the service's texts should have, an RFC 5646 tag.
    pub locale: String,
    /// The language whose numbers and dates the service should write; that of the texts by default.
    pub data_locale: Option<String>,
    /// The largest envelope in bytes, both ways: 512,000 by default, as in Windows's client.
    ///
    /// Services with a lower limit answer up to that. Requests have at most 153,600 bytes, which
    /// every Windows version takes, until the service has shown that it is no older than Windows 8; on
    /// plain HTTP always, where anybody on the way could refuse longer ones.
    pub max_envelope_size: u32,
    /// The charset of messages, both ways; UTF-8 by default, which everyone reads.
    pub charset: Charset,
}

/// A user with a password; both are empty for a login by certificate.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// `name`, `DOMAIN\name` or `name@domain`.
    pub user: String,
    /// The password.
    pub password: Secret,
}

impl Default for Credentials {
    /// Nobody, for a login by certificate.
    fn default() -> Self {
        Self { user: String::new(), password: Secret::from("") }
    }
}

/// The logins that this version knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Authentication {
    /// User name and password as they are.
    Basic,
    /// What the service and we agree on (SPNEGO), which is NTLM here.
    #[default]
    Negotiate,
    /// NTLM without SPNEGO around it.
    Ntlm,
    /// The certificate in [`Config::identity`], which the host maps to an account. On https only.
    Certificate,
}

/// What protects messages from others on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a caller that misses one would tell people wrong")]
pub enum Protection {
    /// Nothing: everybody on the way can read and change them.
    Nothing,
    /// The login seals each of them.
    Seal,
    /// The connection is TLS.
    Tls,
}

impl Config {
    /// A configuration with the defaults of Windows's client.
    #[must_use]
    pub fn new(endpoint: Endpoint, credentials: Credentials) -> Self {
        Self {
            endpoint,
            credentials,
            authentication: Authentication::default(),
            identity: None,
            unencrypted: false,
            settings: Settings::default(),
            locale: "en-US".to_owned(),
            data_locale: None,
            max_envelope_size: 512_000,
            charset: Charset::Utf8,
        }
    }

    /// Whether messages travel on plain HTTP as they are, though the login could seal them.
    pub(crate) fn is_unsealed(&self) -> bool {
        self.unencrypted
            && self.endpoint.transport == Transport::Http
            && !matches!(self.authentication, Authentication::Basic | Authentication::Certificate)
    }

    /// What TLS needs to know.
    pub(crate) fn tls(&self) -> ClientOptions {
        ClientOptions { identity: self.identity.clone(), ..self.settings.tls() }
    }

    /// Refuses what must not be sent, before anything is.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let is_plain = self.endpoint.transport == Transport::Http;
        match self.authentication {
            Authentication::Certificate if is_plain => Err(ConfigError::CertificateUnencrypted),
            Authentication::Certificate if self.identity.is_none() => {
                Err(ConfigError::NoCertificate)
            }
            Authentication::Basic if is_plain && !self.settings.allow_unencrypted => {
                Err(ConfigError::BasicUnencrypted)
            }
            _ if self.is_unsealed() && !self.settings.allow_unencrypted => {
                Err(ConfigError::Unencrypted)
            }
            _ if !self.settings.trusted_hosts.allows(&self.endpoint) => {
                Err(ConfigError::NotTrusted)
            }
            Authentication::Basic
            | Authentication::Certificate
            | Authentication::Negotiate
            | Authentication::Ntlm => Ok(()),
        }
    }
}
