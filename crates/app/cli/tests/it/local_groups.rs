//! Local groups that stand for groups of the service: whose local user is in one belongs to the other, from the next login on.

use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;
use testkit::outside::report;

use crate::private_socket::change;
use crate::service::{Flavour, PASSWORD, Service, flavours};
use crate::tool::{self, Ran};

/// The account that is asked about, and its local user, whose own group has the same name.
const CAROL: &str = "carol";
const USER: &str = "daemon";

/// Local groups that the system does not have, with their numbers.
const ADMINS: (&str, u32) = ("tm-admins", 60_021);
const REMOTE: (&str, u32) = ("tm-remote", 60_022);

/// Has a program see another `/etc`, which comes before it.
const OTHER_ETC: &str =
    "mount --make-rprivate / && mount --bind \"$1\" /etc && shift && exec \"$@\"";

/// A copy of `/etc` for a service.
struct Etc(TempDir);

impl Etc {
    fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("transom-etc-").tempdir().unwrap();
        tool::run(tool::program("cp").args(["-a", "/etc/."]).arg(folder.path())).ended(0);
        Self(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Puts this user into a group, and no others.
    fn group(&self, (name, gid): (&str, u32), user: &str) {
        let start = format!("{name}:");
        let text = fs::read_to_string(self.path("group")).unwrap();
        let others = text.lines().filter(|line| !line.starts_with(&start));
        let mut text: String = others.map(|line| format!("{line}\n")).collect();
        text.push_str(&format!("{name}:x:{gid}:{user}\n"));
        self.replace("group", &text);
    }

    /// Takes a user away.
    fn without_user(&self, name: &str) {
        let start = format!("{name}:");
        let text = fs::read_to_string(self.path("passwd")).unwrap();
        let others = text.lines().filter(|line| !line.starts_with(&start));
        let text: String = others.map(|line| format!("{line}\n")).collect();
        self.replace("passwd", &text);
    }

    fn replace(&self, name: &str, text: &str) {
        fs::write(self.path("new"), text).unwrap();
        fs::rename(self.path("new"), self.path(name)).unwrap();
    }
}

/// `winrm` as CAROL by NTLM.
fn winrm(service: &Service, words: &[&str]) -> Ran {
    let mut command = tool::winrm();
    command.args(words).arg(format!("-r:{}", service.url)).arg(format!("-u:{CAROL}"));
    tool::run(command.env("TRANSOM_PASSWORD", PASSWORD))
}

fn reads(service: &Service) -> Ran {
    winrm(service, &["get", "winrm/config"])
}

/// What only administrators do: from afar everything, on the machine itself changes.
#[track_caller]
fn is_administrator(service: &Service, expected: bool) {
    let read = reads(service);
    let changed = change(service, USER);
    if expected {
        assert!(read.ended(0).stdout.contains("MaxBatchItems"));
        assert!(changed.ends_with(" 200") && changed.contains("MaxBatchItems>7<"), "{changed}");
    } else {
        let read = read.ended(1);
        assert!(read.stderr.contains("0x00000005"), "{read:#?}");
        assert!(changed.ends_with(" 500") && changed.contains("AccessDenied"), "{changed}");
    }
}

fn is_possible(test: &str) -> bool {
    let is_root = flavours().contains(&Flavour::Root);
    if !is_root {
        report(&format!("SKIPPED {test}: needs root"));
    }
    is_root
}

#[test]
fn member_of_a_local_group_is_an_administrator_until_it_leaves() {
    if !is_possible("member_of_a_local_group_is_an_administrator_until_it_leaves") {
        return;
    }
    let etc = Etc::new();
    let folder = etc.0.path().to_str().unwrap().to_owned();
    let wrapper = ["unshare", "-m", "sh", "-c", OTHER_ETC, "sh", &folder];
    let settings = "[Service.Groups]\nAdministrators = [\"tm-absent\", \"tm-admins\"]\n\
                    \"Remote Management Users\" = [\"tm-remote\"]\n";
    let service = Service::configured_by(Flavour::Root, settings, &[], &wrapper);
    service.add_member(CAROL, USER, "Users").ended(0);
    is_administrator(&service, false);
    // Of another group of the service.
    etc.group(REMOTE, USER);
    is_administrator(&service, false);
    etc.group(ADMINS, USER);
    is_administrator(&service, true);
    etc.group(ADMINS, "nobody");
    is_administrator(&service, false);
    // Whoever cannot be looked up is no member, and both processes say why.
    etc.group(ADMINS, USER);
    etc.without_user(USER);
    assert!(reads(&service).ended(1).stderr.contains("0x00000005"));
    let log = service.log();
    for line in ["it belongs to none of them", "refused request=\"Members "] {
        assert!(log.contains(line), "{line}");
    }
}

#[test]
fn own_group_of_a_local_user_counts_as_well() {
    if !is_possible("own_group_of_a_local_user_counts_as_well") {
        return;
    }
    let settings = format!("[Service.Groups]\nadministrators = [\"{USER}\"]\n");
    let service = Service::configured(Flavour::Root, &settings);
    service.add_member(CAROL, USER, "Users").ended(0);
    is_administrator(&service, true);
}

#[test]
fn local_groups_are_roots_to_say() {
    if !is_possible("local_groups_are_roots_to_say") {
        return;
    }
    let service = Service::start(Flavour::Root);
    service.add_member(CAROL, USER, "Users").ended(0);
    let alice = |words: &[&str]| {
        let mut command = tool::winrm();
        command.args(words).arg(format!("-r:{}", service.url)).arg("-u:alice");
        tool::run(command.env("TRANSOM_PASSWORD", PASSWORD))
    };
    // Not by the wire, whoever asks.
    alice(&["set", "winrm/config/service", "@{Groups=\"daemon\"}"]).ended(1);
    alice(&["get", "winrm/config/service/groups"]).ended(1);
    is_administrator(&service, false);
}

#[test]
fn check_says_which_local_groups_there_are() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config.toml");
    fs::write(&config, "[Service.Groups]\nAdministrators = [\"daemon\", \"tm-absent\"]\n").unwrap();
    let mut command = tool::transom();
    command.args(["serve", "--check", "--config"]).arg(&config);
    let shown = tool::run(command.arg("--state").arg(folder.path().join("state"))).stdout;
    assert!(shown.contains("ok       local group daemon: gid 1\n"), "{shown}");
    assert!(shown.contains("warning  local group tm-absent: does not exist"), "{shown}");
}
