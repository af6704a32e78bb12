//! The service's settings: typed, with Windows's names, defaults and ranges ([MS-WSMV] 2.2.4.10).
//!
//! A setting exists here only when the service obeys it: what Windows deprecated is refused. The file is TOML; tables and keys carry
//! the names of the `winrm/config` tree:
//!
//! ```toml
//! MaxEnvelopeSizekb = 500
//!
//! [Service]
//! AllowUnencrypted = false
//!
//! [Service.Auth]
//! Basic = false
//!
//! [[Listener]]
//! Address = "*"
//! Transport = "HTTPS"
//! Port = 5986
//! CertificateThumbprint = "…"
//! ```

pub mod cred_ssp;
pub mod failed_logins;
pub mod groups;
pub mod ip_filter;
pub mod kerberos;
pub mod listener;
pub mod mappings;
pub mod metrics;
pub mod plugins;
pub mod power_shell;
mod range;
pub mod sddl;
pub mod tree;

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use auth::CbtPolicy;
use serde::Deserialize;
use transport::tls::Thumbprint;

pub use cred_ssp::CredSsp;
pub use failed_logins::FailedLogins;
pub use groups::Groups;
pub use ip_filter::{IpFilter, IpFilterError};
pub use kerberos::Kerberos;
pub use listener::{ListenAddress, Listener, ListenerError};
pub use mappings::CertMapping;
pub use metrics::{Metrics, MetricsAddress, MetricsAddressError};
pub use plugins::{Plugin, Plugins};
pub use power_shell::PowerShell;
pub use sddl::Sddl;
pub use session::client::endpoint::Transport;

/// A configuration file may have so many bytes.
const MAX_FILE: u64 = 1024 * 1024;

/// The whole tree.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct Settings {
    /// The largest message, in units of 1,024 bytes; 32 to 1,039,440, default 500.
    #[serde(rename = "MaxEnvelopeSizekb", deserialize_with = "range::within::<_, 32, 1_039_440>")]
    pub max_envelope_size_kb: u32,
    /// The longest time an operation may take, in milliseconds; from 500, default 60,000.
    #[serde(rename = "MaxTimeoutms", deserialize_with = "range::within::<_, 500, 4_294_967_295>")]
    pub max_timeout_ms: u32,
    /// The most items of one answer of an enumeration; 1 to 4,294,967,295, default 32,000.
    #[serde(rename = "MaxBatchItems", deserialize_with = "range::within::<_, 1, 4_294_967_295>")]
    pub max_batch_items: u32,
    /// `winrm/config/Service`.
    #[serde(rename = "Service")]
    pub service: Service,
    /// `winrm/config/Winrs`.
    #[serde(rename = "Winrs")]
    pub winrs: Winrs,
    /// Where the service listens; by default HTTP on port 5985 of every address.
    #[serde(rename = "Listener")]
    pub listeners: Vec<Listener>,
    /// `winrm/config/service/certmapping`: the mappings of client certificates that were made by the wire; by default none.
    #[serde(rename = "CertMapping", deserialize_with = "mappings::bounded")]
    pub mappings: Vec<CertMapping>,
    /// Where Prometheus reads figures; by default nowhere.
    #[serde(rename = "Metrics")]
    pub metrics: Metrics,
    /// `winrm/config/plugin`: the plug-ins, each by its name, as far as they are not as they are by default.
    #[serde(rename = "Plugin")]
    pub plugins: Plugins,
    /// What the PowerShell endpoint starts.
    #[serde(rename = "PowerShell")]
    pub power_shell: PowerShell,
}

