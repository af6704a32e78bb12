//! The client's settings, `winrm/config/client` on Windows, read from `client.toml`.

mod edit;
mod logins;

use std::fs;
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use auth::Secret;
use serde::Deserialize;
use session::client::endpoint::{Defaults, Endpoint, EndpointError};
use session::client::proxy::{Proxies, ProxyAddress, UserInfo};
use session::client::timing::Timing;
use session::client::trusted_hosts::TrustedHosts;
use transport::tls::{Authorities, ClientOptions, Level, Pin, Revocation, Trust};

use crate::config::{Authentication, Credentials};
use crate::credssp::{self, CredSspOptions};
use crate::error::ConfigError;
use crate::kerberos::{self, KerberosOptions};

pub use edit::{SettingValue, change};
pub use logins::Logins;

use logins::DefaultPorts;

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
    /// Whether the login seals messages.
    pub encryption: Encryption,
    /// Whether logins are tied to the TLS connection that they come through.
    pub channel_binding: ChannelBinding,
    /// The way to hosts through proxies: the table `[Proxy]`.
    pub proxy: ProxySettings,
    /// Logins by Kerberos: the table `[Kerberos]`.
    pub kerberos: KerberosOptions,
    /// Logins by CredSSP: the table `[CredSSP]`.
    pub credssp: CredSspOptions,
    /// `URLPrefix` and `[DefaultPorts]`: where a service is that is named by its host alone.
    pub defaults: Defaults,
    /// Which logins may be used: the table `[Auth]`.
    pub logins: Logins,
}

/// Whether the login seals messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(clippy::exhaustive_enums, reason = "yes, no, and what the transport asks for")]
pub enum Encryption {
    /// On plain HTTP, if it can; inside TLS they need no other seal.
    #[default]
    Auto,
    /// Inside TLS too; a login that cannot is refused.
    Always,
    /// Nowhere: on plain HTTP everybody on the way can read them, and the settings of both sides must allow that.
    Never,
}

impl Encryption {
    /// The words for it.
    pub const NAMES: [(&str, Self); 3] =
        [("auto", Self::Auto), ("always", Self::Always), ("never", Self::Never)];
}

/// Whether logins are tied to the TLS connection that they come through (RFC 5929): then nobody in the middle can pass
/// one on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(clippy::exhaustive_enums, reason = "they are, or they are not")]
pub enum ChannelBinding {
    /// Always, whatever the host says; where the certificate's algorithm defines no binding there is none to send.
    #[default]
    Auto,
    /// Never: for a host behind something that ends TLS in front of it.
    Never,
}

impl ChannelBinding {
    /// The words for it.
    pub const NAMES: [(&str, Self); 2] = [("auto", Self::Auto), ("never", Self::Never)];
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

/// The proxies between this computer and hosts, and the account there.
#[derive(Debug, Clone, Default)]
#[expect(
    clippy::exhaustive_structs,
    reason = "meant to be written out with `..Default::default()`"
)]
pub struct ProxySettings {
    /// Which one for which host; none by default.
    pub proxies: Proxies,
    /// How to log in to it.
    pub authentication: ProxyAuthentication,
    /// Who logs in to it, if anybody.
    pub credentials: Option<Credentials>,
}

impl PartialEq for ProxySettings {
    /// Passwords are not compared.
    fn eq(&self, other: &Self) -> bool {
        let user = |settings: &Self| settings.credentials.as_ref().map(|known| known.user.clone());
        self.proxies == other.proxies
            && self.authentication == other.authentication
            && user(self) == user(other)
    }
}

/// How to log in to a proxy: `-ProxyAuthentication`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(clippy::exhaustive_enums, reason = "the three that Windows has")]
pub enum ProxyAuthentication {
    /// User name and password as they are.
    Basic,
    /// Hashes of them.
    Digest,
    /// NTLM, by negotiation or under its own name, as the proxy offers it.
    #[default]
    Negotiate,
}

impl ProxyAuthentication {
    /// The words for it.
    pub const NAMES: [(&str, Self); 3] =
        [("Basic", Self::Basic), ("Digest", Self::Digest), ("Negotiate", Self::Negotiate)];
}

/// `[Proxy]`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields, default)]
struct Proxy {
    /// The proxy for all hosts; `environment` takes the variables `https_proxy` and so on.
    #[serde(rename = "URL")]
    url: Option<String>,
    /// The hosts without one.
    no_proxy: Option<String>,
    authentication: Option<String>,
    user_name: Option<String>,
    /// A file whose first line is the password.
    password_file: Option<PathBuf>,
}

