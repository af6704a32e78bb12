//! Sealed bodies: dialects, plain bodies, broken and repeated seals.

use session::http::sealed::Dialect;
use wsman::identify::Identify;
use wsman::shell::{CommandLine, CommandOptions, Request};

use crate::support::{Http, Service, Session, envelope_of, settings};

const SOAP: (&str, &str) = ("Content-Type", "application/soap+xml;charset=UTF-8");

fn identify() -> Vec<u8> {
    Identify::default().to_envelope().encode()
}

fn command(line: &str) -> Request {
    let command = CommandLine { command: line.to_owned(), ..CommandLine::default() };
    Request::Command { command, options: CommandOptions::default() }
}

#[tokio::test]
async fn answers_come_in_the_dialect_of_the_request() {
    let service = Service::start().await;
    let mut session = Session::login(service.address, "alice").await;
    for dialect in [Dialect::Tab, Dialect::Bare, Dialect::Tab] {
        session.dialect = dialect;
        assert_eq!(session.ask_bytes(&identify()).await.0, 200);
    }
}

#[tokio::test]
async fn faults_are_sealed_too() {
    let service = Service::start().await;
    let mut session = Session::login(service.address, "alice").await;
    let (status, body) = session.ask_bytes(b"<not-soap/>").await;
    assert_eq!(status, 500);
    let fault = wsman::Fault::from_envelope(&envelope_of(&body)).unwrap().unwrap();
    assert!(fault.error_code().is_some());
    // And the contexts are still in step.
    assert_eq!(session.ask_bytes(&identify()).await.0, 200);
}

#[tokio::test]
async fn plain_body_is_not_executed_unless_allowed() {
    let service = Service::start().await;
    let mut session = Session::login(service.address, "alice").await;
    let shell = session.open_shell().await;
    let request = session.envelope(&command("true"), Some(&shell)).encode();
    let answer = session.http.ask(&[SOAP], &request).await;
    assert_eq!((answer.status, answer.body.as_slice()), (500, b"".as_slice()));
    assert_eq!(service.plugin.started(), 0);
    // The connection is as good as before.
    session.start(&shell, "true").await.unwrap();

    let open = Service::start_with(settings("[Service]\nAllowUnencrypted = true\n")).await;
    let mut session = Session::login(open.address, "alice").await;
    let answer = session.http.ask(&[SOAP], &identify()).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.values("Content-Type"), ["application/soap+xml;charset=UTF-8"]);
    envelope_of(&answer.body);
}

#[tokio::test]
async fn one_flipped_bit_anywhere_executes_nothing_and_ends_the_connection() {
    let service = Service::start().await;
    let mut owner = Session::login(service.address, "alice").await;
    let shell = owner.open_shell().await;
    let (mut tried, mut at) = (0, 0);
    loop {
        let mut session = Session::login(service.address, "alice").await;
        let envelope = session.envelope(&command("true"), Some(&shell)).encode();
        let (content_type, mut body) = session.seal(&envelope);
        if at >= body.len() {
            break;
        }
        body[at] ^= 1 << (at % 8);
        at += 97;
        tried += 1;
        let answer = session.http.ask(&[("Content-Type", &content_type)], &body).await;
        // In the part headers a flipped bit may leave the meaning, as in the case of a letter; then
        // it must have run, and counted.
        assert!(answer.status == 400 || answer.status == 415 || answer.status == 200, "{answer:?}");
        if answer.status == 400 {
            assert!(session.http.is_closed().await);
        }
        assert_eq!(service.plugin.started(), 0, "executed after a flip at {}", at - 97);
    }
    assert!(tried > 10);
}

