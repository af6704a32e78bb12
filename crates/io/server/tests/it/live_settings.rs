//! Each setting is changed by the wire while the service runs, and its effect is seen at once: on the next connection, login,
//! request or shell.

use std::time::Duration;

use server::Settings;
use wsman::config::{Mutability, Node};
use wsman::enumeration::{Enumerate, EnumerateResponse, Pull};
use wsman::fault::{ErrorCode, Fault};
use wsman::identify::{Identify, IdentifyResponse, profile};
use wsman::ns::{action, resource};
use wsman::shell::{ShellDescription, ShellInfo};
use wsman::transfer::{Locator, Operation};

use crate::configuration::Asker;
use crate::support::{Http, PASSWORD, Service, Session, basic, bound, envelope_of, https, receive};

const SOAP: (&str, &str) = ("Content-Type", "application/soap+xml;charset=UTF-8");

fn identify() -> Vec<u8> {
    Identify::default().to_envelope().encode()
}

/// What a new connection is offered.
async fn offered(service: &Service) -> Vec<String> {
    let answer = Http::connect(service.address).await.ask(&[SOAP], b"").await;
    answer.values("WWW-Authenticate").into_iter().map(str::to_owned).collect()
}

async fn profiles(session: &mut Session) -> Vec<String> {
    let (_, bytes) = session.ask_bytes(&identify()).await;
    let response = IdentifyResponse::from_envelope(&envelope_of(&bytes)).unwrap();
    response.security_profiles.unwrap()
}

async fn shell_code(session: &mut Session) -> Option<u32> {
    let opened = session.open_shell_as(ShellDescription::default()).await;
    opened.err().map(|fault| fault.error_code().unwrap_or(ErrorCode(0)).0)
}

/// Enumerates shells; the answer and its fault's code.
pub(crate) async fn list(
    session: &mut Session,
    enumerate: &Enumerate,
) -> Result<EnumerateResponse, Fault> {
    let reply = ask(session, action::ENUMERATE, enumerate.to_body()).await?;
    Ok(EnumerateResponse::from_body(&reply.body).unwrap())
}

async fn ask(
    session: &mut Session,
    action: &str,
    body: Vec<wsman::xml::Element>,
) -> Result<wsman::Envelope, Fault> {
    let locator = Locator::new(resource::SHELL);
    let (context, timeout) = (session.context.clone(), session.timeout);
    let id = uuid::Uuid::from_u128(7);
    let mut envelope = Operation::Get.to_envelope(&context, &locator, id, timeout);
    for block in &mut envelope.header.blocks {
        if let wsman::HeaderValue::Action(old) = &mut block.value {
            *old = action.to_owned();
        }
    }
    envelope.body = body;
    session.ask_envelope(&envelope).await
}

async fn alice(service: &Service) -> Asker {
    Asker::login(service, "alice").await
}

#[tokio::test]
async fn max_envelope_size_bounds_the_next_message() {
    let service = Service::start().await;
    let mut alice = alice(&service).await;
    let mut other = Session::login(service.address, "bob").await;
    let long = vec![b' '; 40 * 1024];
    let (content_type, body) = other.seal(&long);
    let answer = other.http.ask(&[("Content-Type", &content_type)], &body).await;
    assert_ne!(answer.status, 413, "40 KiB are fewer than 500");
    drop(other.open(&answer));
    alice.set("MaxEnvelopeSizekb", "32").await.unwrap();
    let (content_type, body) = other.seal(&long);
    let answer = other.http.ask(&[("Content-Type", &content_type)], &body).await;
    assert_eq!(answer.status, 413);
}

#[tokio::test]
async fn max_timeout_ends_what_waits_for_longer() {
    let service = Service::start().await;
    let mut alice = alice(&service).await;
    alice.set("MaxTimeoutms", "500").await.unwrap();
    let session = &mut alice.0;
    session.timeout = Duration::from_secs(3_600);
    let shell = session.open_shell().await;
    let id = session.start(&shell, "sleep 1000").await.unwrap();
    let fault = session.request(&receive(&id), Some(&shell)).await.unwrap_err();
    assert_eq!(fault.error_code(), Some(ErrorCode::OPERATION_TIMEDOUT));
}

#[tokio::test]
async fn max_batch_items_bounds_an_answer() {
    let service = Service::start().await;
    let mut alice = alice(&service).await;
    for _ in 0..3 {
        alice.0.open_shell().await;
    }
    let all = Enumerate { optimize: true, max_elements: Some(100), ..Enumerate::default() };
    assert_eq!(list(&mut alice.0, &all).await.unwrap().batch.items.unwrap().len(), 3);
    alice.set("MaxBatchItems", "2").await.unwrap();
    let response = list(&mut alice.0, &all).await.unwrap();
    assert_eq!((response.batch.items.unwrap().len(), response.batch.is_last), (2, false));
}

