//! What a client is made of: where, who, and by which login.

use std::path::PathBuf;
use std::sync::Arc;

use auth::Secret;
use session::client::endpoint::{Endpoint, Transport};
use transport::tls::{ClientOptions, Identity};
use wsman::Charset;

use crate::error::ConfigError;
use crate::settings::{Encryption, Settings};
use crate::tickets::NoKerberos;

/// The name of the private socket in the service's state folder.
pub const LOCAL_SOCKET: &str = "winrm.socket";
/// Where a service has its state, if nobody says so.
const STATE: &str = "/var/lib/transom";
/// The port of the listener that Windows keeps for its own tools.
const LOCAL_PORT: u16 = 47001;

/// Everything that a [`Client`](crate::Client) needs to know.
#[derive(Debug, Clone)]
pub struct Config {
    /// The service.
    pub endpoint: Endpoint,
    /// The private socket of this machine's own service. Where it is set, the service takes the caller for the local user
    /// that the system says it is, and neither credentials nor logins, `TrustedHosts`, proxies or redirections count.
    pub socket: Option<PathBuf>,
    /// Who logs in.
    pub credentials: Credentials,
    /// By which login.
    pub authentication: Authentication,
    /// The certificate that is shown to a host that asks for one; [`Authentication::Certificate`] logs in by it, other
    /// logins may need it as well where something in front of the host asks for one.
    pub identity: Option<Arc<Identity>>,
    /// How often a host may send the client to another address before it says anything else; 0, the default, refuses.
    /// Name and password go where the host says, by https only if they came by it.
    pub redirections: u32,
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
    /// Name and password go to the host, which may use them elsewhere, after it has proven who it is: only to hosts that
    /// [`CredSspOptions`](crate::CredSspOptions) allows.
    CredSsp,
    /// Negotiate, because nobody said which: Windows's client has an error of its own for that and an IP address.
    #[default]
    Default,
    /// Hashes of user name and password, which protect no message.
    Digest,
    /// Kerberos without SPNEGO around it.
    Kerberos,
    /// What the service and we agree on (SPNEGO): Kerberos where a ticket can be had, else NTLM.
    Negotiate,
    /// The same with the tickets that the user has already, and nothing else.
    NegotiateWithImplicitCredential,
    /// NTLM without SPNEGO around it.
    Ntlm,
    /// The certificate in [`Config::identity`], which the host maps to an account. On https only.
    Certificate,
}

impl Authentication {
    /// Whether the login can seal messages.
    const fn can_seal(self) -> bool {
        match self {
            Self::Basic | Self::Certificate | Self::Digest => false,
            Self::CredSsp
            | Self::Default
            | Self::Kerberos
            | Self::Negotiate
            | Self::NegotiateWithImplicitCredential
            | Self::Ntlm => true,
        }
    }

    /// The name of the setting in `[Auth]` that allows it.
    const fn setting(self) -> &'static str {
        match self {
            Self::Basic => "Basic",
            Self::Certificate => "Certificate",
            Self::CredSsp => "CredSSP",
            Self::Digest => "Digest",
            Self::Kerberos => "Kerberos",
            Self::Default
            | Self::Negotiate
            | Self::NegotiateWithImplicitCredential
            | Self::Ntlm => "Negotiate",
        }
    }

    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Basic => "Basic",
            Self::Certificate => "Certificate",
            Self::CredSsp => "CredSSP",
            Self::Default => "Default",
            Self::Digest => "Digest",
            Self::Kerberos => "Kerberos",
            Self::Negotiate => "Negotiate",
            Self::NegotiateWithImplicitCredential => "NegotiateWithImplicitCredential",
            Self::Ntlm => "NTLM",
        }
    }
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
    /// The connection is TLS, and the login seals each message inside it.
    SealInTls,
    /// Messages do not leave this machine: only root can see them.
    Local,
}

/// The private socket of this machine's service: in the folder that `TRANSOM_STATE` names, else in `/var/lib/transom`.
#[must_use]
pub fn local_socket() -> PathBuf {
    let state = std::env::var_os("TRANSOM_STATE").filter(|state| !state.is_empty());
    state.map_or_else(|| PathBuf::from(STATE), PathBuf::from).join(LOCAL_SOCKET)
}

impl Config {
    /// A configuration for this machine's own service, reached by its private socket (see [`local_socket`]). The endpoint
    /// is the one that Windows's tools have for the same purpose.
    #[must_use]
    pub fn local(socket: PathBuf) -> Self {
        let endpoint = Endpoint {
            transport: Transport::Http,
            host: "localhost".to_owned(),
            port: LOCAL_PORT,
            path: "/wsman".to_owned(),
        };
        Self { socket: Some(socket), ..Self::new(endpoint, Credentials::default()) }
    }

    /// A configuration with the defaults of Windows's client.
    #[must_use]
    pub fn new(endpoint: Endpoint, credentials: Credentials) -> Self {
        Self {
            endpoint,
            socket: None,
            credentials,
            authentication: Authentication::default(),
            identity: None,
            redirections: 0,
            settings: Settings::default(),
            locale: "en-US".to_owned(),
            data_locale: None,
            max_envelope_size: 512_000,
            charset: Charset::Utf8,
        }
    }

