//! Logins by Kerberos at an independent server (pyspnego over MIT's library), in a realm of the test's own.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use client::{
    Authentication, Authorities, Client, Config, CredSspOptions, Credentials, DelegationList,
    Error, ErrorKind, KerberosErrorKind, KerberosOptions, Protection, Settings, ShellOptions,
    Tickets, Trust,
};
use testkit::{Realm, Stub, report};

use crate::stub::{finish, line};

const ALICE: &str = "alice@TRANSOM.TEST";
const PASSWORD: &str = "Pass-word1";
/// The name that stands for the stub's host.
const HOST: &str = "server01.transom.test";
/// A realm whose KDC is away, with the name of the stub's NTLM domain.
const DEAD_REALM: &str = "\n[realms]\n STUB = {\n  kdc = 127.0.0.1:1\n }\n[libdefaults]\n";

/// Fills the realm: a user, the stub's services, and a keytab where the stub looks for it.
fn prepare(realm: &Realm) {
    realm.add_user("alice", PASSWORD, "");
    for service in ["HTTP/localhost", "HTTP/server01.transom.test"] {
        realm.add_service(service);
    }
    let keytab = realm.folder().join("nobodys-keytab");
    realm.write_keytab(&keytab, &["HTTP/localhost", "HTTP/server01.transom.test"]);
}

/// The rest of a test inside its realm; `None` where that is done.
fn inside(test: &str, libdefaults: &str) -> Option<Realm> {
    Realm::inside(&format!("kerberos::{test}"), libdefaults, prepare)
}

fn wait<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(work)
}

/// A client of the stub by plain HTTP, as `localhost`.
fn config(stub: &Stub, authentication: Authentication, user: &str, password: &str) -> Config {
    let endpoint = format!("http://localhost:{}", stub.port).parse().unwrap();
    let credentials = Credentials { user: user.into(), password: password.into() };
    Config { authentication, ..Config::new(endpoint, credentials) }
}

fn with(mut config: Config, kerberos: KerberosOptions) -> Config {
    config.settings.kerberos = kerberos;
    config
}

fn named(host: &str) -> KerberosOptions {
    KerberosOptions { service_host: Some(host.to_owned()), ..KerberosOptions::default() }
}

async fn run(client: &Client) -> Result<(), Error> {
    let shell = client.open_shell(ShellOptions::default()).await?;
    let command = shell.start(line("echo out; exit 7")).await?;
    let (out, _, code) = finish(command).await?;
    assert_eq!((out.as_str(), code), ("out\n", Some(7)));
    shell.close().await
}

/// Requests for one command; the server may split its answer: a second Receive says nothing of the client.
fn needed(stub: &Stub) -> usize {
    let requests = stub.requests();
    requests.len() - requests.iter().filter(|name| name.contains("Receive")).count() + 1
}

fn kind(error: &Error) -> KerberosErrorKind {
    match error.kind() {
        ErrorKind::Kerberos(error) => error.kind(),
        other => panic!("{other}"),
    }
}

/// Nobody's tickets were touched, and none of ours are left.
fn check_no_ticket_is_left(realm: &Realm) {
    assert!(!realm.folder().join("nobodys-tickets").exists());
    let own = format!("krb5cc_{}", nix_uid());
    assert!(!Path::new("/tmp").join(own).exists());
}

fn nix_uid() -> u32 {
    use std::os::unix::fs::MetadataExt as _;
    fs::metadata("/proc/self").unwrap().uid()
}

#[test]
fn password_buys_tickets_and_a_command_takes_six_requests() {
    let test = "password_buys_tickets_and_a_command_takes_six_requests";
    let Some(realm) = inside(test, "") else { return };
    for (authentication, host) in [
        (Authentication::Kerberos, None),
        (Authentication::Negotiate, Some(HOST)),
        (Authentication::Default, Some("localhost")),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let hostname = ["--hostname", host.unwrap_or("localhost")];
        let Some(stub) = Stub::start(test, folder.path(), &hostname) else { return };
        let config = config(&stub, authentication, ALICE, PASSWORD);
        let options = host.map(named).unwrap_or_default();
        let client = Client::new(with(config, options)).unwrap();
        wait(run(&client)).unwrap();
        assert_eq!(client.mechanism(), Some("Kerberos"));
        assert_eq!(client.protection(), Some(Protection::Seal));
        let ticket = client.ticket().unwrap();
        assert_eq!(ticket.principal, ALICE);
        let service = format!("HTTP/{}@TRANSOM.TEST", host.unwrap_or("localhost"));
        assert_eq!((ticket.service, ticket.delegated), (service, false));
        assert_eq!(client.without_kerberos(), None);
        assert!(needed(&stub) <= 6, "{:?}", stub.requests());
        assert_eq!(u64::try_from(stub.requests().len()), Ok(client.requests()));
        drop(client);
        check_no_ticket_is_left(&realm);
        report(&format!(
            "PEER winrm_stub 1: http, {authentication:?} by Kerberos, {} requests for one command on a new connection",
            needed(&stub)
        ));
    }
}

