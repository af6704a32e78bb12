//! HTTP: paths, methods, limits, and what is said before a login.

use wsman::Envelope;
use wsman::identify::{HIDDEN_PRODUCT_VERSION, Identify, IdentifyResponse};

use crate::support::{Http, Response, Service, Session, basic, envelope_of, settings};

const SOAP: (&str, &str) = ("Content-Type", "application/soap+xml;charset=UTF-8");

fn identify() -> Vec<u8> {
    Identify::default().to_envelope().encode()
}

fn assert_challenge(response: &Response) {
    assert_eq!(response.status, 401);
    assert_eq!(response.values("WWW-Authenticate"), ["Negotiate"]);
    assert_eq!(response.body, b"");
}

#[tokio::test]
async fn request_without_login_gets_the_schemes_in_windows_shape() {
    let service = Service::start().await;
    let mut http = Http::connect(service.address).await;
    let response = http.ask(&[SOAP], &identify()).await;
    assert_challenge(&response);
    assert!(response.head.starts_with("HTTP/1.1 401 \r\n"), "{}", response.head);
    assert_eq!(response.values("Server"), ["Microsoft-HTTPAPI/2.0"]);
    // The connection goes on: the login follows on it.
    assert_challenge(&http.ask(&[SOAP], b"").await);
}

#[tokio::test]
async fn request_without_login_is_refused_whatever_headers_are_missing_or_repeated() {
    let service = Service::start().await;
    let requests = [
        "POST /wsman HTTP/1.1\r\nHost: b\r\nContent-Length: 0\r\n\r\n",
        "POST /wsman HTTP/1.1\r\nHost: b\r\n\r\n",
        "POST /wsman?PSVersion=7.5.0 HTTP/1.1\r\nHost: b\r\nContent-Length: 0\r\n\r\n",
        "POST /wsman/ HTTP/1.1\r\nHost: b\r\nContent-Length: 0\r\n\r\n",
        "POST /wsman HTTP/1.1\r\nHost: b\r\nContent-Type: a\r\nContent-Type: b\r\n\
         Content-Length: 1\r\n\r\nx",
        "POST /wsman HTTP/1.1\r\nHost: b\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
        "POST /wsman HTTP/1.1\r\nHost: b\r\nContent-Length: 1\r\nContent-Type: \
         multipart/encrypted;protocol=\"application/HTTP-SPNEGO-session-encrypted\";\
         boundary=\"Encrypted Boundary\"\r\n\r\nx",
        "POST /wsman HTTP/1.1\r\nHost: b\r\nAuthorization: Negotiate\r\nContent-Length: 0\r\n\r\n",
        "POST /wsman HTTP/1.1\r\nHost: b\r\nAuthorization: Digest x\r\nContent-Length: 0\r\n\r\n",
        "POST /wsman HTTP/1.1\r\nHost: b\r\nAuthorization: Kerberos AAAA\r\nContent-Length: 0\r\n\r\n",
    ];
    for request in requests {
        let mut http = Http::connect(service.address).await;
        http.send(request.as_bytes()).await;
        assert_challenge(&http.receive().await.expect(request));
    }
}

#[tokio::test]
async fn several_or_broken_authorizations_are_a_bad_request_and_end_the_connection() {
    let service = Service::start().await;
    let one = basic("alice", "x");
    for headers in [
        vec![("Authorization", one.as_str()), ("Authorization", one.as_str())],
        vec![("Authorization", "Negotiate !!!")],
    ] {
        let mut http = Http::connect(service.address).await;
        let response = http.ask(&headers, b"").await;
        assert_eq!(response.status, 400);
        assert_eq!(response.body, b"");
        assert!(http.is_closed().await);
    }
}

#[tokio::test]
async fn other_paths_and_methods_are_refused_without_a_login() {
    let service = Service::start().await;
    for (request, status) in [
        ("POST / HTTP/1.1\r\nHost: b\r\nContent-Length: 0\r\n\r\n", 404),
        ("POST /wsmanx HTTP/1.1\r\nHost: b\r\nContent-Length: 0\r\n\r\n", 404),
        ("POST /wsman/x HTTP/1.1\r\nHost: b\r\nContent-Length: 0\r\n\r\n", 404),
        ("GET /wsman HTTP/1.1\r\nHost: b\r\n\r\n", 405),
        ("PUT /wsman HTTP/1.1\r\nHost: b\r\nContent-Length: 0\r\n\r\n", 405),
    ] {
        let mut http = Http::connect(service.address).await;
        http.send(request.as_bytes()).await;
        let response = http.receive().await.expect(request);
        assert_eq!(response.status, status, "{request}");
        assert_eq!(response.body, b"");
    }
}

#[tokio::test]
async fn long_body_before_the_login_is_not_read() {
    let service = Service::start().await;
    let mut http = Http::connect(service.address).await;
    let head = "POST /wsman HTTP/1.1\r\nHost: b\r\nContent-Length: 100000000\r\n\r\n";
    http.send(head.as_bytes()).await;
    let response = http.receive().await.unwrap();
    assert_challenge(&response);
    assert_eq!(response.values("Connection"), ["close"]);
}