#[tokio::test]
async fn enumeration_timeout_forgets_what_nobody_pulls() {
    let service = Service::start().await;
    let mut alice = alice(&service).await;
    alice.0.open_shell().await;
    alice.0.open_shell().await;
    let context = |response: EnumerateResponse| response.context.unwrap();
    let kept = context(list(&mut alice.0, &Enumerate::default()).await.unwrap());
    let pull = |context: String| Pull { context, ..Pull::default() };
    ask(&mut alice.0, action::PULL, pull(kept.clone()).to_body()).await.unwrap();
    alice.set("Service/EnumerationTimeoutms", "500").await.unwrap();
    tokio::time::sleep(Duration::from_millis(700)).await;
    let fault = ask(&mut alice.0, action::PULL, pull(kept).to_body()).await.unwrap_err();
    assert_eq!(fault.error_code(), Some(ErrorCode::INVALID_ENUMERATION_CONTEXT));
}

#[tokio::test]
async fn root_sddl_lets_others_read() {
    let service = Service::start().await;
    let mut alice = alice(&service).await;
    let mut carol = Asker::login(&service, "carol").await;
    let locator = Locator::new(Node::Winrs.uri());
    let fault = carol.ask(&locator, Operation::Get).await.unwrap_err();
    assert_eq!(fault.error_code(), Some(ErrorCode::ACCESS_DENIED));
    let sddl = "O:NSG:BAD:P(A;;GA;;;BA)(A;;GR;;;WD)S:P(AU;FA;GA;;;WD)(AU;SA;GXGW;;;WD)";
    alice.set("Service/RootSDDL", sddl).await.unwrap();
    let element = carol.get(Node::Winrs.uri()).await;
    let fault = carol.ask(&locator, Operation::Put(element)).await.unwrap_err();
    assert_eq!(fault.error_code(), Some(ErrorCode::ACCESS_DENIED), "she may read only");
    assert_eq!(
        alice.refused("Service/RootSDDL", "O:NSG").await,
        ErrorCode::INVALID_SECURITY_DESCRIPTOR
    );
}

#[tokio::test]
async fn operations_shells_users_and_processes_are_counted_by_the_new_limits() {
    let service = Service::start().await;
    let mut alice = alice(&service).await;
    let mut bob = Session::login(service.address, "bob").await;
    let shell = alice.0.open_shell().await;
    for (path, code) in [
        ("Winrs/MaxShellsPerUser", 0x8033_81A5_u32),
        ("Service/MaxConcurrentOperationsPerUser", 0x8033_81A6),
    ] {
        alice.set(path, "1").await.unwrap();
        let opened = alice.0.open_shell_as(ShellDescription::default()).await;
        let fault = opened.unwrap_err();
        assert_eq!(fault.error_code(), Some(ErrorCode(code)), "{path}: {fault}");
        alice.set(path, "100").await.unwrap();
    }
    alice.set("Winrs/MaxConcurrentUsers", "1").await.unwrap();
    assert_eq!(shell_code(&mut bob).await, Some(0x8033_81AB));
    alice.set("Winrs/MaxConcurrentUsers", "2").await.unwrap();
    assert_eq!(shell_code(&mut bob).await, None);
    alice.set("Winrs/MaxProcessesPerShell", "1").await.unwrap();
    let next = alice.0.open_shell().await;
    alice.0.start(&next, "sleep 1000").await.unwrap();
    let fault = alice.0.start(&next, "echo refused").await.unwrap_err();
    assert_eq!(fault.error_code(), Some(ErrorCode::NOT_ENOUGH_QUOTA));
    // A shell keeps what it was opened with.
    alice.0.start(&shell, "sleep 1000").await.unwrap();
    alice.0.start(&shell, "sleep 1000").await.unwrap();
}

#[tokio::test]
async fn remote_shells_can_be_forbidden_and_allowed_again() {
    let service = Service::start().await;
    let mut alice = alice(&service).await;
    let shell = alice.0.open_shell().await;
    alice.set("Winrs/AllowRemoteShellAccess", "false").await.unwrap();
    let code = ErrorCode::REMOTESHELLS_NOT_ALLOWED.0;
    assert_eq!(shell_code(&mut alice.0).await, Some(code));
    // Those that are open stay.
    let id = alice.0.start(&shell, "true").await.unwrap();
    assert_eq!(alice.0.finish(&shell, &id).await.2, 0);
    alice.set("Winrs/AllowRemoteShellAccess", "true").await.unwrap();
    alice.0.open_shell().await;
}

