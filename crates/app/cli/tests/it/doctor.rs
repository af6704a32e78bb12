//! `transom doctor` against services that work, that do not, and that are none.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::thread;

use crate::service::{Flavour, PASSWORD, Service, USER, flavours};
use crate::stub::Stub;
use crate::tool::{self, Ran};
use testkit::outside::report;

/// `transom doctor` with the password of [`USER`] in its environment.
fn doctor(words: &[&str]) -> Command {
    let mut command = tool::transom();
    command.arg("doctor").args(words).env("TRANSOM_PASSWORD", PASSWORD);
    // What this machine knows of realms is not asked.
    command.env("KRB5_CONFIG", "/nonexistent");
    command
}

/// Exit code and output, without what differs from run to run or from machine to machine.
fn shown(ran: &Ran, port: u16) -> String {
    let text = ran.snapshot().replace(&format!(":{port}"), ":PORT");
    let text = text.replace(&format!("port {port}"), "port PORT");
    let text = without_system(&masked(&masked(&text, " ms"), " request"));
    let lines = text.lines().map(|line| {
        let head: Vec<_> = line.split_whitespace().take(2).collect();
        match head.as_slice() {
            // The resolver of the machine has its own opinion.
            [_, "reverse"] | ["try:", "nothing"] => "(reverse)",
            ["cause:", "no"] if line.contains("no name for") => "(reverse)",
            ["no" | "the", "answer" | "host"] if line.contains("5986") => "(other ports)",
            _ => line.trim_end(),
        }
    });
    let mut lines: Vec<_> = lines.filter(|line| !line.contains("try: use http")).collect();
    lines.dedup();
    lines.join("\n")
}

/// Replaces each number before a `unit`, and the spaces before it, by ` N`.
fn masked(text: &str, unit: &str) -> String {
    let mut pieces = text.split(unit).peekable();
    let mut masked = String::new();
    while let Some(piece) = pieces.next() {
        let rest = piece.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
        match pieces.peek() {
            Some(_) if rest.len() < piece.len() => {
                masked.push_str(rest.trim_end_matches(' '));
                masked.push_str(" N");
                masked.push_str(unit);
            }
            Some(_) => masked.push_str(&[piece, unit].concat()),
            None => masked.push_str(piece),
        }
    }
    masked.replace("requests", "request")
}

/// Replaces the version of the system, which services tell after the login, by `VERSION`.
fn without_system(text: &str) -> String {
    let mut pieces = text.split("OS: ");
    let mut masked = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (version, rest) = piece.split_once(' ').unwrap();
        let version = if version == "0.0.0" { version } else { "VERSION" };
        masked.push_str(&format!("OS: {version} {rest}"));
    }
    masked
}

/// The status of each step in the JSON records.
fn statuses(ran: &Ran) -> Vec<(String, String)> {
    let record = |line: &str| {
        let record: serde_json::Value = serde_json::from_str(line).unwrap();
        let text = |key: &str| record[key].as_str().unwrap().to_owned();
        (text("step"), text("status"))
    };
    ran.stdout.lines().map(record).collect()
}

/// The steps of a walk that fails at one, those after it not reached.
#[track_caller]
fn fails_at(ran: &Ran, name: &str) {
    let statuses = statuses(ran);
    let at = statuses.iter().position(|(step, _)| step == name).unwrap();
    for (index, (step, status)) in statuses.iter().enumerate() {
        match index.cmp(&at) {
            std::cmp::Ordering::Less => {
                assert!(["passed", "warning", "skipped"].contains(&&**status), "{step}")
            }
            std::cmp::Ordering::Equal => assert_eq!(status, "failed", "{ran:#?}"),
            std::cmp::Ordering::Greater => assert_eq!(status, "not_reached", "{step}"),
        }
    }
    assert_eq!(statuses.len(), 15);
}

/// A server that answers every request with these bytes and closes; its port.
fn server(answer: &'static [u8]) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            thread::spawn(move || {
                let mut request = [0; 4096];
                // A connection that only looks whether the port answers says nothing.
                if stream.read(&mut request).is_ok_and(|read| read > 0) {
                    let _gone = stream.write_all(answer);
                }
            });
        }
    });
    port
}

