//! Operations on resources whose connection breaks before the answer: said again to a host that knows operations by name, and to no
//! other.

use std::io::{BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use client::{Authentication, Client, Config, Credentials, Settings};
use uuid::Uuid;
use wsman::ns::action;
use wsman::transfer::Locator;
use wsman::xml::{Element, Limits};
use wsman::{Envelope, HeaderValue};

use crate::requests;

const URI: &str = "urn:test:resource";

type Asked = Arc<Mutex<Vec<Envelope>>>;

/// A host that answers a Get at once, and a Put only when it comes for the second time. `is_robust`: whether operations have names.
fn host(is_robust: bool) -> (u16, Asked) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let asked = Asked::default();
    let heard = Arc::clone(&asked);
    std::thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            let heard = Arc::clone(&heard);
            std::thread::spawn(move || serve(connection, is_robust, &heard));
        }
    });
    (port, asked)
}

fn serve(mut connection: TcpStream, is_robust: bool, heard: &Asked) -> Option<()> {
    let mut reader = BufReader::new(connection.try_clone().ok()?);
    loop {
        let body = requests::body(&mut reader)?;
        let request = Envelope::decode(&body, &Limits::default()).ok()?;
        let puts = {
            let mut heard = heard.lock().unwrap();
            heard.push(request.clone());
            heard.iter().filter(|asked| asked.action() == Some(action::PUT)).count()
        };
        let is_put = request.action() == Some(action::PUT);
        if is_put && puts == 1 {
            // Heard, and gone before it is answered.
            return None;
        }
        let action = if is_put { action::PUT_RESPONSE } else { action::GET_RESPONSE };
        let element = Element::new("urn:test:resource", "It").with_text(puts.to_string());
        let mut answer = request.reply(action, Uuid::from_u128(1), vec![element]);
        if !is_robust {
            answer.header.blocks.retain(|block| {
                !matches!(block.value, HeaderValue::OperationId(_) | HeaderValue::SequenceId(_))
            });
        }
        let mut text = answer.encode();
        if is_put {
            // What Windows says before the answer of a request that has come again.
            text = [ACKNOWLEDGE.as_bytes(), &text].concat();
        }
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/soap+xml;charset=UTF-8\r\nContent-Length: {}\r\n\r\n",
            text.len()
        );
        connection.write_all(&[head.as_bytes(), &text].concat()).ok()?;
    }
}

const ACKNOWLEDGE: &str = "<s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\" \
    xmlns:a=\"http://schemas.xmlsoap.org/ws/2004/08/addressing\" xmlns:w=\"http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd\" \
    xmlns:p=\"http://schemas.microsoft.com/wbem/wsman/1/wsman.xsd\"><s:Header>\
    <w:ResourceURI>http://schemas.microsoft.com/wbem/wsman/1/wsman/RobustConnection</w:ResourceURI>\
    <a:Action>http://schemas.microsoft.com/wbem/wsman/1/wsman/Acknowledge</a:Action></s:Header>\
    <s:Body><p:LastSequenceIdReceived>1</p:LastSequenceIdReceived></s:Body></s:Envelope>";

fn client(port: u16) -> Client {
    let endpoint = format!("http://127.0.0.1:{port}").parse().unwrap();
    let credentials = Credentials { user: "a".into(), password: "b".into() };
    let settings = Settings { allow_unencrypted: true, ..Settings::default() };
    let authentication = Authentication::Basic;
    Client::new(Config { authentication, settings, ..Config::new(endpoint, credentials) }).unwrap()
}

/// Whether the operation is marked as one that comes again.
fn is_marked(request: &Envelope) -> bool {
    request
        .header
        .blocks
        .iter()
        .any(|block| block.must_understand() && matches!(block.value, HeaderValue::OperationId(_)))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_put_is_said_again_to_a_host_that_knows_operations_by_name() {
    let (port, asked) = host(true);
    let client = client(port);
    let locator = Locator::new(URI);
    client.get(&locator).await.unwrap();
    let new = Element::new("urn:test:resource", "It").with_text("new");
    let answer = client.put(&locator, new).await.unwrap().unwrap();
    assert_eq!(answer.text(), "2");
    let asked = asked.lock().unwrap();
    let [get, first, again] = asked.as_slice() else { panic!("{} requests", asked.len()) };
    assert!(!is_marked(get) && !is_marked(first) && is_marked(again));
    assert_ne!(get.header.operation_id(), first.header.operation_id());
    assert_eq!(first.header.operation_id(), again.header.operation_id());
    assert_eq!(first.header.message_id(), again.header.message_id());
    assert_eq!(first.body, again.body);
    again.header.check_request().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_put_is_not_said_again_to_another_host() {
    let (port, asked) = host(false);
    let client = client(port);
    let locator = Locator::new(URI);
    client.get(&locator).await.unwrap();
    let new = || Element::new("urn:test:resource", "It").with_text("new");
    client.put(&locator, new()).await.unwrap_err();
    assert_eq!(asked.lock().unwrap().len(), 2);
    // What one resource shows says nothing of another.
    let (port, asked) = host(true);
    let client = self::client(port);
    client.get(&Locator::new(URI)).await.unwrap();
    client.put(&Locator::new("urn:test:other"), new()).await.unwrap_err();
    assert_eq!(asked.lock().unwrap().len(), 2);
}
