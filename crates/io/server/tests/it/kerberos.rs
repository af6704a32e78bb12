//! Logins by Kerberos in a realm of the test's own: what is let in, and everything that is refused.

use std::fs;
use std::path::PathBuf;

use auth::kerberos::{KerberosAttempt, KrbError};
use auth::spnego::{self, InitiatorMechanism};
use auth::{ChannelBinding, Entropy, Initiator as _, Secret, Step, Ticket};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use server::kerberos::{HolderError, KeyHolder, Options};
use server::principals::{Entry, Principals, Target as Becomes};
use session::http::sealed::Protocol;
use testkit::Realm;
use transport::kerberos::{Credential, Initiator, InitiatorOptions, Source, Target};
use wsman::identify::Identify;

use crate::support::{Http, Response, Service, Session, https, kerberos_process, settings};

const SOAP: (&str, &str) = ("Content-Type", "application/soap+xml;charset=UTF-8");
const PASSWORD: &str = "Tickets-1";
/// Says which part of a test a process of its own does.
const PART: &str = "TRANSOM_TEST_PART";

/// Bytes that nobody foresees.
struct Random;

impl Entropy for Random {
    fn fill(&mut self, bytes: &mut [u8]) {
        getrandom::fill(bytes).unwrap();
    }
}

/// The rest of a test in its realm, which has users and the service `HTTP/box`; `None` where that is done.
fn inside(test: &str) -> Option<Realm> {
    Realm::inside(&format!("kerberos::{test}"), "", |realm| {
        realm.add_user("rita", PASSWORD, "");
        realm.add_user("mallory", PASSWORD, "");
        for service in ["HTTP/box", "HTTP/other"] {
            realm.add_service(service);
        }
        realm.write_keytab(&keytab(realm), &["HTTP/box"]);
    })
}

fn keytab(realm: &Realm) -> PathBuf {
    realm.folder().join("http.keytab")
}

fn options(realm: &Realm) -> Option<Options> {
    let replays = realm.folder().join("replays");
    Some(Options { keytab: Some(keytab(realm)), replays, allow_host_key: false })
}

/// A service at which rita is alice.
async fn start(realm: &Realm, settings: server::Settings) -> Service {
    let service = Service::start_with_keys(settings, options(realm)).await;
    let mut principals = Principals::default();
    let entry = Entry {
        principal: "rita@TRANSOM.TEST".parse().unwrap(),
        target: Becomes::Account([1; 16]),
        ignore_case: false,
        enabled: true,
    };
    principals.map(entry).unwrap();
    fs::write(service.file("principals"), principals.to_text().unwrap()).unwrap();
    service
}

fn tickets(user: &str) -> Credential {
    let password = Source::Password(Secret::new(PASSWORD));
    Credential::acquire(&password, Some(&format!("{user}@TRANSOM.TEST")), true).unwrap()
}

fn wanted(host: &str) -> InitiatorOptions {
    let target = Target {
        host: host.to_owned(),
        class: Some("HTTP".to_owned()),
        port: None,
        realm: Some(Realm::NAME.to_owned()),
    };
    InitiatorOptions { target, delegate: false, channel_binding: None, confidential: true }
}

fn begin(credential: &Credential, options: &InitiatorOptions) -> Initiator {
    Initiator::begin(credential, options, &mut Random).unwrap()
}

/// Inside SPNEGO.
fn negotiated(inner: Initiator) -> spnego::Initiator {
    let mechanism: Box<dyn InitiatorMechanism> = Box::new(inner);
    spnego::Initiator::new(vec![mechanism]).unwrap()
}

/// A raw token, as `Authorization` has it.
fn token(initiator: &mut Initiator) -> String {
    let Step::Last(token) = initiator.step(None).unwrap() else { panic!("one token is all") };
    format!("Kerberos {}", STANDARD.encode(token))
}

/// The first token, raw or inside SPNEGO, as `Authorization` has it.
fn first_word(mut initiator: Initiator, raw: bool) -> String {
    if raw {
        return token(&mut initiator);
    }
    let (Step::Last(token) | Step::Send(token)) = negotiated(initiator).step(None).unwrap() else {
        panic!("a token")
    };
    format!("Negotiate {}", STANDARD.encode(token))
}