#[test]
fn message_rides_on_the_first_leg_inside_tls() {
    let test = "message_rides_on_the_first_leg_inside_tls";
    let Some(_realm) = inside(test, "") else { return };
    let folder = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let (certificate, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    fs::write(&certificate, made.cert.pem()).unwrap();
    fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let options = ["--tls", certificate.to_str().unwrap(), key.to_str().unwrap()];
    let judged = Trust { authorities: Authorities::Path(certificate.clone()), ..Trust::default() };
    let blind = Trust { skip_ca_check: true, ..Trust::default() };
    // Where the certificate says nothing, the message waits until Kerberos has proven the host.
    for (trust, most) in [(judged, 5), (blind, 6)] {
        for authentication in [Authentication::Kerberos, Authentication::Negotiate] {
            let saved = tempfile::tempdir().unwrap();
            let Some(stub) = Stub::start(test, saved.path(), &options) else { return };
            let mut config =
                with(config(&stub, authentication, ALICE, PASSWORD), named("localhost"));
            config.endpoint = format!("https://localhost:{}", stub.port).parse().unwrap();
            config.settings.trust = trust.clone();
            let client = Client::new(config).unwrap();
            wait(run(&client)).unwrap();
            assert_eq!(client.mechanism(), Some("Kerberos"));
            assert_eq!(client.protection(), Some(Protection::Tls));
            assert_eq!(needed(&stub), most, "{:?}", stub.requests());
            report(&format!(
                "PEER winrm_stub 1: https, {authentication:?} by Kerberos, {most} requests for one command on a new connection"
            ));
        }
    }
}

#[test]
fn tickets_come_from_caches_keytabs_and_kinit() {
    let test = "tickets_come_from_caches_keytabs_and_kinit";
    let Some(realm) = inside(test, "") else { return };
    let cache = realm.folder().join("alices-tickets");
    let cache = format!("FILE:{}", cache.display());
    realm.kinit("alice", PASSWORD, &cache, &[]);
    let keytab = realm.folder().join("alices-keytab");
    realm.write_keytab(&keytab, &["alice"]);
    let script = realm.folder().join("my-kinit");
    let told = realm.folder().join("kinit-was-called");
    let text = format!("#!/bin/sh\necho \"$@\" >> {}\nexec kinit \"$@\"\n", told.display());
    fs::write(&script, text).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o700)).unwrap();
    let kinit = Tickets::Kinit(vec![script.display().to_string(), "-r".into(), "1d".into()]);
    for (tickets, user, password) in [
        (Tickets::Cache(cache.clone()), "", ""),
        (Tickets::Cache(cache), ALICE, ""),
        (Tickets::Keytab(keytab), ALICE, ""),
        (kinit, ALICE, PASSWORD),
    ] {
        for authentication in [Authentication::Kerberos, Authentication::Negotiate] {
            let folder = tempfile::tempdir().unwrap();
            let Some(stub) = Stub::start(test, folder.path(), &[]) else { return };
            let options = KerberosOptions { tickets: tickets.clone(), ..named("localhost") };
            let config = with(config(&stub, authentication, user, password), options);
            let client = Client::new(config).unwrap();
            wait(run(&client)).unwrap_or_else(|error| panic!("{tickets:?}: {error}"));
            assert_eq!(client.ticket().unwrap().principal, ALICE, "{tickets:?}");
            drop(client);
            check_no_ticket_is_left(&realm);
        }
    }
    let told = fs::read_to_string(told).unwrap();
    assert!(told.lines().count() == 2 && told.contains("-r 1d"), "{told}");
    assert!(!told.contains(PASSWORD));
}

