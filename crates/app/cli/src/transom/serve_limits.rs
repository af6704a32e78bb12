//! The settings that root itself obeys: how much memory a shell may have, which ports below 1024 listeners may have, and which
//! local groups stand for groups of the service.
//!
//! Root takes them from a file that only root can write. Everything else in the settings is for the
//! network process, which also says what is wrong with them.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use nix::unistd::Uid;
use server::Settings;
use server::settings::Transport;

use crate::command_error::CommandError;

/// The write permissions of the group and of everybody.
const WRITABLE_BY_OTHERS: u32 = 0o022;
/// From here on every user may listen.
pub(super) const FIRST_FREE_PORT: u16 = 1024;

/// What root obeys.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Limits {
    /// `MaxMemoryPerShellMB` in bytes.
    pub(super) memory: Option<u64>,
    /// The ports below 1024 that are opened for the network process.
    pub(super) ports: Vec<u16>,
    /// The groups of the service to which local users belong, with their local groups.
    pub(super) groups: Vec<(String, Vec<String>)>,
}

/// What the settings say.
///
/// # Errors
/// As root: somebody else can write the file.
pub(super) fn read(config: Option<&Path>) -> Result<Limits, CommandError> {
    let path = config.unwrap_or_else(|| Path::new(Settings::PATH));
    // A file that is missing or wrong is the network process's to report: without it nothing runs.
    let Ok(file) = fs::metadata(path) else { return Ok(Limits::default()) };
    if !file.is_file() {
        return Ok(Limits::default());
    }
    let is_roots = file.uid() == 0 && file.mode() & WRITABLE_BY_OTHERS == 0;
    if Uid::effective().is_root() && !is_roots {
        let what = format!("others than root can write the settings in {}", path.display());
        return Err(CommandError::usage(what).hint("root's service takes limits from this file"));
    }
    Ok(Settings::load(path).map(|settings| of(&settings)).unwrap_or_default())
}

fn of(settings: &Settings) -> Limits {
    let service = &settings.service;
    let old = [
        (service.enable_compatibility_http_listener, Transport::Http),
        (service.enable_compatibility_https_listener, Transport::Https),
    ];
    let old = old.into_iter().filter(|(is_enabled, _)| *is_enabled);
    let mut ports: Vec<u16> = service.privileged_ports.clone();
    ports.extend(old.map(|(_, transport)| transport.url_port()));
    ports.extend(settings.listeners.iter().map(|listener| listener.port));
    ports.retain(|port| (1..FIRST_FREE_PORT).contains(port));
    ports.sort_unstable();
    ports.dedup();
    let groups = service.groups.iter().map(|(name, local)| (name.clone(), local.clone())).collect();
    Limits { memory: settings.winrs.memory_per_shell(), ports, groups }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_those_that_the_administrators_file_names() {
        let ports = |text: &str| of(&Settings::parse(text, Path::new("test")).unwrap()).ports;
        assert!(ports("").is_empty());
        assert_eq!(ports("[Service]\nPrivilegedPorts = [443, 80, 0, 8080, 80]"), [80, 443]);
        assert_eq!(ports("[Service]\nEnableCompatibilityHttpListener = true"), [80]);
        assert_eq!(ports("[Service]\nEnableCompatibilityHttpsListener = true"), [443]);
        assert_eq!(ports("[[Listener]]\nPort = 90\n[[Listener]]\nPort = 9000"), [90]);
    }
}
