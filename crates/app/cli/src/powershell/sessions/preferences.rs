//! The preference variables about sessions, as they are where a script assigns nothing: those of `client.toml`, else
//! PowerShell's own.

use client::Settings;
use client::pool::DEFAULT_CONFIGURATION;
use serde::Deserialize as _;

use super::super::value::Value;
use super::options::{SessionOptions, object};
use crate::command_error::CommandError;

/// The options of sessions.
pub(super) const SESSION_OPTION: &str = "PSSessionOption";
/// The path of a service's address.
pub(super) const APPLICATION_NAME: &str = "PSSessionApplicationName";
/// The configuration.
pub(super) const CONFIGURATION_NAME: &str = "PSSessionConfigurationName";

/// The value of a preference variable, if the name is one's.
///
/// # Errors
/// `client.toml` cannot be read.
pub(in crate::powershell) fn preference(name: &str) -> Result<Option<Value>, CommandError> {
    let is = |known: &str| known.eq_ignore_ascii_case(name);
    if ![SESSION_OPTION, APPLICATION_NAME, CONFIGURATION_NAME].into_iter().any(is) {
        return Ok(None);
    }
    let preferences = settings()?.preferences;
    let text = |text: Option<String>, default: &str| {
        Ok(Some(Value::Text(text.unwrap_or_else(|| default.to_owned()))))
    };
    if is(APPLICATION_NAME) {
        return text(preferences.application_name, "wsman");
    }
    if is(CONFIGURATION_NAME) {
        return text(preferences.configuration_name, DEFAULT_CONFIGURATION);
    }
    let options = match preferences.session_option {
        None => SessionOptions::default(),
        Some(table) => {
            let wrong = |error: CommandError| error.of("[PSSessionOption] in client.toml");
            let value = Value::deserialize(table)
                .map_err(|error| wrong(CommandError::caused("unreadable", &error)))?;
            SessionOptions::read(&value).map_err(wrong)?
        }
    };
    Ok(Some(object(options.bound(), Value::Null)))
}

/// The user's settings.
///
/// # Errors
/// `client.toml` cannot be read.
pub(in crate::powershell) fn settings() -> Result<Settings, CommandError> {
    Settings::load().map_err(|error| CommandError::caused("reading the client's settings", &error))
}
