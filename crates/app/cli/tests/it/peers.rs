//! Released clients of other people against our service, unmodified, every message sealed.

use std::process::Command;

use crate::service::{PASSWORD, Service, USER, flavours};
use crate::tool;
use testkit::outside::{peers_python, report};

#[track_caller]
fn peer(script: &str, auth: &str) {
    peer_with("", script, auth);
}

/// The same with these settings of the service.
#[track_caller]
fn peer_with(settings: &str, script: &str, auth: &str) {
    let service = Service::configured(flavours()[0], settings);
    let mut command: Command = tool::program(peers_python());
    command.arg(tool::repository().join("crates/app/cli/tests/peers").join(script));
    command
        .arg(format!("{}/wsman", service.url))
        .args([USER, auth])
        .env("TRANSOM_TEST_PASSWORD", PASSWORD);
    let ran = tool::run(&mut command);
    let said: Vec<_> = ran.stdout.lines().filter(|line| line.starts_with("PEER ")).collect();
    said.iter().for_each(|line| report(line));
    assert!(!said.is_empty(), "{ran:#?}");
    ran.ended(0);
}

#[test]
fn pywinrm_session_runs_commands() {
    peer("pywinrm_session.py", "ntlm");
}

#[test]
fn pywinrm_protocol_has_its_whole_conversation() {
    peer("pywinrm_protocol.py", "ntlm");
}

#[test]
fn pypsrp_winrs_runs_commands_by_ntlm() {
    peer("pypsrp_winrs.py", "ntlm");
}

#[test]
fn pypsrp_winrs_runs_commands_by_negotiate() {
    peer("pypsrp_winrs.py", "negotiate");
}

/// What the scripts about quotas expect.
const QUOTAS: &str = "[Service]\nMaxConcurrentOperationsPerUser = 4\n\
                      [Winrs]\nMaxShellsPerUser = 2\nMaxProcessesPerShell = 1\n";

#[test]
fn pypsrp_sees_quota_faults() {
    peer_with(QUOTAS, "pypsrp_quotas.py", "ntlm");
}

#[test]
fn pywinrm_sees_quota_faults_with_the_number_that_its_users_look_for() {
    peer_with(QUOTAS, "pywinrm_quotas.py", "ntlm");
}
