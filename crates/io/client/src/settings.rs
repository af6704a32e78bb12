//! The client's settings, `winrm/config/client` on Windows, read from `client.toml`.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use session::client::timing::Timing;
use session::client::trusted_hosts::TrustedHosts;
use transport::tls::{Authorities, ClientOptions, Level, Pin, Revocation, Trust};

use crate::error::ConfigError;

/// A settings file is never larger.
const MAX_FILE: u64 = 1024 * 1024;
/// The least `NetworkDelayms` that Windows takes.
const LEAST_DELAY_MS: u32 = 500;

/// Windows's names and defaults.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Settings {
    /// `AllowUnencrypted`, false by default: whether messages may travel unencrypted over HTTP.
    pub allow_unencrypted: bool,
    /// `TrustedHosts`, empty by default.
    pub trusted_hosts: TrustedHosts,
    /// What is asked of a host's certificate: the table `[TLS]`.
    pub trust: Trust,
    /// Which TLS is spoken: `Level` in the table `[TLS]`.
    pub level: Level,
    /// `NetworkDelayms` and the time that an operation may take.
    pub timing: Timing,
    /// What PowerShell has in preference variables.
    pub preferences: Preferences,
}

/// PowerShell's preference variables that are about sessions: what holds where a command says nothing.
#[derive(Debug, Clone, Default, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "the three that PowerShell has")]
pub struct Preferences {
    /// `PSSessionApplicationName`: the path of a service's address.
    pub application_name: Option<String>,
    /// `PSSessionConfigurationName`: a name, or a whole resource URI.
    pub configuration_name: Option<String>,
    /// `[PSSessionOption]` as it is written: whoever opens sessions knows the options.
    pub session_option: Option<toml::Table>,
}

/// `[TLS]`, with the names of Windows's session options where it has them.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields, default)]
struct Tls {
    /// A file or folder with the authorities that count, instead of the system's.
    #[serde(rename = "CAPath")]
    ca_path: Option<PathBuf>,
    /// SHA-256 of certificates or their keys; a host must have one of them.
    pins: Vec<String>,
    #[serde(rename = "SkipCACheck")]
    skip_ca_check: bool,
    #[serde(rename = "SkipCNCheck")]
    skip_cn_check: bool,
    /// A file or folder with the revocation lists that count.
    #[serde(rename = "CRLPath")]
    crl_path: Option<PathBuf>,
    /// The lists do not count.
    skip_revocation_check: bool,
    /// The name that every host's certificate must have.
    server_name: Option<String>,
    /// `modern`, `compat` or `legacy`.
    level: Option<String>,
}

impl Tls {
    fn level(&self) -> Result<Level, String> {
        let level = self.level.as_deref().map(str::parse::<Level>).transpose();
        level.map(Option::unwrap_or_default).map_err(|error| error.to_string())
    }