/// A login's first request on a new connection.
async fn knock(service: &Service, value: &str) -> Response {
    let mut http = Http::connect(service.address).await;
    http.ask(&[("Authorization", value), SOAP], b"").await
}

/// The number of the KRB-ERROR in a refusal.
fn number(answer: &Response) -> u32 {
    assert_eq!(answer.status, 401, "{}", answer.head);
    KrbError::decode(&error_token(answer)).unwrap().code
}

fn error_token(answer: &Response) -> Vec<u8> {
    let values = answer.values("WWW-Authenticate");
    let token = values.iter().find_map(|value| value.strip_prefix("Kerberos "));
    STANDARD.decode(token.unwrap_or_else(|| panic!("no token: {}", answer.head))).unwrap()
}

fn identify() -> Vec<u8> {
    Identify::default().to_envelope().encode()
}

#[tokio::test]
async fn both_schemes_let_in_and_seal() {
    let Some(realm) = inside("both_schemes_let_in_and_seal") else { return };
    let service = start(&realm, settings("")).await;
    let credential = tickets("rita");
    let raw = begin(&credential, &wanted("box"));
    let inner = negotiated(begin(&credential, &wanted("box")));
    let logins: [(Box<dyn auth::Initiator>, Protocol); 2] =
        [(Box::new(raw), Protocol::Kerberos), (Box::new(inner), Protocol::Spnego)];
    for (login, protocol) in logins {
        let http = Http::connect(service.address).await;
        let mut session = Session::over(http, login).await.unwrap();
        assert_eq!(session.protocol, protocol);
        let shell = session.open_shell().await;
        let id = session.start(&shell, "echo hello; exit 7").await.unwrap();
        assert_eq!(session.finish(&shell, &id).await, (b"hello\n".to_vec(), Vec::new(), 7));
    }
    assert!(service.plugin.tickets().iter().all(Option::is_none));
    service.stop().await;
}

#[tokio::test]
async fn ticket_belongs_to_the_shells_of_its_login() {
    let Some(realm) = inside("ticket_belongs_to_the_shells_of_its_login") else { return };
    let service = start(&realm, settings("")).await;
    let credential = tickets("rita");
    for delegate in [true, false] {
        let options = InitiatorOptions { delegate, ..wanted("box") };
        let http = Http::connect(service.address).await;
        let login = Box::new(begin(&credential, &options));
        let mut session = Session::over(http, login).await.unwrap();
        session.open_shell().await;
        if delegate {
            // Another login on the same connection is another login.
            let login = Box::new(begin(&credential, &wanted("box")));
            session.sealer = Session::log_in_by(&mut session.http, login).await.unwrap();
            session.open_shell().await;
        }
    }
    let told = service.plugin.tickets();
    assert_eq!(told.iter().map(Option::is_some).collect::<Vec<_>>(), [true, false, false]);
    // MIT's format 4, and whose it is.
    let bytes = told[0].as_deref().map(Ticket::expose).unwrap();
    assert!(bytes.starts_with(&[5, 4]) && bytes.windows(4).any(|four| four == b"rita"));
    service.stop().await;
}

#[tokio::test]
async fn password_buys_a_ticket_or_is_told_why() {
    let Some(realm) = inside("password_buys_a_ticket_or_is_told_why") else { return };
    // Nothing but buying takes no keytab.
    let options = Options { keytab: None, ..options(&realm).unwrap() };
    let holder = KeyHolder::new(kerberos_process(options)).unwrap();
    assert!(!holder.has_keys());
    let buy = async |principal: &str, password: &str| {
        holder.buy(principal.to_owned(), Secret::new(password)).await
    };
    let ticket = buy("rita@TRANSOM.TEST", PASSWORD).await.unwrap();
    let cache = realm.folder().join("bought");
    fs::write(&cache, ticket.expose()).unwrap();
    let listed = realm.command("klist").arg("-c").arg(&cache).output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    assert!(listed.contains("Default principal: rita@TRANSOM.TEST"), "{listed}");
    for (principal, password) in
        [("rita@TRANSOM.TEST", "Wrong-1"), ("nobody@TRANSOM.TEST", PASSWORD), ("rita@NO.TEST", "x")]
    {
        let Err(HolderError::Refused(why)) = buy(principal, password).await else {
            panic!("{principal} got a ticket")
        };
        assert!(why.contains(principal) && !why.contains(password), "{why}");
    }
    let long = "x".repeat(5000);
    assert_eq!(buy("rita@TRANSOM.TEST", &long).await.unwrap_err(), HolderError::TooLong);
    let attempt = KerberosAttempt::new(vec![0x60], None);
    assert!(holder.accept(attempt).await.unwrap().is_err());
}

