//! Our client's half and our service's: tickets from everywhere, delegation, bindings, and what is left behind.

use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use auth::{Initiator as _, Secret, Ticket};
use testkit::Realm;
use transport::kerberos::{Credential, KerberosErrorKind, Source};

use super::{
    ALICE, HOST, PASSWORD, alice, begin, binding, inside, keytab, log_in, options, sealer, talk,
};

/// What `klist` says of a ticket that was passed on.
fn klist(realm: &Realm, ticket: &Ticket) -> String {
    let path = realm.folder().join("passed-on");
    fs::write(&path, ticket.expose()).unwrap();
    let output = realm.command("klist").args(["-f", "-e", "-c"]).arg(&path).output().unwrap();
    fs::remove_file(path).unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_password_logs_in_and_seals() {
    let Some(realm) = inside("kerberos::logins::a_password_logs_in_and_seals") else { return };
    let (credential, keytab) = (alice(false), keytab(&realm));
    assert_eq!(credential.principal(), ALICE);
    let left = credential.expires().unwrap().duration_since(SystemTime::now()).unwrap();
    assert!(left > Duration::from_secs(9 * 3600), "{left:?}");
    let (mut initiator, accepted) = log_in(&credential, &options(HOST), &keytab);
    assert_eq!(initiator.service(), "HTTP/srv.transom.test@TRANSOM.TEST");
    assert_eq!(accepted.principal, ALICE);
    assert!(accepted.confidential && !accepted.channel_bound && accepted.delegated.is_none());
    talk(initiator.sealer().unwrap().as_mut(), &mut sealer(accepted.context));
    assert!(initiator.sealer().is_none());
    // Nothing was written for others to find.
    assert!(!realm.folder().join("nobodys-tickets").exists());
}

#[test]
fn a_login_without_sealing_has_no_sealer() {
    let test = "kerberos::logins::a_login_without_sealing_has_no_sealer";
    let Some(realm) = inside(test) else { return };
    let mut plain = options(HOST);
    plain.confidential = false;
    let (mut initiator, _) = log_in(&alice(false), &plain, &keytab(&realm));
    assert!(initiator.sealer().is_none());
}

#[test]
fn caches_and_keytabs_log_in() {
    let Some(realm) = inside("kerberos::logins::caches_and_keytabs_log_in") else { return };
    let default = realm.folder().join("nobodys-tickets");
    let cache = format!("FILE:{}", realm.folder().join("cache").display());
    let client = realm.folder().join("alice.keytab");
    realm.kinit("alice", PASSWORD, &default.display().to_string(), &[]);
    realm.kinit("alice", PASSWORD, &cache, &[]);
    realm.write_keytab(&client, &["alice"]);
    let keytab = keytab(&realm);
    for (source, principal) in [
        (Source::Default, None),
        (Source::Default, Some(ALICE)),
        (Source::Cache(cache.clone()), None),
        (Source::Cache(cache), Some("alice")),
        (Source::Keytab(client.clone()), None),
        (Source::Keytab(client), Some("alice")),
    ] {
        let credential = Credential::acquire(&source, principal, false).unwrap();
        assert_eq!(credential.principal(), ALICE);
        assert_eq!(log_in(&credential, &options(HOST), &keytab).1.principal, ALICE);
    }
}

#[test]
fn the_default_cache_is_chosen_by_the_principal() {
    let test = "kerberos::logins::the_default_cache_is_chosen_by_the_principal";
    let Some(realm) = inside(test) else { return };
    // A collection of caches is what KRB5CCNAME names where it is a folder.
    realm.add_user("bob", "builder-1", "");
    let folder = realm.folder().join("collection");
    fs::create_dir(&folder).unwrap();
    let one = |name: &str| format!("DIR::{}", folder.join(name).display());
    realm.kinit("alice", PASSWORD, &one("tkt1"), &[]);
    realm.kinit("bob", "builder-1", &one("tkt2"), &[]);
    for (name, principal) in [("tkt1", ALICE), ("tkt2", "bob@TRANSOM.TEST")] {
        let credential = Credential::acquire(&Source::Cache(one(name)), None, false).unwrap();
        assert_eq!(credential.principal(), principal);
    }
    let other = Credential::acquire(&Source::Cache(one("tkt1")), Some("bob"), false).unwrap_err();
    assert_eq!(other.kind(), KerberosErrorKind::NoTicket);
    assert!(other.to_string().contains("has the tickets of alice@TRANSOM.TEST"), "{other}");
}

/// What `kinit` was called with, and that nothing of it stays.
#[test]
fn a_program_of_the_users_buys_tickets() {
    let test = "kerberos::logins::a_program_of_the_users_buys_tickets";
    let Some(realm) = inside(test) else { return };
    let (program, seen) = (realm.folder().join("my kinit"), realm.folder().join("seen"));
    let script = format!("#!/bin/sh\necho \"$@\" > '{}'\nexec kinit \"$@\"\n", seen.display());
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let command = vec![program.display().to_string(), "-l".to_owned(), "1h".to_owned()];
    for (forwardable, flag) in [(false, ""), (true, "-f ")] {
        let source = Source::Kinit { command: command.clone(), password: Secret::new(PASSWORD) };
        let credential = Credential::acquire(&source, Some(ALICE), forwardable).unwrap();
        let arguments = fs::read_to_string(&seen).unwrap();
        assert!(arguments.starts_with(&format!("-l 1h {flag}-c FILE:/")), "{arguments}");
        assert!(arguments.ends_with(" alice@TRANSOM.TEST\n"), "{arguments}");
        let file =
            arguments.split_whitespace().find_map(|word| word.strip_prefix("FILE:")).unwrap();
        assert!(!Path::new(file).parent().unwrap().exists(), "{file} is left");
        let left = credential.expires().unwrap().duration_since(SystemTime::now()).unwrap();
        assert!(left <= Duration::from_secs(3600), "{left:?}");
        let mut options = options(HOST);
        options.delegate = forwardable;
        let accepted = log_in(&credential, &options, &keytab(&realm)).1;
        assert_eq!(accepted.delegated.is_some(), forwardable);
    }
}

#[test]
fn delegated_tickets_are_what_klist_reads() {
    let test = "kerberos::logins::delegated_tickets_are_what_klist_reads";
    let Some(realm) = inside(test) else { return };
    let credential = alice(true);
    let own = klist(&realm, &credential.ticket().unwrap());
    assert!(own.contains("Default principal: alice@TRANSOM.TEST"), "{own}");
    assert!(own.contains("krbtgt/TRANSOM.TEST@TRANSOM.TEST"), "{own}");
    let mut delegating = options(HOST);
    delegating.delegate = true;
    let (_, accepted) = log_in(&credential, &delegating, &keytab(&realm));
    let ticket = accepted.delegated.unwrap();
    let given = klist(&realm, &ticket);
    // Forwardable, and forwarded.
    assert!(given.contains("Flags: Ff"), "{given}");
    assert!(!given.contains("HTTP/"), "{given}");
    // It is good for a login somewhere else.
    let file = realm.folder().join("passed-on");
    fs::write(&file, ticket.expose()).unwrap();
    let source = Source::Cache(file.display().to_string());
    let next = Credential::acquire(&source, None, false).unwrap();
    assert_eq!(log_in(&next, &options(HOST), &keytab(&realm)).1.principal, ALICE);
    // Without being asked for nothing is given.
    assert!(log_in(&credential, &options(HOST), &keytab(&realm)).1.delegated.is_none());
    assert_eq!(format!("{ticket:?}"), "***");
}

#[test]
fn a_binding_is_told_and_a_missing_one_too() {
    let test = "kerberos::logins::a_binding_is_told_and_a_missing_one_too";
    let Some(realm) = inside(test) else { return };
    let (credential, keytab) = (alice(false), keytab(&realm));
    let mut bound = options(HOST);
    bound.channel_binding = Some(binding(7));
    assert!(log_in(&credential, &bound, &keytab).1.channel_bound);
    // A service that looks at none takes it, and does not call it right.
    let (_, token) = begin(&credential, &bound).unwrap();
    assert!(!keytab.accept(&token, None).unwrap().channel_bound);
    // A client without one is let through, and it is said.
    let (_, token) = begin(&credential, &options(HOST)).unwrap();
    assert!(!keytab.accept(&token, Some(&binding(7))).unwrap().channel_bound);
}

#[test]
fn service_names_are_tried_in_their_order() {
    let test = "kerberos::logins::service_names_are_tried_in_their_order";
    let Some(realm) = inside(test) else { return };
    let credential = alice(false);
    let service = |options| begin(&credential, &options).unwrap().0.service().to_owned();
    realm.add_service("WSMAN/three.transom.test");
    assert_eq!(service(options("three.transom.test")), "WSMAN/three.transom.test@TRANSOM.TEST");
    realm.add_service("host/three.transom.test");
    assert_eq!(service(options("Three.Transom.Test")), "host/three.transom.test@TRANSOM.TEST");
    // As the user writes it: class, port and realm.
    realm.add_service("WSMAN/srv.transom.test:5985");
    let mut written = options(HOST);
    written.target.class = Some("WSMAN".to_owned());
    written.target.port = Some(5985);
    assert_eq!(service(written), "WSMAN/srv.transom.test:5985@TRANSOM.TEST");
    // A host that no [domain_realm] knows is looked for in the client's realm, or where the user says.
    realm.add_service("HTTP/stranger.example");
    assert_eq!(service(options("stranger.example")), "HTTP/stranger.example@TRANSOM.TEST");
    let mut placed = options("stranger.example");
    placed.target.realm = Some("TRANSOM.TEST".to_owned());
    assert_eq!(service(placed), "HTTP/stranger.example@TRANSOM.TEST");
}

/// A name is never replaced by what DNS calls the host: `localhost` would become this machine's name.
#[test]
fn dns_is_not_asked_for_another_name() {
    let test = "kerberos::logins::dns_is_not_asked_for_another_name";
    let settings = "dns_canonicalize_hostname = true\n rdns = true";
    let Some(realm) = Realm::inside(test, settings, super::prepare) else { return };
    realm.add_service("HTTP/127.0.0.1");
    for host in ["127.0.0.1", HOST] {
        let (initiator, _) = begin(&alice(false), &options(host)).unwrap();
        assert_eq!(initiator.service(), format!("HTTP/{host}@TRANSOM.TEST"));
    }
}

#[test]
fn tickets_are_bought_anew_before_they_expire() {
    let test = "kerberos::logins::tickets_are_bought_anew_before_they_expire";
    let Some(realm) = inside(test) else { return };
    let credential = alice(false);
    let (clone, first) = (credential.clone(), credential.ticket().unwrap());
    clone.renew(Duration::ZERO).unwrap();
    assert_eq!(first.expose(), credential.ticket().unwrap().expose(), "they last long enough");
    // A login that has begun keeps what it began with.
    let (mut begun, token) = begin(&credential, &options(HOST)).unwrap();
    clone.renew(Duration::from_secs(24 * 3600)).unwrap();
    assert_ne!(first.expose(), credential.ticket().unwrap().expose());
    let reply = keytab(&realm).accept(&token, None).unwrap().reply;
    assert!(begun.step(reply.as_deref()).is_ok());
    log_in(&credential, &options(HOST), &keytab(&realm));
    // Expired ones are not used, and can still be bought anew.
    let (script, seen) = (realm.folder().join("script"), realm.folder().join("seen"));
    let text = format!(
        "#!/bin/sh\nlife=1s; [ -e '{0}' ] && life=1h\ntouch '{0}'\nexec kinit -l $life \"$@\"\n",
        seen.display()
    );
    fs::write(&script, text).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let command = vec![script.display().to_string()];
    let source = Source::Kinit { command, password: Secret::new(PASSWORD) };
    let short = Credential::acquire(&source, Some(ALICE), false).unwrap();
    while short.expires().unwrap() > SystemTime::now() {
        std::thread::sleep(Duration::from_millis(50));
    }
    let expired = begin(&short, &options(HOST)).unwrap_err();
    assert_eq!(expired.kind(), KerberosErrorKind::Expired, "{expired}");
    short.renew(Duration::ZERO).unwrap();
    assert!(short.expires().unwrap() > SystemTime::now());
    // What nobody can buy anew is looked at again.
    let path = realm.folder().join("cache").display().to_string();
    realm.kinit("alice", PASSWORD, &path, &["-l", "20m"]);
    let credential = Credential::acquire(&Source::Cache(path.clone()), None, false).unwrap();
    let before = credential.expires().unwrap();
    realm.kinit("alice", PASSWORD, &path, &[]);
    credential.renew(Duration::from_secs(3600)).unwrap();
    assert!(credential.expires().unwrap() > before);
}

#[test]
fn two_hundred_logins_at_once_leave_the_runtime_free() {
    const LOGINS: usize = 200;
    let test = "kerberos::logins::two_hundred_logins_at_once_leave_the_runtime_free";
    let Some(realm) = inside(test) else { return };
    let keytab = Arc::new(keytab(&realm));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let principals = runtime.block_on(async {
        let ticks = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&ticks);
        let ticking = tokio::spawn(async move {
            loop {
                tokio::time::sleep(Duration::from_millis(1)).await;
                counted.fetch_add(1, Ordering::Relaxed);
            }
        });
        let credential = alice(false);
        let logins: Vec<_> = (0..LOGINS)
            .map(|number| {
                let (keytab, shared) = (Arc::clone(&keytab), credential.clone());
                tokio::task::spawn_blocking(move || {
                    // Half of them share tickets, as the connections of one client do; the others ask the KDC.
                    let credential = if number % 2 == 0 { shared } else { alice(false) };
                    let (mut initiator, accepted) = log_in(&credential, &options(HOST), &keytab);
                    talk(initiator.sealer().unwrap().as_mut(), &mut sealer(accepted.context));
                    accepted.principal
                })
            })
            .collect();
        let mut principals = Vec::new();
        for login in logins {
            principals.push(login.await.unwrap());
        }
        ticking.abort();
        // The runtime has one thread, which had something else to do all the time.
        assert!(ticks.load(Ordering::Relaxed) > 1);
        principals
    });
    assert_eq!(principals.len(), LOGINS);
    assert_eq!(principals.into_iter().collect::<HashSet<_>>(), HashSet::from([ALICE.to_owned()]));
}
