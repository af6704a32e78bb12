//! A hundred `winrm set` at once, half of them over the network and half by the private socket: each lands or is refused, none
//! undoes another, and the kept changes are whole whenever the service is killed.

use std::collections::BTreeMap;
use std::fs;
use std::process::{Child, Command};

use nix::sys::signal::Signal;

use crate::service::{Flavour, PASSWORD, Service, USER, flavours};
use crate::tool::{self, Ran};

/// Settings that nothing here depends on: resource, name, default, and what the values begin from.
const SETTINGS: [(&str, &str, u32, u32); 11] = [
    ("winrm/config", "MaxEnvelopeSizekb", 500, 1_000),
    ("winrm/config/service", "MaxConcurrentOperationsPerUser", 1_500, 2_000),
    ("winrm/config/winrs", "IdleTimeout", 7_200_000, 8_000_000),
    ("winrm/config", "MaxTimeoutms", 60_000, 70_000),
    ("winrm/config/service", "EnumerationTimeoutms", 240_000, 250_000),
    ("winrm/config/winrs", "MaxConcurrentUsers", 2_147_483_647, 1_000),
    ("winrm/config", "MaxBatchItems", 32_000, 40_000),
    ("winrm/config/service", "MaxConnections", 300, 310),
    ("winrm/config/winrs", "MaxProcessesPerShell", 2_147_483_647, 1_000),
    ("winrm/config/service", "MaxPacketRetrievalTimeSeconds", 120, 200),
    ("winrm/config/winrs", "MaxShellsPerUser", 2_147_483_647, 1_000),
];

/// A program that is to give a setting a value.
struct Set {
    name: &'static str,
    value: u32,
    child: Child,
}

/// The settings and their values as the service shows them.
type Values = BTreeMap<&'static str, u32>;

fn winrm(service: &Service, words: &[&str], is_remote: bool) -> Command {
    let mut command = tool::winrm();
    command.args(words);
    if is_remote {
        command.arg(format!("-r:{}", service.url)).arg(format!("-u:{USER}"));
        command.env("TRANSOM_PASSWORD", PASSWORD);
    } else {
        command.env("TRANSOM_STATE", service.state());
    }
    command
}

/// Starts programs, one setting after the other, that are all under way at once.
fn start(service: &Service, count: usize) -> Vec<Set> {
    (0..count)
        .map(|number| {
            let (uri, name, _, first) = SETTINGS[number % SETTINGS.len()];
            let value = first + u32::try_from(number).unwrap();
            let pair = format!("@{{{name}=\"{value}\"}}");
            let mut command = winrm(service, &["set", uri, &pair], number % 2 == 0);
            Set { name, value, child: tool::spawn(&mut command) }
        })
        .collect()
}

/// Waits for all of them: what each gave, and how it ended.
fn ended(sets: Vec<Set>) -> Vec<(&'static str, u32, Ran)> {
    sets.into_iter().map(|set| (set.name, set.value, tool::finish(set.child))).collect()
}

fn shown(service: &Service) -> Values {
    let ran = tool::run(&mut winrm(service, &["get", "winrm/config"], false)).ended(0);
    let value = |name: &str| {
        let line =
            ran.stdout.lines().find_map(|line| line.trim().strip_prefix(&format!("{name} = ")));
        line.unwrap_or_else(|| panic!("{name} in {}", ran.stdout)).parse().unwrap()
    };
    SETTINGS.iter().map(|(_, name, ..)| (*name, value(name))).collect()
}

/// What the state layer says.
fn kept(service: &Service) -> String {
    fs::read_to_string(service.state().join("service/configuration/configuration.toml")).unwrap()
}

#[test]
fn a_hundred_winrm_sets_at_once_land_and_undo_nothing() {
    for flavour in flavours() {
        let mut service = Service::start(flavour);
        // One for each setting: whoever read a node before another wrote it keeps the other's value.
        for (name, value, ran) in ended(start(&service, SETTINGS.len())) {
            ran.ended(0);
            assert_eq!(shown(&service)[name], value, "{name}");
        }
        let ran = ended(start(&service, 100));
        let now = shown(&service);
        for (_, name, ..) in SETTINGS {
            let landed = |one: &&(&str, u32, Ran)| one.0 == name && one.2.code() == 0;
            let values: Vec<u32> = ran.iter().filter(landed).map(|one| one.1).collect();
            assert!(values.contains(&now[name]), "{name} is {}, not of {values:?}", now[name]);
        }
        for (name, value, ran) in &ran {
            let is_refused = ran.code() == 1 && ran.stderr.contains("0x80338032");
            assert!(ran.code() == 0 || is_refused, "{name} = {value}: {ran:#?}");
        }
        let before = kept(&service);
        service.stop_and_start_again();
        assert_eq!((kept(&service), shown(&service)), (before, now));
    }
}

#[test]
fn service_killed_under_a_hundred_winrm_sets_keeps_what_it_acknowledged() {
    let mut service = Service::start(Flavour::Unprivileged);
    for round in 0..3_usize {
        tool::run(&mut winrm(&service, &["invoke", "Restore", "winrm/config"], false)).ended(0);
        let mut sets = start(&service, 100);
        let rest = sets.split_off(20 * round + 10);
        let mut ran = ended(sets);
        service.signal(Signal::SIGKILL);
        ran.extend(ended(rest));
        service.start_again();
        let log = service.log();
        assert!(!log.contains("reading the settings"), "{log}");
        let now = shown(&service);
        for (_, name, default, _) in SETTINGS {
            let tried = ran.iter().filter(|one| one.0 == name);
            let landed = tried.clone().any(|one| one.2.code() == 0);
            let is_tried = tried.map(|one| one.1).any(|value| value == now[name]);
            let is_right = is_tried || (!landed && now[name] == default);
            assert!(is_right, "{name} is {} in round {round}, {landed}", now[name]);
        }
    }
}
