//! From the switches to the service that is asked: a host, or this computer's own.

use auth::Secret;
use client::{Authentication as Login, Charset, Config};

use super::switches::{Authentication, Encoding, ProxyAccess, Switches};
use crate::command_error::CommandError;
use crate::signals::Signals;
use crate::winrs::certificate::{CertificateSwitches, TrustSwitches};
use crate::winrs::{Connection, PasswordSource, Scheme};

/// The configuration of the client.
///
/// # Errors
/// Switches that do not fit together, something missing that nobody can be asked for, or a settings file that cannot be
/// used.
pub(super) async fn config(
    switches: Switches,
    names_host: bool,
    signals: &mut Signals,
) -> Result<Config, CommandError> {
    let (timeout, encoding) = (switches.timeout, switches.encoding);
    let implicit = switches.defaultcreds;
    let mut config = if names_host {
        connection(switches)?.into_config(signals).await?
    } else {
        Config::local(client::local_socket())
    };
    if implicit {
        config.authentication = Login::NegotiateWithImplicitCredential;
    }
    if let Some(milliseconds) = timeout {
        config.settings.timing.operation = std::time::Duration::from_millis(milliseconds.into());
    }
    match encoding {
        Some(Encoding::Utf16) => config.charset = Charset::Utf16,
        Some(Encoding::Utf8) | None => {}
    }
    Ok(config)
}

/// The switches as all programs that log in once understand them.
pub(super) fn connection(switches: Switches) -> Result<Connection, CommandError> {
    let scheme = match switches.auth {
        Some(Authentication::Basic) => Some(Scheme::Basic),
        Some(Authentication::Digest) => Some(Scheme::Digest),
        Some(Authentication::Negotiate) => Some(Scheme::Negotiate),
        Some(Authentication::Kerberos) => Some(Scheme::Kerberos),
        Some(Authentication::Certificate) => Some(Scheme::Certificate),
        Some(Authentication::CredSsp) => Some(Scheme::CredSsp),
        Some(Authentication::Ntlm) => Some(Scheme::Ntlm),
        Some(Authentication::None) => {
            return Err(CommandError::usage(
                "-auth:none is for identify alone: every other operation needs a login",
            ));
        }
        // A certificate is the login unless another one is named.
        None => switches.certificate.is_some().then_some(Scheme::Certificate),
    };
    let password = match (switches.password, switches.password_file) {
        (Some(password), _) => PasswordSource::Given(Secret::from(password)),
        (None, Some(file)) => PasswordSource::File(file),
        (None, None) => PasswordSource::Unsaid,
    };
    let mut network = switches.network;
    let proxy = match switches.proxyaccess {
        Some(ProxyAccess::AutoDetect) => Some("environment"),
        Some(ProxyAccess::NoProxy) => Some("none"),
        // What Windows keeps for the browser and for services, the user's settings keep here.
        Some(ProxyAccess::IeSettings | ProxyAccess::WinHttpSettings) | None => None,
    };
    network.take(proxy, switches.proxyauth.as_deref(), switches.proxyusername)?;
    network.proxy_password = switches.proxypassword.map(Secret::from);
    network.check(switches.unencrypted)?;
    Ok(Connection {
        endpoint: switches.remote.unwrap_or_else(|| "localhost".to_owned()),
        user: switches.username,
        password,
        scheme,
        use_ssl: switches.usessl,
        unencrypted: switches.unencrypted,
        trust: TrustSwitches {
            ca: switches.ca,
            pins: switches.pin,
            skip_ca_check: switches.skipcacheck,
            skip_cn_check: switches.skipcncheck,
            skip_revocation_check: switches.skiprevocationcheck,
            server_name: switches.server_name,
        },
        certificate: CertificateSwitches {
            certificate: switches.certificate,
            key: switches.key,
            tls: switches.tls,
        },
        network,
        kerberos: switches.kerberos,
        delegate: false,
    })
}
