//! The two layers of the configuration, and the settings that come of them.
//!
//! ```text
//!  administrator's file, command line    policy ─┐  wins, and shows as Source="GPO"
//!                                                ├─► merged as tables ─► Settings
//!  what winrm changed                    state  ─┘
//! ```
//!
//! Tables are merged key by key. Listeners are added up: those of the administrator first, and one of the state layer for
//! the same address and transport is hidden by it. Where no layer says anything of listeners there is the default one.

use std::path::Path;
use std::sync::Arc;

use toml::{Table, Value};
use wsman::config::{Setting, Value as Shown};

use super::files::{FILE, read};
use crate::settings::{Listener, Settings, SettingsError, tree};

/// The folder of the state layer, below the service's own.
pub const FOLDER: &str = "configuration";

/// The key of the listeners.
const LISTENER: &str = "Listener";
/// The key of the plug-ins, whose names have no case.
const PLUGIN: &str = "Plugin";
/// The key of the mappings of certificates.
const MAPPING: &str = "CertMapping";

/// The layers come to no settings: a value is not legal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NoSettings(String);

/// What the settings come from.
#[derive(Debug, Clone, Default)]
pub struct Layers {
    /// What an embedding program gave: it is below both, and what the tree does not have comes from here.
    base: Option<Arc<Settings>>,
    policy: Table,
    state: Table,
}

impl Layers {
    /// Settings of an embedding program, which the wire may change.
    #[must_use]
    pub fn of(settings: Settings) -> Self {
        Self { base: Some(Arc::new(settings)), ..Self::default() }
    }

    /// Reads the administrator's file, [`Settings::PATH`] where none is named, and the state layer in a service's folder.
    ///
    /// # Errors
    ///
    /// As [`Settings::load`], for each of the two files.
    pub fn load(config: Option<&Path>, folder: &Path) -> Result<Self, SettingsError> {
        let path = config.unwrap_or_else(|| Path::new(Settings::PATH));
        let policy = match (config, path.try_exists()) {
            (None, Ok(false)) => Table::new(),
            _ => table(&Settings::read(path)?, path)?,
        };
        let path = folder.join(FOLDER).join(FILE);
        let kept = read(&folder.join(FOLDER))
            .map_err(|source| SettingsError::Read { path: path.clone(), source })?;
        let state = kept.map(|text| table(&text, &path)).transpose()?.unwrap_or_default();
        Ok(Self { base: None, policy, state })
    }

    /// The same with these listeners in place of those of the administrator's file.
    #[must_use]
    pub fn with_listeners(mut self, listeners: &[Listener]) -> Self {
        let listeners = listeners.iter().map(|listener| Value::Table(listener.to_toml()));
        self.policy.insert(LISTENER.to_owned(), Value::Array(listeners.collect()));
        self
    }

    /// The same with another state layer.
    #[must_use]
    pub(crate) fn with_state(&self, state: Table) -> Self {
        Self { base: self.base.clone(), policy: self.policy.clone(), state }
    }

    /// What the wire changed.
    pub(crate) const fn state(&self) -> &Table {
        &self.state
    }

    /// How many of [`Settings::listeners`] are the administrator's: those in front.
    #[must_use]
    pub fn policy_listeners(&self) -> usize {
        self.policy.get(LISTENER).and_then(Value::as_array).map_or(0, Vec::len)
    }

    /// How many of [`Settings::listeners`] were not made by the wire: those in front.
    #[must_use]
    pub fn fixed_listeners(&self) -> usize {
        if self.state.contains_key(LISTENER) { self.policy_listeners() } else { usize::MAX }
    }

    /// What the administrator says of a plug-in, by its name in whatever case.
    pub(crate) fn policy_plugin(&self, name: &str) -> Option<&Value> {
        let plugins = self.policy.get(PLUGIN)?.as_table()?;
        plugins.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, own)| own)
    }

    /// The settings that they come to.
    ///
    /// # Errors
    ///
    /// What is wrong with a value, and what is legal there.
    pub fn settings(&self) -> Result<Settings, NoSettings> {
        let mut merged = self.base.as_deref().map_or_else(Table::new, tree_of);
        merge(&mut merged, &self.state);
        merge(&mut merged, &self.policy);
        let mut settings: Settings = merged
            .try_into()
            .map_err(|error: toml::de::Error| NoSettings(error.message().to_owned()))?;
        if let Some(base) = &self.base {
            let has_listeners = self.state.contains_key(LISTENER);
            settings.listeners = match has_listeners {
                true => settings.listeners,
                false => base.listeners.clone(),
            };
            if !self.state.contains_key(MAPPING) {
                settings.mappings = base.mappings.clone();
            }
            settings.metrics = base.metrics.clone();
            settings.power_shell = base.power_shell.clone();
            settings.service.cred_ssp = base.service.cred_ssp.clone();
            settings.service.failed_logins = base.service.failed_logins.clone();
            settings.service.kerberos = base.service.kerberos.clone();
            settings.service.groups = base.service.groups.clone();
        }
        Ok(settings)
    }

    /// Whether the administrator gave a setting its value.
    pub(crate) fn is_policy(&self, setting: &Setting) -> bool {
        tree::has(&self.policy, setting)
    }

    /// The value of a setting of the tree, as it is shown.
    pub(crate) fn shown(&self, settings: &Settings, setting: &Setting) -> Shown {
        let text = tree::text(settings, setting).unwrap_or_else(|| setting.default.to_owned());
        if self.is_policy(setting) { Shown::policy(text) } else { Shown::new(text) }
    }
}