impl Proxy {
    fn settings(self) -> Result<ProxySettings, String> {
        let named = self.authentication.as_deref();
        let mut settings = ProxySettings {
            authentication: one_of("Authentication", named, &ProxyAuthentication::NAMES)?,
            ..ProxySettings::default()
        };
        match self.url.as_deref() {
            None | Some("" | "none") => {}
            Some(url) => settings.take(url)?,
        }
        if let Some(list) = &self.no_proxy {
            settings.proxies.except = list.parse().map_err(|error| format!("NoProxy: {error}"))?;
        }
        match (self.user_name, self.password_file) {
            (Some(user), Some(file)) => {
                let password = first_line(&file)?;
                settings.credentials = Some(Credentials { user, password });
            }
            (None, None) => {}
            (Some(_), None) => return Err("[Proxy] has a UserName and no PasswordFile".to_owned()),
            (None, Some(_)) => return Err("[Proxy] has a PasswordFile and no UserName".to_owned()),
        }
        Ok(settings)
    }
}

impl ProxySettings {
    /// Takes what `--proxy` and `URL` are given: an address, `none`, or `environment` for the variables.
    ///
    /// # Errors
    ///
    /// What is wrong with the address or a variable.
    pub fn take(&mut self, word: &str) -> Result<(), String> {
        if word.eq_ignore_ascii_case("none") {
            self.proxies = Proxies::default();
        } else if word.eq_ignore_ascii_case("environment") {
            let variable = |name: &str| std::env::var(name).ok();
            let (proxies, user) = Proxies::from_variables(variable)?;
            self.proxies = proxies;
            if let Some(UserInfo { user, password }) = user {
                self.credentials = Some(Credentials { user, password });
                // Whoever writes a password into an address knows nothing else.
                self.authentication = ProxyAuthentication::Basic;
            }
        } else {
            let address = word.parse::<ProxyAddress>().map_err(|error| error.to_string())?;
            self.proxies = Proxies::all(address);
        }
        Ok(())
    }
}

fn first_line(file: &Path) -> Result<Secret, String> {
    let wrong = |problem: String| format!("PasswordFile {}: {problem}", file.display());
    let mut text = String::new();
    let opened = fs::File::open(file);
    let read = opened.and_then(|opened| opened.take(MAX_FILE).read_to_string(&mut text));
    let mut text = Secret::new(text);
    read.map_err(|error| wrong(error.to_string()))?;
    let line = Secret::new(text.expose().lines().next().unwrap_or_default());
    text.wipe();
    if line.expose().is_empty() {
        Err(wrong("its first line is empty".to_owned()))
    } else {
        Ok(line)
    }
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
    channel_binding: Option<String>,
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
    #[serde(default)]
    message_encryption: Option<String>,
    #[serde(default, rename = "NetworkDelayms")]
    network_delay_ms: Option<u32>,
    #[serde(default, rename = "TLS")]
    tls: Tls,
    #[serde(default)]
    proxy: Proxy,
    #[serde(default, rename = "URLPrefix")]
    url_prefix: Option<String>,
    #[serde(default)]
    default_ports: DefaultPorts,
    #[serde(default)]
    auth: Logins,
    #[serde(default)]
    kerberos: kerberos::Table,
    #[serde(default, rename = "CredSSP")]
    credssp: credssp::Table,
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

    /// The service that a text names, as [`Endpoint::parse`] reads it; what it leaves out is as these settings say.
    ///
    /// # Errors
    ///
    /// [`EndpointError`] says which part is wrong.
    pub fn endpoint(&self, text: &str, use_ssl: bool) -> Result<Endpoint, EndpointError> {
        Endpoint::parse_with(text, use_ssl, &self.defaults)
    }

    /// Whether the user allows CredSSP at all.
    #[must_use]
    pub fn allows_credssp(&self) -> bool {
        let names_hosts = self.credssp.allow_fresh_credentials != crate::DelegationList::default();
        self.logins.credssp.unwrap_or(names_hosts)
    }

    /// Whether the user allows this login.
    pub(crate) fn allows(&self, login: Authentication) -> bool {
        let Logins { basic, digest, kerberos, negotiate, certificate, credssp: _ } = self.logins;
        match login {
            Authentication::Basic => basic,
            Authentication::Digest => digest,
            Authentication::Kerberos => kerberos,
            Authentication::Certificate => certificate,
            // Where no hosts are named, that is the error.
            Authentication::CredSsp => self.logins.credssp != Some(false),
            Authentication::Default
            | Authentication::Negotiate
            | Authentication::NegotiateWithImplicitCredential
            | Authentication::Ntlm => negotiate,
        }
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
        let named = file.tls.channel_binding.as_deref();
        let channel_binding = one_of("ChannelBinding", named, &ChannelBinding::NAMES)?;
        let named = file.message_encryption.as_deref();
        let encryption = one_of("MessageEncryption", named, &Encryption::NAMES)?;
        let trust = file.tls.trust()?;
        let proxy = file.proxy.settings()?;
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
            encryption,
            channel_binding,
            proxy,
            kerberos: file.kerberos.options()?,
            credssp: file.credssp.options()?,
            defaults: file.default_ports.with(file.url_prefix)?,
            logins: file.auth,
        })
    }
}

