//! Hosts that do what the specification allows and our own service does not.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use crate::tool::{self, LIMIT, Ran};

const SHELL: &str = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell";
const ID: &str = "0F8FAD5B-D9CB-469F-A165-70867728950E";

/// How often each operation was asked for so far.
type Seen = (Mutex<BTreeMap<String, u32>>, Condvar);

/// The answer to an operation that was asked for so often: a body, or a code for a fault.
type Answers = dyn Fn(&str, u32, &Seen) -> Option<Result<String, u32>> + Send + Sync;

/// Runs `winrs` with some input on a host that answers so, and otherwise as little as is legal.
fn run(
    answers: impl Fn(&str, u32, &Seen) -> Option<Result<String, u32>> + Send + Sync + 'static,
) -> (Ran, Arc<Seen>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let seen = Arc::new(Seen::default());
    let answers: Arc<Answers> = Arc::new(answers);
    let shared = Arc::clone(&seen);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (answers, seen) = (Arc::clone(&answers), Arc::clone(&shared));
            thread::spawn(move || serve(stream, &*answers, &seen));
        }
    });
    let folder = tool::client_settings("AllowUnencrypted = true\n");
    let mut winrs = tool::winrs();
    winrs.arg(format!("-r:http://{address}")).args(["-u:alice", "-auth:basic", "-un", "anything"]);
    winrs.env("XDG_CONFIG_HOME", folder.path()).env("TRANSOM_PASSWORD", "x");
    (tool::run_with_input(&mut winrs, b"input"), seen)
}

/// Answers the requests of one connection until it ends.
fn serve(mut stream: TcpStream, answers: &Answers, seen: &Seen) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    loop {
        let (mut line, mut length) = (String::new(), 0);
        while reader.read_line(&mut line).is_ok_and(|read| read > 2) {
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            line.clear();
        }
        let mut request = vec![0; length];
        if length == 0 || reader.read_exact(&mut request).is_err() {
            return;
        }
        let request = String::from_utf8(request).unwrap();
        let action = between(&request, "Action", "</").to_owned();
        let operation = action.rsplit('/').next().unwrap();
        let count = {
            let mut known = seen.0.lock().unwrap();
            let count = known.entry(operation.to_owned()).or_default();
            *count += 1;
            seen.1.notify_all();
            *count
        };
        let answer = answers(operation, count, seen).unwrap_or_else(|| Ok(least(operation)));
        let (status, action, body) = match answer {
            Ok(body) => (200, format!("{action}Response"), body),
            Err(code) => {
                (500, "http://schemas.dmtf.org/wbem/wsman/1/wsman/fault".into(), fault(code))
            }
        };
        let message_id = between(&request, "MessageID", "</");
        let envelope = format!(
            "<s:Envelope xmlns:s='http://www.w3.org/2003/05/soap-envelope' xmlns:r='{SHELL}' \
             xmlns:a='http://schemas.xmlsoap.org/ws/2004/08/addressing'><s:Header><a:Action>{action}</a:Action>\
             <a:RelatesTo>{message_id}</a:RelatesTo></s:Header><s:Body>{body}</s:Body></s:Envelope>"
        );
        let head = format!(
            "HTTP/1.1 {status} \r\nContent-Type: application/soap+xml\r\nContent-Length: {}\r\n\r\n",
            envelope.len()
        );
        if stream.write_all((head + &envelope).as_bytes()).is_err() {
            return;
        }
    }
}

/// What stands in the element whose start tag holds `name`.
fn between<'a>(text: &'a str, name: &str, end: &str) -> &'a str {
    let (_, rest) = text.split_once(name).unwrap();
    let (_, rest) = rest.split_once('>').unwrap();
    rest.split_once(end).unwrap().0
}

fn least(operation: &str) -> String {
    match operation {
        "Create" => {
            // So that the input is there when the command is.
            thread::sleep(Duration::from_millis(300));
            format!(
                "<x:ResourceCreated xmlns:x='http://schemas.xmlsoap.org/ws/2004/09/transfer'>\
             <a:Address>x</a:Address></x:ResourceCreated>\
             <r:Shell><r:ShellId>{ID}</r:ShellId></r:Shell>"
            )
        }
        "Command" => {
            format!("<r:CommandResponse><r:CommandId>{ID}</r:CommandId></r:CommandResponse>")
        }
        "Receive" => received("b3V0", "Done"),
        "Delete" => String::new(),
        other => format!("<r:{other}Response/>"),
    }
}