#[test]
fn implicit_credential_is_the_ticket_that_is_there() {
    let test = "implicit_credential_is_the_ticket_that_is_there";
    let Some(realm) = inside(test, "") else { return };
    let folder = tempfile::tempdir().unwrap();
    let Some(stub) = Stub::start(test, folder.path(), &[]) else { return };
    let implicit = Authentication::NegotiateWithImplicitCredential;
    let config = config(&stub, implicit, "", "");
    let error = wait(run(&Client::new(config.clone()).unwrap())).unwrap_err();
    assert_eq!(kind(&error), KerberosErrorKind::NoTicket, "{error}");
    assert!(!wait(config.finds_tickets()));
    assert_eq!(stub.requests(), [] as [String; 0]);

    let default = realm.folder().join("nobodys-tickets");
    realm.kinit("alice", PASSWORD, default.to_str().unwrap(), &[]);
    assert!(wait(config.finds_tickets()));
    let client = Client::new(config).unwrap();
    wait(run(&client)).unwrap();
    assert_eq!(client.ticket().unwrap().principal, ALICE);
}

#[test]
fn wrong_password_is_said_once_and_never_tried_by_ntlm() {
    let test = "wrong_password_is_said_once_and_never_tried_by_ntlm";
    let Some(_realm) = inside(test, "") else { return };
    let folder = tempfile::tempdir().unwrap();
    let Some(stub) = Stub::start(test, folder.path(), &[]) else { return };
    for authentication in [Authentication::Kerberos, Authentication::Negotiate] {
        let config = with(config(&stub, authentication, ALICE, "wrong-one"), named("localhost"));
        let error = wait(run(&Client::new(config).unwrap())).unwrap_err();
        assert_eq!(kind(&error), KerberosErrorKind::WrongPassword, "{error}");
        assert!(error.is_unsent() && !format!("{error:?} {error}").contains("wrong-one"));
    }
    assert_eq!(stub.requests(), [] as [String; 0]);
}

#[test]
fn negotiation_takes_ntlm_where_no_ticket_can_be_had_and_says_why() {
    let test = "negotiation_takes_ntlm_where_no_ticket_can_be_had_and_says_why";
    let Some(_realm) = inside(test, DEAD_REALM) else { return };
    let folder = tempfile::tempdir().unwrap();
    let Some(stub) = Stub::start(test, folder.path(), &[]) else { return };
    let user = format!("STUB\\{}", Stub::USER);
    let away = with(config(&stub, Authentication::Negotiate, &user, Stub::USER), named(HOST));
    let client = Client::new(away.clone()).unwrap();
    wait(run(&client)).unwrap();
    assert_eq!((client.mechanism(), client.ticket()), (Some("NTLM"), None));
    let why = client.without_kerberos().unwrap();
    assert!(why.contains("STUB"), "{why}");

    // When both fail, the error tells of both.
    let credentials = Credentials { user: user.clone(), password: "wrong".into() };
    let error = wait(run(&Client::new(Config { credentials, ..away.clone() }).unwrap()));
    let error = error.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Denied(_)), "{error}");
    assert!(error.to_string().contains("the login was not by Kerberos: "), "{error}");

    // Who wants Kerberos, or delegation, gets no NTLM.
    let asked = stub.requests().len();
    let kerberos = Config { authentication: Authentication::Kerberos, ..away.clone() };
    let mut delegated = away;
    delegated.settings.kerberos.delegate = true;
    for config in [kerberos, delegated] {
        let error = wait(run(&Client::new(config).unwrap())).unwrap_err();
        assert_eq!(kind(&error), KerberosErrorKind::KdcUnreachable, "{error}");
    }
    assert_eq!(stub.requests().len(), asked);
}

#[test]
fn unknown_service_is_named_and_leaves_ntlm() {
    let test = "unknown_service_is_named_and_leaves_ntlm";
    let Some(realm) = inside(test, "") else { return };
    let folder = tempfile::tempdir().unwrap();
    let Some(stub) = Stub::start(test, folder.path(), &[]) else { return };
    let nobody = named("nobody.transom.test");
    let config = config(&stub, Authentication::Kerberos, ALICE, PASSWORD);
    let error = wait(run(&Client::new(with(config.clone(), nobody.clone())).unwrap()));
    let error = error.unwrap_err();
    assert_eq!(kind(&error), KerberosErrorKind::UnknownService, "{error}");
    assert!(error.to_string().contains("HTTP/nobody.transom.test"), "{error}");
    assert!(error.hints().concat().contains("--spn-host"), "{:?}", error.hints());

    // The realm knows a user of the stub's NTLM, too.
    realm.add_user("vagrant", "vagrant", "");
    let mut negotiate = with(config, KerberosOptions { realm: Some(Realm::NAME.into()), ..nobody });
    negotiate.authentication = Authentication::Negotiate;
    negotiate.credentials = Credentials { user: Stub::USER.into(), password: Stub::USER.into() };
    let client = Client::new(negotiate).unwrap();
    wait(run(&client)).unwrap();
    assert_eq!(client.mechanism(), Some("NTLM"));
    assert!(client.without_kerberos().unwrap().contains("HTTP/nobody.transom.test"));
}

