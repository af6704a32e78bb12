//! Released clients of other people against our service, unmodified, every message sealed.

use std::path::PathBuf;
use std::process::Command;

use crate::report;
use crate::service::{PASSWORD, Service, USER, flavours};
use crate::tool;

/// The Python that has the peers.
#[track_caller]
pub(crate) fn python() -> PathBuf {
    let python = std::env::var_os("TRANSOM_PEERS_PYTHON").map(PathBuf::from);
    let python = python.unwrap_or_else(|| tool::repository().join("target/peers/venv/bin/python"));
    assert!(
        python.exists(),
        "{} is not there: `cargo xtask test` installs the peers and runs this",
        python.display()
    );
    python
}

#[track_caller]
fn peer(script: &str, auth: &str) {
    let service = Service::start(flavours()[0]);
    let mut command: Command = tool::program(python());
    command.arg(tool::repository().join("crates/app/cli/tests/peers").join(script));
    command
        .arg(format!("{}/wsman", service.url))
        .args([USER, auth])
        .env("TRANSOM_TEST_PASSWORD", PASSWORD);
    let ran = tool::run(&mut command);
    let said: Vec<_> = ran.stdout.lines().filter(|line| line.starts_with("PEER ")).collect();
    said.iter().for_each(|line| report::line(line));
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
