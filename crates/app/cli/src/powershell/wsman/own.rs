//! `WSMan:\localhost\Client`: what this user's commands obey, which is the user's `client.toml` and no resource of the service.

use client::Settings;
use client::settings::{SettingValue, change};
use wsman::config::Node as Part;
use wsman::ns::config;

use super::tree::{self, Branch, Change, Content, Kind, Node};
use super::xml;
use crate::client_settings;
use crate::command_error::CommandError;
use crate::powershell::value::Value;

/// The hosts that may be given passwords by CredSSP: its table and name in the file.
const DELEGATION: (&str, &str) = ("CredSSP", "AllowFreshCredentials");

/// The settings.
///
/// # Errors
/// The file cannot be read.
pub(in crate::powershell) fn nodes() -> Result<Vec<Node>, CommandError> {
    let element = client_settings::read(Part::Client)?;
    Ok(tree::inside(&element, config::CLIENT).into_iter().map(owned).collect())
}

/// A setting is changed in the file, and nowhere else.
fn owned(mut node: Node) -> Node {
    match &mut node.kind {
        Kind::Leaf(leaf) => {
            if let Change::Child(locator) = &leaf.change {
                leaf.change = Change::Own(locator.resource_uri.clone());
            }
        }
        Kind::Branch(Branch { content: Content::Known(nodes), .. }) => {
            *nodes = std::mem::take(nodes).into_iter().map(owned).collect();
        }
        Kind::Branch(_) => {}
    }
    node
}

/// Changes a setting of the part of `winrm/config/client` with this URI.
///
/// # Errors
/// A value that the setting does not take; the file cannot be changed.
pub(in crate::powershell) fn set(uri: &str, name: &str, text: &str) -> Result<(), CommandError> {
    let part = client_settings::node(uri).unwrap_or(Part::Client);
    let mut element = client_settings::read(part)?;
    let values = Value::hashtable(vec![(name.to_owned(), Value::Text(text.to_owned()))]);
    xml::change(&mut element, Some(&values))?;
    client_settings::put(part, &element).map(drop)
}

/// The services that may be given passwords, as `wsman/HOST`.
///
/// # Errors
/// The file cannot be read.
pub(in crate::powershell) fn delegation() -> Result<Vec<String>, CommandError> {
    Ok(load()?.credssp.allow_fresh_credentials.entries())
}

/// Gives that list other entries.
///
/// # Errors
/// An entry is none; the file cannot be changed.
pub(in crate::powershell) fn delegate(entries: &[String]) -> Result<(), CommandError> {
    change(Some(DELEGATION.0), DELEGATION.1, &SettingValue::Texts(entries.to_vec()))
        .map_err(|error| CommandError::caused("changing the client's settings", &error))
}

fn load() -> Result<Settings, CommandError> {
    Settings::load().map_err(|error| CommandError::caused("reading the client's settings", &error))
}
