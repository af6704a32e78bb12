//! `winrm/config/client` of this computer: the settings of whoever asks, in the user's own `client.toml`.
//!
//! A service shows the defaults there, and lets nobody change them: on Unix they belong to each user.

use client::Settings;
use client::settings::{self, SettingValue as Stored};
use wsman::Fault;
use wsman::config::{Change, Kind, Node, Setting, Value, read_put, write};
use wsman::xml::Element;

use crate::command_error::CommandError;

/// The node, if it is one of the client's.
pub(crate) fn node(resource_uri: &str) -> Option<Node> {
    Node::of_uri(resource_uri).filter(|node| is_of_client(*node))
}

/// Whether the settings of a node are the client's.
pub(crate) const fn is_of_client(node: Node) -> bool {
    matches!(node, Node::Client | Node::ClientAuth | Node::ClientDefaultPorts)
}

/// The element of a node, as the user's settings are.
///
/// # Errors
/// They cannot be read.
pub(crate) fn read(node: Node) -> Result<Element, CommandError> {
    let settings = load()?;
    Ok(write(node, |setting| Value::new(text(&settings, setting))))
}

/// Puts another element in place of a node's, and hands out what the node is then.
///
/// # Errors
/// A value that cannot be, or a file that cannot be changed; nothing has changed then.
pub(crate) fn put(node: Node, element: &Element) -> Result<Element, CommandError> {
    let settings = load()?;
    let now = |setting: &'static Setting| Value::new(text(&settings, setting));
    let changes = read_put(node, element, now).map_err(refused)?;
    change(&changes)?;
    read(node)
}

/// Gives settings of the client other values, one after the other; each value is known to be one that its setting takes.
///
/// # Errors
/// A file that cannot be changed.
fn change(changes: &[Change]) -> Result<(), CommandError> {
    for Change { setting, value } in changes {
        let (table, key) = match own_path(setting).split_once('/') {
            Some((table, key)) => (Some(table), key),
            None => (None, own_path(setting)),
        };
        settings::change(table, key, &stored(setting, value))
            .map_err(|error| CommandError::caused("changing the client's settings", &error))?;
    }
    Ok(())
}

fn load() -> Result<Settings, CommandError> {
    Settings::load().map_err(|error| CommandError::caused("reading the client's settings", &error))
}

fn refused(fault: Box<Fault>) -> CommandError {
    CommandError::failed(fault.text().trim().to_owned())
}

/// Its place in the file: `Auth/Basic`.
fn own_path(setting: &Setting) -> &'static str {
    setting.path.strip_prefix("Client/").unwrap_or(setting.path)
}

fn stored(setting: &Setting, value: &str) -> Stored {
    match setting.kind {
        Kind::Boolean => Stored::Bool(value == "true"),
        Kind::Number { .. } => {
            value.parse().map_or_else(|_| Stored::Text(value.to_owned()), Stored::Integer)
        }
        Kind::Word(_) | Kind::Text | Kind::Thumbprint | Kind::IpFilter(_) | Kind::Sddl => {
            Stored::Text(value.to_owned())
        }
    }
}

/// What a setting is now.
fn text(settings: &Settings, setting: &Setting) -> String {
    let logins = settings.logins;
    match own_path(setting) {
        "NetworkDelayms" => settings.timing.network_delay.as_millis().to_string(),
        "URLPrefix" => settings.defaults.url_prefix.trim_matches('/').to_owned(),
        "AllowUnencrypted" => settings.allow_unencrypted.to_string(),
        "Auth/Basic" => logins.basic.to_string(),
        "Auth/Digest" => logins.digest.to_string(),
        "Auth/Kerberos" => logins.kerberos.to_string(),
        "Auth/Negotiate" => logins.negotiate.to_string(),
        "Auth/Certificate" => logins.certificate.to_string(),
        "Auth/CredSSP" => settings.allows_credssp().to_string(),
        "DefaultPorts/HTTP" => settings.defaults.http.to_string(),
        "DefaultPorts/HTTPS" => settings.defaults.https.to_string(),
        "TrustedHosts" => settings.trusted_hosts.to_string(),
        _ => setting.default.to_owned(),
    }
}