#[test]
fn service_that_works_passes_every_step() {
    for flavour in flavours() {
        let service = Service::start(flavour);
        let ran = tool::run(&mut doctor(&[&service.url, "-u", USER])).ended(0);
        insta::assert_snapshot!("service_that_works", shown(&ran, service.port));
        let ran = tool::run(&mut doctor(&[&service.url, "-u", USER, "--json"])).ended(0);
        let statuses = statuses(&ran);
        assert_eq!(statuses.len(), 15);
        for (step, status) in statuses {
            let is_ticket = ["kerberos", "kdc", "ticket"].contains(&&*step);
            assert!(status == "passed" || step == "reverse" || is_ticket, "{ran:#?}");
        }
    }
}

#[test]
fn walk_without_a_user_ends_before_the_login() {
    let service = Service::start(flavours()[0]);
    let ran = tool::run(&mut doctor(&[&service.url])).ended(0);
    insta::assert_snapshot!(shown(&ran, service.port));
}

#[test]
fn wrong_password_fails_at_the_login() {
    let service = Service::start(flavours()[0]);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    std::fs::write(&file, "wrong-password\n").unwrap();
    let file = ["--password-file", file.to_str().unwrap()];
    let words = [[service.url.as_str(), "-u", USER].as_slice(), &file].concat();
    let ran = tool::run(&mut doctor(&words)).ended(1);
    insta::assert_snapshot!(shown(&ran, service.port));
    assert!(!format!("{ran:?}").contains("wrong-password"));
    fails_at(&tool::run(&mut doctor(&[words.as_slice(), &["--json"]].concat())).ended(1), "login");
}

#[test]
fn port_where_nobody_listens_fails_at_tcp() {
    let port = tool::CLOSED_PORT;
    let url = format!("http://127.0.0.1:{port}");
    let ran = tool::run(&mut doctor(&[&url, "-u", USER])).ended(1);
    insta::assert_snapshot!(shown(&ran, port));
    fails_at(&tool::run(&mut doctor(&[&url, "--json"])).ended(1), "tcp");
}

#[test]
fn name_without_an_address_fails_at_the_name() {
    let ran = tool::run(&mut doctor(&["nowhere.invalid", "--json"])).ended(1);
    fails_at(&ran, "name");
}

#[test]
fn another_http_server_is_told_from_a_service() {
    let port = server(
        b"HTTP/1.1 200 OK\r\nServer: tiny/1\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi",
    );
    let url = format!("http://127.0.0.1:{port}");
    let ran = tool::run(&mut doctor(&[&url, "-u", USER])).ended(1);
    insta::assert_snapshot!(shown(&ran, port));
    fails_at(&tool::run(&mut doctor(&[&url, "--json"])).ended(1), "http");
}

#[test]
fn server_that_speaks_no_http_fails_at_http() {
    let port = server(b"220 mail.example.com ESMTP\r\n");
    let ran = tool::run(&mut doctor(&[&format!("http://127.0.0.1:{port}"), "--json"])).ended(1);
    fails_at(&ran, "http");
}

#[test]
fn wrong_path_is_named() {
    let service = Service::start(flavours()[0]);
    let url = format!("{}/wrong", service.url);
    let ran = tool::run(&mut doctor(&[&url, "-u", USER])).ended(1);
    insta::assert_snapshot!(shown(&ran, service.port));
}

#[test]
fn unlisted_host_fails_at_the_login_before_anything_is_sent() {
    let service = Service::start(flavours()[0]);
    // The resolver takes it for 127.0.0.1, TrustedHosts for the name that it looks like.
    let url = format!("http://127.1:{}", service.port);
    let ran = tool::run(&mut doctor(&[&url, "-u", USER])).ended(1);
    insta::assert_snapshot!(shown(&ran, service.port));
    assert!(!service.log().contains(USER), "{}", service.log());
}

