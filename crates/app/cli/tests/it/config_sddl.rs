//! `winrm configSDDL` against our service: who may do what is shown, changed, and counts at once.

use std::process::Command;

use crate::service::{Flavour, PASSWORD, Service, USER};
use crate::tool::{self, Ran};

/// `winrm` against a service, as its account.
fn winrm(service: &Service, words: &[&str]) -> Command {
    let mut command = tool::winrm();
    command.args(words).arg(format!("-r:{}", service.url)).arg(format!("-u:{USER}"));
    command.env("TRANSOM_PASSWORD", PASSWORD);
    command
}

/// The editor with these commands from a pipe.
fn edited(service: &Service, what: &str, commands: &str) -> Ran {
    tool::run_with_input(&mut winrm(service, &["configSDDL", what]), commands.as_bytes())
}

fn root_sddl(service: &Service) -> String {
    let shown = tool::run(&mut winrm(service, &["get", "winrm/config/service"])).ended(0).stdout;
    let line = shown.lines().find_map(|line| line.trim().strip_prefix("RootSDDL = "));
    line.unwrap_or_default().to_owned()
}

const DEFAULT: &str = "O:NSG:BAD:P(A;;GA;;;BA)(A;;GR;;;IU)S:P(AU;FA;GA;;;WD)(AU;SA;GXGW;;;WD)";

#[test]
fn root_descriptor_is_shown_changed_and_saved() {
    let service = Service::start(Flavour::Unprivileged);
    let commands =
        "add Remote Management Users\nadd Everyone read\nwrite 3\nremove 2\nsddl\nsave\n";
    let ran = edited(&service, "default", commands).ended(0);
    insta::assert_snapshot!("config_sddl_default", ran.stdout);
    let changed = DEFAULT.replace("(A;;GR;;;IU)", "(A;;GA;;;RM)(A;;GR;;;WD)");
    assert_eq!(root_sddl(&service), changed);
    // Who takes every right away has taken it from himself as well, and learns no more than that.
    edited(&service, "default", "sddl O:NSG:BAD:P(A;;GR;;;SY)\nsave\n").ended(0);
    let refused = tool::run(&mut winrm(&service, &["get", "winrm/config"])).ended(1).stderr;
    assert!(refused.contains("Access is denied"), "{refused}");
}

#[test]
fn what_is_not_saved_changes_nothing() {
    let service = Service::start(Flavour::Unprivileged);
    let lost = edited(&service, "DEFAULT", "remove 1\n").ended(1);
    assert!(lost.stderr.contains("The changes were not saved"), "{}", lost.stderr);
    edited(&service, "default", "remove 1\nquit\n").ended(0);
    edited(&service, "default", "").ended(0);
    let wrong = edited(&service, "default", "remove 1\nremove 7\nsave\n").ended(1);
    assert!(wrong.stderr.contains("`7` is no number of an entry"), "{}", wrong.stderr);
    assert_eq!(root_sddl(&service), DEFAULT);
}

#[test]
fn resource_of_a_plugin_gets_a_descriptor_of_its_own() {
    let service = Service::start(Flavour::Unprivileged);
    let shown = edited(&service, "shell/cmd", "add group:Operators\nsave\n").ended(0).stdout;
    assert!(shown.contains("windows/shell/cmd (Shell cmd plugin)"), "{shown}");
    let again = edited(&service, "shell/cmd", "sddl\nquit\n").ended(0).stdout;
    assert!(again.contains("(A;;GXGR;;;S-1-5-32-"), "{again}");
    assert_eq!(root_sddl(&service), DEFAULT);
    let endpoint = "http://schemas.microsoft.com/powershell/Microsoft.PowerShell";
    let shown = edited(&service, endpoint, "").ended(0).stdout;
    assert!(shown.contains("BUILTIN\\Remote Management Users"), "{shown}");
    let refused = edited(&service, "http://example.com/nothing", "").ended(1).stderr;
    assert!(refused.contains("security for this resource URI cannot be changed"), "{refused}");
}
