//! `winrm/config/plugin`: who may use the kinds of shells that there are, whether they are open, and how much of each there may be.
//!
//! ```toml
//! [Plugin."microsoft.powershell"]
//! Enabled = true
//! Sddl = "O:NSG:BAD:P(A;;GA;;;BA)(A;;GA;;;RM)"
//!
//! [Plugin."microsoft.powershell".Quotas]
//! MaxShellsPerUser = 5
//!
//! [Plugin.Reports]                      # another session configuration of PowerShell
//! Sddl = "O:NSG:BAD:P(A;;GA;;;BA)"
//! ```
//!
//! Two are there by themselves: [`COMMAND`], the command shell, about which the `RootSDDL` decides unless it has a descriptor, and
//! [`POWERSHELL`]. Every other one is a session configuration of PowerShell; a name counts in whatever case.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use serde::de::{Deserializer, Error};
use session::access::Secured;
use toml::{Table, Value};
use wsman::ns::resource;

use super::{Sddl, range};

/// The plug-in of command shells.
pub const COMMAND: &str = "Shell cmd plugin";
/// The session configuration that is there by itself.
pub const POWERSHELL: &str = "microsoft.powershell";
/// The longest name of a plug-in, in bytes.
const MOST_NAME: usize = 256;
/// So many plug-ins may there be.
const MOST_PLUGINS: usize = 256;
/// The quotas that can be changed.
pub const QUOTAS: [&str; 6] = [
    "MaxIdleTimeoutms",
    "MaxConcurrentUsers",
    "IdleTimeoutms",
    "MaxConcurrentCommandsPerShell",
    "MaxShells",
    "MaxShellsPerUser",
];
/// What counts as no limit.
pub const UNLIMITED: u32 = 2_147_483_647;

/// The plug-ins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plugins {
    /// By their names in lower case.
    all: BTreeMap<String, Plugin>,
    /// What follows from them for who may do what: asked for with every request.
    secured: Vec<Secured>,
}

/// One plug-in.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct Plugin {
    /// The name as it was written first.
    #[serde(skip)]
    pub name: String,
    /// Whether it is open; default true. One that is not is answered for as if it did not exist.
    #[serde(rename = "Enabled")]
    pub enabled: bool,
    /// Whether it was taken away, as a session configuration that is there by itself can be; default false.
    #[serde(rename = "Removed")]
    pub removed: bool,
    /// Who may do what with it; by default that of session configurations lets administrators and remote management users do
    /// everything, and about the command shell the `RootSDDL` decides.
    #[serde(rename = "Sddl")]
    pub sddl: Option<Sddl>,
    /// How much of it there may be.
    #[serde(rename = "Quotas")]
    pub quotas: Quotas,
}

/// How much there may be of what a plug-in offers, beside what `Winrs` allows all of them together.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct Quotas {
    /// Milliseconds without a request after which a shell ends, where its client asked for nothing else; 60,000 to
    /// 2,147,483,647, by default the `IdleTimeout` of `Winrs`.
    #[serde(rename = "IdleTimeoutms", deserialize_with = "idle_timeout")]
    pub idle_timeout: Option<u32>,
    /// The most that a client may ask for, in milliseconds; 60,000 to 2,147,483,647, which is the default.
    #[serde(
        rename = "MaxIdleTimeoutms",
        deserialize_with = "range::within::<_, 60_000, 2_147_483_647>"
    )]
    pub max_idle_timeout: u32,
    /// Users that have shells of this kind at the same time; 1 to 2,147,483,647, which is the default.
    #[serde(
        rename = "MaxConcurrentUsers",
        deserialize_with = "range::within::<_, 1, 2_147_483_647>"
    )]
    pub max_concurrent_users: u32,
    /// Shells of this kind at the same time; 1 to 2,147,483,647, which is the default.
    #[serde(rename = "MaxShells", deserialize_with = "range::within::<_, 1, 2_147_483_647>")]
    pub max_shells: u32,
    /// Shells of this kind of one user at the same time; 1 to 2,147,483,647, which is the default.
    #[serde(
        rename = "MaxShellsPerUser",
        deserialize_with = "range::within::<_, 1, 2_147_483_647>"
    )]
    pub max_shells_per_user: u32,
    /// Pipelines or commands in one shell at the same time; 1 to 2,147,483,647, which is the default.
    #[serde(
        rename = "MaxConcurrentCommandsPerShell",
        deserialize_with = "range::within::<_, 1, 2_147_483_647>"
    )]
    pub max_concurrent_commands_per_shell: u32,
}