/// The value of a setting that has a few words, in any case; the default where it is not there.
fn one_of<T: Copy + Default>(
    name: &str,
    value: Option<&str>,
    words: &[(&str, T)],
) -> Result<T, String> {
    let Some(value) = value else { return Ok(T::default()) };
    let found = words.iter().find(|(word, _)| word.eq_ignore_ascii_case(value));
    found.map(|(_, known)| *known).ok_or_else(|| {
        let words: Vec<_> = words.iter().map(|(word, _)| *word).collect();
        format!("{name} is `{value}`; it must be one of {}", words.join(", "))
    })
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
        let found =
            Settings::parse("MessageEncryption = 'Always'\n[TLS]\nChannelBinding = 'never'");
        let found = found.unwrap();
        assert_eq!(found.encryption, Encryption::Always);
        assert_eq!(found.channel_binding, ChannelBinding::Never);
    }

    #[test]
    fn logins_ports_and_the_path_are_settings() {
        let found = Settings::parse(
            "URLPrefix = 'manage'\n[Auth]\nBasic = false\nCredSSP = true\n[DefaultPorts]\nHTTP = 80",
        );
        let found = found.unwrap();
        assert!(!found.allows(Authentication::Basic) && found.allows(Authentication::Digest));
        assert!(found.allows_credssp() && !Settings::default().allows_credssp());
        let hosts = "[CredSSP]\nAllowFreshCredentials = 'wsman/a.test'";
        assert!(
            Settings::parse(hosts).is_err() || Settings::parse(hosts).unwrap().allows_credssp()
        );
        assert_eq!(found.endpoint("h", false).unwrap().to_string(), "http://h:80/manage");
        assert_eq!(found.endpoint("h", true).unwrap().to_string(), "https://h:5986/manage");
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
            ("[TLS]\nChannelBinding = 'on'", "auto, never"),
            ("MessageEncryption = 'on'", "auto, always, never"),
            ("URLPrefix = '/'", "URLPrefix"),
            ("URLPrefix = 'a b'", "URLPrefix"),
            ("[DefaultPorts]\nHTTP = 0", "port 0"),
            ("[Auth]\nNtlm = true", "Ntlm"),
        ] {
            assert!(Settings::parse(text).unwrap_err().contains(part), "{text}");
        }
    }

    #[test]
    fn proxies_have_an_address_an_account_and_exceptions() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("password");
        fs::write(&file, "geheim\nmore").unwrap();
        let text = format!(
            "[Proxy]\nURL = 'http://proxy:3128'\nNoProxy = '.intern'\nAuthentication = 'basic'\nUserName = 'u'\nPasswordFile = {file:?}"
        );
        let proxy = Settings::parse(&text).unwrap().proxy;
        assert_eq!(proxy.proxies.https.as_ref().unwrap().to_string(), "proxy:3128");
        assert!(proxy.proxies.except.has("a.intern", 5986));
        assert_eq!(proxy.authentication, ProxyAuthentication::Basic);
        assert_eq!(proxy.credentials.unwrap().password.expose(), "geheim");
        for (text, part) in [
            ("URL = 'socks5://x'", "only proxies by http"),
            ("NoProxy = 'a*b'", "a*b"),
            ("UserName = 'u'", "no PasswordFile"),
            ("UserName = 'u'\nPasswordFile = '/nonexistent'", "/nonexistent"),
            ("Authentication = 'Kerberos'", "Basic, Digest, Negotiate"),
        ] {
            let error = Settings::parse(&format!("[Proxy]\n{text}")).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn missing_file_means_the_defaults() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Settings::read(&folder.path().join("none.toml")), Ok(Settings::default()));
    }
}