/// `winrm/config/Service`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct Service {
    /// Who may do what, where a resource has no descriptor of its own; by default administrators everything, and whoever is
    /// on the machine itself may look.
    #[serde(rename = "RootSDDL")]
    pub root_sddl: Sddl,
    /// Whether messages may travel unsealed over plain HTTP; default false.
    #[serde(rename = "AllowUnencrypted")]
    pub allow_unencrypted: bool,
    /// Operations that one user may have open at the same time: shells, and the commands in them; 1
    /// to 4,294,967,295, default 1,500.
    #[serde(
        rename = "MaxConcurrentOperationsPerUser",
        deserialize_with = "range::within::<_, 1, 4_294_967_295>"
    )]
    pub max_concurrent_operations_per_user: u32,
    /// Milliseconds for which an enumeration is kept without a Pull; from 500, default 240,000.
    #[serde(
        rename = "EnumerationTimeoutms",
        deserialize_with = "range::within::<_, 500, 4_294_967_295>"
    )]
    pub enumeration_timeout_ms: u32,
    /// Connections at a time; 1 to 512, default 300. For a further one another that has no complete login may give way;
    /// else it is closed at once.
    #[serde(rename = "MaxConnections", deserialize_with = "range::within::<_, 1, 512>")]
    pub max_connections: u32,
    /// Seconds in which a whole request must arrive, and in which the client must take an answer;
    /// 1 to 4,294,967,295, default 120. A connection with a login that asks for nothing is closed after 120 seconds, as
    /// HTTP.SYS does, or after this time where it is longer; one without a login after this time.
    #[serde(
        rename = "MaxPacketRetrievalTimeSeconds",
        deserialize_with = "range::within::<_, 1, 4_294_967_295>"
    )]
    pub max_packet_retrieval_time_seconds: u32,
    /// The IPv4 addresses that listeners on every address listen on; default every one.
    #[serde(rename = "IPv4Filter")]
    pub ipv4_filter: IpFilter,
    /// The IPv6 addresses that listeners on every address listen on; default every one.
    #[serde(rename = "IPv6Filter")]
    pub ipv6_filter: IpFilter,
    /// Whether there is a listener for HTTP on port 80 as well; default false.
    #[serde(rename = "EnableCompatibilityHttpListener")]
    pub enable_compatibility_http_listener: bool,
    /// Whether there is a listener for HTTPS on port 443 as well; default false.
    #[serde(rename = "EnableCompatibilityHttpsListener")]
    pub enable_compatibility_https_listener: bool,
    /// Ports below 1024 that listeners may have which are made while a service of root's runs: root opens these only, and
    /// reads them from the administrator's file.
    #[serde(rename = "PrivilegedPorts")]
    pub privileged_ports: Vec<u16>,
    /// Whether other machines may ask; default true.
    #[serde(rename = "AllowRemoteAccess")]
    pub allow_remote_access: bool,
    /// The certificate that logins by CredSSP see, one of the folder of certificates; by default one that is made when the
    /// service starts. Its key should be RSA: pyspnego, and with it pywinrm and pypsrp, know no other.
    #[serde(rename = "CertificateThumbprint", deserialize_with = "cred_ssp::thumbprint")]
    pub certificate_thumbprint: Option<Thumbprint>,
    /// `winrm/config/Service/Auth`.
    #[serde(rename = "Auth")]
    pub auth: Auth,
    /// `Service/CredSSP`, which Windows does not have.
    #[serde(rename = "CredSSP")]
    pub cred_ssp: CredSsp,
    /// `Service/FailedLogins`, which Windows does not have.
    #[serde(rename = "FailedLogins")]
    pub failed_logins: FailedLogins,
    /// `Service/Kerberos`, which Windows does not have.
    #[serde(rename = "Kerberos")]
    pub kerberos: Kerberos,
    /// `Service/Groups`, which Windows does not have: local groups whose members belong to groups of the service. Root reads
    /// it from the administrator's file, and nothing else does.
    #[serde(rename = "Groups")]
    pub groups: Groups,
}

