//! HTTPS: what is taken inside TLS, channel bindings at each hardening level, and what happens
//! before a handshake is complete.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use auth::ChannelBinding;
use client::{Authentication, Client, Config as ClientConfig, Credentials, ErrorKind, Trust};
use server::certificates::{CertificatesError, New};
use server::{Listeners, RunError};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use transport::tls;
use wsman::identify::{Identify, IdentifyResponse};

use crate::support::{Http, PASSWORD, Service, Session, basic, bound, envelope_of, https};

const SOAP: (&str, &str) = ("Content-Type", "application/soap+xml;charset=UTF-8");

fn identify() -> Vec<u8> {
    Identify::default().to_envelope().encode()
}

async fn login(address: SocketAddr, binding: Binding) -> Result<Session, u16> {
    let (http, own) = Http::connect_tls(address).await;
    let binding = match binding {
        Binding::None => None,
        Binding::Right => Some(own),
        Binding::Wrong => Some(ChannelBinding::from_tls_server_end_point(&[7; 32])),
    };
    Session::over(http, bound("alice", PASSWORD, false, binding))
        .await
        .map_err(|answer| answer.status)
}

#[derive(Clone, Copy, Debug)]
enum Binding {
    None,
    Right,
    Wrong,
}

#[tokio::test]
async fn plain_and_sealed_bodies_are_taken_inside_tls() {
    let service = Service::start_with(https("")).await;
    let mut session = login(service.address, Binding::Right).await.unwrap();
    let answer = session.http.ask(&[SOAP], &identify()).await;
    assert_eq!(answer.status, 200);
    let response = IdentifyResponse::from_envelope(&envelope_of(&answer.body)).unwrap();
    let profiles = response.security_profiles.unwrap();
    assert!(profiles.iter().any(|found| found == wsman::identify::profile::HTTPS_SPNEGO));
    assert_eq!(session.ask_bytes(&identify()).await.0, 200);
    let shell = session.open_shell().await;
    let id = session.start(&shell, "echo hello").await.unwrap();
    assert_eq!(session.finish(&shell, &id).await.2, 0);
}

#[tokio::test]
async fn nothing_is_looked_at_before_the_login_inside_tls_either() {
    let service = Service::start_with(https("")).await;
    let (mut http, _) = Http::connect_tls(service.address).await;
    let answer = http.ask(&[SOAP], &identify()).await;
    assert_eq!((answer.status, answer.values("WWW-Authenticate")), (401, vec!["Negotiate"]));
}

#[tokio::test]
async fn basic_is_taken_inside_tls_when_the_setting_allows_it() {
    let header = basic("alice", PASSWORD);
    for (text, status) in [("", 401), ("[Service.Auth]\nBasic = true\n", 200)] {
        let service = Service::start_with(https(text)).await;
        let (mut http, _) = Http::connect_tls(service.address).await;
        let answer = http.ask(&[SOAP, ("Authorization", &header)], &identify()).await;
        assert_eq!(answer.status, status, "{text}");
    }
}

#[tokio::test]
async fn bindings_are_judged_by_the_hardening_level() {
    use Binding::{None, Right, Wrong};
    for (level, accepted, refused) in [
        ("None", vec![None, Right, Wrong], vec![]),
        ("Relaxed", vec![None, Right], vec![Wrong]),
        ("Strict", vec![Right], vec![None, Wrong]),
    ] {
        let text = format!("[Service.Auth]\nCbtHardeningLevel = \"{level}\"\n");
        let service = Service::start_with(https(&text)).await;
        for binding in accepted {
            let session = login(service.address, binding).await;
            assert!(session.is_ok(), "{level} refuses {binding:?}");
        }
        for binding in refused {
            let status = login(service.address, binding).await.err();
            assert_eq!(status, Some(401), "{level} accepts {binding:?}");
        }
    }
}

/// Somebody in between with a certificate of its own, who passes on what is inside TLS.
async fn relay(target: SocketAddr) -> SocketAddr {
    let identity = New { names: vec!["localhost".to_owned()], days: 1 }.make().unwrap();
    let clients = tls::ClientCertificates::Never;
    let options =
        tls::ServerOptions { identity: Arc::new(identity), clients, disable_tls13: false };
    let server = Arc::new(tls::Server::new(&options).unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let server = Arc::clone(&server);
            tokio::spawn(async move {
                let limit = std::time::Duration::from_secs(20);
                let mut inner = server.accept(stream, limit).await.unwrap().stream;
                let trust = Trust { skip_ca_check: true, ..Trust::default() };
                let stream = TcpStream::connect(target).await.unwrap();
                let client = tls::Client::new(&trust.into()).unwrap();
                let mut outer = client.connect(stream, "box", limit).await.unwrap().stream;
                drop(copy_bidirectional(&mut inner, &mut outer).await);
            });
        }
    });
    address
}

