//! Our programs with Kerberos tickets of every origin, against a server that is not ours (pyspnego over MIT's library),
//! in a realm of the test's own.

use std::path::PathBuf;
use std::process::Command;

use testkit::Realm;

use crate::domain::{self, Domain};
use crate::powershell::Reachable;
use crate::service::flavours;
use crate::stub::Stub;
use crate::tool::{self, Ran};

const ALICE: &str = "alice@TRANSOM.TEST";
const USER: &str = "-u:alice@TRANSOM.TEST";
const PASSWORD: &str = "Pass-word1";
const LINE: &str = "echo out; echo err >&2; exit 7";
/// What `-verbose` says of a login by alice's ticket.
const TOLD: &str = "winrs: ticket of alice@TRANSOM.TEST for HTTP/localhost@TRANSOM.TEST\n\
                    winrs: logged in by Kerberos, messages are sealed\nerr\n";

/// The rest of a test inside its realm; `None` where that is done.
fn inside(test: &str) -> Option<Realm> {
    Realm::inside(&format!("tickets::{test}"), "", |realm| {
        realm.add_user("alice", PASSWORD, "");
        realm.add_user("bob", PASSWORD, "-allow_forwardable +requires_preauth");
        realm.add_service("HTTP/localhost");
        realm.write_keytab(&realm.folder().join("nobodys-keytab"), &["HTTP/localhost"]);
    })
}

/// The user's own tickets: where `KRB5CCNAME` says.
fn own(realm: &Realm) -> PathBuf {
    realm.folder().join("nobodys-tickets")
}

fn winrs(stub: &Stub, words: &[&str]) -> Command {
    let mut command = tool::winrs();
    command.arg(format!("-r:http://localhost:{}", stub.port)).args(words);
    command
}

#[track_caller]
fn told(ran: Ran) {
    let ran = ran.ended(7);
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("out\n", TOLD));
}

#[test]
fn winrs_takes_the_ticket_that_is_there_and_asks_nobody() {
    let test = "winrs_takes_the_ticket_that_is_there_and_asks_nobody";
    let Some(realm) = inside(test) else { return };
    let Some(stub) = Stub::start(test, &[]) else { return };
    // Without a ticket there is nothing to log in with, and no terminal to ask on.
    let none = tool::run(&mut winrs(&stub, &["-auth:kerberos", LINE])).ended(255);
    assert!(none.stderr.contains("kinit USER@REALM"), "{none:#?}");
    let none = tool::run(&mut winrs(&stub, &["-spn-host:localhost", LINE])).ended(255);
    assert!(none.stderr.contains("No user name"), "{none:#?}");
    assert_eq!(stub.requests(), [] as [String; 0]);

    realm.kinit("alice", PASSWORD, own(&realm).to_str().unwrap(), &[]);
    told(tool::run(&mut winrs(&stub, &["-auth:kerberos", "-v", LINE])));
    for scheme in [None, Some("-auth:negotiate")] {
        let words = [scheme.as_slice(), &["-spn-host:localhost", "-v", LINE]].concat();
        told(tool::run(&mut winrs(&stub, &words)));
    }
    // A ticket that is there needs no password; whose it is may be said.
    let words = [&format!("-u:{ALICE}"), "-tickets:existing", "-auth:kerberos", "-v", LINE];
    told(tool::run(&mut winrs(&stub, &words)));
    let cache = format!("-cache:FILE:{}", own(&realm).display());
    told(tool::run(
        winrs(&stub, &[&cache, "-auth:kerberos", "-v", LINE]).env("KRB5CCNAME", "/none"),
    ));
}

#[test]
fn winrs_buys_tickets_by_password_keytab_and_kinit() {
    let test = "winrs_buys_tickets_by_password_keytab_and_kinit";
    let Some(realm) = inside(test) else { return };
    let Some(stub) = Stub::start(test, &[]) else { return };
    let keytab = realm.folder().join("alices-keytab");
    realm.write_keytab(&keytab, &["alice"]);
    let keytab = format!("-keytab:{}", keytab.display());
    for (user, source) in [
        (ALICE, ["-spn-host:localhost"].as_slice()),
        ("alice", &["-auth:kerberos"]),
        ("alice", &["-realm:TRANSOM.TEST", "-spn-host:localhost"]),
        (r"TRANSOM\alice", &["-spn-host:localhost"]),
        (ALICE, &[&keytab, "-auth:kerberos"]),
        (ALICE, &["-kinit:kinit", "-kinit-arg:-r", "-kinit-arg:1d", "-auth:kerberos"]),
    ] {
        let user = format!("-u:{user}");
        let words = [&[user.as_str()], source, &["-v", LINE]].concat();
        let mut command = winrs(&stub, &words);
        if !source.contains(&keytab.as_str()) {
            command.env("TRANSOM_PASSWORD", PASSWORD);
        }
        told(tool::run(&mut command));
        assert!(!own(&realm).exists(), "{words:?}");
    }
}