#[tokio::test]
async fn repeated_and_swapped_messages_execute_nothing() {
    let service = Service::start().await;
    let mut session = Session::login(service.address, "alice").await;
    let shell = session.open_shell().await;
    let request = session.envelope(&command("true"), Some(&shell)).encode();
    let (content_type, body) = session.seal(&request);
    let headers = [("Content-Type", content_type.as_str())];
    let first = session.http.ask(&headers, &body).await;
    assert_eq!(first.status, 200);
    session.open(&first);
    assert_eq!(service.plugin.started(), 1);
    // The same bytes again on the same connection …
    let again = session.http.ask(&headers, &body).await;
    assert_eq!((again.status, again.body.as_slice()), (400, b"".as_slice()));
    assert!(session.http.is_closed().await);
    // … and on another connection of the same user.
    let mut other = Session::login(service.address, "alice").await;
    let elsewhere = other.http.ask(&headers, &body).await;
    assert_eq!(elsewhere.status, 400);
    // A message that comes before its turn.
    let mut third = Session::login(service.address, "alice").await;
    let skipped = third.seal(&request);
    let early = third.seal(&request);
    let answer = third.http.ask(&[("Content-Type", &early.0)], &early.1).await;
    assert_eq!(answer.status, 400);
    drop(skipped);
    assert_eq!(service.plugin.started(), 1);
}

#[tokio::test]
async fn sealed_body_on_a_connection_without_login_is_refused() {
    let service = Service::start().await;
    let mut session = Session::login(service.address, "alice").await;
    let (content_type, body) = session.seal(&identify());
    let mut http = Http::connect(service.address).await;
    let answer = http.ask(&[("Content-Type", &content_type)], &body).await;
    assert_eq!(answer.status, 401);
}

#[tokio::test]
async fn too_large_message_is_refused_and_not_executed() {
    let service = Service::start_with(settings("MaxEnvelopeSizekb = 32\n")).await;
    let mut session = Session::login(service.address, "alice").await;
    let shell = session.open_shell().await;
    // More than the limit and what frames of any mechanism may add to it.
    let line = format!(": {}", "x".repeat(60_000));
    let request = session.envelope(&command(&line), Some(&shell)).encode();
    let (content_type, body) = session.seal(&request);
    let answer = session.http.ask(&[("Content-Type", &content_type)], &body).await;
    assert_eq!((answer.status, answer.body.as_slice()), (413, b"".as_slice()));
    assert!(session.http.is_closed().await);
    assert_eq!(service.plugin.started(), 0);
}

#[tokio::test]
async fn other_content_types_are_refused_and_the_connection_goes_on() {
    let service = Service::start_with(settings("[Service]\nAllowUnencrypted = true\n")).await;
    let mut session = Session::login(service.address, "alice").await;
    for headers in
        [vec![("Content-Type", "text/xml")], vec![], vec![SOAP, ("Content-Type", "text/plain")]]
    {
        assert_eq!(session.http.ask(&headers, &identify()).await.status, 415, "{headers:?}");
    }
    assert_eq!(session.ask_bytes(&identify()).await.0, 200);
}

#[tokio::test]
async fn chunked_requests_are_refused_after_the_login() {
    let service = Service::start().await;
    let mut session = Session::login(service.address, "alice").await;
    let shell = session.open_shell().await;
    for (message, expected) in
        [(session.envelope(&command("true"), Some(&shell)).encode(), 500), (identify(), 411)]
    {
        let (content_type, body) = session.seal(&message);
        let mut request = format!(
            "POST /wsman HTTP/1.1\r\nHost: b\r\nContent-Type: {content_type}\r\n\
             Transfer-Encoding: chunked\r\n\r\n{:x}\r\n",
            body.len()
        )
        .into_bytes();
        request.extend_from_slice(&body);
        request.extend_from_slice(b"\r\n0\r\n\r\n");
        session.http.send(&request).await;
        let answer = session.http.receive().await.unwrap();
        assert_eq!(answer.status, expected);
        if expected == 500 {
            let opened = session.open(&answer);
            let fault = wsman::Fault::from_envelope(&envelope_of(&opened)).unwrap().unwrap();
            assert_eq!(fault.error_code(), Some(wsman::ErrorCode(50)));
            assert_eq!(fault.subcode.unwrap().local(), "InternalError");
        }
    }
    assert_eq!(service.plugin.started(), 0);
}