#[test]
fn refused_ticket_is_the_end_and_no_ntlm_follows() {
    let test = "refused_ticket_is_the_end_and_no_ntlm_follows";
    let Some(realm) = inside(test, "") else { return };
    let folder = tempfile::tempdir().unwrap();
    // The service's keytab has a key that the KDC has replaced.
    realm.administer("cpw -randkey HTTP/localhost");
    let Some(stub) = Stub::start(test, folder.path(), &[]) else { return };
    let config =
        with(config(&stub, Authentication::Negotiate, ALICE, PASSWORD), named("localhost"));
    let client = Client::new(config).unwrap();
    let error = wait(run(&client)).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Denied(_)), "{error}");
    assert_eq!(stub.requests().len(), 1, "{:?}", stub.heads());
}

#[test]
fn expired_tickets_are_called_so() {
    let test = "expired_tickets_are_called_so";
    let Some(realm) = inside(test, "") else { return };
    let folder = tempfile::tempdir().unwrap();
    let Some(stub) = Stub::start(test, folder.path(), &[]) else { return };
    let cache = format!("FILE:{}", realm.folder().join("short").display());
    realm.kinit("alice", PASSWORD, &cache, &["-l", "1s"]);
    std::thread::sleep(Duration::from_secs(2));
    let options = KerberosOptions { tickets: Tickets::Cache(cache), ..KerberosOptions::default() };
    let config = with(config(&stub, Authentication::Kerberos, "", ""), options);
    let error = wait(run(&Client::new(config).unwrap())).unwrap_err();
    assert_eq!(kind(&error), KerberosErrorKind::Expired, "{error}");
    assert!(error.hints().concat().contains("kinit"), "{:?}", error.hints());
}

#[test]
fn connections_of_a_client_share_its_tickets() {
    let test = "connections_of_a_client_share_its_tickets";
    let Some(realm) = inside(test, "") else { return };
    let folder = tempfile::tempdir().unwrap();
    let Some(stub) = Stub::start(test, folder.path(), &[]) else { return };
    let client = Client::new(config(&stub, Authentication::Kerberos, ALICE, PASSWORD)).unwrap();
    wait(async {
        let shell = client.open_shell(ShellOptions::default()).await.unwrap();
        let silent = shell.start(line("sleep 1; echo late")).await.unwrap();
        let quick = shell.start(line("echo quick")).await.unwrap();
        let (silent, quick) = tokio::join!(finish(silent), finish(quick));
        assert_eq!((silent.unwrap().0, quick.unwrap().0), ("late\n".into(), "quick\n".into()));
        shell.close().await.unwrap();
    });
    let logins =
        stub.heads().iter().filter(|head| head.contains("authorization: Kerberos")).count();
    assert!(logins >= 2, "{logins}");
    let log = fs::read_to_string(realm.folder().join("kdc.log")).unwrap();
    let bought = log.lines().filter(|line| line.contains("AS_REQ") && line.contains("ISSUE"));
    assert_eq!(bought.filter(|line| line.contains("alice@")).count(), 1, "{log}");
}

#[test]
fn tickets_are_bought_anew_before_they_expire() {
    let test = "tickets_are_bought_anew_before_they_expire";
    let Some(realm) = inside(test, "") else { return };
    let folder = tempfile::tempdir().unwrap();
    let Some(stub) = Stub::start(test, folder.path(), &[]) else { return };
    realm.add_user("carol", PASSWORD, "-maxlife 2s +requires_preauth");
    let carol = config(&stub, Authentication::Kerberos, "carol@TRANSOM.TEST", PASSWORD);
    let client = Client::new(carol).unwrap();
    wait(async {
        let shell = client.open_shell(ShellOptions::default()).await.unwrap();
        let silent = shell.start(line("sleep 5; echo late")).await.unwrap();
        let late = tokio::spawn(finish(silent));
        // The first connection waits for the command; its tickets are over by then.
        tokio::time::sleep(Duration::from_secs(3)).await;
        let quick = shell.start(line("echo quick")).await.unwrap();
        assert_eq!(finish(quick).await.unwrap().0, "quick\n");
        assert_eq!(late.await.unwrap().unwrap().0, "late\n");
        shell.close().await.unwrap();
    });
    let log = fs::read_to_string(realm.folder().join("kdc.log")).unwrap();
    let bought = log.lines().filter(|line| line.contains("AS_REQ") && line.contains("ISSUE"));
    assert!(bought.filter(|line| line.contains("carol@")).count() >= 2, "{log}");
}