fn idle_timeout<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    range::within::<_, 60_000, UNLIMITED>(deserializer).map(Some)
}

impl Default for Quotas {
    fn default() -> Self {
        Self {
            idle_timeout: None,
            max_idle_timeout: UNLIMITED,
            max_concurrent_users: UNLIMITED,
            max_shells: UNLIMITED,
            max_shells_per_user: UNLIMITED,
            max_concurrent_commands_per_shell: UNLIMITED,
        }
    }
}

impl Quotas {
    /// The idle time of a shell whose client asks for none, where that of all shells is this.
    #[must_use]
    pub fn idle(&self, of_all: Duration) -> Duration {
        let own = self.idle_timeout.map(|own| Duration::from_millis(u64::from(own)));
        own.unwrap_or(of_all).min(self.most_idle())
    }

    /// A quota of [`QUOTAS`] that has a value.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<u32> {
        match name {
            "IdleTimeoutms" => self.idle_timeout,
            "MaxIdleTimeoutms" => Some(self.max_idle_timeout),
            "MaxConcurrentUsers" => Some(self.max_concurrent_users),
            "MaxShells" => Some(self.max_shells),
            "MaxShellsPerUser" => Some(self.max_shells_per_user),
            "MaxConcurrentCommandsPerShell" => Some(self.max_concurrent_commands_per_shell),
            _ => None,
        }
    }

    /// The longest idle time that a client may ask for.
    #[must_use]
    pub fn most_idle(&self) -> Duration {
        Duration::from_millis(u64::from(self.max_idle_timeout))
    }
}

impl Default for Plugin {
    fn default() -> Self {
        Self {
            name: String::new(),
            enabled: true,
            removed: false,
            sddl: None,
            quotas: Quotas::default(),
        }
    }
}

impl Plugin {
    fn named(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }

    /// Whether it is a session configuration of PowerShell.
    #[must_use]
    pub fn is_session_configuration(&self) -> bool {
        !self.name.eq_ignore_ascii_case(COMMAND)
    }

    /// The resource that clients name for it.
    #[must_use]
    pub fn resource_uri(&self) -> String {
        if self.is_session_configuration() {
            format!("{}{}", resource::POWERSHELL_PREFIX, self.name)
        } else {
            resource::CMD.to_owned()
        }
    }

    /// Its descriptor, `None` where the `RootSDDL` decides.
    #[must_use]
    pub fn descriptor(&self) -> Option<Sddl> {
        let default = || self.is_session_configuration().then(Sddl::sessions);
        self.sddl.clone().or_else(default)
    }
}

impl Plugin {
    fn to_toml(&self) -> Table {
        let mut table = Table::new();
        table.insert("Enabled".to_owned(), Value::Boolean(self.enabled));
        if self.removed {
            table.insert("Removed".to_owned(), Value::Boolean(true));
        }
        if let Some(sddl) = &self.sddl {
            table.insert("Sddl".to_owned(), Value::String(sddl.to_string()));
        }
        let default = Quotas::default();
        let quotas = QUOTAS.iter().filter_map(|name| {
            let own = self.quotas.get(name).filter(|_| self.quotas.get(name) != default.get(name));
            own.map(|own| ((*name).to_owned(), Value::Integer(i64::from(own))))
        });
        let quotas: Table = quotas.collect();
        if !quotas.is_empty() {
            table.insert("Quotas".to_owned(), Value::Table(quotas));
        }
        table
    }
}

