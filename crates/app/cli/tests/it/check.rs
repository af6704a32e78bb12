//! `transom serve --check`: what it finds, and that it changes nothing.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use nix::unistd::Uid;

use crate::service::{Flavour, Service, flavours};
use crate::tool::{self, Ran};

/// The line of one check.
fn line<'a>(ran: &'a Ran, what: &str) -> &'a str {
    let found = ran.stdout.lines().find(|line| line[9..].starts_with(what));
    found.unwrap_or_else(|| panic!("no {what}: {ran:#?}"))
}

fn check(service: &Service, words: &[&str]) -> Command {
    service.transom(&[["serve", "--check", "--config", "/dev/null"].as_slice(), words].concat())
}

/// Every file below a folder with its time of change.
fn state_of(service: &Service) -> Vec<String> {
    let mut find = tool::program("find");
    let ran = tool::run(find.arg(service.state()).args(["-printf", "%p %u %m %s %c\n"])).ended(0);
    let mut lines: Vec<String> = ran.stdout.lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

#[test]
fn service_that_runs_well_passes_and_stays_as_it_is() {
    for flavour in flavours() {
        let service = Service::start(flavour);
        let before = state_of(&service);
        let ran = tool::run(&mut check(&service, &["--listen", "http://127.0.0.1:0"])).ended(0);
        for what in ["kernel", "rights", "state folder", "service user", "service folder"] {
            assert!(line(&ran, what).starts_with("ok "), "{flavour:?}: {ran:#?}");
        }
        assert!(line(&ran, "state folder").ends_with("a service runs from it"), "{ran:#?}");
        assert_eq!(line(&ran, "accounts"), "ok       accounts: 1");
        // What it says is what the service has that runs.
        let sandbox = line(&ran, "sandbox").split_once(": ").unwrap().1;
        service.has_said(&format!("Sandbox: {sandbox}\n"));
        assert!(line(&ran, "local user").starts_with("ok "), "{ran:#?}");
        assert!(line(&ran, "control groups").contains("control groups: "), "{ran:#?}");
        assert_eq!(state_of(&service), before);
        // The service it looked at still does its work.
        service.run("exit 7").ended(7);
        // Its port is taken by itself.
        let ran = tool::run(&mut check(&service, &["--listen", &service.url])).ended(0);
        assert!(line(&ran, "listener").contains("taken, by the service"), "{ran:#?}");
    }
}

#[test]
fn absent_state_folder_fails_and_is_not_made() {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o711)).unwrap();
    let state = folder.path().join("state");
    let mut command = tool::transom();
    command.args(["serve", "--check", "--config", "/dev/null", "--listen", "http://127.0.0.1:0"]);
    let ran = tool::run(command.arg("--state").arg(&state)).ended(1);
    assert!(line(&ran, "state folder").starts_with("failed"), "{ran:#?}");
    assert!(line(&ran, "state folder").contains("transom account add"), "{ran:#?}");
    assert!(line(&ran, "listener").starts_with("ok "), "{ran:#?}");
    assert!(!state.exists());
}

#[test]
fn port_of_another_program_fails_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o711)).unwrap();
    fs::create_dir(folder.path().join("state")).unwrap();
    fs::set_permissions(folder.path().join("state"), fs::Permissions::from_mode(0o711)).unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", taken.local_addr().unwrap());
    let mut command = tool::transom();
    command.args(["serve", "--check", "--config", "/dev/null", "--listen", &url, "--state"]);
    let ran = tool::run(command.arg(folder.path().join("state"))).ended(1);
    assert!(line(&ran, "listener").starts_with("failed"), "{ran:#?}");
    assert!(line(&ran, "listener").contains("choose another port"), "{ran:#?}");
    assert!(line(&ran, "accounts").starts_with("warning"), "{ran:#?}");
}