#[test]
fn class_and_port_belong_to_the_name_where_they_are_said() {
    let test = "class_and_port_belong_to_the_name_where_they_are_said";
    let Some(_realm) = inside(test, "") else { return };
    let folder = tempfile::tempdir().unwrap();
    let Some(stub) = Stub::start(test, folder.path(), &[]) else { return };
    let config = config(&stub, Authentication::Kerberos, ALICE, PASSWORD);
    for (options, name) in [
        (
            KerberosOptions { service_class: Some("WSMAN".into()), ..KerberosOptions::default() },
            "WSMAN/localhost".to_owned(),
        ),
        (
            KerberosOptions { service_port: true, ..KerberosOptions::default() },
            format!("HTTP/localhost:{}", stub.port),
        ),
    ] {
        let error = wait(run(&Client::new(with(config.clone(), options)).unwrap())).unwrap_err();
        assert_eq!(kind(&error), KerberosErrorKind::UnknownService, "{error}");
        assert!(error.to_string().contains(&name), "{error}");
    }
}

#[test]
fn credssp_gives_the_password_behind_a_login_by_either_mechanism() {
    let test = "credssp_gives_the_password_behind_a_login_by_either_mechanism";
    let Some(_realm) = inside(test, "") else { return };
    let folder = tempfile::tempdir().unwrap();
    let Some(stub) = Stub::start(test, folder.path(), &[]) else { return };
    let allowed = CredSspOptions {
        allow_fresh_credentials: DelegationList::parse(&["wsman/localhost"]).unwrap(),
        ..CredSspOptions::default()
    };
    for (user, password, mechanism) in
        [(Stub::USER, Stub::USER, "CredSSP/NTLM"), (ALICE, PASSWORD, "CredSSP/Kerberos")]
    {
        let mut config =
            with(config(&stub, Authentication::CredSsp, user, password), named("localhost"));
        config.settings.credssp = allowed.clone();
        let client = Client::new(config).unwrap();
        let before = stub.requests().len();
        wait(run(&client)).unwrap();
        assert_eq!(client.mechanism(), Some(mechanism));
        assert_eq!(client.protection(), Some(Protection::Seal));
        assert_eq!(client.ticket().is_some(), mechanism.ends_with("Kerberos"));
        report(&format!(
            "PEER winrm_stub 1: http, {mechanism}, {} requests for one command on a new connection",
            stub.requests().len() - before
        ));
    }
}

#[test]
fn logins_that_cannot_be_are_refused_before_anything_is_asked() {
    let credentials = Credentials { user: ALICE.into(), password: PASSWORD.into() };
    let config = |endpoint: &str, authentication| Config {
        authentication,
        ..Config::new(endpoint.parse().unwrap(), credentials.clone())
    };
    let refusal = |config: Config| Client::new(config).unwrap_err().to_string();
    // Kerberos proves the host: no list of trusted hosts is asked. NTLM would not.
    for authentication in [Authentication::Kerberos, Authentication::Negotiate] {
        assert!(Client::new(config("http://server01.transom.test:5985", authentication)).is_ok());
    }
    let local = config("http://server01.transom.test:5985", Authentication::Ntlm);
    assert!(refusal(local).contains("TrustedHosts"));
    let address = config("http://10.0.0.7:5985", Authentication::Kerberos);
    assert!(refusal(address).contains("10.0.0.7 is an address"));
    let delegate = |authentication| {
        let mut config = config("https://10.0.0.7:5986", authentication);
        config.settings.kerberos.delegate = true;
        refusal(config)
    };
    assert!(delegate(Authentication::Ntlm).contains("NTLM cannot do that"));
    assert!(delegate(Authentication::Negotiate).contains("10.0.0.7 is an address"));
    let nobody = Config {
        credentials: Credentials::default(),
        ..config("localhost", Authentication::Negotiate)
    };
    assert!(refusal(nobody).contains("this computer"));
    let credssp = config("https://server01.transom.test:5986", Authentication::CredSsp);
    let error = Client::new(credssp).unwrap_err();
    assert!(error.to_string().contains("gives your password to the host"), "{error}");
    assert!(error.hints().concat().contains("wsman/server01.transom.test"), "{:?}", error.hints());
    let settings = Settings::default();
    assert!(!settings.kerberos.delegate && settings.kerberos.tickets == Tickets::Auto);
}