/// `winrm/config/Service/Auth`: the logins that are offered.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct Auth {
    /// User name and password as they are; default false. Over plain HTTP it is offered only
    /// together with `AllowUnencrypted`.
    #[serde(rename = "Basic")]
    pub basic: bool,
    /// SPNEGO, with Kerberos where there is a keytab and NTLM; default true.
    #[serde(rename = "Negotiate")]
    pub negotiate: bool,
    /// Kerberos by its own scheme, where there is a keytab; default true. As on Windows, `Negotiate` has it as well.
    #[serde(rename = "Kerberos")]
    pub kerberos: bool,
    /// CredSSP, by which clients hand over their passwords; default false. Messages over plain HTTP are sealed by it.
    #[serde(rename = "CredSSP")]
    pub cred_ssp: bool,
    /// Certificates of clients on HTTPS, mapped to accounts; default false.
    #[serde(rename = "Certificate")]
    pub certificate: bool,
    /// What is asked of channel bindings on HTTPS; default `Relaxed`.
    #[serde(rename = "CbtHardeningLevel")]
    pub cbt_hardening_level: CbtHardeningLevel,
}

/// `CbtHardeningLevel`: whether a login must prove that it was made for this TLS connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[non_exhaustive]
pub enum CbtHardeningLevel {
    /// Bindings are not looked at.
    None,
    /// A wrong binding is refused; clients that send none are let in.
    #[default]
    Relaxed,
    /// Clients must send the right one.
    Strict,
}

impl From<CbtHardeningLevel> for CbtPolicy {
    fn from(level: CbtHardeningLevel) -> Self {
        match level {
            CbtHardeningLevel::None => Self::None,
            CbtHardeningLevel::Relaxed => Self::Relaxed,
            CbtHardeningLevel::Strict => Self::Strict,
        }
    }
}

/// `winrm/config/Winrs`: remote shells.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct Winrs {
    /// Whether shells may be opened; default true.
    #[serde(rename = "AllowRemoteShellAccess")]
    pub allow_remote_shell_access: bool,
    /// Milliseconds without a request after which a shell ends, where its client asked for
    /// nothing else; 0 to 2,147,483,647, default 7,200,000. Less than 60,000 counts as 60,000.
    #[serde(rename = "IdleTimeout", deserialize_with = "range::within::<_, 0, 2_147_483_647>")]
    pub idle_timeout: u32,
    /// Users that have shells at the same time; 1 to 2,147,483,647, default 2,147,483,647.
    #[serde(
        rename = "MaxConcurrentUsers",
        deserialize_with = "range::within::<_, 1, 2_147_483_647>"
    )]
    pub max_concurrent_users: u32,
    /// Memory of one shell, in units of 1,048,576 bytes, the processes of its commands included; 0 to
    /// 2,147,483,647, default 2,147,483,647. That and 0 mean no limit. The system ends what needs
    /// more. It takes cgroup v2 with the `memory` controller, delegated to the service; where that
    /// is missing the limit is not in force, and the log says so.
    #[serde(
        rename = "MaxMemoryPerShellMB",
        deserialize_with = "range::within::<_, 0, 2_147_483_647>"
    )]
    pub max_memory_per_shell_mb: u32,
    /// Commands that run in one shell at the same time; 1 to 2,147,483,647, default 2,147,483,647.
    /// What a command starts itself is not counted. A shell holds 100 commands at most, with those
    /// that have ended and whose end their client has not read.
    #[serde(
        rename = "MaxProcessesPerShell",
        deserialize_with = "range::within::<_, 1, 2_147_483_647>"
    )]
    pub max_processes_per_shell: u32,
    /// Shells of one user at the same time; 1 to 2,147,483,647, default 2,147,483,647.
    #[serde(
        rename = "MaxShellsPerUser",
        deserialize_with = "range::within::<_, 1, 2_147_483_647>"
    )]
    pub max_shells_per_user: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            max_envelope_size_kb: 500,
            max_timeout_ms: 60_000,
            max_batch_items: 32_000,
            service: Service::default(),
            winrs: Winrs::default(),
            listeners: vec![Listener::default()],
            mappings: Vec::new(),
            metrics: Metrics::default(),
            plugins: Plugins::default(),
            power_shell: PowerShell::default(),
        }
    }
}

