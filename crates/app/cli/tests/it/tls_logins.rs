//! What logins add inside TLS: a seal on every message where the user wants one, and the tie to the connection, which
//! nobody in the middle can pass on.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};

use tempfile::TempDir;
use testkit::outside::{peers_python, report};

use crate::service::{PASSWORD, Service, USER, flavours};
use crate::stub::{LINE, Stub, seven};
use crate::tool;

/// Somebody who ends TLS between a client and a service, and is believed by the client.
struct Middle {
    port: u16,
    child: Child,
    folder: TempDir,
}

impl Middle {
    fn before(service: &Service) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let line = "req -x509 -newkey rsa:2048 -nodes -subj /CN=localhost -addext subjectAltName=DNS:localhost -keyout key.pem -out cert.pem";
        let mut openssl = tool::program("openssl");
        tool::run(openssl.args(line.split(' ')).current_dir(folder.path())).ended(0);
        let mut command = tool::program(peers_python());
        command.arg(tool::repository().join("crates/app/cli/tests/peers/tls_relay.py"));
        command.args(["cert.pem", "key.pem", &service.port.to_string()]);
        command.current_dir(folder.path());
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut port = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut port).unwrap();
        Self { port: port.trim().parse().unwrap(), child, folder }
    }

    fn winrs(&self, words: &[&str]) -> i32 {
        let mut command = tool::winrs();
        command.arg(format!("-r:https://localhost:{}", self.port)).arg(format!("-u:{USER}"));
        command.arg("--ca").arg(self.folder.path().join("cert.pem")).args(words);
        let ran = tool::run(command.env("TRANSOM_PASSWORD", PASSWORD));
        if ran.code() == 255 {
            assert!(ran.stderr.contains("refused the login"), "{ran:#?}");
        }
        ran.code()
    }
}

impl Drop for Middle {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        tool::wait(&mut self.child);
    }
}

fn hardened(level: &str) -> Service {
    Service::https(flavours()[0], &format!("[Service.Auth]\nCbtHardeningLevel = \"{level}\"\n"))
}

#[test]
fn somebody_who_ends_tls_in_the_middle_is_found_out_by_both_logins() {
    // By the level: with bindings, and without. Failed logins slow a service down: each login has its own.
    for (level, with, without) in [("Strict", 255, 255), ("Relaxed", 255, 7), ("None", 7, 7)] {
        for auth in ["ntlm", "negotiate"] {
            let service = hardened(level);
            let middle = Middle::before(&service);
            let code = middle.winrs(&["--auth", auth, LINE]);
            assert_eq!(code, with, "{level} {auth}");
            let code = middle.winrs(&["--auth", auth, "--channel-binding", "never", LINE]);
            assert_eq!(code, without, "{level} {auth} without bindings");
            if level != "None" {
                let binding = || service.log().contains("the channel binding is");
                tool::until("the log says why", binding);
            }
        }
    }
}

#[test]
fn pypsrp_is_not_passed_on_by_somebody_in_the_middle() {
    for level in ["Strict", "Relaxed"] {
        let service = hardened(level);
        let middle = Middle::before(&service);
        let mut command = tool::program(peers_python());
        command.arg(tool::repository().join("crates/app/cli/tests/peers/pypsrp_https.py"));
        command.arg(format!("https://localhost:{}/wsman", middle.port));
        command.args([USER, "negotiate", "login_is_refused"]);
        command.env("TRANSOM_TEST_CA", middle.folder.path().join("cert.pem"));
        let ran = tool::run(command.env("TRANSOM_TEST_PASSWORD", PASSWORD)).ended(0);
        for line in ran.stdout.lines().filter(|line| line.starts_with("PEER ")) {
            report(line);
        }
    }
}

