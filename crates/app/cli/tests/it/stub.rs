//! Our `winrs` against a server that is not ours: the stub on pyspnego, which also counts our requests.

use std::process::Command;

use tempfile::TempDir;

use crate::tool::{self, Ran};
use testkit::outside::report;

/// Most HTTP requests for one command on a new connection, login included.
const MOST_REQUESTS: usize = 7;

/// The running stub, and what `winrs` needs for it.
pub(crate) struct Stub {
    pub(crate) port: u16,
    stub: testkit::Stub,
    _folder: TempDir,
}

impl Stub {
    pub(crate) const USER: &str = testkit::Stub::USER;
    pub(crate) const PASSWORD: &str = testkit::Stub::USER;

    /// Starts the stub; `None`, and a note, where it is not there.
    pub(crate) fn start(test: &str, options: &[&str]) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let stub = testkit::Stub::start(test, folder.path(), options)?;
        Some(Self { port: stub.port, stub, _folder: folder })
    }

    fn winrs(&self, words: &[&str]) -> Command {
        self.winrs_to(&format!("-r:http://127.0.0.1:{}", self.port), words)
    }

    /// `winrs` with this endpoint and these further words, as the user that the stub knows.
    pub(crate) fn winrs_to(&self, endpoint: &str, words: &[&str]) -> Command {
        let mut command = tool::winrs();
        command.arg(endpoint).arg(format!("-u:{}", Self::USER)).args(words);
        command.env("TRANSOM_PASSWORD", Self::PASSWORD);
        command
    }

    pub(crate) fn requests(&self) -> Vec<String> {
        self.stub.requests()
    }

    /// Requests of a conversation in which one Receive brings everything: the stub may split its answer, which says
    /// nothing of the client.
    #[track_caller]
    fn few_requests(&self) -> usize {
        let requests = self.requests();
        let receives = requests.iter().filter(|name| name.contains("Receive")).count();
        let needed = requests.len() - receives + 1;
        assert!(needed <= MOST_REQUESTS, "{requests:?}");
        needed
    }

    /// The request lines and headers that the stub has seen.
    pub(crate) fn heads(&self) -> Vec<String> {
        self.stub.heads()
    }
}

#[track_caller]
pub(crate) fn seven(ran: Ran) {
    let ran = ran.ended(7);
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("out\n", "err\n"));
}

fn peer(what: &str) {
    report(&format!("PEER winrm_stub 1: {what}"));
}

pub(crate) const LINE: &str = "echo out; echo err >&2; exit 7";

#[test]
fn stub_is_served_by_ntlm_in_few_requests() {
    let Some(stub) = Stub::start("stub_is_served_by_ntlm_in_few_requests", &[]) else { return };
    seven(tool::run(&mut stub.winrs(&["--auth", "ntlm", LINE])));
    peer(&format!("winrs by ntlm, one command in {} requests", stub.few_requests()));
}

#[test]
fn stub_is_served_by_negotiate_in_few_requests() {
    let Some(stub) = Stub::start("stub_is_served_by_negotiate_in_few_requests", &[]) else {
        return;
    };
    seven(tool::run(&mut stub.winrs(&[LINE])));
    peer(&format!("winrs by negotiate, one command in {} requests", stub.few_requests()));
}

#[test]
fn stub_without_tabs_in_sealed_bodies_is_understood() {
    let Some(stub) = Stub::start("stub_without_tabs_in_sealed_bodies_is_understood", &["--notab"])
    else {
        return;
    };
    seven(tool::run(&mut stub.winrs(&["--auth", "ntlm", LINE])));
    peer("winrs by ntlm, sealed bodies without tabs");
}

#[test]
fn stub_gets_input_with_its_end() {
    let Some(stub) = Stub::start("stub_gets_input_with_its_end", &[]) else { return };
    let ran = tool::run_with_input(&mut stub.winrs(&["sort"]), b"b\na\n").ended(0);
    assert_eq!(ran.stdout, "a\nb\n");
    peer("winrs with input");
}

#[test]
fn stub_is_served_by_basic_when_the_client_allows_it() {
    let Some(stub) = Stub::start("stub_is_served_by_basic_when_the_client_allows_it", &[]) else {
        return;
    };
    let folder = tool::client_settings("AllowUnencrypted = true\n");
    let mut command = stub.winrs(&["--auth", "basic", "-un", LINE]);
    seven(tool::run(command.env("XDG_CONFIG_HOME", folder.path())));
    peer(&format!("winrs by basic, one command in {} requests", stub.few_requests()));
}

#[test]
fn stub_is_identified_by_test_wsman_with_a_login_only() {
    let name = "stub_is_identified_by_test_wsman_with_a_login_only";
    let Some(stub) = Stub::start(name, &[]) else { return };
    let line = format!("Test-WSMan 127.0.0.1 -Port {}", stub.port);
    let with_login = format!("{line} -Authentication Default -Credential {}", Stub::USER);
    let mut command = tool::pssession();
    let ran = tool::run(command.args(["-c", &with_login]).env("TRANSOM_PASSWORD", Stub::PASSWORD));
    insta::assert_snapshot!(ran.snapshot());
    let requests = stub.requests().len();
    assert!(requests <= 4, "{:?}", stub.requests());
    // It answers nobody who is not logged in.
    let ran = tool::run(tool::pssession().args(["-c", &line])).ended(1);
    assert!(ran.stderr.contains("does not say without a login what it is"), "{ran:#?}");
    assert!(ran.stderr.contains("add -Authentication Negotiate -Credential User01"), "{ran:#?}");
    peer(&format!("Test-WSMan by negotiate in {requests} requests"));
}

#[test]
fn stub_refuses_a_wrong_password() {
    let Some(stub) = Stub::start("stub_refuses_a_wrong_password", &[]) else { return };
    let ran = tool::run(stub.winrs(&[LINE]).env("TRANSOM_PASSWORD", "wrong")).ended(255);
    assert!(ran.stderr.starts_with("Winrs error:") && ran.stdout.is_empty(), "{ran:#?}");
}

#[test]
fn command_that_is_silent_longer_than_the_hosts_patience_is_waited_for() {
    let name = "command_that_is_silent_longer_than_the_hosts_patience_is_waited_for";
    let Some(stub) = Stub::start(name, &["--optimeout", "1"]) else { return };
    assert_eq!(tool::run(&mut stub.winrs(&["sleep 3; echo late"])).ended(0).stdout, "late\n");
    peer("winrs with Receives that time out");
}