impl Default for Service {
    fn default() -> Self {
        Self {
            root_sddl: Sddl::root(),
            allow_unencrypted: false,
            max_concurrent_operations_per_user: 1_500,
            enumeration_timeout_ms: 240_000,
            max_connections: 300,
            max_packet_retrieval_time_seconds: 120,
            ipv4_filter: IpFilter::Any,
            ipv6_filter: IpFilter::Any,
            enable_compatibility_http_listener: false,
            enable_compatibility_https_listener: false,
            privileged_ports: Vec::new(),
            allow_remote_access: true,
            certificate_thumbprint: None,
            auth: Auth::default(),
            cred_ssp: CredSsp::default(),
            failed_logins: FailedLogins::default(),
            kerberos: Kerberos::default(),
            groups: Groups::default(),
        }
    }
}

impl Default for Auth {
    fn default() -> Self {
        Self {
            basic: false,
            negotiate: true,
            kerberos: true,
            cred_ssp: false,
            certificate: false,
            cbt_hardening_level: CbtHardeningLevel::default(),
        }
    }
}

impl Default for Winrs {
    fn default() -> Self {
        Self {
            allow_remote_shell_access: true,
            idle_timeout: 7_200_000,
            max_concurrent_users: 2_147_483_647,
            max_memory_per_shell_mb: 2_147_483_647,
            max_processes_per_shell: 2_147_483_647,
            max_shells_per_user: 2_147_483_647,
        }
    }
}

impl Settings {
    /// Where the configuration lives unless told otherwise.
    pub const PATH: &'static str = "/etc/transom/config.toml";

    /// Reads the file at `path`.
    ///
    /// # Errors
    ///
    /// [`SettingsError`] names the file, and for wrong content the line, the key and what is
    /// legal there.
    pub fn load(path: &Path) -> Result<Self, SettingsError> {
        Self::parse(&Self::read(path)?, path)
    }

    /// The text of the file at `path`.
    ///
    /// # Errors
    ///
    /// It cannot be read, or is longer than any configuration.
    pub(crate) fn read(path: &Path) -> Result<String, SettingsError> {
        let unreadable = |source| SettingsError::Read { path: path.to_owned(), source };
        let mut text = String::new();
        let file = File::open(path).map_err(unreadable)?;
        file.take(MAX_FILE + 1).read_to_string(&mut text).map_err(unreadable)?;
        if u64::try_from(text.len()).unwrap_or(u64::MAX) > MAX_FILE {
            return Err(SettingsError::TooLong { path: path.to_owned(), limit: MAX_FILE });
        }
        Ok(text)
    }

    /// Reads [`Settings::PATH`] where it exists; the defaults where it does not.
    ///
    /// # Errors
    ///
    /// As [`Settings::load`].
    pub fn load_default() -> Result<Self, SettingsError> {
        let path = Path::new(Self::PATH);
        match path.try_exists() {
            Ok(false) => Ok(Self::default()),
            Ok(true) | Err(_) => Self::load(path),
        }
    }

    /// Reads `text`; `path` is named in errors.
    ///
    /// # Errors
    ///
    /// As [`Settings::load`].
    pub fn parse(text: &str, path: &Path) -> Result<Self, SettingsError> {
        let settings: Self = toml::from_str(text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            let place = Place::find(text, at);
            SettingsError::Wrong {
                path: path.to_owned(),
                line: place.line,
                key: place.key,
                problem: error.message().to_owned(),
            }
        })?;
        Ok(settings)
    }

    /// The largest message in bytes.
    #[must_use]
    pub fn max_envelope_size(&self) -> usize {
        usize::try_from(self.max_envelope_size_kb).unwrap_or(usize::MAX).saturating_mul(1024)
    }

    /// The longest time an operation may take.
    #[must_use]
    pub fn max_timeout(&self) -> Duration {
        Duration::from_millis(u64::from(self.max_timeout_ms))
    }

    /// How long an enumeration is kept without a Pull.
    #[must_use]
    pub fn enumeration_timeout(&self) -> Duration {
        Duration::from_millis(u64::from(self.service.enumeration_timeout_ms))
    }

    /// The time in which a whole request must arrive, and a whole answer be taken.
    #[must_use]
    pub fn packet_retrieval_time(&self) -> Duration {
        Duration::from_secs(u64::from(self.service.max_packet_retrieval_time_seconds))
    }
}

