//! `-unencrypted` and its counterpart, the service's `AllowUnencrypted`: messages that everybody can read need the
//! consent of both sides.

use std::process::Command;

use tempfile::TempDir;
use testkit::outside::report;

use crate::peers::peer_with;
use crate::service::{Service, flavours};
use crate::stub::{LINE, Stub, seven};
use crate::tool;

const OPEN: &str = "[Service]\nAllowUnencrypted = true\n";

/// The settings of a client that consents.
struct Consent(TempDir);

impl Consent {
    fn new() -> Self {
        Self(tool::client_settings("AllowUnencrypted = true\n"))
    }

    fn given<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command.env("XDG_CONFIG_HOME", self.0.path())
    }
}

#[test]
fn unencrypted_messages_need_the_clients_and_the_services_consent() {
    let (strict, open) = (Service::start(flavours()[0]), Service::configured(flavours()[0], OPEN));
    let consent = Consent::new();
    for auth in ["ntlm", "negotiate"] {
        let words = ["/un", "--auth", auth, "-v", LINE];
        let ran = tool::run(&mut open.winrs(&words)).ended(255);
        assert!(ran.stderr.contains("error 2150858974"), "{ran:#?}");
        assert!(ran.stderr.contains("hint: leave out -unencrypted"), "{ran:#?}");

        let ran = tool::run(consent.given(&mut strict.winrs(&words))).ended(255);
        assert!(ran.stderr.contains("AllowUnencrypted = true in [Service]"), "{ran:#?}");

        let ran = tool::run(consent.given(&mut open.winrs(&words))).ended(7);
        let said = "winrs: logged in by NTLM, messages are readable by others\nerr\n";
        assert!(ran.stdout == "out\n" && ran.stderr.ends_with(said), "{ran:#?}");
        // Consent alone changes nothing.
        let ran = tool::run(consent.given(&mut open.winrs(&words[1..]))).ended(7);
        assert!(ran.stderr.contains("messages are sealed"), "{ran:#?}");
    }
    tool::until("the log says why", || strict.log().contains("sealing is required"));
}

#[test]
fn unencrypted_has_no_effect_on_https() {
    let service = Service::https(flavours()[0], "");
    let ran = tool::run(&mut service.winrs(&["-un", "--skip-ca-check", "-v", LINE])).ended(7);
    assert!(ran.stderr.contains("messages are inside TLS"), "{ran:#?}");
}

#[test]
fn unencrypted_input_output_and_interrupts_pass() {
    let service = Service::configured(flavours()[0], OPEN);
    let consent = Consent::new();
    let lines: String = (0..20_000).map(|line| format!("line {line} of the input\n")).collect();
    let mut command = service.winrs(&["-un", "cat"]);
    let ran = tool::run_with_input(consent.given(&mut command), lines.as_bytes()).ended(0);
    assert!(ran.stdout == lines);
}

#[test]
fn stub_sees_messages_in_the_clear_where_both_sides_want_it() {
    let consent = Consent::new();
    for auth in ["ntlm", "negotiate"] {
        let test = "stub_sees_messages_in_the_clear_where_both_sides_want_it";
        let Some(stub) = Stub::start(test, &[]) else { return };
        let url = format!("-r:http://127.0.0.1:{}", stub.port);
        seven(tool::run(consent.given(&mut stub.winrs_to(&url, &["-un", "--auth", auth, LINE]))));
        let heads = stub.heads();
        assert!(heads.len() > 5, "{heads:#?}");
        for head in heads {
            assert!(!head.to_ascii_lowercase().contains("multipart/encrypted"), "{head}");
        }
        report(&format!("PEER winrm_stub 1: winrs -unencrypted by {auth}"));
    }
}

#[test]
fn pywinrm_without_encryption_is_served_when_it_is_allowed() {
    let checks = ["streams_and_exit_code", "utf_16_with_mark", "utf_16_without_mark"];
    peer_with(OPEN, "pywinrm_unencrypted.py", "ntlm", &checks);
}

#[test]
fn pywinrm_without_encryption_is_refused_when_it_is_not_allowed() {
    peer_with("", "pywinrm_unencrypted.py", "ntlm", &["messages_are_refused"]);
}
