//! The settings as values of the `winrm/config` tree, and values of the tree as TOML.

use toml::{Table, Value};
use wsman::config::{Kind, Setting};

use super::{CbtHardeningLevel, Settings};

/// How a setting of the tree is written, as Windows writes it; `None` for one that the service does not have: clients'
/// own, deprecated ones and those that are only shown.
#[must_use]
pub fn text(settings: &Settings, setting: &Setting) -> Option<String> {
    let Settings { service, winrs, .. } = settings;
    let auth = &service.auth;
    Some(match setting.path {
        "MaxEnvelopeSizekb" => settings.max_envelope_size_kb.to_string(),
        "MaxTimeoutms" => settings.max_timeout_ms.to_string(),
        "MaxBatchItems" => settings.max_batch_items.to_string(),
        "Service/RootSDDL" => service.root_sddl.to_string(),
        "Service/MaxConcurrentOperationsPerUser" => {
            service.max_concurrent_operations_per_user.to_string()
        }
        "Service/EnumerationTimeoutms" => service.enumeration_timeout_ms.to_string(),
        "Service/MaxConnections" => service.max_connections.to_string(),
        "Service/MaxPacketRetrievalTimeSeconds" => {
            service.max_packet_retrieval_time_seconds.to_string()
        }
        "Service/AllowUnencrypted" => service.allow_unencrypted.to_string(),
        "Service/Auth/Basic" => auth.basic.to_string(),
        "Service/Auth/Kerberos" => auth.kerberos.to_string(),
        "Service/Auth/Negotiate" => auth.negotiate.to_string(),
        "Service/Auth/Certificate" => auth.certificate.to_string(),
        "Service/Auth/CredSSP" => auth.cred_ssp.to_string(),
        "Service/Auth/CbtHardeningLevel" => match auth.cbt_hardening_level {
            CbtHardeningLevel::None => "None",
            CbtHardeningLevel::Relaxed => "Relaxed",
            CbtHardeningLevel::Strict => "Strict",
        }
        .to_owned(),
        "Service/IPv4Filter" => service.ipv4_filter.to_string(),
        "Service/IPv6Filter" => service.ipv6_filter.to_string(),
        "Service/EnableCompatibilityHttpListener" => {
            service.enable_compatibility_http_listener.to_string()
        }
        "Service/EnableCompatibilityHttpsListener" => {
            service.enable_compatibility_https_listener.to_string()
        }
        "Service/CertificateThumbprint" => {
            service.certificate_thumbprint.as_ref().map_or_else(String::new, ToString::to_string)
        }
        "Service/AllowRemoteAccess" => service.allow_remote_access.to_string(),
        "Winrs/AllowRemoteShellAccess" => winrs.allow_remote_shell_access.to_string(),
        "Winrs/IdleTimeout" => winrs.idle_timeout.to_string(),
        "Winrs/MaxConcurrentUsers" => winrs.max_concurrent_users.to_string(),
        "Winrs/MaxProcessesPerShell" => winrs.max_processes_per_shell.to_string(),
        "Winrs/MaxMemoryPerShellMB" => winrs.max_memory_per_shell_mb.to_string(),
        "Winrs/MaxShellsPerUser" => winrs.max_shells_per_user.to_string(),
        _ => return None,
    })
}

/// A value of the tree as a file has it. A text that is not of the setting's kind stays a text, which the settings refuse.
#[must_use]
pub fn to_toml(setting: &Setting, text: &str) -> Value {
    match setting.kind {
        Kind::Boolean => text.parse().map(Value::Boolean).ok(),
        Kind::Number { .. } => text.parse().map(Value::Integer).ok(),
        Kind::Word(_) | Kind::Text | Kind::Thumbprint | Kind::IpFilter(_) | Kind::Sddl => None,
    }
    .unwrap_or_else(|| Value::String(text.to_owned()))
}

/// Whether a table says anything of a setting.
#[must_use]
pub fn has(table: &Table, setting: &Setting) -> bool {
    let mut parts = setting.path.split('/');
    let mut found = parts.next().and_then(|name| table.get(name));
    for name in parts {
        found = found.and_then(Value::as_table).and_then(|table| table.get(name));
    }
    found.is_some()
}

/// Gives a setting a value in a table.
pub fn set(table: &mut Table, setting: &Setting, text: &str) {
    let (parents, name) = setting.path.rsplit_once('/').unwrap_or(("", setting.path));
    let mut table = table;
    for parent in parents.split('/').filter(|parent| !parent.is_empty()) {
        let entry = table.entry(parent).or_insert_with(|| Value::Table(Table::new()));
        if !entry.is_table() {
            *entry = Value::Table(Table::new());
        }
        let Value::Table(inner) = entry else { return };
        table = inner;
    }
    table.insert(name.to_owned(), to_toml(setting, text));
}

/// Takes a setting out of a table, and the tables that are empty without it.
pub fn unset(table: &mut Table, setting: &Setting) {
    fn take(table: &mut Table, path: &str) {
        let Some((parent, rest)) = path.split_once('/') else {
            table.remove(path);
            return;
        };
        let Some(Value::Table(inner)) = table.get_mut(parent) else { return };
        take(inner, rest);
        if inner.is_empty() {
            table.remove(parent);
        }
    }
    take(table, setting.path);
}

#[cfg(test)]
mod tests {
    use wsman::config::{Mutability, Node};

    use super::*;

    /// The settings that the service has.
    fn own() -> impl Iterator<Item = &'static Setting> {
        Node::Config.settings().filter(|setting| {
            !setting.path.starts_with("Client/") && setting.mutability == Mutability::Free
        })
    }

    #[test]
    fn every_setting_of_the_service_is_there_with_the_default_of_the_tree() {
        let settings = Settings::default();
        for setting in own() {
            let shown = text(&settings, setting);
            assert_eq!(shown.as_deref(), Some(setting.default), "{}", setting.path);
        }
        let others = Node::Config.settings().filter(|one| text(&settings, one).is_none());
        assert_eq!(others.count(), 12 + 3 + 2, "clients' own, deprecated ones and default ports");
    }

    #[test]
    fn what_is_set_in_a_table_is_what_the_settings_say_and_can_be_taken_back() {
        let other = |setting: &Setting| match setting.kind {
            Kind::Boolean => (setting.default != "true").to_string(),
            Kind::Number { least, most } => {
                (if setting.default == most.to_string() { most - 1 } else { least + 1 }).to_string()
            }
            Kind::Word(words) => (*words.last().unwrap()).to_owned(),
            Kind::Thumbprint => "00112233445566778899AABBCCDDEEFF00112233".to_owned(),
            Kind::IpFilter(4) => "10.0.0.1-10.0.0.9".to_owned(),
            Kind::IpFilter(_) => "fe80::1-fe80::9".to_owned(),
            Kind::Sddl => "O:NSG:BAD:P(A;;GA;;;BA)".to_owned(),
            Kind::Text => "x".to_owned(),
        };
        for setting in own() {
            let (mut table, value) = (Table::new(), other(setting));
            assert!(!has(&table, setting));
            set(&mut table, setting, &value);
            assert!(has(&table, setting));
            let settings: Settings = table.clone().try_into().unwrap();
            assert_eq!(text(&settings, setting), Some(value), "{}", setting.path);
            unset(&mut table, setting);
            assert!(table.is_empty(), "{}", setting.path);
        }
    }
}