/// Output and a state, without ids and without the ends of the streams.
fn received(output: &str, state: &str) -> String {
    let code = if state == "Done" { "<r:ExitCode>5</r:ExitCode>" } else { "" };
    format!(
        "<r:ReceiveResponse><r:Stream Name='stdout'>{output}</r:Stream>\
         <r:CommandState State='{SHELL}/CommandState/{state}'>{code}</r:CommandState></r:ReceiveResponse>"
    )
}

fn fault(code: u32) -> String {
    format!(
        "<s:Fault><s:Code><s:Value>s:Receiver</s:Value></s:Code><s:Reason><s:Text xml:lang=''>odd</s:Text></s:Reason>\
         <s:Detail><f:WSManFault xmlns:f='http://schemas.microsoft.com/wbem/wsman/1/wsmanfault' Code='{code}'>\
         <f:Message>odd</f:Message></f:WSManFault></s:Detail></s:Fault>"
    )
}

fn count(seen: &Seen, operation: &str) -> u32 {
    seen.0.lock().unwrap().get(operation).copied().unwrap_or_default()
}

/// Waits until an operation was asked for; whether it was.
fn wait_for(seen: &Seen, operation: &str) -> bool {
    let known = seen.0.lock().unwrap();
    let absent = |known: &mut BTreeMap<_, _>| !known.contains_key(operation);
    !seen.1.wait_timeout_while(known, LIMIT / 10, absent).unwrap().1.timed_out()
}

#[test]
fn answers_that_say_little_are_enough() {
    let (ran, seen) = run(|operation, count, _| match (operation, count) {
        ("Receive", 1) => Some(Ok("<r:ReceiveResponse/>".to_owned())),
        ("Receive", 2) => Some(Err(2_150_858_793)),
        ("Receive", 3) => Some(Ok(received("YQ==", "Running"))),
        ("Receive", 4) => Some(Ok(received("Yg==", "Pending"))),
        _ => None,
    });
    assert_eq!(ran.ended(5).stdout, "about");
    assert_eq!(count(&seen, "Delete"), 1);
}

#[test]
fn output_is_asked_for_while_the_first_input_is_not_taken() {
    // A command that writes more than the host keeps, before it reads.
    let (ran, seen) = run(|operation, _, seen| {
        if operation == "Send" && !wait_for(seen, "Receive") {
            seen.0.lock().unwrap().insert("stuck".to_owned(), 1);
        }
        None
    });
    assert_eq!((count(&seen, "stuck"), ran.code()), (0, 5), "{ran:#?}");
}

#[test]
fn input_is_sent_again_while_the_host_is_busy_and_not_after_a_time_out() {
    let (ran, seen) = run(|operation, count, seen| match (operation, count) {
        ("Send", 1 | 2) => Some(Err(170)),
        ("Send", _) => Some(Err(2_150_858_793)),
        ("Receive", _) => {
            let known = seen.0.lock().unwrap();
            let few = |known: &mut BTreeMap<String, u32>| known.get("Send") < Some(&3);
            drop(seen.1.wait_timeout_while(known, LIMIT / 4, few).unwrap());
            None
        }
        _ => None,
    });
    assert_eq!((ran.stderr.as_str(), ran.code()), ("", 5));
    assert_eq!(count(&seen, "Send"), 3);
}

#[test]
fn input_that_the_host_refuses_is_an_error_and_no_gap() {
    // The command waits for the rest of its input.
    let (ran, _) = run(|operation, _, seen| match operation {
        "Send" => Some(Err(1_359)),
        "Receive" if wait_for(seen, "Signal") => Some(Err(995)),
        _ => None,
    });
    let ran = ran.ended(255);
    assert!(ran.stderr.starts_with("Winrs error:1359"), "{ran:#?}");
}

#[test]
fn input_that_a_command_does_not_read_is_no_error() {
    let (ran, _) = run(|operation, _, _| match operation {
        "Send" => Some(Err(0x8007_006D)),
        "Receive" => {
            thread::sleep(Duration::from_secs(3));
            None
        }
        _ => None,
    });
    assert_eq!((ran.stderr.as_str(), ran.code()), ("", 5));
}

#[test]
fn host_that_answers_at_once_with_nothing_is_asked_less_and_less_often() {
    let start = Mutex::new(None);
    let (ran, seen) = run(move |operation, _, _| {
        let mut start = start.lock().unwrap();
        let is_early = start.get_or_insert_with(Instant::now).elapsed() < Duration::from_secs(2);
        (operation == "Receive" && is_early).then(|| Ok("<r:ReceiveResponse/>".to_owned()))
    });
    assert_eq!(ran.ended(5).stdout, "out");
    // Two at once, then after 10, 20, 40, 80, 160, 320, 640 and 1000 ms.
    assert!(count(&seen, "Receive") <= 11, "{seen:?}");
}
