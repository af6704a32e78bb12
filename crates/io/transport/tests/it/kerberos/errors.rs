//! What goes wrong before a token is sent: each kind, with a text that names culprit and remedy and no secret.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use auth::Secret;
use testkit::Realm;
use transport::kerberos::{
    Credential, Initiator, InitiatorOptions, KerberosError, KerberosErrorKind as Kind, Source,
};

use super::{ALICE, HOST, PASSWORD, Random, alice, elsewhere, inside, options, part, password};

fn acquire(source: &Source, principal: Option<&str>) -> KerberosError {
    let error = Credential::acquire(source, principal, false).unwrap_err();
    check(error)
}

fn begin(credential: &Credential, options: &InitiatorOptions) -> KerberosError {
    check(Initiator::begin(credential, options, &mut Random).unwrap_err())
}

/// No error has a secret, or a letter that steers a terminal.
fn check(error: KerberosError) -> KerberosError {
    let text = format!("{error} {error:?}");
    assert!(!text.contains(PASSWORD) && !text.contains("wrong-word"), "{text}");
    assert!(!error.to_string().contains(char::is_control), "{error:?}");
    error
}

fn expect(error: &KerberosError, kind: Kind, words: &[&str]) {
    assert_eq!(error.kind(), kind, "{error}");
    for word in words {
        assert!(error.to_string().contains(word), "{word}: {error}");
    }
}

fn wrong() -> Source {
    Source::Password(Secret::new("wrong-word"))
}

/// The realm's `krb5.conf` with other lines, under another name.
fn configuration(realm: &Realm, name: &str, change: impl FnOnce(String) -> String) -> String {
    let path = realm.folder().join(name);
    let text = fs::read_to_string(realm.configuration()).unwrap();
    fs::write(&path, change(text)).unwrap();
    path.display().to_string()
}

#[test]
fn passwords_and_accounts() {
    let Some(realm) = inside("kerberos::errors::passwords_and_accounts") else { return };
    expect(&acquire(&wrong(), Some(ALICE)), Kind::WrongPassword, &[ALICE]);
    expect(&acquire(&password(), Some("nobody")), Kind::UnknownClient, &["nobody@TRANSOM.TEST"]);
    expect(&acquire(&password(), None), Kind::NoRealm, &["user@REALM"]);
    expect(&acquire(&password(), Some("a\0b")), Kind::Other, &["NUL"]);
    for (name, options) in [
        ("old", "-expire yesterday"),
        ("locked", "-allow_tix"),
        ("new", "+needchange"),
        ("stale", "-pwexpire yesterday"),
    ] {
        realm.add_user(name, PASSWORD, options);
        let named = format!("{name}@TRANSOM.TEST");
        expect(&acquire(&password(), Some(name)), Kind::AccountUnusable, &[&named, "locked"]);
    }
    let shown = format!("{:?} {:?}", alice(false), password());
    assert!(!shown.contains(PASSWORD), "{shown}");
}

#[test]
fn caches() {
    let Some(realm) = inside("kerberos::errors::caches") else { return };
    let cache = realm.folder().join("cache").display().to_string();
    if part().is_some() {
        // An hour later; and a program that has the tickets still gets no further with them.
        let expired = acquire(&Source::Cache(cache), None);
        expect(&expired, Kind::Expired, &[ALICE, "kinit"]);
        return;
    }
    expect(&acquire(&Source::Default, None), Kind::NoTicket, &["nobodys-tickets", "kinit"]);
    expect(&acquire(&Source::Default, Some(ALICE)), Kind::NoTicket, &[ALICE, "kinit"]);
    expect(&acquire(&Source::Cache(cache.clone()), None), Kind::NoTicket, &[&cache, "kinit"]);
    expect(&acquire(&Source::Cache("NONSENSE:x".into()), None), Kind::Other, &["NONSENSE"]);
    fs::write(&cache, "no cache").unwrap();
    acquire(&Source::Cache(cache.clone()), None);
    fs::remove_file(&cache).unwrap();
    realm.kinit("alice", PASSWORD, &cache, &["-l", "30m"]);
    expect(&acquire(&Source::Cache(cache.clone()), Some("bob")), Kind::NoTicket, &[ALICE, "bob"]);
    let held = Credential::acquire(&Source::Cache(cache.clone()), None, false).unwrap();
    elsewhere(&realm, "kerberos::errors::caches", "later", &["faketime", "-f", "+1h"], &[]);
    fs::remove_file(&cache).unwrap();
    expect(&begin(&held, &options(HOST)), Kind::NoTicket, &[&cache]);
}

