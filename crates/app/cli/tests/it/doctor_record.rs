//! What `transom doctor --record` writes: nobody's secrets, and a conversation that can be replayed.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use serde_json::Value;
use uuid::Uuid;
use wsman::Envelope;
use wsman::shell::client::{CommandKey, Event, Shell};
use wsman::shell::{Request, RequestContext};
use wsman::xml::Limits;

use crate::service::{PASSWORD, Service, USER, flavours};
use crate::stub::Stub;
use crate::tool;
use testkit::outside::report;

const TIMEOUT: Duration = Duration::from_secs(20);

/// Runs the doctor as a user, and hands out the recording as text.
#[track_caller]
fn record(url: &str, user: &str, password: &str, code: i32) -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bundle.json");
    let mut command = tool::transom();
    command.args(["doctor", url, "-u", user, "--record"]).arg(&file);
    let ran = tool::run(command.env("TRANSOM_PASSWORD", password)).ended(code);
    assert!(ran.stdout.contains("look through it before you send it"), "{ran:#?}");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    fs::read_to_string(file).unwrap()
}

fn decode(text: &Value) -> Envelope {
    Envelope::decode(text.as_str().unwrap().as_bytes(), &Limits::default()).unwrap()
}

/// Makes the request of the recording by the machine's own means.
fn ask(shell: &mut Shell, command: &mut Option<CommandKey>, recorded: &Envelope) {
    let id =
        Uuid::parse_str(recorded.header.message_id().unwrap().trim_start_matches("uuid:")).unwrap();
    match Request::from_envelope(recorded).unwrap() {
        Request::Create { shell: description, options } => {
            shell.open(id, TIMEOUT, *description, options).unwrap();
        }
        Request::Command { command: line, options } => {
            *command = Some(shell.start(id, TIMEOUT, line, options).unwrap());
        }
        Request::Receive { .. } => shell.receive(id, TIMEOUT, command.unwrap()).unwrap(),
        Request::Signal(signal) => {
            shell.signal(id, TIMEOUT, command.unwrap(), signal.code).unwrap();
        }
        Request::Delete => shell.close(id, TIMEOUT).unwrap(),
        other @ (Request::Send(_) | Request::Get | _) => {
            panic!("{other:?} is not what the doctor sends")
        }
    }
}

/// What the machine tells when it is given the recorded answers.
fn replayed(bundle: &str) -> Vec<String> {
    let bundle: Value = serde_json::from_str(bundle).unwrap();
    let messages = bundle["messages"].as_array().unwrap();
    let first = decode(&messages[0]["request"]);
    let context = RequestContext::new(
        first.header.to().unwrap(),
        first.header.resource_uri().unwrap(),
        Uuid::nil(),
    );
    let (mut shell, mut command) = (Shell::new(context), None);
    let mut told = Vec::new();
    for message in messages {
        let recorded = decode(&message["request"]);
        ask(&mut shell, &mut command, &recorded);
        let sent = shell.poll_request().unwrap().envelope;
        let sent = Envelope::decode(&sent.encode(), &Limits::default()).unwrap();
        assert_eq!(
            Request::from_envelope(&sent).unwrap(),
            Request::from_envelope(&recorded).unwrap()
        );
        assert_eq!(sent.header.shell_id(), recorded.header.shell_id());
        shell.handle_response(&decode(&message["response"])).unwrap();
        while let Some(event) = shell.poll_event() {
            told.push(match event {
                Event::Opened { .. } => "opened".to_owned(),
                Event::Started { .. } => "started".to_owned(),
                Event::Output { data, .. } => String::from_utf8(data).unwrap(),
                Event::Done { exit_code, .. } => format!("done {exit_code:?}"),
                Event::Signaled { .. } => "signaled".to_owned(),
                Event::Closed => "closed".to_owned(),
                // A machine that is signalled or closed says more than the doctor waits for.
                Event::Ended { .. } | Event::Aborted { .. } | Event::Info { .. } => continue,
                other @ (Event::TimedOut { .. }
                | Event::Sent { .. }
                | Event::Faulted { .. }
                | _) => panic!("{other:?}"),
            });
        }
    }
    // One line of output may come in two pieces.
    told.dedup();
    told
}

const TOLD: [&str; 6] = ["opened", "started", "redacted", "done Some(0)", "signaled", "closed"];

#[test]
fn recording_of_a_service_is_replayed_to_the_same_events_and_tells_nobodys_secrets() {
    let service = Service::start(flavours()[0]);
    let text = record(&service.url, USER, PASSWORD, 0);
    assert_eq!(replayed(&text), TOLD);
    let bundle: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(bundle["answers"][0]["status"], 401);
    assert_eq!(bundle["identify"].as_array().unwrap().len(), 2);
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    let port = format!(":{}", service.port);
    let password = PASSWORD.split(' ').next().unwrap();
    for secret in [USER, password, "127.0.0.1", &port, "transom-doctor", host.trim(), "nobody"] {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
}

#[test]
fn recording_of_a_refused_login_has_the_answers_before_it() {
    let service = Service::start(flavours()[0]);
    let text = record(&service.url, USER, "wrong-password", 1);
    let bundle: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(bundle["answers"].as_array().unwrap().len(), 2);
    assert_eq!(bundle["messages"].as_array().unwrap().len(), 0);
    assert!(!text.contains("wrong-password") && !text.contains(USER), "{text}");
}

#[test]
fn recording_that_cannot_be_written_is_said_before_anything_else() {
    let mut command = tool::transom();
    let words = ["doctor", "http://127.0.0.1:1", "--record", "/nonexistent/bundle.json"];
    let ran = tool::run(command.args(words)).ended(1);
    assert!(ran.stdout.is_empty() && ran.stderr.contains("/nonexistent/bundle.json"), "{ran:#?}");
}

#[test]
fn recording_of_the_stub_is_replayed_to_the_same_events() {
    let name = "recording_of_the_stub_is_replayed_to_the_same_events";
    let Some(stub) = Stub::start(name, &[]) else { return };
    let url = format!("http://127.0.0.1:{}", stub.port);
    let text = record(&url, Stub::USER, Stub::PASSWORD, 0);
    assert_eq!(replayed(&text), TOLD);
    assert!(!text.contains(Stub::USER), "{text}");
    report("PEER winrm_stub 1: transom doctor --record");
}
