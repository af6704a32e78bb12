//! Logins by CredSSP: their sealed bodies belong to their connection, and the certificate is the one of the settings.

use auth::credssp::NtStatus;
use auth::{PeerMisbehaved, Step};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use server::certificates::{Certificates, CertificatesError, New};
use server::{Listeners, RunError};
use wsman::identify::Identify;
use wsman::shell::{CommandLine, CommandOptions, Request};

use crate::support::{Http, PASSWORD, Service, Session, credssp, https, settings};

const ON: &str = "[Service.Auth]\nCredSSP = true\n";
const SOAP: (&str, &str) = ("Content-Type", "application/soap+xml;charset=UTF-8");

fn identify() -> Vec<u8> {
    Identify::default().to_envelope().encode()
}

async fn log_in(service: &Service) -> Session {
    let http = Http::connect(service.address).await;
    Session::over(http, credssp("alice", PASSWORD)).await.unwrap()
}

#[tokio::test]
async fn a_login_by_credssp_opens_shells() {
    let service = Service::start_with(settings(ON)).await;
    let mut session = log_in(&service).await;
    let shell = session.open_shell().await;
    session.start(&shell, "true").await.unwrap();
    // The next login on the same connection is another TLS session.
    let again = Session::log_in_by(&mut session.http, credssp("bob", PASSWORD)).await.unwrap();
    session.sealer = again;
    assert_eq!(session.ask_bytes(&identify()).await.0, 200);
}

#[tokio::test]
async fn the_word_is_offered_where_the_settings_say_so() {
    for (text, expected) in [("", false), (ON, true)] {
        let service = Service::start_with(settings(text)).await;
        let answer = Http::connect(service.address).await.ask(&[SOAP], b"").await;
        assert_eq!(answer.values("WWW-Authenticate").contains(&"CredSSP"), expected, "{answer:?}");
    }
}

#[tokio::test]
async fn messages_that_are_not_sealed_execute_nothing() {
    let service = Service::start_with(settings(ON)).await;
    let mut session = log_in(&service).await;
    let shell = session.open_shell().await;
    let command = CommandLine { command: "true".to_owned(), ..CommandLine::default() };
    let request = Request::Command { command, options: CommandOptions::default() };
    let message = session.envelope(&request, Some(&shell)).encode();
    let answer = session.http.ask(&[SOAP], &message).await;
    assert_eq!((answer.status, service.plugin.started()), (500, 0));
}

#[tokio::test]
async fn a_sealed_body_is_worth_nothing_on_another_connection_or_a_second_time() {
    let service = Service::start_with(settings(ON)).await;
    let (mut one, mut other) = (log_in(&service).await, log_in(&service).await);
    let (content_type, body) = one.seal(&identify());
    let header = [("Content-Type", content_type.as_str())];
    assert_eq!(other.http.ask(&header, &body).await.status, 400);
    assert!(other.http.is_closed().await);
    assert_eq!(one.http.ask(&header, &body).await.status, 200);
    assert_eq!(one.http.ask(&header, &body).await.status, 400);
    assert!(one.http.is_closed().await);
}

#[tokio::test]
async fn a_wrong_password_is_told_inside_the_session() {
    let service = Service::start_with(settings(ON)).await;
    let mut http = Http::connect(service.address).await;
    let mut login = credssp("alice", "wrong");
    let mut reply: Option<Vec<u8>> = None;
    let error = loop {
        let step = match login.step(reply.as_deref()) {
            Ok(Step::Send(token)) => token,
            Ok(other) => panic!("{other:?}"),
            Err(error) => break error,
        };
        let header = format!("CredSSP {}", STANDARD.encode(step));
        let answer = http.ask(&[("Authorization", header.as_str()), SOAP], b"").await;
        assert_eq!(answer.status, 401);
        let [value] = answer.values("WWW-Authenticate")[..] else { panic!("{answer:?}") };
        reply = STANDARD.decode(value.strip_prefix("CredSSP ").unwrap()).ok();
    };
    assert_eq!(error, PeerMisbehaved::Status(NtStatus::LOGON_FAILURE).into());
}

/// The TLS around it is proven by the TLS inside: no binding is asked for.
#[tokio::test]
async fn credssp_inside_tls_needs_no_binding() {
    let text = format!("{ON}CbtHardeningLevel = \"Strict\"\n");
    let service = Service::start_with(https(&text)).await;
    let (http, _) = Http::connect_tls(service.address).await;
    let mut session = Session::over(http, credssp("alice", PASSWORD)).await.unwrap();
    assert_eq!(session.ask_bytes(&identify()).await.0, 200);
}

#[test]
fn the_certificate_of_the_settings_must_be_there() {
    let folder = tempfile::tempdir().unwrap();
    let service = std::fs::File::open(folder.path()).unwrap();
    let made = Certificates::create_in(service, folder.path()).unwrap();
    let own = made.add(&New { names: vec!["a".to_owned()], days: 1 }.make().unwrap()).unwrap();
    let open = |thumbprint: &str| {
        let text = format!("[Service]\nCertificateThumbprint = \"{thumbprint}\"\n{ON}");
        Listeners::open(&settings(&text), Some(folder.path()), None, None)
    };
    assert!(open(&own.to_string()).is_ok());
    let Err(RunError::CredSsp(error)) = open(&"00".repeat(20)) else { panic!() };
    assert!(matches!(*error, CertificatesError::Unknown(_)), "{error}");
}