#[test]
fn keytabs_of_clients() {
    let Some(realm) = inside("kerberos::errors::keytabs_of_clients") else { return };
    let path = realm.folder().join("alice.keytab");
    let source = Source::Keytab(path.clone());
    for principal in [None, Some(ALICE)] {
        expect(&acquire(&source, principal), Kind::Keytab, &["alice.keytab"]);
    }
    realm.write_keytab(&path, &["alice"]);
    Credential::acquire(&source, None, false).unwrap();
    expect(&acquire(&source, Some("bob")), Kind::Keytab, &["bob@TRANSOM.TEST", "alice.keytab"]);
    realm.administer("cpw -pw another-word alice");
    expect(&acquire(&source, None), Kind::WrongPassword, &[ALICE, "older than the password"]);
}

#[test]
fn services() {
    let Some(realm) = inside("kerberos::errors::services") else { return };
    let credential = alice(false);
    let unknown = begin(&credential, &options("none.transom.test"));
    let names = ["HTTP/none.transom.test", "host/none.transom.test", "WSMAN/none.transom.test"];
    expect(&unknown, Kind::UnknownService, &names);
    expect(&begin(&credential, &options("10.0.0.1")), Kind::UnknownService, &["an address"]);
    expect(&begin(&credential, &options("fe80::1")), Kind::UnknownService, &["an address"]);
    expect(&begin(&credential, &options("none")), Kind::UnknownService, &["full name"]);
    let mut placed = options(HOST);
    placed.target.realm = Some("ELSEWHERE.TEST".to_owned());
    begin(&credential, &placed);
    let mut classed = options(HOST);
    classed.target.class = Some("CIFS".to_owned());
    let error = begin(&credential, &classed);
    expect(&error, Kind::UnknownService, &["CIFS/srv.transom.test"]);
    assert!(!error.to_string().contains("HTTP/"), "{error}");
    let mut delegating = options(HOST);
    delegating.delegate = true;
    expect(&begin(&credential, &delegating), Kind::NotForwardable, &["kinit -f"]);
    // Forwardable, but the KDC lets nobody have this account's tickets.
    realm.add_user("private", PASSWORD, "+requires_preauth -allow_forwardable");
    let private = Credential::acquire(&password(), Some("private"), true).unwrap();
    expect(&begin(&private, &delegating), Kind::NotForwardable, &[HOST]);
}

#[test]
fn programs_in_the_place_of_kinit() {
    let Some(realm) = inside("kerberos::errors::programs_in_the_place_of_kinit") else { return };
    let kinit = |command: &[&str], password: &str| Source::Kinit {
        command: command.iter().map(|word| (*word).to_owned()).collect(),
        password: Secret::new(password),
    };
    expect(&acquire(&kinit(&["kinit"], "wrong-word"), Some(ALICE)), Kind::Kinit, &[ALICE]);
    expect(&acquire(&kinit(&["/no/kinit"], PASSWORD), Some(ALICE)), Kind::Kinit, &["/no/kinit"]);
    expect(&acquire(&kinit(&[], PASSWORD), Some(ALICE)), Kind::Kinit, &["name is empty"]);
    let script = realm.folder().join("script");
    let run = |text: &str| {
        fs::write(&script, format!("#!/bin/sh\n{text}\n")).unwrap();
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
        acquire(&kinit(&[&script.display().to_string()], PASSWORD), Some(ALICE))
    };
    expect(&run("exit 0"), Kind::Kinit, &["left no tickets"]);
    // It repeats the password, among letters that would steer a terminal, and more than anybody reads.
    let loud = run(
        "read word; printf '\\033]0;%s\\007' \"$word\" >&2; yes >&2 & sleep 0.1; kill $!; exit 3",
    );
    expect(&loud, Kind::Kinit, &["exit status: 3", "***"]);
    // Somebody else's tickets.
    realm.add_user("bob", PASSWORD, "");
    expect(&run("exec kinit -c \"$2\" bob"), Kind::Kinit, &["bob@TRANSOM.TEST"]);
}

