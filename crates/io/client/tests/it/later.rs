//! Hosts that ask to be asked later: by 425, 429 and 503, with and without a time.

use std::io::{BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use client::{Authentication, Client, Config, Credentials, Settings, ShellOptions};
use session::client::timing::Timing;
use wsman::identify::IdentifyResponse;

use crate::requests;

/// What a host was asked for.
type Asked = Arc<Mutex<Vec<String>>>;

/// A host that answers its first requests so, and those behind them as a service would: Identify, and nothing else.
fn host(first: Vec<&'static str>) -> (u16, Asked) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let asked = Asked::default();
    let heard = Arc::clone(&asked);
    std::thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            let (first, heard) = (first.clone(), Arc::clone(&heard));
            std::thread::spawn(move || serve(connection, &first, &heard));
        }
    });
    (port, asked)
}

fn serve(mut connection: TcpStream, first: &[&str], heard: &Asked) -> Option<()> {
    let mut reader = BufReader::new(connection.try_clone().ok()?);
    loop {
        let body = requests::body(&mut reader)?;
        let count = {
            let mut heard = heard.lock().unwrap();
            heard.push(what(&body));
            heard.len()
        };
        if let Some(head) = first.get(count - 1) {
            let head = format!("HTTP/1.1 {head}\r\nContent-Length: 0\r\n\r\n");
            connection.write_all(head.as_bytes()).ok()?;
            continue;
        }
        let answer = IdentifyResponse {
            protocol_versions: vec!["http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd".to_owned()],
            ..IdentifyResponse::default()
        };
        let answer = answer.to_envelope().encode();
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/soap+xml;charset=UTF-8\r\nContent-Length: {}\r\n\r\n",
            answer.len()
        );
        connection.write_all(&[head.as_bytes(), &answer].concat()).ok()?;
    }
}

fn what(body: &[u8]) -> String {
    if body.is_empty() {
        return "nothing".to_owned();
    }
    let text = String::from_utf8_lossy(body);
    if text.contains("Identify") {
        return "Identify".to_owned();
    }
    "another".to_owned()
}

fn client(port: u16, authentication: Authentication, operation: Duration) -> Client {
    let endpoint = format!("http://127.0.0.1:{port}").parse().unwrap();
    let credentials = Credentials { user: "a".into(), password: "b".into() };
    let timing = Timing { operation, network_delay: Duration::from_secs(1) };
    let settings = Settings { allow_unencrypted: true, timing, ..Settings::default() };
    let config = Config { authentication, settings, ..Config::new(endpoint, credentials) };
    Client::new(config).unwrap()
}

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn messages_that_do_no_harm_twice_are_sent_again() {
    let first = vec![
        "425 Too Early\r\nRetry-After: 0",
        "429 Too Many Requests\r\nRetry-After: Thu, 01 Jan 1970 00:01:00 GMT",
        "503 Service Unavailable",
    ];
    let (port, asked) = host(first);
    client(port, Authentication::Basic, MINUTE).identify().await.unwrap();
    assert_eq!(*asked.lock().unwrap(), ["Identify"; 4]);
}

#[tokio::test(flavor = "multi_thread")]
async fn hosts_that_ask_for_ever_or_for_too_long_are_given_up() {
    let (port, asked) = host(vec!["503 Service Unavailable\r\nRetry-After: 0"; 100]);
    let error = client(port, Authentication::Basic, MINUTE).identify().await.unwrap_err();
    assert!(error.to_string().contains("503"), "{error}");
    assert_eq!(*asked.lock().unwrap(), ["Identify"; 6]);

    let (port, asked) = host(vec!["429 Too Many Requests\r\nRetry-After: 3600"; 100]);
    let start = Instant::now();
    let error = client(port, Authentication::Basic, MINUTE).identify().await.unwrap_err();
    assert!(error.to_string().contains("429"), "{error}");
    assert!(start.elapsed() < MINUTE, "an hour is not in the operation's time");
    assert_eq!(asked.lock().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn login_that_carried_no_message_is_made_again_whatever_the_message() {
    let (port, asked) = host(vec!["503 Service Unavailable\r\nRetry-After: 0"; 3]);
    let client = client(port, Authentication::Ntlm, MINUTE);
    // The host knows nothing of NTLM in the end, and says so by an answer that is none.
    client.open_shell(ShellOptions::default()).await.unwrap_err();
    assert_eq!(*asked.lock().unwrap(), ["nothing"; 4]);
}