    fn trust(self) -> Result<Trust, String> {
        let pins = self.pins.iter().map(|pin| pin.parse::<Pin>());
        Ok(Trust {
            authorities: self.ca_path.map_or(Authorities::System, Authorities::Path),
            pins: pins.collect::<Result<_, _>>().map_err(|error| error.to_string())?,
            skip_ca_check: self.skip_ca_check,
            skip_cn_check: self.skip_cn_check,
            server_name: self.server_name,
            revocation: Revocation { lists: self.crl_path, skip: self.skip_revocation_check },
        })
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct File {
    #[serde(default)]
    allow_unencrypted: bool,
    #[serde(default)]
    trusted_hosts: String,
    #[serde(default, rename = "NetworkDelayms")]
    network_delay_ms: Option<u32>,
    #[serde(default, rename = "TLS")]
    tls: Tls,
    #[serde(default, rename = "PSSessionApplicationName")]
    application_name: Option<String>,
    #[serde(default, rename = "PSSessionConfigurationName")]
    configuration_name: Option<String>,
    #[serde(default, rename = "PSSessionOption")]
    session_option: Option<toml::Table>,
}

impl Settings {
    /// What TLS needs to know, without a certificate of the client's.
    #[must_use]
    pub fn tls(&self) -> ClientOptions {
        ClientOptions { trust: self.trust.clone(), level: self.level, identity: None }
    }

    /// Reads the user's `client.toml`; the defaults where there is none.
    ///
    /// # Errors
    ///
    /// [`ConfigError::File`] names the file and what is wrong with it.
    pub fn load() -> Result<Self, ConfigError> {
        match path() {
            Some(path) => Self::read(&path),
            None => Ok(Self::default()),
        }
    }

    /// Reads a settings file; the defaults when it does not exist.
    ///
    /// # Errors
    ///
    /// [`ConfigError::File`] names the file and what is wrong with it.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let wrong =
            |problem: String| ConfigError::File { file: path.display().to_string(), problem };
        match fs::metadata(path) {
            Ok(found) if found.len() > MAX_FILE => {
                return Err(wrong("larger than 1 MiB".to_owned()));
            }
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(wrong(error.to_string())),
        }
        let text = fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
        Self::parse(&text).map_err(wrong)
    }

    fn parse(text: &str) -> Result<Self, String> {
        let file: File = toml::from_str(text).map_err(|error| error.to_string())?;
        let trusted_hosts =
            TrustedHosts::parse(&file.trusted_hosts).map_err(|error| error.to_string())?;
        let mut timing = Timing::default();
        if let Some(delay) = file.network_delay_ms {
            if delay < LEAST_DELAY_MS {
                return Err(format!(
                    "NetworkDelayms is {delay}; it must be {LEAST_DELAY_MS} or more"
                ));
            }
            timing.network_delay = Duration::from_millis(delay.into());
        }
        let level = file.tls.level()?;
        let trust = file.tls.trust()?;
        let preferences = Preferences {
            application_name: file.application_name,
            configuration_name: file.configuration_name,
            session_option: file.session_option,
        };
        Ok(Self {
            allow_unencrypted: file.allow_unencrypted,
            trusted_hosts,
            trust,
            level,
            timing,
            preferences,
        })
    }
}

/// `$XDG_CONFIG_HOME/transom/client.toml`, by default below `~/.config`.
#[must_use]
pub fn path() -> Option<PathBuf> {
    let base = match std::env::var_os("XDG_CONFIG_HOME").map(PathBuf::from) {
        Some(dir) if dir.is_absolute() => dir,
        _ => std::env::home_dir()?.join(".config"),
    };
    Some(base.join("transom").join("client.toml"))
}

pub(crate) fn display_path() -> String {
    path().map_or_else(|| "client.toml".to_owned(), |path| path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_have_windows_names_and_defaults() {
        assert_eq!(Settings::parse(""), Ok(Settings::default()));
        let all = "AllowUnencrypted = true\nTrustedHosts = \"a,*.b\"\nNetworkDelayms = 700\n";
        let found = Settings::parse(all).unwrap();
        assert!(found.allow_unencrypted && found.trusted_hosts.contains("x.b"));
        assert_eq!(found.timing.network_delay, Duration::from_millis(700));
        let preferences = "PSSessionApplicationName = 'a'\nPSSessionConfigurationName = 'c'\n[PSSessionOption]\nOpenTimeout = 1";
        let found = Settings::parse(preferences).unwrap().preferences;
        assert_eq!(found.application_name.as_deref(), Some("a"));
        assert_eq!(found.configuration_name.as_deref(), Some("c"));
        assert_eq!(found.session_option.unwrap().get("OpenTimeout"), Some(&1.into()));
        let tls = "[TLS]\nCAPath = \"/ca\"\nSkipCACheck = true\nSkipCNCheck = true\nServerName = \"n\"\nLevel = \"Compat\"\n\
             CRLPath = \"/crl\"\nSkipRevocationCheck = true";
        let found = Settings::parse(tls).unwrap();
        assert_eq!(found.tls().level, Level::Compat);
        let trust = found.trust;
        assert_eq!(trust.authorities, Authorities::Path("/ca".into()));
        assert!(trust.skip_ca_check && trust.skip_cn_check);
        assert_eq!(trust.server_name.as_deref(), Some("n"));
        assert_eq!(trust.revocation, Revocation { lists: Some("/crl".into()), skip: true });
    }

    #[test]
    fn wrong_settings_are_named() {
        for (text, part) in [
            ("Allow = true", "Allow"),
            ("TrustedHosts = \"a*b\"", "a*b"),
            ("NetworkDelayms = 1", "NetworkDelayms"),
            ("[TLS]\nPins = [\"12\"]", "fingerprint"),
            ("[TLS]\nSkipCa = true", "SkipCa"),
            ("[TLS]\nLevel = \"old\"", "modern, compat or legacy"),
        ] {
            assert!(Settings::parse(text).unwrap_err().contains(part), "{text}");
        }
    }

    #[test]
    fn missing_file_means_the_defaults() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Settings::read(&folder.path().join("none.toml")), Ok(Settings::default()));
    }
}