#[test]
fn configurations() {
    const TEST: &str = "kerberos::errors::configurations";
    let Some(realm) = inside(TEST) else { return };
    match part().as_deref() {
        Some("no kdc") => {
            let error = acquire(&password(), Some(ALICE));
            return expect(&error, Kind::KdcUnreachable, &[ALICE, "TRANSOM.TEST", "krb5.conf"]);
        }
        Some("no realm") => {
            let error = acquire(&password(), Some("alice"));
            return expect(&error, Kind::NoRealm, &["default_realm", "user@REALM"]);
        }
        Some("no type") => {
            let error = acquire(&password(), Some(ALICE));
            return expect(&error, Kind::EncryptionType, &["permitted_enctypes"]);
        }
        Some("broken") => {
            return expect(&acquire(&password(), Some(ALICE)), Kind::Other, &["krb5.conf"]);
        }
        Some("skew") => {
            return expect(&acquire(&password(), Some(ALICE)), Kind::Skew, &["clocks", "NTP"]);
        }
        Some("no library") => {
            let names = [
                "libgssapi_krb5",
                "libgssapi-krb5-2",
                "Debian",
                "Ubuntu",
                "krb5-libs",
                "RHEL",
                "Fedora",
                "Alpine",
                "SUSE",
                "Arch",
                "FreeBSD",
                "brew install krb5",
            ];
            let error = transport::kerberos::load().unwrap_err();
            expect(&error, Kind::NoLibrary, &names);
            return expect(&acquire(&Source::Default, None), Kind::NoLibrary, &names);
        }
        _ => {}
    }
    expect(
        &acquire(&password(), Some("alice@ELSEWHERE.TEST")),
        Kind::KdcUnreachable,
        &["ELSEWHERE"],
    );
    let run = |part: &str, wrapper: &[&str], configuration: &str| {
        elsewhere(&realm, TEST, part, wrapper, &[("KRB5_CONFIG", configuration)]);
    };
    let dead = configuration(&realm, "dead.conf", |text| {
        let port =
            text.split("kdc = 127.0.0.1:").nth(1).unwrap().lines().next().unwrap().to_owned();
        text.replace(&port, "1")
    });
    run("no kdc", &[], &dead);
    let nameless = configuration(&realm, "nameless.conf", |text| {
        text.replace("default_realm = TRANSOM.TEST", "")
    });
    run("no realm", &[], &nameless);
    let other = configuration(&realm, "other.conf", |text| {
        text.replacen(
            "[libdefaults]",
            "[libdefaults]\n permitted_enctypes = camellia256-cts-cmac",
            1,
        )
    });
    run("no type", &[], &other);
    run("broken", &[], &configuration(&realm, "broken.conf", |_| "[libdefaults\n x".to_owned()));
    let exact = configuration(&realm, "exact.conf", |text| {
        text.replacen("[libdefaults]", "[libdefaults]\n kdc_timesync = 0", 1)
    });
    run("skew", &["faketime", "-f", "+10m"], &exact);
    // A file of the library's name that is none.
    let libraries = realm.folder().join("libraries");
    fs::create_dir(&libraries).unwrap();
    fs::write(libraries.join("libkrb5.so.3"), "no library").unwrap();
    let libraries = libraries.display().to_string();
    elsewhere(&realm, TEST, "no library", &[], &[("LD_LIBRARY_PATH", &libraries)]);
}
