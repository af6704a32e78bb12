//! Logins by CredSSP: our programs and two released ones against our service, our programs against somebody else's, and
//! what is refused before a password leaves.

use std::process::Command;

use testkit::outside::{peers_python, report};

use crate::service::{PASSWORD, Service, USER, flavours};
use crate::stub::{LINE, Stub, seven};
use crate::tool::{self, Ran};

const AUTH: &str = "[Service.Auth]\nCredSSP = true\n";
const ALLOWED: &str = "[CredSSP]\nAllowFreshCredentials = ['wsman/localhost', 'wsman/127.0.0.1']\n";

/// The same by a name, which certificates have.
fn by_name(service: &Service) -> String {
    service.url.replace("127.0.0.1", "localhost")
}

fn by_peer(client: &str, service: &Service, password: &str, inner: &str) -> String {
    let mut command: Command = tool::program(peers_python());
    command.arg(tool::repository().join("crates/app/cli/tests/peers/credssp.py"));
    command.args([client, &format!("{}/wsman", by_name(service)), USER, inner]);
    command.env("TRANSOM_TEST_PASSWORD", password);
    if service.url.starts_with("https") {
        command.env("TRANSOM_TEST_CA", service.certificate());
    }
    tool::run(&mut command).ended(0).stdout.trim().to_owned()
}

/// `winrs` by CredSSP with these settings of the client.
fn by_winrs(service: &Service, settings: &str, password: &str, line: &str) -> Ran {
    let folder = tool::client_settings(settings);
    let mut command = tool::winrs();
    command.arg(format!("-r:{}", by_name(service))).arg(format!("-u:{USER}"));
    command.args(["-auth:credssp"]).env("TRANSOM_PASSWORD", password);
    command.env("XDG_CONFIG_HOME", folder.path());
    if service.url.starts_with("https") {
        command.arg("--ca").arg(service.certificate());
    }
    tool::run(command.arg(line))
}

#[test]
fn released_clients_and_ours_log_in_by_credssp_and_pass_long_messages() {
    for flavour in flavours() {
        for service in [Service::configured(flavour, AUTH), Service::https(flavour, AUTH)] {
            for (client, inner) in [("pywinrm", "auto"), ("pypsrp", "auto"), ("pypsrp", "ntlm")] {
                let said = by_peer(client, &service, PASSWORD, inner);
                assert_eq!(said, "pass", "{client} over {}", service.url);
            }
            seven(by_winrs(&service, ALLOWED, PASSWORD, LINE));
            let long = "head -c 60000 /dev/zero | tr '\\0' x";
            let ran = by_winrs(&service, ALLOWED, PASSWORD, long).ended(0);
            assert_eq!(ran.stdout, "x".repeat(60_000));
            let ran = by_winrs(
                &service,
                ALLOWED,
                PASSWORD,
                &format!("echo {} | wc -c", "y".repeat(30_000)),
            );
            assert_eq!(ran.ended(0).stdout, "30001\n");
            let log = service.log();
            assert!(log.contains("CredSSP/NTLM"), "{log}");
            assert!(!log.contains(PASSWORD), "the password is in the log");
        }
    }
    report("PEER pywinrm 0.5.0 with requests-credssp 2.0.0: CredSSP over http and https");
    report("PEER pypsrp 0.9.1: CredSSP over http and https");
}

#[test]
fn a_wrong_password_is_refused_and_slows_the_next_login() {
    let service = Service::configured(flavours()[0], AUTH);
    for client in ["pywinrm", "pypsrp"] {
        let said = by_peer(client, &service, "wrong", "auto");
        assert!(said.starts_with("refused: "), "{said}");
    }
    let ran = by_winrs(&service, ALLOWED, "wrong", LINE).ended(255);
    assert!(ran.stderr.contains("The service refused the login"), "{}", ran.stderr);
    let log = service.log();
    assert_eq!(log.matches("wrong user name or password").count(), 3, "{log}");
}

#[test]
fn credssp_is_offered_only_where_the_settings_say_so() {
    let service = Service::start(flavours()[0]);
    let ran = by_winrs(&service, ALLOWED, PASSWORD, LINE).ended(255);
    assert!(ran.stderr.contains("does not offer CredSSP"), "{}", ran.stderr);
    service.has_said("the setting CredSSP of Service.Auth");
    let said = by_peer("pypsrp", &service, PASSWORD, "auto");
    assert!(said.starts_with("refused: "), "{said}");
}

#[test]
fn the_password_goes_only_to_hosts_that_the_settings_name() {
    let service = Service::configured(flavours()[0], AUTH);
    for settings in ["", "[CredSSP]\nAllowFreshCredentials = ['wsman/*.example.com']\n"] {
        let ran = by_winrs(&service, settings, PASSWORD, LINE).ended(255);
        assert!(ran.stderr.contains("AllowFreshCredentials"), "{}", ran.stderr);
    }
    assert!(!service.log().contains("CredSSP"), "nothing was sent: {}", service.log());
}

#[test]
fn credssp_alone_lets_people_in() {
    let service =
        Service::configured(flavours()[0], "[Service.Auth]\nCredSSP = true\nNegotiate = false\n");
    seven(by_winrs(&service, ALLOWED, PASSWORD, LINE));
    let ran = service.run(LINE).ended(255);
    assert!(ran.stderr.contains("it offers CredSSP"), "{}", ran.stderr);
}

#[test]
fn stub_is_served_by_credssp() {
    let Some(stub) = Stub::start("stub_is_served_by_credssp", &[]) else { return };
    let settings = tool::client_settings(ALLOWED);
    let winrs = |password: &str| {
        let mut command =
            stub.winrs_to(&format!("-r:http://127.0.0.1:{}", stub.port), &["-auth:credssp", LINE]);
        command.env("XDG_CONFIG_HOME", settings.path()).env("TRANSOM_PASSWORD", password);
        tool::run(&mut command)
    };
    seven(winrs(Stub::PASSWORD));
    let requests = stub.requests().len();
    let ran = winrs("wrong").ended(255);
    assert!(ran.stderr.contains("The service refused the login"), "{}", ran.stderr);
    report(&format!("PEER winrm_stub 1: winrs by CredSSP, one command in {requests} requests"));
}