#[test]
fn wrong_settings_fail_by_their_name() {
    let service = Service::start(flavours()[0]);
    let config = service.state().with_file_name("wrong.toml");
    fs::write(&config, "[Winrs]\nIdleTimeOut = 1\n").unwrap();
    fs::set_permissions(&config, fs::Permissions::from_mode(0o644)).unwrap();
    let mut command = service.transom(&["serve", "--check", "--listen", "http://127.0.0.1:0"]);
    let ran = tool::run(command.arg("--config").arg(&config)).ended(1);
    assert!(line(&ran, "settings").starts_with("failed"), "{ran:#?}");
    assert!(line(&ran, "settings").contains("IdleTimeOut"), "{ran:#?}");
}

#[test]
fn certificate_of_credssp_that_is_missing_fails() {
    let service = Service::start(flavours()[0]);
    let config = service.state().with_file_name("credssp.toml");
    let text = "[Service]\nCertificateThumbprint = \"00112233445566778899AABBCCDDEEFF00112233\"\n\
                [Service.Auth]\nCredSSP = ";
    for (value, code) in [("true\n", 1), ("false\n", 0)] {
        fs::write(&config, format!("{text}{value}")).unwrap();
        fs::set_permissions(&config, fs::Permissions::from_mode(0o644)).unwrap();
        let mut command = service.transom(&["serve", "--check", "--listen", "http://127.0.0.1:0"]);
        let ran = tool::run(command.arg("--config").arg(&config)).ended(code);
        assert_eq!(
            ran.stdout.contains("certificate of CredSSP: there is no"),
            code == 1,
            "{ran:#?}"
        );
    }
}

#[test]
fn settings_that_the_service_user_cannot_read_are_a_warning() {
    if !Uid::effective().is_root() {
        testkit::outside::report("SKIPPED settings_that_the_service_user_cannot_read: not root");
        return;
    }
    let service = Service::start(Flavour::Root);
    let config = service.state().with_file_name("closed.toml");
    fs::write(&config, "").unwrap();
    fs::set_permissions(&config, fs::Permissions::from_mode(0o600)).unwrap();
    let mut command = service.transom(&["serve", "--check", "--listen", "http://127.0.0.1:0"]);
    let ran = tool::run(command.arg("--config").arg(&config)).ended(0);
    assert!(line(&ran, "settings").starts_with("warning"), "{ran:#?}");
}

#[test]
fn local_user_with_another_uid_than_recorded_fails() {
    for flavour in flavours() {
        let service = Service::start(flavour);
        let users = service.state().join("users");
        let text = fs::read_to_string(&users).unwrap();
        let uid = crate::service::local_user(flavour).uid.to_string();
        fs::write(&users, text.replace(&format!(" {uid} "), " 4242 ")).unwrap();
        let ran = tool::run(&mut check(&service, &["--listen", "http://127.0.0.1:0"])).ended(1);
        let line = line(&ran, "local user");
        assert!(line.starts_with("failed") && line.contains("4242"), "{flavour:?}: {ran:#?}");
    }
}

#[test]
fn state_folder_that_others_can_change_fails() {
    let service = Service::start(flavours()[0]);
    fs::set_permissions(service.state(), fs::Permissions::from_mode(0o777)).unwrap();
    let ran = tool::run(&mut check(&service, &["--listen", "http://127.0.0.1:0"])).ended(1);
    let line = line(&ran, "state folder");
    assert!(line.starts_with("failed") && line.contains("chmod go-w"), "{ran:#?}");
}

#[test]
fn findings_come_as_json_lines_on_request() {
    let service = Service::start(flavours()[0]);
    let words = ["--log", "json", "--listen", "http://127.0.0.1:0"];
    let ran = tool::run(&mut check(&service, &words)).ended(0);
    for line in ran.stdout.lines() {
        let finding: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(finding["check"].is_string() && finding["text"].is_string(), "{line}");
        assert!(["ok", "warning"].contains(&finding["verdict"].as_str().unwrap()), "{line}");
    }
}