#[test]
fn json_names_ticket_and_service() {
    let test = "json_names_ticket_and_service";
    let Some(_realm) = inside(test) else { return };
    let Some(stub) = Stub::start(test, &[]) else { return };
    let words = [USER, "-auth:kerberos", "--json", "true"];
    let ran = tool::run(winrs(&stub, &words).env("TRANSOM_PASSWORD", PASSWORD)).ended(0);
    let done: serde_json::Value = serde_json::from_str(ran.stdout.lines().last().unwrap()).unwrap();
    assert_eq!(done["mechanism"], "Kerberos");
    assert_eq!(done["principal"], ALICE);
    assert_eq!(done["service"], "HTTP/localhost@TRANSOM.TEST");
    assert_eq!((&done["sealed"], &done["not_kerberos"]), (&true.into(), &serde_json::Value::Null));
    let words = [USER, "-auth:kerberos", "--json", "true"];
    let ran = tool::run(winrs(&stub, &words).env("TRANSOM_PASSWORD", "wrong")).ended(255);
    let failed: serde_json::Value = serde_json::from_str(ran.stdout.trim()).unwrap();
    assert_eq!(failed["error"]["kind"], "kerberos");
    assert!(!ran.stdout.contains("wrong-"), "{ran:#?}");
}

#[test]
fn delegation_needs_a_ticket_that_can_be_forwarded() {
    let test = "delegation_needs_a_ticket_that_can_be_forwarded";
    let Some(_realm) = inside(test) else { return };
    let Some(stub) = Stub::start(test, &[]) else { return };
    let words = [USER, "-auth:kerberos", "-ad", "-v", "true"];
    let ran = tool::run(winrs(&stub, &words).env("TRANSOM_PASSWORD", PASSWORD)).ended(0);
    assert!(ran.stderr.contains("@TRANSOM.TEST, which may act in that name\n"), "{ran:#?}");
    let words = ["-u:bob@TRANSOM.TEST", "-spn-host:localhost", "-ad", "true"];
    let ran = tool::run(winrs(&stub, &words).env("TRANSOM_PASSWORD", PASSWORD)).ended(255);
    assert!(ran.stderr.contains("leave out -allowdelegate"), "{ran:#?}");
    // Nothing but a ticket or CredSSP delegates.
    for scheme in ["ntlm", "digest", "basic"] {
        let auth = format!("-auth:{scheme}");
        let words = ["-u:alice", "-usessl", &auth, "-ad", "true"];
        let ran = tool::run(tool::winrs().args(words).env("TRANSOM_PASSWORD", "x")).ended(255);
        assert!(ran.stderr.contains("cannot do that"), "{ran:#?}");
    }
}

#[test]
fn settings_say_where_tickets_come_from() {
    let test = "settings_say_where_tickets_come_from";
    let Some(realm) = inside(test) else { return };
    let Some(stub) = Stub::start(test, &[]) else { return };
    let cache = realm.folder().join("in-the-settings");
    realm.kinit("alice", PASSWORD, cache.to_str().unwrap(), &[]);
    let settings = tool::client_settings(&format!("[Kerberos]\nCache = {cache:?}\n"));
    let mut command = winrs(&stub, &["-auth:kerberos", "-v", LINE]);
    told(tool::run(command.env("XDG_CONFIG_HOME", settings.path())));
}

#[test]
fn test_wsman_logs_in_by_tickets() {
    let test = "test_wsman_logs_in_by_tickets";
    let Some(realm) = inside(test) else { return };
    let Some(stub) = Stub::start(test, &[]) else { return };
    let line = |words: &str| format!("Test-WSMan localhost -Port {} {words} -Verbose", stub.port);
    let run = |words: &str| {
        let mut command = tool::pssession();
        tool::run(command.args(["-c", &line(words)]).env("TRANSOM_PASSWORD", PASSWORD))
    };
    let said = "VERBOSE: ticket of alice@TRANSOM.TEST for HTTP/localhost@TRANSOM.TEST\n\
                VERBOSE: logged in by Kerberos, messages are sealed\n";
    let by_password = run(&format!("-Authentication Kerberos -Credential {ALICE}")).ended(0);
    assert_eq!(by_password.stderr, said);
    let none = run("-Authentication Kerberos").ended(1);
    assert!(none.stderr.contains("kinit"), "{none:#?}");
    realm.kinit("alice", PASSWORD, own(&realm).to_str().unwrap(), &[]);
    assert_eq!(run("-Authentication Kerberos").ended(0).stderr, said);
}

#[test]
fn sessions_are_opened_and_taken_up_again_by_tickets() {
    let domain = Domain::new();
    let engine = Reachable::find();
    let service = domain.service("http", flavours()[0], &engine.settings());
    let cache = domain.folder().join("nobodys-tickets");
    domain.realm.kinit("rita", domain::PASSWORD, cache.to_str().unwrap(), &[]);
    let state = tempfile::tempdir().unwrap();
    let run = |line: &str| {
        let mut command = tool::transom();
        command.envs(domain.realm.environment()).env("XDG_STATE_HOME", state.path());
        tool::run(command.args(line.split_whitespace()))
    };
    let there = format!("-ComputerName localhost -Port {}", service.port);
    let opened = run(&format!("New-PSSession {there} -Authentication Kerberos -Name web"));
    assert!(opened.ended(0).stdout.contains("web"));
    // Another program takes it up by the same ticket, and is asked for no password.
    let ran = run("Connect-PSSession -Name web").ended(0);
    assert!(ran.stdout.contains("web"), "{ran:#?}");
    run("Remove-PSSession -Name web").ended(0);
    let logins = service.log().matches("mechanism=\"Kerberos\"").count();
    assert!(logins >= 3 && !service.log().contains("mechanism=\"NTLM\""), "{}", service.log());
    let implicit = "-Authentication NegotiateWithImplicitCredential";
    run(&format!("Get-PSSession {there} {implicit}")).ended(0);
}