    /// Whether the login seals messages.
    pub(crate) fn seals(&self) -> bool {
        if self.socket.is_some() {
            return false;
        }
        let wanted = match self.settings.encryption {
            Encryption::Auto => self.endpoint.transport == Transport::Http,
            Encryption::Always => true,
            Encryption::Never => false,
        };
        wanted && self.authentication.can_seal()
    }

    /// Whether messages travel on plain HTTP as they are, though the login could seal them.
    pub(crate) fn is_unsealed(&self) -> bool {
        self.socket.is_none()
            && !self.seals()
            && self.endpoint.transport == Transport::Http
            && self.authentication.can_seal()
    }

    /// What TLS needs to know.
    pub(crate) fn tls(&self) -> ClientOptions {
        ClientOptions { identity: self.identity.clone(), ..self.settings.tls() }
    }

    /// Whether NTLM proves enough with this host: TLS does it, or the user says so.
    pub(crate) fn is_trusted(&self) -> bool {
        self.settings.trusted_hosts.allows(&self.endpoint)
    }

    /// Whether the login would be NTLM where it is not by Kerberos, if the host is trusted.
    pub(crate) fn takes_ntlm(&self) -> bool {
        let takes = match self.authentication {
            Authentication::CredSsp | Authentication::Ntlm => true,
            Authentication::Default | Authentication::Negotiate => !self.settings.kerberos.delegate,
            Authentication::Basic
            | Authentication::Certificate
            | Authentication::Digest
            | Authentication::Kerberos
            | Authentication::NegotiateWithImplicitCredential => false,
        };
        let Credentials { user, password } = &self.credentials;
        let has_password =
            !password.expose().is_empty() || self.settings.kerberos.tickets.want_password();
        takes && !user.is_empty() && has_password
    }

    /// Refuses what must not be sent, before anything is. `without` says why the login cannot be by Kerberos.
    pub(crate) fn check(&self, without: Option<&NoKerberos>) -> Result<(), ConfigError> {
        if self.socket.is_some() {
            return Ok(());
        }
        let Settings { encryption, allow_unencrypted, credssp, .. } = &self.settings;
        let is_plain = self.endpoint.transport == Transport::Http;
        if !self.settings.allows(self.authentication) {
            return Err(ConfigError::LoginDisabled(self.authentication.setting()));
        }
        if self.authentication == Authentication::Certificate {
            if is_plain {
                return Err(ConfigError::CertificateUnencrypted);
            }
            if self.identity.is_none() {
                return Err(ConfigError::NoCertificate);
            }
        }
        if self.authentication == Authentication::CredSsp {
            if !credssp.allow_fresh_credentials.allows(&self.endpoint) {
                return Err(ConfigError::CredSspNotAllowed);
            }
            if self.credentials.user.is_empty() {
                return Err(ConfigError::CredSspWithoutPassword);
            }
        }
        if *encryption == Encryption::Always && !self.authentication.can_seal() {
            return Err(ConfigError::CannotSeal(self.authentication.as_str()));
        }
        if is_plain && !self.seals() && !allow_unencrypted {
            return Err(match self.authentication {
                Authentication::Basic => ConfigError::BasicUnencrypted,
                Authentication::Digest => ConfigError::DigestUnencrypted,
                Authentication::Certificate
                | Authentication::CredSsp
                | Authentication::Default
                | Authentication::Kerberos
                | Authentication::Negotiate
                | Authentication::NegotiateWithImplicitCredential
                | Authentication::Ntlm => ConfigError::Unencrypted,
            });
        }
        match without {
            // A ticket proves the host, and without one the login decides anew.
            None => Ok(()),
            Some(why) => self.check_without_tickets(why),
        }
    }

    /// The same for a login that is not by Kerberos.
    fn check_without_tickets(&self, why: &NoKerberos) -> Result<(), ConfigError> {
        let needs_ticket = match self.authentication {
            Authentication::Kerberos | Authentication::NegotiateWithImplicitCredential => true,
            Authentication::Default | Authentication::Negotiate => self.credentials.user.is_empty(),
            Authentication::Basic
            | Authentication::Certificate
            | Authentication::CredSsp
            | Authentication::Digest
            | Authentication::Ntlm => false,
        };
        if needs_ticket {
            return Err(ConfigError::NoTickets(why.to_string()));
        }
        if self.settings.kerberos.delegate && self.authentication != Authentication::CredSsp {
            let why = if *why == NoKerberos::NotAsked {
                format!("{} cannot do that", self.authentication.as_str())
            } else {
                why.to_string()
            };
            return Err(ConfigError::NoDelegation(why));
        }
        if self.is_trusted() {
            Ok(())
        } else if self.authentication == Authentication::Default
            && self.endpoint.address().is_some()
        {
            Err(ConfigError::AddressNotTrusted)
        } else {
            Err(ConfigError::NotTrusted)
        }
    }
}
