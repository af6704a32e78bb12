//! Released clients of other people against our service, unmodified, every message sealed.

use std::process::{Command, Stdio};

use nix::unistd::Uid;

use crate::domain::{self, Domain, PRINCIPAL};
use crate::service::{Flavour, PASSWORD, Service, USER, flavours};
use crate::tool::{self, Ran};
use testkit::outside::{peers_python, report};

#[track_caller]
fn peer(script: &str, auth: &str) {
    peer_with("", script, auth, &[]);
}

/// The same with these settings of the service, and only these checks where some are named.
#[track_caller]
pub(crate) fn peer_with(settings: &str, script: &str, auth: &str, checks: &[&str]) {
    let service = Service::configured(flavours()[0], settings);
    said_by(&mut peer_to(&service, script, auth, checks));
}

/// The same against a service that runs.
#[track_caller]
pub(crate) fn peer_on(service: &Service, script: &str, auth: &str, checks: &[&str]) {
    said_by(&mut peer_to(service, script, auth, checks));
}

/// The same as somebody from a domain, in its realm.
#[track_caller]
pub(crate) fn peer_of(
    domain: &Domain,
    service: &Service,
    (script, auth): (&str, &str),
    checks: &[&str],
) {
    let mut command = domain.program(peers_python());
    command.arg(tool::repository().join("crates/app/cli/tests/peers").join(script));
    command.arg(format!("{}/wsman", Domain::url(service))).args([PRINCIPAL, auth]).args(checks);
    said_by(command.env("TRANSOM_TEST_PASSWORD", domain::PASSWORD));
}

fn peer_to(service: &Service, script: &str, auth: &str, checks: &[&str]) -> Command {
    let mut command: Command = tool::program(peers_python());
    command.arg(tool::repository().join("crates/app/cli/tests/peers").join(script));
    command
        .arg(format!("{}/wsman", service.url))
        .args([USER, auth])
        .args(checks)
        .env("TRANSOM_TEST_PASSWORD", PASSWORD);
    command
}

/// Runs a script, passes its words on, and fails when a check did.
#[track_caller]
fn said_by(command: &mut Command) {
    passed_on(tool::run(command));
}

#[track_caller]
fn passed_on(ran: Ran) {
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

#[test]
fn pypsrp_enumerates_in_every_mode() {
    peer("pypsrp_lists.py", "ntlm");
}

/// What the scripts about quotas expect.
const QUOTAS: &str = "MaxEnvelopeSizekb = 32\n[Service]\nMaxConcurrentOperationsPerUser = 4\n\
                      [Winrs]\nMaxShellsPerUser = 2\nMaxProcessesPerShell = 1\n";
/// Their checks that need nothing else.
pub(crate) const OF_ONE_USER: [&str; 4] =
    ["shells_of_a_user", "processes_of_a_shell", "operations_of_a_user", "envelope_of_the_service"];

#[test]
fn pypsrp_sees_quota_faults() {
    peer_with(QUOTAS, "pypsrp_quotas.py", "ntlm", &OF_ONE_USER);
}

#[test]
fn pywinrm_sees_quota_faults_with_the_number_that_its_users_look_for() {
    peer_with(QUOTAS, "pywinrm_quotas.py", "ntlm", &OF_ONE_USER);
}

#[test]
fn peers_see_that_as_many_users_have_shells_as_may() {
    if !Uid::effective().is_root() {
        report(
            "SKIPPED peers_see_that_as_many_users_have_shells_as_may: a second account needs root",
        );
        return;
    }
    let service = Service::configured(Flavour::Root, "[Winrs]\nMaxConcurrentUsers = 1\n");
    service.add_account("bob", "daemon").ended(0);
    let mut command = service.winrs(&["echo ready; cat"]);
    let mut holder = tool::spawn(command.stdin(Stdio::piped()));
    tool::until("alice has a shell", || service.log().contains("event=\"command\""));
    for script in ["pywinrm_quotas.py", "pypsrp_quotas.py"] {
        let mut command = peer_to(&service, script, "ntlm", &["users_with_shells"]);
        said_by(command.env("TRANSOM_TEST_OTHER", "bob"));
    }
    drop(holder.stdin.take());
    assert_eq!(tool::finish(holder).ended(0).stdout, "ready\n");
}

#[test]
fn shell_whose_idle_time_is_over_is_unknown_to_both_peers() {
    let service = Service::configured(flavours()[0], "[Winrs]\nIdleTimeout = 60000\n");
    // Both wait for more than a minute.
    let both = ["pywinrm_quotas.py", "pypsrp_quotas.py"]
        .map(|script| tool::spawn(&mut peer_to(&service, script, "ntlm", &["idle_shell_is_gone"])));
    both.into_iter().for_each(|child| passed_on(tool::finish(child)));
}