impl Default for Plugins {
    fn default() -> Self {
        Self::new([COMMAND, POWERSHELL].map(|name| (fold(name), Plugin::named(name))).into())
    }
}

impl Plugins {
    fn new(all: BTreeMap<String, Plugin>) -> Self {
        let own = all.values().filter(|plugin| !plugin.removed);
        let own = own.filter_map(|plugin| Some((plugin, plugin.descriptor()?)));
        let secured = own.map(|(plugin, sddl)| Secured {
            uri: plugin.resource_uri(),
            is_exact: true,
            has_shells: plugin.enabled,
            descriptor: sddl.descriptor().clone(),
        });
        Self { secured: secured.collect(), all }
    }

    /// Every plug-in that is there, by its name.
    pub fn iter(&self) -> impl Iterator<Item = &Plugin> {
        self.all.values().filter(|plugin| !plugin.removed)
    }

    /// The plug-in with this name, in whatever case.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&Plugin> {
        self.all.get(&fold(name)).filter(|plugin| !plugin.removed)
    }

    /// The plug-in whose shells have this resource, if it is open.
    #[must_use]
    pub fn serving(&self, resource_uri: &str) -> Option<&Plugin> {
        // A client may write a query behind it.
        let uri = resource_uri.split('?').next().unwrap_or_default();
        let mut all = self.iter().filter(|plugin| plugin.enabled);
        all.find(|plugin| plugin.resource_uri().eq_ignore_ascii_case(uri))
    }

    /// The plug-ins as a file has them: what differs from the defaults.
    #[must_use]
    pub fn to_toml(&self) -> Table {
        let default = Self::default();
        let own = self.all.iter().filter(|(key, plugin)| default.all.get(*key) != Some(plugin));
        own.map(|(_, plugin)| (plugin.name.clone(), Value::Table(plugin.to_toml()))).collect()
    }

    /// The resources that have descriptors of their own, open or not.
    #[must_use]
    pub fn secured(&self) -> &[Secured] {
        &self.secured
    }
}

/// One spelling for all cases of a name.
fn fold(name: &str) -> String {
    name.to_ascii_lowercase()
}

/// Whether a plug-in can have this name: it is part of a resource URI.
#[must_use]
pub fn is_name(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || "._- ".contains(c);
    !name.is_empty() && name.len() <= MOST_NAME && name.trim() == name && name.chars().all(fits)
}

impl<'de> Deserialize<'de> for Plugins {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let written = BTreeMap::<String, Plugin>::deserialize(deserializer)?;
        if written.len() > MOST_PLUGINS {
            return Err(D::Error::custom(format_args!(
                "there are more than {MOST_PLUGINS} plug-ins"
            )));
        }
        let mut plugins = Self::default().all;
        let mut seen = std::collections::BTreeSet::new();
        for (name, mut plugin) in written {
            if !is_name(&name) {
                return Err(D::Error::custom(format_args!(
                    "`{name}` cannot be a plug-in's name: at most {MOST_NAME} letters, digits, blanks, dots, hyphens and underscores"
                )));
            }
            if !seen.insert(fold(&name)) {
                return Err(D::Error::custom(format_args!("the plug-in {name} is there twice")));
            }
            if fold(&name) == fold(COMMAND) && plugin.quotas != Quotas::default() {
                return Err(D::Error::custom(format_args!(
                    "the quotas of {COMMAND} are the settings of Winrs"
                )));
            }
            let known = plugins.get(&fold(&name)).map(|known| known.name.clone());
            plugin.name = known.unwrap_or(name);
            plugins.insert(fold(&plugin.name), plugin);
        }
        Ok(Self::new(plugins))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Settings;

