//! `PowerShell`, which Windows does not have: what the PowerShell endpoint starts.

use serde::{Deserialize, Deserializer, de};

/// The engine of the PowerShell endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct PowerShell {
    /// What starts an engine that speaks PowerShell Remoting's out-of-process framing on its standard streams: a
    /// program, looked for on the user's `PATH`, and its arguments. Default `pwsh -NoLogo -NoProfile -sshs`. Empty:
    /// there is no endpoint.
    #[serde(rename = "Command", deserialize_with = "command")]
    pub command: Vec<String>,
}

impl Default for PowerShell {
    fn default() -> Self {
        let command = ["pwsh", "-NoLogo", "-NoProfile", "-sshs"].map(str::to_owned);
        Self { command: command.to_vec() }
    }
}

fn command<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let command = Vec::<String>::deserialize(deserializer)?;
    if command.first().is_some_and(String::is_empty)
        || command.iter().any(|word| word.contains('\0'))
    {
        return Err(de::Error::custom("Command names no program"));
    }
    Ok(command)
}