/// The first key of a state layer that the wire cannot change, with its table: it would outlive whoever brought it there by
/// other means.
pub(super) fn beyond_the_wire(state: &Table) -> Option<String> {
    fn walk(table: &Table, above: &str) -> Option<String> {
        table.iter().find_map(|(key, value)| {
            let path = if above.is_empty() { key.clone() } else { format!("{above}/{key}") };
            if let Value::Table(inner) = value {
                return walk(inner, &path);
            }
            Setting::find(&path).is_none().then(|| path.replace('/', "."))
        })
    }
    let whole = [LISTENER, MAPPING, PLUGIN];
    let rest = state.iter().filter(|(key, _)| !whole.contains(&key.as_str()));
    walk(&rest.map(|(key, value)| (key.clone(), value.clone())).collect(), "")
}

/// A file's text as a table, of which the settings can be made.
fn table(text: &str, path: &Path) -> Result<Table, SettingsError> {
    Settings::parse(text, path)?;
    // It is TOML, or the settings would have said so.
    Ok(text.parse().unwrap_or_default())
}

/// What settings say that differs from the defaults of the tree.
fn tree_of(settings: &Settings) -> Table {
    let mut table = Table::new();
    let plugins = settings.plugins.to_toml();
    if !plugins.is_empty() {
        table.insert(PLUGIN.to_owned(), Value::Table(plugins));
    }
    for setting in wsman::config::Node::Config.settings() {
        if let Some(text) = tree::text(settings, setting)
            && text != setting.default
        {
            tree::set(&mut table, setting, &text);
        }
    }
    table
}

/// Puts what `over` says in place of what is there.
fn merge(into: &mut Table, over: &Table) {
    for (key, value) in over {
        match (into.get_mut(key), value) {
            (Some(Value::Table(inner)), Value::Table(value)) if key == PLUGIN => {
                for (name, value) in value {
                    let same = inner.keys().find(|known| known.eq_ignore_ascii_case(name));
                    let name = same.unwrap_or(name).clone();
                    merge(inner, &Table::from_iter([(name, value.clone())]));
                }
            }
            (Some(Value::Table(inner)), Value::Table(value)) => merge(inner, value),
            (Some(Value::Array(inner)), Value::Array(value)) if key == LISTENER => {
                let mut all = value.clone();
                all.extend(inner.drain(..).filter(|one| !value.iter().any(|by| hides(by, one))));
                *inner = all;
            }
            _ => {
                into.insert(key.clone(), value.clone());
            }
        }
    }
}