#[test]
fn quota_that_is_used_up_is_named_with_its_setting() {
    let service = Service::configured(flavours()[0], "[Winrs]\nMaxShellsPerUser = 1\n");
    let mut holder = service.winrs(&["echo here; sleep 600"]);
    let mut holder = holder.stdout(Stdio::piped()).spawn().unwrap();
    let mut here = [0; 4];
    holder.stdout.as_mut().unwrap().read_exact(&mut here).unwrap();
    let ran = tool::run(&mut doctor(&[&service.url, "-u", USER, "--json"])).ended(1);
    holder.kill().unwrap();
    holder.wait().unwrap();
    let last: serde_json::Value = serde_json::from_str(ran.stdout.lines().last().unwrap()).unwrap();
    assert_eq!((&last["step"], &last["status"]), (&"quotas".into(), &"failed".into()));
    assert_eq!(last["cause"], "the quota MaxShellsPerUser of the host is used up");
    assert!(statuses(&ran).contains(&("shell".into(), "failed".into())), "{ran:#?}");
}

#[test]
fn shell_that_is_refused_fails_at_the_shell() {
    let service = Service::configured(flavours()[0], "[Winrs]\nAllowRemoteShellAccess = false\n");
    let ran = tool::run(&mut doctor(&[&service.url, "-u", USER, "--json"])).ended(1);
    fails_at(&ran, "shell");
}

#[test]
fn login_that_is_not_offered_is_named() {
    let service = Service::start(Flavour::Unprivileged);
    let ran = tool::run(&mut doctor(&[&service.url, "-u", USER, "--auth", "basic"])).ended(1);
    insta::assert_snapshot!(shown(&ran, service.port));
}

#[test]
fn host_that_speaks_no_tls_fails_at_http() {
    let port = server(b"");
    let url = format!("https://127.0.0.1:{port}");
    fails_at(&tool::run(&mut doctor(&[&url, "--json"])).ended(1), "http");
}

#[test]
fn walk_by_https_believes_whom_the_settings_name() {
    let service = Service::https(Flavour::Unprivileged, "");
    let words = [service.url.as_str(), "-u", USER, "--json"];
    let unknown = tool::run(&mut doctor(&words)).ended(1);
    fails_at(&unknown, "http");
    assert!(unknown.stdout.contains("self-signed"), "{unknown:#?}");
    let settings = format!("[TLS]\nCAPath = {:?}\n", service.certificate().to_str().unwrap());
    let folder = tool::client_settings(&settings);
    let mut command = doctor(&words);
    let known = tool::run(command.env("XDG_CONFIG_HOME", folder.path())).ended(0);
    assert!(known.stdout.contains("TLS protects every message"), "{known:#?}");
}

#[test]
fn schemes_that_are_not_known_here_end_the_walk() {
    let port = server(
        b"HTTP/1.1 401 no\r\nWWW-Authenticate: NTLMSSP\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    );
    let url = format!("http://127.0.0.1:{port}");
    fails_at(&tool::run(&mut doctor(&[&url, "-u", USER, "--json"])).ended(1), "schemes");
}

#[test]
fn wrong_clock_is_a_warning() {
    let port = server(
        b"HTTP/1.1 401 no\r\nDate: Thu, 01 Jan 2015 00:01:00 GMT\r\nWWW-Authenticate: Negotiate\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    );
    let ran = tool::run(&mut doctor(&[&format!("http://127.0.0.1:{port}"), "--json"])).ended(0);
    assert!(statuses(&ran).contains(&("clock".into(), "warning".into())), "{ran:#?}");
}

#[test]
fn what_a_host_says_cannot_steer_the_terminal() {
    let port = server(
        b"HTTP/1.1 200 OK\r\nServer: a\x1b]52;c;aGk=\x07\xc2\x9b6n\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    );
    for format in [[].as_slice(), &["--json"]] {
        let url = format!("http://127.0.0.1:{port}");
        let ran = tool::run(&mut doctor(&[[url.as_str()].as_slice(), format].concat())).ended(1);
        let harmful = |c: char| c.is_control() && c != '\n';
        assert!(!ran.stdout.chars().any(harmful), "{ran:#?}");
    }
}

#[test]
fn stub_passes_every_step() {
    let Some(stub) = Stub::start("stub_passes_every_step", &[]) else { return };
    let url = format!("http://127.0.0.1:{}", stub.port);
    let mut command = doctor(&[&url, "-u", Stub::USER, "--json"]);
    let ran = tool::run(command.env("TRANSOM_PASSWORD", Stub::PASSWORD)).ended(0);
    assert_eq!(statuses(&ran).len(), 15);
    report("PEER winrm_stub 1: transom doctor");
}
