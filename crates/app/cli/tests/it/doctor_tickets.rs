//! `transom doctor` on the way to a ticket: each trouble is named with its remedy.

use std::fs;
use std::process::Command;

use crate::domain::{Domain, PASSWORD, PRINCIPAL as USER};
use crate::service::{Service, flavours};
use crate::tool::{self, Ran};

/// A realm with a user, and a service with its keytab.
struct Place {
    domain: Domain,
    service: Service,
}

impl Place {
    fn new() -> Self {
        let domain = Domain::new();
        let service = domain.service("http", flavours()[0], "");
        Self { domain, service }
    }

    fn keytab(&self) -> String {
        self.domain.keytab().display().to_string()
    }

    fn doctor(&self, words: &[&str]) -> Command {
        let mut command = tool::transom();
        command.args(["doctor", &self.service.url.replace("127.0.0.1", "localhost")]).args(words);
        command.arg("--json").env("TRANSOM_PASSWORD", PASSWORD);
        command.envs(self.domain.realm.environment());
        command
    }

    /// A configuration made of the realm's own.
    fn changed(&self, command: &mut Command, change: impl Fn(&str) -> String) {
        let text = fs::read_to_string(self.domain.realm.configuration()).unwrap();
        let path = self.domain.folder().join("changed.conf");
        fs::write(&path, change(&text)).unwrap();
        command.env("KRB5_CONFIG", path);
    }
}

/// One step as JSON.
#[track_caller]
fn step(ran: &Ran, name: &str) -> String {
    let line = ran.stdout.lines().find(|line| line.contains(&format!("\"step\":\"{name}\"")));
    line.unwrap_or_else(|| panic!("no step {name}: {ran:?}")).to_owned()
}

#[track_caller]
fn says(ran: &Ran, name: &str, status: &str, parts: &[&str]) {
    let step = step(ran, name);
    assert!(step.contains(&format!("\"status\":\"{status}\"")), "{step}");
    for part in parts {
        assert!(step.contains(part), "no {part:?} in {step}");
    }
}

#[test]
fn ticket_that_can_be_had_passes_every_step() {
    let domain = Place::new();
    let words = ["-u", USER, "--auth", "kerberos", "--keytab", &domain.keytab()];
    let ran = tool::run(&mut domain.doctor(&words)).ended(0);
    says(
        &ran,
        "kerberos",
        "passed",
        &["the default realm is TRANSOM.TEST", "localhost is in TRANSOM.TEST, by localhost"],
    );
    says(
        &ran,
        "kdc",
        "passed",
        &["by TCP: answers in", "by UDP: answers in", "differs from ours by 0 s"],
    );
    let parts = [
        "rita@TRANSOM.TEST has tickets, for 9 h",
        "HTTP/localhost@TRANSOM.TEST",
        "aes256-cts-hmac-sha1-96, key version 1",
        "has the key that opens it",
    ];
    says(&ran, "ticket", "passed", &parts);
    says(&ran, "login", "passed", &["Kerberos"]);
    says(&ran, "quotas", "passed", &[]);
    // The tickets of a cache, with nobody named.
    let cache = domain.domain.folder().join("cache").display().to_string();
    domain.domain.realm.kinit("rita", PASSWORD, &cache, &[]);
    let mut command = domain.doctor(&["--auth", "kerberos"]);
    let ran = tool::run(command.env("KRB5CCNAME", &cache)).ended(0);
    says(&ran, "ticket", "passed", &["rita@TRANSOM.TEST has tickets"]);
}

#[test]
fn troubles_on_the_way_to_a_ticket_are_named_with_their_remedies() {
    let domain = Place::new();
    let login = ["-u", USER, "--auth", "kerberos"];
    let kdc = |text: &str| {
        let line = text.lines().find(|line| line.trim().starts_with("kdc =")).unwrap();
        line.to_owned()
    };

    let mut command = domain.doctor(&login);
    domain.changed(&mut command, |text| text.replace(&kdc(text), "  kdc = 127.0.0.1:1"));
    let ran = tool::run(&mut command).ended(1);
    says(&ran, "kdc", "warning", &["no KDC of TRANSOM.TEST answers", "firewall"]);

    let mut command = domain.doctor(&login);
    domain.changed(&mut command, |text| text.replace(&kdc(text), ""));
    let ran = tool::run(&mut command).ended(1);
    says(&ran, "kdc", "warning", &["names no KDC of TRANSOM.TEST", "dns_lookup_kdc"]);

    let mut command = domain.doctor(&login);
    domain.changed(&mut command, |text| {
        text.replace(" localhost = TRANSOM.TEST", " Localhost = TRANSOM.TEST")
            .replace("default_realm = TRANSOM.TEST", "default_realm = transom.test")
    });
    let ran = tool::run(&mut command);
    says(
        &ran,
        "kerberos",
        "warning",
        &["write localhost = TRANSOM.TEST", "the case of the letters counts"],
    );

    let mut command = domain.doctor(&login);
    domain.changed(&mut command, |text| format!("{text}[broken\n"));
    let ran = tool::run(&mut command);
    says(&ran, "kerberos", "warning", &["line", "without its `]`", "takes nothing of it"]);

    // A wrong password ends the walk: the login would be one more wrong try.
    let mut command = domain.doctor(&login);
    let ran = tool::run(command.env("TRANSOM_PASSWORD", "wrong-password")).ended(1);
    says(&ran, "ticket", "failed", &[]);
    says(&ran, "login", "not_reached", &[]);
    assert!(!ran.stdout.contains("wrong-password"), "{ran:?}");

    // Nobody has tickets, and none are bought.
    let ran = tool::run(&mut domain.doctor(&["--auth", "kerberos"])).ended(1);
    says(&ran, "ticket", "warning", &["kinit"]);

    // A name that the KDC does not know.
    for name in ["HTTP/localhost", "host/localhost", "WSMAN/localhost"] {
        domain.domain.realm.administer(&format!("delprinc -force {name}"));
    }
    let ran = tool::run(&mut domain.doctor(&login)).ended(1);
    says(&ran, "ticket", "warning", &["HTTP/localhost", "setspn"]);
    domain.domain.realm.add_service("HTTP/localhost");
    domain.domain.realm.administer("cpw -randkey -keepold HTTP/localhost");
    let keytab = domain.keytab();
    let words = [&login[..], &["--keytab", &keytab]].concat();
    let ran = tool::run(&mut domain.doctor(&words));
    says(&ran, "ticket", "warning", &["no key of this version", "write the keytab anew"]);

    // An address is no name.
    let mut command = tool::transom();
    command
        .args(["doctor", &domain.service.url, "--json"])
        .args(login)
        .envs(domain.domain.realm.environment());
    let ran = tool::run(command.env("TRANSOM_PASSWORD", PASSWORD)).ended(1);
    says(&ran, "kerberos", "warning", &["127.0.0.1 is an address", "full name"]);
}

#[test]
fn clock_of_the_kdc_is_compared_with_ours() {
    let domain = Place::new();
    let words = domain.doctor(&["-u", USER, "--auth", "kerberos"]);
    let mut command = tool::program("faketime");
    command.args(["-f", "+20m"]).arg(words.get_program()).args(words.get_args());
    command.envs(domain.domain.realm.environment()).env("TRANSOM_PASSWORD", PASSWORD);
    // Tickets that are bought by password go by the KDC's clock.
    let ran = tool::run(&mut command);
    says(&ran, "kdc", "warning", &["the clock of 127.0.0.1 is 1200 s behind ours", "time service"]);
}
