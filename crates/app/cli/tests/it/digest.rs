//! Logins by Digest, which no WinRM service offers: to Apache in front of one.

use crate::front::{self, Front, apache_in_front};
use crate::service::{PASSWORD, Service, USER, flavours};
use crate::stub::{LINE, seven};
use crate::tool::{self, Ran};

const SETTINGS: &str = "[Service]\nAllowUnencrypted = true\n[Service.Auth]\nBasic = true\n";

/// A service behind Apache, which logs in to it as [`USER`].
fn behind(more: &str) -> (Service, Front) {
    let service = Service::configured(flavours()[0], SETTINGS);
    let account = format!("{USER}:{PASSWORD}");
    let mut base64 = tool::program("base64");
    let account = tool::run_with_input(base64.arg("-w0"), account.as_bytes()).ended(0).stdout;
    let front = apache_in_front(service.port, &account, more);
    (service, front)
}

fn winrs(front: &Front, password: &str, words: &[&str]) -> Ran {
    let mut command = tool::winrs();
    command.arg(format!("-r:https://localhost:{}", front.port)).arg("-auth:digest");
    command.arg(format!("-u:{}", front::USER)).args(["--ca", &front.certificate()]).args(words);
    tool::run(command.env("TRANSOM_PASSWORD", password))
}

#[test]
fn digest_proves_each_request_to_apache() {
    let (_service, front) = behind("");
    seven(winrs(&front, front::PASSWORD, &[LINE]));
    let ran = winrs(&front, front::PASSWORD, &["-v", LINE]).ended(7);
    assert!(ran.stderr.contains("logged in by Digest, messages are inside TLS"), "{ran:#?}");
    // The first request of each connection asks for the challenge, and no other one is refused.
    let log = front.log();
    let (refused, taken) = (log.matches(" 401\n").count(), log.matches(" 200\n").count());
    assert!(refused <= 4 && taken > 8, "{refused} {taken}\n{log}");
}

#[test]
fn wrong_password_is_refused_by_apache_and_said() {
    let (_service, front) = behind("");
    let ran = winrs(&front, "wrong", &[LINE]).ended(255);
    assert!(ran.stderr.contains("refused the login"), "{ran:#?}");
}

#[test]
fn nonces_that_grow_old_or_serve_once_cost_no_command() {
    for (more, most_refused) in
        [("AuthDigestNonceLifetime 1\n", 20), ("AuthDigestNonceLifetime 0\n", 20)]
    {
        let (_service, front) = behind(more);
        let line = "for i in 1 2 3 4; do echo $i; sleep 1; done; exit 7";
        let ran = winrs(&front, front::PASSWORD, &[line]).ended(7);
        assert_eq!(ran.stdout, "1\n2\n3\n4\n");
        let refused = front.log().matches(" 401\n").count();
        assert!(refused <= most_refused, "{more}: {}", front.log());
    }
}

#[test]
fn digest_over_http_needs_the_users_consent_and_is_no_login_of_a_service() {
    let service = Service::configured(flavours()[0], SETTINGS);
    let words = ["-auth:digest", LINE];
    let ran = tool::run(&mut service.winrs(&words)).ended(255);
    assert!(ran.stderr.contains("Digest over plain HTTP shows all messages"), "{ran:#?}");
    let folder = tool::client_settings("AllowUnencrypted = true\n");
    let mut command = service.winrs(&words);
    let ran = tool::run(command.env("XDG_CONFIG_HOME", folder.path())).ended(255);
    let said = "does not offer Digest; it offers Negotiate, Basic";
    assert!(ran.stderr.contains(said), "{ran:#?}");
    let ran =
        tool::run(&mut service.winrs(&["-auth:digest", "--message-encryption", "always", LINE]));
    assert!(ran.stderr.contains("cannot be sealed by a login with Digest"), "{ran:#?}");
}

#[test]
fn test_wsman_logs_in_by_digest() {
    let (_service, front) = behind("");
    let settings = format!("[TLS]\nCAPath = {:?}\n", front.certificate());
    let folder = tool::client_settings(&settings);
    let line = format!(
        "Test-WSMan localhost -Port {} -UseSSL -Authentication Digest -Credential '{}'",
        front.port,
        front::USER
    );
    let mut command = tool::pssession();
    command.args(["-c", &line]).env("TRANSOM_PASSWORD", front::PASSWORD);
    let ran = tool::run(command.env("XDG_CONFIG_HOME", folder.path())).ended(0);
    assert!(ran.stdout.contains("ProductVendor"), "{ran:#?}");
}