impl Winrs {
    /// No shell ends earlier than this, whatever is configured.
    pub const LEAST_IDLE: Duration = Duration::from_secs(60);
    /// The longest idle time that a client may ask for.
    pub const MOST_IDLE: Duration = Duration::from_millis(2_147_483_647);

    /// The memory of a shell in bytes; `None` without a limit.
    #[must_use]
    pub fn memory_per_shell(&self) -> Option<u64> {
        match self.max_memory_per_shell_mb {
            0 | 2_147_483_647 => None,
            units => Some(u64::from(units) * 1_048_576),
        }
    }

    /// The idle time of a shell whose client asks for none.
    #[must_use]
    pub fn idle(&self) -> Duration {
        Duration::from_millis(u64::from(self.idle_timeout)).max(Self::LEAST_IDLE)
    }
}

/// What is wrong with a configuration file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// The file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is longer than any configuration.
    #[error("{} is longer than {limit} bytes", path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
        /// The limit in bytes.
        limit: u64,
    },
    /// A key or value is not one of the service's.
    #[error("{}, line {line}, {key}: {problem}", path.display())]
    Wrong {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// The key with its table, as in `Service.MaxConnections`.
        key: String,
        /// What is wrong, and what is legal.
        problem: String,
    },
}

/// Line and key of a position in a TOML text.
struct Place {
    line: usize,
    key: String,
}