#[tokio::test]
async fn relay_with_another_certificate_gets_no_login_of_our_client() {
    for authentication in [Authentication::Ntlm, Authentication::Negotiate] {
        for (level, is_refused) in [("None", false), ("Relaxed", true), ("Strict", true)] {
            let text = format!("[Service.Auth]\nCbtHardeningLevel = \"{level}\"\n");
            let service = Service::start_with(https(&text)).await;
            let ask = async |address: SocketAddr| {
                let endpoint = format!("https://localhost:{}", address.port()).parse().unwrap();
                let credentials = Credentials { user: "alice".into(), password: PASSWORD.into() };
                let mut config = ClientConfig::new(endpoint, credentials);
                config.authentication = authentication;
                config.settings.trust =
                    Trust { skip_ca_check: true, skip_cn_check: true, ..Trust::default() };
                Client::new(config).unwrap().identify().await
            };
            ask(service.address).await.unwrap();
            let relayed = ask(relay(service.address).await).await;
            match relayed {
                Ok(_) => assert!(!is_refused, "{level}"),
                Err(error) => {
                    let is_denied = matches!(error.kind(), ErrorKind::Denied(_));
                    assert!(is_refused && is_denied, "{level}: {error}");
                }
            }
        }
    }
}

#[tokio::test]
async fn client_that_never_begins_the_handshake_is_cut_off() {
    let service =
        Service::start_with(https("[Service]\nMaxPacketRetrievalTimeSeconds = 1\n")).await;
    let mut silent = Http::connect(service.address).await;
    assert!(silent.is_closed().await);
}

#[tokio::test]
async fn handshake_under_way_has_the_place_of_a_connection() {
    let service = Service::start_with(https("[Service]\nMaxConnections = 1\n")).await;
    let _silent = Http::connect(service.address).await;
    let mut second = Http::connect(service.address).await;
    assert!(second.is_closed().await);
}

#[tokio::test]
async fn plain_http_on_the_port_of_https_gets_no_answer() {
    let service = Service::start_with(https("")).await;
    let mut http = Http::connect(service.address).await;
    http.send(b"POST /wsman HTTP/1.1\r\nHost: b\r\nContent-Length: 0\r\n\r\n").await;
    // The alert of TLS, if it is read, is no answer of HTTP.
    let mut rest = Vec::new();
    http.drain(&mut rest).await;
    assert!(!rest.starts_with(b"HTTP"), "{rest:?}");
}

#[tokio::test]
async fn stop_does_not_wait_for_a_handshake() {
    let service = Service::start_with(https("")).await;
    let _silent = Http::connect(service.address).await;
    service.stop().await;
}

fn start_error(folder: Option<&Path>, certificate: Option<&str>) -> CertificatesError {
    let certificate = certificate.map(|text| text.parse().unwrap());
    match Listeners::open(&https(""), folder, certificate.as_ref(), None).unwrap_err() {
        RunError::Certificate { source, .. } => *source,
        other => panic!("{other}"),
    }
}

#[test]
fn listener_without_a_certificate_is_an_error_before_anything_listens() {
    let folder = tempfile::tempdir().unwrap();
    assert!(matches!(start_error(None, None), CertificatesError::Nothing(_)));
    assert!(matches!(start_error(Some(folder.path()), None), CertificatesError::Nothing(_)));
    let service = std::fs::File::open(folder.path()).unwrap();
    let made = server::certificates::Certificates::create_in(service, folder.path()).unwrap();
    for name in ["a", "b"] {
        made.add(&New { names: vec![name.to_owned()], days: 1 }.make().unwrap()).unwrap();
    }
    let error = start_error(Some(folder.path()), None);
    assert!(matches!(error, CertificatesError::Several(_)), "{error}");
    let error = start_error(Some(folder.path()), Some(&"00".repeat(20)));
    assert!(matches!(error, CertificatesError::Unknown(_)), "{error}");
}