#[test]
fn strict_service_refuses_a_login_without_bindings() {
    let service = hardened("Strict");
    let certificate = service.certificate();
    let ca = ["--ca", certificate.to_str().unwrap()];
    let words = [ca[0], ca[1], "--channel-binding", "never", LINE];
    let ran = tool::run(&mut service.winrs(&words)).ended(255);
    assert!(ran.stderr.contains("refused the login"), "{ran:#?}");
    let folder = tool::client_settings("[TLS]\nChannelBinding = \"never\"\n");
    let by_settings = |words: &[&str]| {
        let mut command = service.winrs(words);
        tool::run(command.env("XDG_CONFIG_HOME", folder.path()))
    };
    by_settings(&[ca[0], ca[1], LINE]).ended(255);
    by_settings(&[ca[0], ca[1], "--channel-binding", "auto", LINE]).ended(7);
}

#[test]
fn message_encryption_seals_always_never_or_where_tls_does_not() {
    let service = Service::https(flavours()[0], "");
    let certificate = service.certificate();
    let ca = ["--ca", certificate.to_str().unwrap()];
    let local = "winrs: not by Kerberos: tickets are for names, and 127.0.0.1 is an address\n";
    for (auth, why) in [("ntlm", ""), ("negotiate", local)] {
        for (when, said) in [
            ("always", "messages are sealed inside TLS"),
            ("never", "messages are inside TLS"),
            ("auto", "messages are inside TLS"),
        ] {
            let words = ["--auth", auth, "--message-encryption", when, "-v"];
            let words = [ca.as_slice(), &words, &[LINE]].concat();
            let ran = tool::run(&mut service.winrs(&words)).ended(7);
            assert_eq!(ran.stderr, format!("{why}winrs: logged in by NTLM, {said}\nerr\n"));
        }
    }
    let words = [ca.as_slice(), &["--message-encryption", "always", "--json", LINE]].concat();
    let ran = tool::run(&mut service.winrs(&words)).ended(7);
    assert!(ran.stdout.contains("\"sealed\":true,\"tls\":true"), "{ran:#?}");
    let words = [ca.as_slice(), &["--auth=basic", "--message-encryption=always", LINE]].concat();
    let ran = tool::run(&mut service.winrs(&words)).ended(255);
    assert!(ran.stderr.contains("cannot be sealed by a login with Basic"), "{ran:#?}");

    let http = Service::start(flavours()[0]);
    for when in ["always", "auto"] {
        let words = ["--message-encryption", when, "-v", LINE];
        let ran = tool::run(&mut http.winrs(&words)).ended(7);
        assert!(ran.stderr.contains("messages are sealed\n"), "{ran:#?}");
    }
    let ran = tool::run(&mut http.winrs(&["--message-encryption", "never", LINE])).ended(255);
    assert!(ran.stderr.contains("2150858974"), "{ran:#?}");
    let folder = tool::client_settings("MessageEncryption = \"always\"\n");
    let mut command = service.winrs(&[ca[0], ca[1], "-v", LINE]);
    let ran = tool::run(command.env("XDG_CONFIG_HOME", folder.path())).ended(7);
    assert!(ran.stderr.contains("messages are sealed inside TLS"), "{ran:#?}");
}

#[test]
fn stub_takes_sealed_messages_inside_tls() {
    let folder = tempfile::tempdir().unwrap();
    let line = "req -x509 -newkey rsa:2048 -nodes -subj /CN=stub -addext subjectAltName=IP:127.0.0.1 -keyout key.pem -out cert.pem";
    let mut openssl = tool::program("openssl");
    tool::run(openssl.args(line.split(' ')).current_dir(folder.path())).ended(0);
    let text = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (certificate, key) = (text("cert.pem"), text("key.pem"));
    for auth in ["ntlm", "negotiate"] {
        let test = "stub_takes_sealed_messages_inside_tls";
        let Some(stub) = Stub::start(test, &["--tls", &certificate, &key]) else { return };
        let url = format!("-r:https://127.0.0.1:{}", stub.port);
        let words = ["--ca", &certificate, "--auth", auth, "--message-encryption", "always", LINE];
        seven(tool::run(&mut stub.winrs_to(&url, &words)));
        let sealed = stub.heads();
        let sealed = sealed.iter().filter(|head| head.contains("multipart/encrypted")).count();
        assert!(sealed >= 5, "{:#?}", stub.heads());
        report(&format!("PEER winrm_stub 1: sealed messages inside TLS, by {auth}"));
    }
}