#[tokio::test]
async fn wrong_tickets_are_refused_and_told_why() {
    let Some(realm) = inside("wrong_tickets_are_refused_and_told_why") else { return };
    let service = start(&realm, settings("")).await;
    let (rita, mallory) = (tickets("rita"), tickets("mallory"));
    // Used before, on this connection and another one.
    let mut initiator = begin(&rita, &wanted("box"));
    let used = token(&mut initiator);
    assert_eq!(knock(&service, &used).await.status, 200);
    let again = knock(&service, &used).await;
    assert_eq!(number(&again), 34);
    let Err(error) = initiator.step(Some(&error_token(&again))) else { panic!("it was let in") };
    assert!(error.to_string().contains("before"), "{error}");
    // For another service.
    let other = token(&mut begin(&rita, &wanted("other")));
    let refused = knock(&service, &other).await;
    assert!([35, 45].contains(&number(&refused)), "{}", number(&refused));
    // Right, and nobody's: the wire does not say so.
    let unmapped = token(&mut begin(&mallory, &wanted("box")));
    let refused = knock(&service, &unmapped).await;
    assert_eq!(refused.status, 401);
    assert_eq!(refused.values("WWW-Authenticate"), ["Negotiate", "Kerberos"]);
    // Nothing of that locks anybody out, or lets anybody in.
    for _ in 0..10 {
        assert_eq!(knock(&service, &used).await.status, 401);
    }
    let mut http = Http::connect(service.address).await;
    let refused = http.ask(&[("Authorization", &used), SOAP], &identify()).await;
    assert_eq!(refused.status, 401);
    assert_eq!(http.ask(&[SOAP], &identify()).await.status, 401);
    let fresh = token(&mut begin(&rita, &wanted("box")));
    assert_eq!(http.ask(&[("Authorization", &fresh), SOAP], b"").await.status, 200);
    service.stop().await;
}

#[tokio::test]
async fn damaged_tokens_are_refused() {
    let Some(realm) = inside("damaged_tokens_are_refused") else { return };
    let service = start(&realm, settings("")).await;
    let rita = tickets("rita");
    let good = token(&mut begin(&rita, &wanted("box")));
    let bytes = STANDARD.decode(good.strip_prefix("Kerberos ").unwrap()).unwrap();
    assert_eq!(knock(&service, &good).await.status, 200);
    let mut http = Http::connect(service.address).await;
    for at in (0..bytes.len()).step_by(37) {
        // Not every bit counts; but where the token still opens, it is the one that came before.
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x10;
        for scheme in ["Kerberos", "Negotiate"] {
            let value = format!("{scheme} {}", STANDARD.encode(&damaged));
            let answer = http.ask(&[("Authorization", &value), SOAP], &identify()).await;
            assert_eq!(answer.status, 401, "{at}");
        }
    }
    // The worker is as good as before, and so is the connection.
    let good = token(&mut begin(&rita, &wanted("box")));
    assert_eq!(http.ask(&[("Authorization", &good), SOAP], b"").await.status, 200);
    service.stop().await;
}

