//! Pools at a host that means no good: what it says does not keep the client busy.

use std::collections::BTreeMap;
use std::io::{BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use client::pool::{PipelineOptions, PoolOptions};
use client::{Authentication, Client, Config, Credentials, Settings};
use psrp::clixml::Value;
use psrp::fragment::Fragmenter;
use psrp::message::Destination;
use psrp::messages::{
    Command, Message, PowerShell, RunspacePoolState, RunspacePoolStateMessage, SessionCapability,
};
use uuid::Uuid;
use wsman::shell::{
    CommandResponse, CreateResponse, ReceiveResponse, Request, SignalResponse, Stream,
};
use wsman::xml::{Element, Limits};
use wsman::{EndpointReference, Envelope, ErrorCode, Fault, SelectorSet, guid, ns};

use crate::requests;

/// What was asked for, by action, and how often.
type Asked = Arc<Mutex<BTreeMap<&'static str, usize>>>;

/// A host that has the pool left whenever something is sent to it. Its port, and what it was asked for.
fn host() -> (u16, Asked) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let asked = Asked::default();
    let counts = Arc::clone(&asked);
    std::thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            let counts = Arc::clone(&counts);
            std::thread::spawn(move || serve(connection, &counts));
        }
    });
    (port, asked)
}

fn serve(mut connection: TcpStream, asked: &Asked) -> Option<()> {
    let mut reader = BufReader::new(connection.try_clone().ok()?);
    loop {
        let body = requests::body(&mut reader)?;
        let answer = Envelope::decode(&body, &Limits::default())
            .map_or_else(|_| Some(Vec::new()), |envelope| answer(&envelope, asked));
        let Some(answer) = answer else {
            // A Receive that waits.
            std::thread::sleep(Duration::from_secs(20));
            return None;
        };
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/soap+xml;charset=UTF-8\r\nContent-Length: {}\r\n\r\n",
            answer.len()
        );
        connection.write_all(&[head.as_bytes(), &answer].concat()).ok()?;
    }
}

/// The answer to a request; `None` where it is to wait.
fn answer(envelope: &Envelope, asked: &Asked) -> Option<Vec<u8>> {
    let request = Request::from_envelope(envelope).unwrap();
    let name = match &request {
        Request::Send(_) => "Send",
        Request::Reconnect(_) => "Reconnect",
        _ => "other",
    };
    *asked.lock().unwrap().entry(name).or_default() += 1;
    let reply =
        |action: &str, body: Vec<Element>| Some(envelope.reply(action, Uuid::max(), body).encode());
    match request {
        Request::Create { shell, .. } => {
            let resource_created = EndpointReference {
                selectors: Some(SelectorSet::shell(shell.shell_id.as_deref().unwrap())),
                ..EndpointReference::address("http://host/wsman")
            };
            let created = CreateResponse { resource_created, shell: None, other: Vec::new() };
            reply(ns::action::CREATE_RESPONSE, created.to_body())
        }
        Request::Receive { receive, .. } if receive.command_id().is_none() => {
            let pool = Uuid::try_parse(envelope.header.shell_id().unwrap()).unwrap();
            let state = RunspacePoolState::Opened;
            let mut fragmenter = Fragmenter::new();
            for message in [
                Message::SessionCapability(SessionCapability::new(psrp::version::DEFAULT)),
                Message::RunspacePoolState(RunspacePoolStateMessage { state, error: None }),
            ] {
                fragmenter.push(message.encode(Destination::Client, pool, Uuid::nil()).encode());
            }
            let data = fragmenter.poll_fragments(usize::MAX, &mut 1);
            let stream = Stream { name: "stdout".to_owned(), data, ..Stream::default() };
            let response = ReceiveResponse { streams: vec![stream], ..ReceiveResponse::default() };
            reply(ns::action::RECEIVE_RESPONSE, response.to_body())
        }
        Request::Receive { .. } => None,
        Request::Command { command, .. } => {
            let command_id = command.command_id.unwrap_or_else(|| guid(Uuid::nil()));
            let response = CommandResponse { command_id, other: Vec::new() };
            reply(ns::action::COMMAND_RESPONSE, response.to_body())
        }
        Request::Send(_) => {
            let fault = Fault::new(ErrorCode::SHELL_DISCONNECTED, "nobody is connected ");
            Some(fault.to_envelope(Some(&envelope.header), Uuid::max(), "host").encode())
        }
        Request::Reconnect(_) => reply(ns::action::RECONNECT_RESPONSE, Vec::new()),
        Request::Signal(_) => {
            reply(ns::action::SIGNAL_RESPONSE, SignalResponse::default().to_body())
        }
        _ => reply(ns::action::DELETE_RESPONSE, Vec::new()),
    }
}

#[tokio::test]
async fn host_that_has_the_pool_left_again_and_again_is_asked_ever_more_slowly() {
    let (port, asked) = host();
    let endpoint = format!("http://127.0.0.1:{port}").parse().unwrap();
    let credentials = Credentials { user: "a".into(), password: "b".into() };
    let settings = Settings { allow_unencrypted: true, ..Settings::default() };
    let authentication = Authentication::Basic;
    let config = Config { authentication, settings, ..Config::new(endpoint, credentials) };
    let pool = Client::new(config).unwrap().open_pool(PoolOptions::default()).await.unwrap();
    let statements = vec![vec![Command::script("$input")]];
    let mut options = PipelineOptions::new(PowerShell { statements, ..PowerShell::default() });
    options.takes_input = true;
    let pipeline = pool.invoke(options).await.unwrap();
    let input = pipeline.input();
    let writing = input.write(Value::from("x"));
    assert!(tokio::time::timeout(Duration::from_secs(2), writing).await.is_err());
    let asked = asked.lock().unwrap().clone();
    assert!((3..15).contains(&asked["Send"]), "{asked:?}");
    assert!((2..15).contains(&asked["Reconnect"]), "{asked:?}");
}
