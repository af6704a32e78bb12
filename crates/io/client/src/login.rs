//! The login of a connection: the mechanism that the configuration asks for, with the user's name and password.

use auth::credssp::{self, InitiatorOptions, TsCredentials};
use auth::spnego::{self, InitiatorMechanism};
use auth::{ApiMisuse, ChannelBinding, Initiator, UserName, digest, ntlm};
use session::client::login::Login;
use transport::tls::InnerClient;

use crate::config::{Authentication, Config, Credentials};
use crate::credssp::CredSspOptions;
use crate::entropy::{self, SystemEntropy};
use crate::error::{ConfigError, ErrorKind};
use crate::settings;
use crate::tickets::{Holder, NoKerberos, Ticket};

/// Mechanisms that a negotiation may choose from, best first.
type Mechanisms = Vec<Box<dyn InitiatorMechanism>>;

/// A login that nobody has stepped yet.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) login: Login,
    /// What it was made with, if it is by Kerberos.
    pub(crate) ticket: Option<Ticket>,
}

/// Prepares a login, which may wait for a KDC; `binding` is that of the TLS connection, which the settings may keep out.
pub(crate) async fn login(
    config: &Config,
    tickets: &Holder,
    binding: Option<ChannelBinding>,
) -> Result<Prepared, ErrorKind> {
    if config.socket.is_some() {
        return Ok(Prepared { login: Login::of_the_connection(), ticket: None });
    }
    let binding = match config.settings.channel_binding {
        settings::ChannelBinding::Auto => binding,
        settings::ChannelBinding::Never => None,
    };
    let mut ticket = None;
    let login = match config.authentication {
        Authentication::Digest => {
            let login = digest(config).map_err(misuse)?;
            return Ok(Prepared { login, ticket });
        }
        Authentication::CredSsp => {
            // The inner login is bound to the inner TLS connection, by CredSSP itself.
            let (mechanisms, with) = mechanisms(config, tickets, None).await?;
            ticket = with;
            credssp(config, mechanisms)?
        }
        Authentication::Default
        | Authentication::Negotiate
        | Authentication::NegotiateWithImplicitCredential => {
            let (mechanisms, with) = mechanisms(config, tickets, binding).await?;
            ticket = with;
            Login::new(Box::new(spnego::Initiator::new(mechanisms).map_err(misuse)?))
        }
        Authentication::Basic => Login::new(basic(config).map_err(misuse)?),
        Authentication::Certificate => Login::new(Box::new(auth::certificate::Initiator::new())),
        Authentication::Kerberos => {
            let ready = tickets.ready(config, binding).await.map_err(no_ticket)?;
            ticket = Some(ready.ticket);
            Login::new(Box::new(ready.initiator))
        }
        Authentication::Ntlm => Login::new(Box::new(ntlm(config, binding).map_err(misuse)?)),
    };
    // Inside TLS, or where everybody may read them, messages travel as they are.
    let login = if config.seals() { login } else { login.as_they_are() };
    Ok(Prepared { login, ticket })
}

/// What the service may choose from: Kerberos where there is a ticket, and NTLM where that is good enough for this host.
///
/// NTLM alone is offered only if no ticket was to be had. A service that refuses a ticket is not asked again by NTLM:
/// anybody on the way could refuse it. One that has no Kerberos at all may choose NTLM from the list, which SPNEGO's
/// signature protects.
async fn mechanisms(
    config: &Config,
    tickets: &Holder,
    binding: Option<ChannelBinding>,
) -> Result<(Mechanisms, Option<Ticket>), ErrorKind> {
    let mut mechanisms: Mechanisms = Vec::new();
    let mut ticket = None;
    let may_be_ntlm = config.takes_ntlm() && config.is_trusted();
    match tickets.ready(config, binding).await {
        Ok(ready) => {
            ticket = Some(ready.ticket);
            mechanisms.push(Box::new(ready.initiator));
        }
        Err(why) if may_be_ntlm && why.leaves_ntlm() && !tickets.is_proven() => {
            tracing::debug!(%why, "The login is not by Kerberos");
            tickets.give_up(why);
        }
        Err(why) => return Err(no_ticket(why)),
    }
    if may_be_ntlm {
        mechanisms.push(Box::new(ntlm(config, binding).map_err(misuse)?));
    }
    Ok((mechanisms, ticket))
}

fn no_ticket(why: NoKerberos) -> ErrorKind {
    if let NoKerberos::Ticket(error) = why {
        return ErrorKind::Kerberos(error);
    }
    ErrorKind::Config(ConfigError::NoTickets(why.to_string()))
}

/// CredSSP around a login by one of the mechanisms. That the host may be given name and password is known by now:
/// `Config::check` has looked.
fn credssp(config: &Config, mechanisms: Mechanisms) -> Result<Login, ErrorKind> {
    let CredSspOptions { level, minimum_version, .. } = config.settings.credssp;
    let inner = InnerClient::new(level);
    let channel = inner.and_then(|inner| inner.channel(&config.endpoint.host));
    let channel = channel.map_err(|error| ErrorKind::Config(ConfigError::Trust(error)))?;
    let Credentials { user, password } = &config.credentials;
    let credentials = TsCredentials::new(UserName::parse(user), password.clone());
    let options = InitiatorOptions { minimum_version };
    let entropy = &mut SystemEntropy;
    let initiator = credssp::Initiator::new(channel, mechanisms, credentials, options, entropy);
    Ok(Login::new(Box::new(initiator.map_err(misuse)?)))
}

fn misuse(error: ApiMisuse) -> ErrorKind {
    ErrorKind::Config(ConfigError::Credentials(auth::Error::ApiMisuse(error)))
}

fn basic(config: &Config) -> Result<Box<dyn Initiator>, ApiMisuse> {
    let credentials = &config.credentials;
    Ok(Box::new(auth::basic::Initiator::new(&credentials.user, &credentials.password)?))
}

fn digest(config: &Config) -> Result<Login, ApiMisuse> {
    let (user, password) = (&config.credentials.user, &config.credentials.password);
    let digest = digest::Initiator::new(user, password, &mut SystemEntropy)?;
    Ok(Login::digest(digest, "POST", &config.endpoint.path))
}

fn ntlm(
    config: &Config,
    channel_binding: Option<ChannelBinding>,
) -> Result<ntlm::Initiator, ApiMisuse> {
    let user = UserName::parse(&config.credentials.user);
    let credential = ntlm::Credential::from_password(user, &config.credentials.password);
    // The zone of an address is this computer's own affair.
    let host = config.endpoint.host.split('%').next().unwrap_or_default();
    let options = ntlm::InitiatorOptions {
        target: Some(format!("HTTP/{host}")),
        channel_binding,
        // Inside CredSSP sealing is what proves the host's key.
        unsealed: config.is_unsealed() && config.authentication != Authentication::CredSsp,
        ..ntlm::InitiatorOptions::default()
    };
    ntlm::Initiator::new(credential, options, &mut SystemEntropy, entropy::now())
}