#[tokio::test]
async fn login_is_bound_to_its_tls_connection() {
    let Some(realm) = inside("login_is_bound_to_its_tls_connection") else { return };
    let rita = tickets("rita");
    let other = ChannelBinding::from_tls_server_end_point(&[1; 32]);
    for (level, none, wrong) in [("None", 200, 200), ("Relaxed", 200, 401), ("Strict", 401, 401)] {
        let text = format!("[Service.Auth]\nCbtHardeningLevel = \"{level}\"\n");
        let service = start(&realm, https(&text)).await;
        let (_, right) = Http::connect_tls(service.address).await;
        for (binding, status) in [(Some(right), 200), (None, none), (Some(other), wrong)] {
            let options = InitiatorOptions { channel_binding: binding, ..wanted("box") };
            for raw in [true, false] {
                let value = first_word(begin(&rita, &options), raw);
                let (mut http, _) = Http::connect_tls(service.address).await;
                let headers = [("Authorization", value.as_str()), SOAP];
                let answer = http.ask(&headers, &identify()).await;
                assert_eq!(answer.status, status, "{level} {binding:?} {raw}");
                assert_eq!(answer.body.is_empty(), status != 200, "{level} {binding:?} {raw}");
            }
        }
        service.stop().await;
    }
}

#[tokio::test]
async fn messages_are_sealed_by_their_own_login_or_refused() {
    let Some(realm) = inside("messages_are_sealed_by_their_own_login_or_refused") else { return };
    let service = start(&realm, settings("")).await;
    let rita = tickets("rita");
    let log_in = async || {
        let login = Box::new(begin(&rita, &wanted("box")));
        Session::over(Http::connect(service.address).await, login).await.unwrap()
    };
    let (mut one, mut two) = (log_in().await, log_in().await);
    // Unsealed where sealing is due.
    let answer = one.http.ask(&[SOAP], &identify()).await;
    assert_eq!((answer.status, answer.body.len()), (500, 0));
    // Sealed for another connection, whose own context then opens nothing any more.
    let (content_type, body) = one.seal(&identify());
    let answer = two.http.ask(&[("Content-Type", &content_type)], &body).await;
    assert_eq!(answer.status, 400);
    assert!(two.http.is_closed().await);
    // Where it belongs it is opened once.
    let answer = one.http.ask(&[("Content-Type", &content_type)], &body).await;
    assert_eq!(answer.status, 200);
    one.open(&answer);
    let answer = one.http.ask(&[("Content-Type", &content_type)], &body).await;
    assert_eq!(answer.status, 400);
    assert!(one.http.is_closed().await);
    // Where it is not due, the message may ride on the token.
    let open = start(&realm, settings("[Service]\nAllowUnencrypted = true\n")).await;
    let mut http = Http::connect(open.address).await;
    let value = token(&mut begin(&rita, &wanted("box")));
    let answer = http.ask(&[("Authorization", &value), SOAP], &identify()).await;
    assert_eq!(answer.status, 200);
    service.stop().await;
    open.stop().await;
}

#[tokio::test]
async fn clock_and_expiry_are_told_by_the_token_of_the_refusal() {
    let test = "clock_and_expiry_are_told_by_the_token_of_the_refusal";
    let Some(realm) = inside(test) else { return };
    let (sent, answered) = (realm.folder().join("sent"), realm.folder().join("answered"));
    if std::env::var_os(PART).is_some() {
        let service = start(&realm, settings("")).await;
        let answer = knock(&service, &fs::read_to_string(sent).unwrap()).await;
        assert_eq!(answer.status, 401, "{}", answer.head);
        fs::write(answered, error_token(&answer)).unwrap();
        return service.stop().await;
    }
    let rita = tickets("rita");
    for (time, code, told) in [("+10m", 37, "seconds ahead of ours"), ("+11h", 32, "expired")] {
        let mut initiator = begin(&rita, &wanted("box"));
        fs::write(&sent, token(&mut initiator)).unwrap();
        let program = std::env::current_exe().unwrap();
        let mut command = realm.command("faketime");
        command.args(["-f", time]).arg(program).args([&format!("kerberos::{test}"), "--exact"]);
        command.env(PART, "service").env("TRANSOM_TEST_REALM", realm.folder());
        assert!(command.status().unwrap().success(), "{time}");
        let token = fs::read(&answered).unwrap();
        assert_eq!(KrbError::decode(&token).unwrap().code, code);
        let error = initiator.step(Some(&token)).unwrap_err().to_string();
        assert!(error.contains(told), "{error}");
    }
}