/// Whether two listeners have the same address and transport.
fn hides(one: &Value, other: &Value) -> bool {
    let read = |value: &Value| value.clone().try_into::<Listener>().ok();
    match (read(one), read(other)) {
        (Some(one), Some(other)) => {
            one.address == other.address && one.transport == other.transport
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layers(policy: &str, state: &str) -> Layers {
        let read = |text: &str| text.parse::<Table>().unwrap();
        Layers { base: None, policy: read(policy), state: read(state) }
    }

    #[test]
    fn administrators_values_win_key_by_key_and_are_told_apart() {
        let layers = layers(
            "[Service]\nMaxConnections = 10\n[Service.Auth]\nBasic = false\n",
            "MaxBatchItems = 7\n[Service]\nMaxConnections = 20\n[Service.Auth]\nBasic = true\nCredSSP = true\n",
        );
        let settings = layers.settings().unwrap();
        assert_eq!((settings.max_batch_items, settings.service.max_connections), (7, 10));
        assert!(!settings.service.auth.basic && settings.service.auth.cred_ssp);
        let shown = |path| layers.shown(&settings, Setting::find(path).unwrap());
        assert_eq!(shown("Service/Auth/Basic"), Shown::policy("false"));
        assert_eq!(shown("Service/Auth/CredSSP"), Shown::new("true"));
        assert_eq!(shown("Winrs/MaxShellRunTime"), Shown::new("2147483647"));
    }

    #[test]
    fn plugins_are_one_in_whatever_case_their_names_are() {
        let layers = layers(
            "[Plugin.\"Microsoft.PowerShell\"]\nEnabled = false\n",
            "[Plugin.\"microsoft.powershell\"]\nEnabled = true\n[Plugin.\"microsoft.powershell\".Quotas]\nMaxShells = 3\n",
        );
        let plugins = layers.settings().unwrap().plugins;
        let found = plugins.find("microsoft.powershell").unwrap();
        assert_eq!((found.enabled, found.quotas.max_shells), (false, 3));
        assert!(layers.policy_plugin("MICROSOFT.powershell").is_some());
        assert!(layers.policy_plugin("other").is_none());
    }

    #[test]
    fn listeners_are_added_up_and_the_administrators_hide_others() {
        let of = |policy: &str, state: &str| {
            let layers = layers(policy, state);
            let all = layers.settings().unwrap().listeners;
            let all: Vec<_> = all.iter().map(ToString::to_string).collect();
            (all.join(" "), layers.policy_listeners())
        };
        assert_eq!(of("", ""), ("http://*:5985/wsman".to_owned(), 0));
        assert_eq!(of("", "Listener = []\n"), (String::new(), 0));
        let state = "[[Listener]]\nAddress = \"*\"\nPort = 1\n[[Listener]]\nAddress = \"IP:10.0.0.1\"\nPort = 2\n";
        assert_eq!(of("", state).0, "http://*:1/wsman http://10.0.0.1:2/wsman");
        let policy = "[[Listener]]\nPort = 3\n";
        let expected = "http://*:3/wsman http://10.0.0.1:2/wsman".to_owned();
        assert_eq!(of(policy, state), (expected, 1));
        let url: Listener = "https://[::1]:7/x".parse().unwrap();
        let named = layers(policy, "").with_listeners(std::slice::from_ref(&url));
        assert_eq!(named.settings().unwrap().listeners, [url]);
        assert_eq!(named.policy_listeners(), 1);
    }

    #[test]
    fn what_an_embedding_program_gave_stands_until_it_is_changed() {
        let text = "[Plugin.Mine]\n[Service]\nMaxConnections = 10\n[Service.FailedLogins]\nSlowAfter = 1\n[Metrics]\nListen = \"127.0.0.1:0\"\n";
        let base = Settings::parse(text, Path::new("test")).unwrap();
        let layers = Layers::of(base.clone());
        assert_eq!(layers.settings().unwrap(), base);
        let mut state = Table::new();
        tree::set(&mut state, Setting::find("Service/MaxConnections").unwrap(), "11");
        let changed = layers.with_state(state).settings().unwrap();
        assert_eq!(changed.service.max_connections, 11);
        assert_eq!(changed.service.failed_logins, base.service.failed_logins);
        assert_eq!(changed.metrics, base.metrics);
    }

    #[test]
    fn groups_of_local_users_are_beyond_the_wire() {
        let state =
            "[Service]\nMaxConnections = 3\n[Service.Groups]\nAdministrators = [\"users\"]\n";
        let found = beyond_the_wire(&state.parse().unwrap());
        assert_eq!(found.as_deref(), Some("Service.Groups.Administrators"));
    }

    #[test]
    fn files_are_read_and_what_is_wrong_with_them_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("config.toml");
        std::fs::write(&config, "MaxBatchItems = 5\n").unwrap();
        let read = || Layers::load(Some(&config), folder.path());
        assert_eq!(read().unwrap().settings().unwrap().max_batch_items, 5);
        std::fs::create_dir(folder.path().join(FOLDER)).unwrap();
        let state = folder.path().join(FOLDER).join(FILE);
        std::fs::write(&state, "[Winrs]\nMaxShellsPerUser = 3\n").unwrap();
        assert_eq!(read().unwrap().settings().unwrap().winrs.max_shells_per_user, 3);
        std::fs::write(&state, "[Winrs]\nMaxShellsPerUser = 0\n").unwrap();
        let error = read().unwrap_err().to_string();
        assert!(error.contains(FILE) && error.contains("Winrs.MaxShellsPerUser"), "{error}");
        std::fs::write(&state, "= 0\n").unwrap();
        assert!(read().unwrap_err().to_string().contains(FILE));
        assert!(Layers::load(Some(&folder.path().join("absent")), folder.path()).is_err());
    }
}