#[tokio::test]
async fn idle_timeout_is_that_of_the_next_shell() {
    let service = Service::start().await;
    let mut alice = alice(&service).await;
    alice.set("Winrs/IdleTimeout", "100000").await.unwrap();
    let id = alice.0.open_shell().await;
    let locator =
        Locator { selectors: wsman::SelectorSet::shell(&id), ..Locator::new(resource::SHELL) };
    let reply = alice.ask(&locator, Operation::Get).await.unwrap();
    let info = ShellInfo::from_element(reply.body.first().unwrap()).unwrap();
    assert_eq!(info.idle_timeout.unwrap().as_str(), "PT100.000S");
}

#[tokio::test]
async fn memory_of_a_shell_is_that_of_the_next_shell() {
    let service = Service::start().await;
    let mut alice = alice(&service).await;
    for value in ["150", "1", "0", "2147483647"] {
        alice.set("Winrs/MaxMemoryPerShellMB", value).await.unwrap();
        alice.0.open_shell().await;
    }
    let expected = [Some(157_286_400), Some(1_048_576), None, None];
    assert_eq!(service.plugin.memory(), expected);
}

#[tokio::test]
async fn max_connections_closes_what_is_too_many() {
    let service = Service::start().await;
    let mut alice = alice(&service).await;
    alice.set("Service/MaxConnections", "1").await.unwrap();
    let mut other = Http::connect(service.address).await;
    assert!(other.is_closed().await);
    alice.set("Service/MaxConnections", "2").await.unwrap();
    Session::login(service.address, "bob").await;
}

#[tokio::test]
async fn packet_retrieval_time_ends_half_a_request() {
    let service = Service::start().await;
    let mut alice = alice(&service).await;
    alice.set("Service/MaxPacketRetrievalTimeSeconds", "1").await.unwrap();
    let mut http = Http::connect(service.address).await;
    http.send(b"POST /wsman HTTP/1.1\r\nHost: box\r\n").await;
    // By the default it would take two minutes, which is more than the client here waits for.
    assert!(http.is_closed().await);
}

#[tokio::test]
async fn logins_are_offered_as_the_settings_say_now() {
    let service = Service::start().await;
    let mut alice = alice(&service).await;
    assert_eq!(offered(&service).await, ["Negotiate"]);
    // A connection from before knows what is new.
    let mut early = Http::connect(service.address).await;
    assert_eq!(early.ask(&[SOAP], b"").await.status, 401);
    let user = basic("alice", PASSWORD);
    let headers = [SOAP, ("Authorization", &*user)];
    assert_eq!(early.ask(&headers, &identify()).await.status, 401);
    alice.set("Service/Auth/Basic", "true").await.unwrap();
    assert_eq!(offered(&service).await, ["Negotiate"], "a password would pass in the clear");
    let plain = alice.0.http.ask(&[SOAP], &identify()).await;
    assert_eq!(plain.status, 500, "AllowUnencrypted is false");
    alice.set("Service/AllowUnencrypted", "true").await.unwrap();
    assert_eq!(offered(&service).await, ["Negotiate", "Basic realm=\"WSMAN\""]);
    assert_eq!(early.ask(&headers, &identify()).await.status, 200);
    assert_eq!(alice.0.http.ask(&[SOAP], &identify()).await.status, 200);
    alice.set("Service/Auth/CredSSP", "true").await.unwrap();
    assert!(offered(&service).await.contains(&"CredSSP".to_owned()));
    alice.set("Service/Auth/Negotiate", "false").await.unwrap();
    assert!(!offered(&service).await.contains(&"Negotiate".to_owned()));
    alice.set("Service/Auth/Basic", "false").await.unwrap();
    assert_eq!(early.ask(&headers, &identify()).await.status, 401);
}

#[tokio::test]
async fn identify_tells_the_profiles_of_the_logins_that_are_enabled() {
    let service = Service::start().await;
    let mut alice = alice(&service).await;
    let has = |found: &[String], uri: &str| found.iter().any(|one| one == uri);
    let found = profiles(&mut alice.0).await;
    assert!(has(&found, profile::HTTP_SPNEGO) && !has(&found, profile::HTTP_BASIC));
    alice.set("Service/Auth/Basic", "true").await.unwrap();
    alice.set("Service/Auth/Certificate", "true").await.unwrap();
    alice.set("Service/Auth/Negotiate", "false").await.unwrap();
    let found = profiles(&mut alice.0).await;
    assert!(has(&found, profile::HTTPS_BASIC) && has(&found, profile::HTTPS_MUTUAL));
    assert!(has(&found, profile::HTTPS_SPNEGO), "Kerberos is enabled");
    alice.set("Service/Auth/Kerberos", "false").await.unwrap();
    assert!(!has(&profiles(&mut alice.0).await, profile::HTTPS_SPNEGO));
}