#[tokio::test]
async fn head_with_the_largest_token_fits_and_a_flood_does_not() {
    let service = Service::start().await;
    let mut http = Http::connect(service.address).await;
    let token = format!("Negotiate {}", "A".repeat(64 * 1024 / 3 * 4));
    assert_challenge(&http.ask(&[("Authorization", &token)], b"").await);
    let mut http = Http::connect(service.address).await;
    let mut flood = String::from("POST /wsman HTTP/1.1\r\n");
    for number in 0..20_000 {
        flood.push_str(&format!("X-{number}: {}\r\n", "y".repeat(50)));
    }
    http.send(flood.as_bytes()).await;
    let response = http.receive().await;
    assert!(response.is_none_or(|response| response.status == 431));
}

#[tokio::test]
async fn anonymous_identify_hides_versions_and_profiles() {
    let service = Service::start().await;
    let mut http = Http::connect(service.address).await;
    let headers = [SOAP, ("WSMANIDENTIFY", "unauthenticated")];
    let response = http.ask(&headers, &identify()).await;
    assert_eq!(response.status, 200);
    let found = IdentifyResponse::from_envelope(&envelope_of(&response.body)).unwrap();
    assert_eq!(found.product_version.as_deref(), Some(HIDDEN_PRODUCT_VERSION));
    assert_eq!(found.security_profiles, None);
    // Only Identify goes without a login.
    let other = Envelope::default().encode();
    assert_challenge(&http.ask(&headers, &other).await);
    assert_challenge(&http.ask(&headers, b"<broken").await);
    let long = vec![b' '; 20_000];
    assert_eq!(http.ask(&headers, &long).await.status, 413);
}

#[tokio::test]
async fn identify_after_a_login_tells_versions_and_profiles() {
    // [MS-WSMV] 3.1.4.1.23: both forms of each login that is enabled.
    let negotiate = ["http/spnego-kerberos", "https/spnego-kerberos"];
    let both = ["http/basic", "https/basic", "http/spnego-kerberos", "https/spnego-kerberos"];
    for (basic, expected) in [("false", &negotiate[..]), ("true", &both[..])] {
        let settings = settings(&format!("[Service.Auth]\nBasic = {basic}\n"));
        let service = Service::start_with(settings).await;
        let mut session = Session::login(service.address, "alice").await;
        let (status, body) = session.ask_bytes(&identify()).await;
        assert_eq!(status, 200);
        let found = IdentifyResponse::from_envelope(&envelope_of(&body)).unwrap();
        assert!(found.product_version.unwrap().starts_with("OS: "));
        let found = found.security_profiles.unwrap();
        let found: Vec<_> =
            found.iter().map(|uri| uri.split_once("/secprofile/").unwrap().1).collect();
        assert_eq!(found, expected);
    }
}

#[tokio::test]
async fn connection_beyond_the_limit_is_closed_at_once() {
    let service = Service::start_with(settings("[Service]\nMaxConnections = 2\n")).await;
    let mut first = Http::connect(service.address).await;
    assert_challenge(&first.ask(&[SOAP], b"").await);
    let mut second = Http::connect(service.address).await;
    assert_challenge(&second.ask(&[SOAP], b"").await);
    let mut third = Http::connect(service.address).await;
    third.post(&[SOAP], b"").await;
    assert!(third.receive().await.is_none());
    drop(first);
    // The place of an ended connection is free again, soon.
    loop {
        let mut next = Http::connect(service.address).await;
        next.post(&[SOAP], b"").await;
        if let Some(response) = next.receive().await {
            assert_challenge(&response);
            break;
        }
    }
}

#[tokio::test]
async fn request_that_does_not_arrive_in_time_is_given_up() {
    let text = "[Service]\nMaxPacketRetrievalTimeSeconds = 1\n";
    let service = Service::start_with(settings(text)).await;
    let mut head = Http::connect(service.address).await;
    head.send(b"POST /wsman HTTP/1.1\r\nHost: b\r\n").await;
    let answer = head.receive().await;
    assert!(answer.is_none_or(|answer| answer.status == 408));
    let mut session = Session::login(service.address, "alice").await;
    let (content_type, body) = session.seal(&identify());
    let head = format!(
        "POST /wsman HTTP/1.1\r\nHost: b\r\nContent-Type: {content_type}\r\n\
         Content-Length: {}\r\n\r\n",
        body.len()
    );
    session.http.send(head.as_bytes()).await;
    session.http.send(&body[..10]).await;
    let answer = session.http.receive().await.unwrap();
    assert_eq!(answer.status, 500);
    assert!(session.http.is_closed().await);
}

#[tokio::test]
async fn expect_100_continue_is_answered() {
    let service = Service::start().await;
    let mut session = Session::login(service.address, "alice").await;
    let (content_type, body) = session.seal(&identify());
    let headers = [("Content-Type", content_type.as_str()), ("Expect", "100-continue")];
    let response = session.http.ask(&headers, &body).await;
    assert_eq!(response.status, 200);
}
