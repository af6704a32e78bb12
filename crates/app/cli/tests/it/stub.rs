//! Our `winrs` against a server that is not ours: the stub on pyspnego, which also counts our requests.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::tool::{self, Ran};
use testkit::outside::{peers_python, report};

/// Most HTTP requests for one command on a new connection, login included.
const MOST_REQUESTS: usize = 7;

/// The running stub.
pub(crate) struct Stub {
    pub(crate) port: u16,
    folder: TempDir,
    child: Child,
}

impl Stub {
    pub(crate) const USER: &str = "vagrant";
    pub(crate) const PASSWORD: &str = "vagrant";

    /// Starts the stub; `None`, and a note, where it is not there.
    pub(crate) fn start(test: &str, options: &[&str]) -> Option<Self> {
        let script = std::env::var_os("TRANSOM_STUB").map(PathBuf::from);
        let script =
            script.unwrap_or_else(|| tool::repository().join("../shared/peers/winrm_stub.py"));
        if !script.exists() {
            report(&format!("SKIPPED {test}: the stub server is absent"));
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let (user, password) = (Self::USER, Self::PASSWORD);
        let users = folder.path().join("users");
        fs::write(&users, format!(":{user}:{password}\nSTUB:{user}:{password}\n")).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command: Command = tool::program(peers_python());
        command
            .arg(script)
            .args(["--port", &port.to_string(), "--cap"])
            .arg(folder.path().join("requests"));
        command.args(options).env("NTLM_USER_FILE", &users).env("PYTHONUNBUFFERED", "1");
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        while !line.contains("listening") {
            line.clear();
            assert_ne!(stdout.read_line(&mut line).unwrap(), 0, "the stub ended");
        }
        // Its further lines must go somewhere, or it stops.
        std::thread::spawn(move || std::io::copy(&mut stdout, &mut std::io::sink()));
        Some(Self { port, folder, child })
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
        let mut names: Vec<_> = fs::read_dir(self.folder.path().join("requests"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter_map(|name| name.strip_suffix(".head.txt").map(str::to_owned))
            .collect();
        names.sort();
        names
    }
}

impl Drop for Stub {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _ended = self.child.wait();
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
    let requests = stub.requests();
    assert!(requests.len() <= MOST_REQUESTS, "{requests:?}");
    peer(&format!("winrs by ntlm, one command in {} requests", requests.len()));
}

#[test]
fn stub_is_served_by_negotiate_in_few_requests() {
    let Some(stub) = Stub::start("stub_is_served_by_negotiate_in_few_requests", &[]) else {
        return;
    };
    seven(tool::run(&mut stub.winrs(&[LINE])));
    let requests = stub.requests();
    assert!(requests.len() <= MOST_REQUESTS, "{requests:?}");
    peer(&format!("winrs by negotiate, one command in {} requests", requests.len()));
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
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("transom")).unwrap();
    fs::write(folder.path().join("transom/client.toml"), "AllowUnencrypted = true\n").unwrap();
    let mut command = stub.winrs(&["--auth", "basic", "-un", LINE]);
    seven(tool::run(command.env("XDG_CONFIG_HOME", folder.path())));
    let requests = stub.requests();
    assert!(requests.len() <= MOST_REQUESTS, "{requests:?}");
    peer("winrs by basic");
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