#[tokio::test]
async fn certificate_of_credssp_must_be_there() {
    let service = Service::start().await;
    let mut alice = alice(&service).await;
    alice.set("Service/Auth/CredSSP", "true").await.unwrap();
    let unknown = "00112233445566778899AABBCCDDEEFF00112233";
    let code = alice.refused("Service/CertificateThumbprint", unknown).await;
    assert_eq!(code, ErrorCode::INVALID_PARAMETER);
    assert_eq!(alice.value("Service/CertificateThumbprint").await, "");
    let own = service.thumbprint();
    alice.set("Service/CertificateThumbprint", &own).await.unwrap();
    let http = Http::connect(service.address).await;
    let login = crate::support::credssp("bob", PASSWORD);
    Session::over(http, login).await.expect("a login by CredSSP");
}

#[tokio::test]
async fn hardening_level_is_that_of_the_next_login() {
    let service = Service::start_with(https("")).await;
    let log_in = async || {
        let (http, _) = Http::connect_tls(service.address).await;
        Session::over(http, bound("alice", PASSWORD, false, None)).await
    };
    let mut alice = Asker(log_in().await.unwrap());
    alice.set("Service/Auth/CbtHardeningLevel", "Strict").await.unwrap();
    assert_eq!(log_in().await.err().unwrap().status, 401);
    alice.set("Service/Auth/CbtHardeningLevel", "None").await.unwrap();
    log_in().await.unwrap();
}

#[tokio::test]
async fn what_cannot_be_changed_is_refused() {
    let service = Service::start().await;
    let mut alice = alice(&service).await;
    for setting in Node::Config.settings().filter(|one| one.mutability == Mutability::Deprecated) {
        let code = alice.refused(setting.path, "77").await;
        assert_eq!(code, ErrorCode::DEPRECATED_CONFIG_SETTING, "{}", setting.path);
    }
    for path in ["Service/DefaultPorts/HTTP", "Service/DefaultPorts/HTTPS"] {
        assert_eq!(alice.refused(path, "80").await, ErrorCode::ACTION_NOT_SUPPORTED);
    }
    for setting in Node::Client.settings() {
        let other = if setting.default == "true" { "false" } else { "true" };
        let other = if setting.default.parse::<u32>().is_ok() { "700" } else { other };
        let code = alice.refused(setting.path, other).await;
        assert_eq!(code, ErrorCode::CONFIG_READONLY_PROPERTY, "{}", setting.path);
    }
}

#[tokio::test]
async fn administrators_values_show_their_source_and_cannot_be_changed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    std::fs::write(&path, "[Winrs]\nMaxShellsPerUser = 3\n").unwrap();
    let layers = server::configuration::Layers::load(Some(&path), folder.path()).unwrap();
    let layers = layers.with_listeners(&["http://127.0.0.1:0".parse().unwrap()]);
    let settings: Settings = layers.settings().unwrap();
    let service = Service::start_as(settings, |config| config.layers = Some(layers)).await;
    let mut alice = alice(&service).await;
    let element = alice.get(Node::Winrs.uri()).await;
    let source = |name: &str| {
        let child = element.child(Node::Winrs.uri(), name).unwrap();
        child.attribute("Source").map(str::to_owned)
    };
    assert_eq!(source("MaxShellsPerUser").as_deref(), Some("GPO"));
    assert_eq!(source("IdleTimeout"), None);
    let code = alice.refused("Winrs/MaxShellsPerUser", "4").await;
    assert_eq!(code, ErrorCode::CONFIG_CANNOT_CHANGE_GPO_CONTROLLED_SETTING);
    // What is written beside it, in the same message, is changed.
    alice.set("Winrs/IdleTimeout", "70000").await.unwrap();
    let method = Operation::Invoke { method: "restore".to_owned(), input: None };
    alice.ask(&Locator::new(Node::Config.uri()), method).await.unwrap();
    assert_eq!(alice.value("Winrs/MaxShellsPerUser").await, "3");
    assert_eq!(alice.value("Winrs/IdleTimeout").await, "7200000");
}