impl Place {
    fn find(text: &str, at: usize) -> Self {
        let (mut table, mut start, mut number) = ("", 0, 0);
        for line in text.split_inclusive('\n') {
            number += 1;
            let trimmed = line.trim();
            if trimmed.starts_with('[') {
                table = trimmed.trim_matches(['[', ']', ' ']);
            }
            start += line.len();
            if start > at {
                let key = line.split('=').next().unwrap_or_default().trim();
                let key = match (trimmed.starts_with('['), table.is_empty()) {
                    (true, _) => table.to_owned(),
                    (false, true) => key.to_owned(),
                    (false, false) => format!("{table}.{key}"),
                };
                return Self { line: number, key };
            }
        }
        Self { line: number, key: table.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Settings, String> {
        Settings::parse(text, Path::new("config.toml")).map_err(|error| error.to_string())
    }

    #[test]
    fn empty_file_gives_windows_defaults() {
        let settings = parse("").unwrap();
        assert_eq!(settings, Settings::default());
        assert_eq!(settings.max_envelope_size(), 512_000);
        assert_eq!(settings.listeners, [Listener::default()]);
    }

    #[test]
    fn value_out_of_range_is_named_with_file_line_key_and_range() {
        let error = parse("\n[Service]\nMaxConnections = 0\n").unwrap_err();
        assert_eq!(error, "config.toml, line 3, Service.MaxConnections: 0 is not within 1 to 512");
        let error = parse("MaxEnvelopeSizekb = -1").unwrap_err();
        assert!(error.contains("line 1, MaxEnvelopeSizekb: -1 is not within 32"), "{error}");
    }

    #[test]
    fn unknown_key_and_wrong_type_are_refused_with_their_place() {
        let error = parse("[Winrs]\nMaxShellRunTime = 5\n").unwrap_err();
        assert!(error.contains("line 2, Winrs.MaxShellRunTime"), "{error}");
        let error = parse("[Service.Auth]\nBasic = \"yes\"\n").unwrap_err();
        assert!(error.contains("line 2, Service.Auth.Basic"), "{error}");
        assert!(parse("[Service]\nAuth = 3\n").is_err());
    }

    #[test]
    fn idle_time_below_the_floor_counts_as_a_minute() {
        let settings = parse("[Winrs]\nIdleTimeout = 5\n").unwrap();
        assert_eq!(settings.winrs.idle(), Winrs::LEAST_IDLE);
    }

    #[test]
    fn memory_of_a_shell_is_counted_in_mebibytes_and_both_ends_of_the_range_mean_none() {
        for (text, bytes) in [
            ("", None),
            ("[Winrs]\nMaxMemoryPerShellMB = 0\n", None),
            ("[Winrs]\nMaxMemoryPerShellMB = 2147483647\n", None),
            ("[Winrs]\nMaxMemoryPerShellMB = 150\n", Some(157_286_400)),
        ] {
            assert_eq!(parse(text).unwrap().winrs.memory_per_shell(), bytes, "{text}");
        }
    }

    #[test]
    fn listeners_of_the_file_replace_the_default_one() {
        let text = "[[Listener]]\nAddress = \"127.0.0.1\"\nPort = 80\nURLPrefix = \"x/y\"\n";
        let listeners = parse(text).unwrap().listeners;
        assert_eq!(listeners, ["http://127.0.0.1:80/x/y".parse().unwrap()]);
    }

    #[test]
    fn https_listener_has_its_port_and_certificate() {
        let thumbprint = "00112233445566778899AABBCCDDEEFF00112233";
        let text = format!(
            "[[Listener]]\nTransport = \"HTTPS\"\nCertificateThumbprint = \"{thumbprint}\"\n"
        );
        let listeners = parse(&text).unwrap().listeners;
        assert_eq!(listeners[0].to_string(), "https://*:5986/wsman");
        assert_eq!(listeners[0].certificate, Some(thumbprint.parse().unwrap()));
        assert!(
            parse(&text.replace("HTTPS", "HTTP")).unwrap_err().contains("CertificateThumbprint")
        );
        assert!(parse(&text.replace("0011", "x")).unwrap_err().contains("thumbprint"));
    }

    #[test]
    fn keytab_is_a_whole_path() {
        let settings = parse("[Service.Kerberos]\nKeytab = \"/etc/transom.keytab\"\n").unwrap();
        assert_eq!(settings.service.kerberos.keytab, Some("/etc/transom.keytab".into()));
        assert!(settings.service.auth.kerberos && !settings.service.kerberos.allow_host_key);
        let error = parse("[Service.Kerberos]\nKeytab = \"keytab\"\n").unwrap_err();
        assert!(error.contains("line 2, Service.Kerberos.Keytab: keytab is no path"), "{error}");
    }

    #[test]
    fn credssp_is_off_and_speaks_safe_versions_by_default() {
        let service = parse("").unwrap().service;
        assert!(!service.auth.cred_ssp && service.cred_ssp.minimum_version == 5);
        let text = "[Service]\nCertificateThumbprint = \"00112233445566778899AABBCCDDEEFF00112233\"\n\
                    [Service.Auth]\nCredSSP = true\n[Service.CredSSP]\nMinimumVersion = 2\n";
        let service = parse(text).unwrap().service;
        assert!(service.auth.cred_ssp && service.certificate_thumbprint.is_some());
        assert_eq!(service.cred_ssp.minimum_version, 2);
        let error = parse("[Service.CredSSP]\nMinimumVersion = 1\n").unwrap_err();
        assert!(
            error.contains("Service.CredSSP.MinimumVersion: 1 is not within 2 to 6"),
            "{error}"
        );
    }

    #[test]
    fn hardening_level_is_one_of_three_words() {
        for (word, level) in [
            ("None", CbtHardeningLevel::None),
            ("Relaxed", CbtHardeningLevel::Relaxed),
            ("Strict", CbtHardeningLevel::Strict),
        ] {
            let settings = parse(&format!("[Service.Auth]\nCbtHardeningLevel = \"{word}\"\n"));
            assert_eq!(settings.unwrap().service.auth.cbt_hardening_level, level);
        }
        let error = parse("[Service.Auth]\nCbtHardeningLevel = \"strong\"\n").unwrap_err();
        assert!(
            error.contains("Service.Auth.CbtHardeningLevel") && error.contains("Strict"),
            "{error}"
        );
    }
}
