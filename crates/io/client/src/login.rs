//! The login of a connection: the mechanism that the configuration asks for, with the user's name and password.

use auth::spnego::{self, InitiatorMechanism};
use auth::{ApiMisuse, ChannelBinding, Initiator, UserName, digest, ntlm};
use session::client::login::Login;

use crate::config::{Authentication, Config};
use crate::entropy::{self, SystemEntropy};
use crate::error::{ConfigError, ErrorKind};
use crate::settings;

/// A login that nobody has stepped yet; `binding` is that of the TLS connection, which the settings may keep out.
pub(crate) fn login(config: &Config, binding: Option<ChannelBinding>) -> Result<Login, ErrorKind> {
    made(config, binding)
        .map_err(|error| ErrorKind::Config(ConfigError::Credentials(auth::Error::ApiMisuse(error))))
}

fn made(config: &Config, binding: Option<ChannelBinding>) -> Result<Login, ApiMisuse> {
    let binding = match config.settings.channel_binding {
        settings::ChannelBinding::Auto => binding,
        settings::ChannelBinding::Never => None,
    };
    let credentials = &config.credentials;
    let initiator: Box<dyn Initiator> = match config.authentication {
        Authentication::Basic => {
            Box::new(auth::basic::Initiator::new(&credentials.user, &credentials.password)?)
        }
        Authentication::Digest => {
            let (user, password) = (&credentials.user, &credentials.password);
            let digest = digest::Initiator::new(user, password, &mut SystemEntropy)?;
            return Ok(Login::digest(digest, "POST", &config.endpoint.path));
        }
        Authentication::Certificate => Box::new(auth::certificate::Initiator::new()),
        Authentication::Ntlm => Box::new(ntlm(config, binding)?),
        Authentication::Default | Authentication::Negotiate => {
            let mechanisms: Vec<Box<dyn InitiatorMechanism>> =
                vec![Box::new(ntlm(config, binding)?)];
            Box::new(spnego::Initiator::new(mechanisms)?)
        }
    };
    let login = Login::new(initiator);
    // Inside TLS, or where everybody may read them, messages travel as they are.
    Ok(if config.seals() { login } else { login.as_they_are() })
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
