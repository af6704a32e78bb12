//! The login of a connection: the mechanism that the configuration asks for, with the user's name and password.

use auth::spnego::{self, InitiatorMechanism};
use auth::{ApiMisuse, ChannelBinding, Initiator, UserName, digest, ntlm};
use session::client::login::Login;

use crate::config::{Authentication, Config};
use crate::entropy::{self, SystemEntropy};
use crate::error::{ConfigError, ErrorKind};
use crate::settings;

/// Mechanisms that a negotiation may choose from, best first.
type Mechanisms = Vec<Box<dyn InitiatorMechanism>>;

/// A login that nobody has stepped yet; `binding` is that of the TLS connection, which the settings may keep out.
pub(crate) async fn login(
    config: &Config,
    binding: Option<ChannelBinding>,
) -> Result<Login, ErrorKind> {
    let binding = match config.settings.channel_binding {
        settings::ChannelBinding::Auto => binding,
        settings::ChannelBinding::Never => None,
    };
    let login = match config.authentication {
        Authentication::Digest => return digest(config).map_err(misuse),
        // The inner login is bound to the inner TLS connection, by CredSSP itself.
        Authentication::CredSsp => credssp(config, mechanisms(config, None).await?)?,
        Authentication::Default
        | Authentication::Negotiate
        | Authentication::NegotiateWithImplicitCredential => {
            let mechanisms = mechanisms(config, binding).await?;
            Login::new(Box::new(spnego::Initiator::new(mechanisms).map_err(misuse)?))
        }
        Authentication::Basic => Login::new(basic(config).map_err(misuse)?),
        Authentication::Certificate => Login::new(Box::new(auth::certificate::Initiator::new())),
        Authentication::Kerberos => {
            transport::kerberos::load()?;
            return Err(ErrorKind::Config(ConfigError::NoSuchLogin("Kerberos")));
        }
        Authentication::Ntlm => Login::new(Box::new(ntlm(config, binding).map_err(misuse)?)),
    };
    // Inside TLS, or where everybody may read them, messages travel as they are.
    Ok(if config.seals() { login } else { login.as_they_are() })
}

/// What may be chosen from.
async fn mechanisms(
    config: &Config,
    binding: Option<ChannelBinding>,
) -> Result<Mechanisms, ErrorKind> {
    Ok(vec![Box::new(ntlm(config, binding).map_err(misuse)?)])
}

/// CredSSP around a login by one of the mechanisms. That the host may be given name and password is known by now:
/// `Config::check` has looked.
fn credssp(_config: &Config, _mechanisms: Mechanisms) -> Result<Login, ErrorKind> {
    Err(ErrorKind::Config(ConfigError::NoSuchLogin("CredSSP")))
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
        unsealed: config.is_unsealed(),
        ..ntlm::InitiatorOptions::default()
    };
    ntlm::Initiator::new(credential, options, &mut SystemEntropy, entropy::now())
}