    fn parse(text: &str) -> Result<Plugins, String> {
        let settings = Settings::parse(text, std::path::Path::new("config.toml"));
        settings.map(|settings| settings.plugins).map_err(|error| error.to_string())
    }

    #[test]
    fn two_are_there_by_themselves() {
        let plugins = parse("").unwrap();
        assert_eq!(plugins, Plugins::default());
        let names: Vec<_> = plugins.iter().map(|plugin| plugin.name.as_str()).collect();
        assert_eq!(names, [POWERSHELL, COMMAND]);
        let uri = "http://schemas.microsoft.com/PowerShell/Microsoft.PowerShell?PSVersion=5.1";
        assert_eq!(plugins.serving(uri).unwrap().name, POWERSHELL);
        assert_eq!(plugins.serving(resource::CMD).unwrap().name, COMMAND);
        assert_eq!(plugins.serving("http://schemas.microsoft.com/powershell/Other"), None);
        assert_eq!(plugins.secured().len(), 1);
    }

    #[test]
    fn others_are_session_configurations_and_what_is_closed_serves_nothing() {
        let text = "[Plugin.\"Microsoft.PowerShell\"]\nEnabled = false\n\
                    [Plugin.Reports]\nSddl = \"D:(A;;GA;;;BU)\"\n[Plugin.Reports.Quotas]\nMaxShells = 3\n\
                    [Plugin.Gone]\nRemoved = true\n";
        let plugins = parse(text).unwrap();
        let uri = |name: &str| format!("http://schemas.microsoft.com/powershell/{name}");
        assert_eq!(plugins.find("MICROSOFT.powershell").unwrap().name, POWERSHELL);
        assert_eq!(plugins.serving(&uri("microsoft.powershell")), None);
        assert_eq!(plugins.serving(&uri("REPORTS")).unwrap().quotas.max_shells, 3);
        assert_eq!(plugins.find("gone"), None);
        assert_eq!(plugins.serving(&uri("gone")), None);
        let secured = plugins.secured();
        assert!(secured.iter().any(|one| one.uri == uri("Reports") && one.has_shells));
        assert!(secured.iter().any(|one| one.uri == uri(POWERSHELL) && !one.has_shells));
    }

    #[test]
    fn plugins_are_read_as_they_are_written() {
        let text = "[Plugin.\"microsoft.powershell\"]\nEnabled = false\nSddl = \"D:P(A;;GA;;;BA)\"\n\
                    [Plugin.\"microsoft.powershell\".Quotas]\nIdleTimeoutms = 60000\nMaxShells = 2\n\
                    [Plugin.Mine]\n[Plugin.gone]\nRemoved = true\n";
        let plugins = parse(text).unwrap();
        assert_eq!(plugins.to_toml().len(), 3);
        let written = toml::to_string(&Table::from_iter([(
            "Plugin".to_owned(),
            Value::Table(plugins.to_toml()),
        )]));
        assert_eq!(parse(&written.unwrap()).unwrap(), plugins);
        assert!(Plugins::default().to_toml().is_empty());
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        for (text, problem) in [
            ("[Plugin.a.Quotas]\nMaxShells = 0\n", "0 is not within 1 to"),
            ("[Plugin.a.Quotas]\nIdleTimeoutms = 59999\n", "59999 is not within 60000"),
            ("[Plugin.a]\nSddl = \"D:(A;;GA;;;QQ)\"\n", "`QQ` is no SID"),
            ("[Plugin.a]\nRunAsUser = \"x\"\n", "unknown field"),
            ("[Plugin.\"a/b\"]\n", "cannot be a plug-in's name"),
            ("[Plugin.a]\n[Plugin.A]\n", "is there twice"),
            ("[Plugin.\"shell cmd plugin\".Quotas]\nMaxShells = 3\n", "settings of Winrs"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(problem), "{text} {error}");
        }
    }
}
