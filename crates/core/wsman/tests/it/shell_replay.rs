//! Recorded conversations: Windows's answers through the client's shell, and what released clients
//! sent through the server's.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use serde::Deserialize;
use uuid::Uuid;
use wsman::shell::client::{self, Event, Operation};
use wsman::shell::server::{Action, CommandKey, Incoming, RequestToken, Settings, Shell};
use wsman::shell::{
    CommandResponse, OutputStream, Receive, Request, RequestContext, ShellDescription,
};
use wsman::xml::Limits;
use wsman::{Envelope, ErrorCode, Fault, HeaderValue};

use crate::corpora::{folder, read};
use crate::shell_scene::{ENVELOPE, Scene, TIMEOUT, identity};

use OutputStream::{Stderr, Stdout};

fn decode(text: &str) -> Envelope {
    Envelope::decode(text.as_bytes(), &Limits::default()).unwrap()
}

#[derive(Deserialize)]
struct Conversation {
    messages: Vec<Exchange>,
}

#[derive(Deserialize)]
struct Exchange {
    request: String,
    response: String,
}

/// What a conversation came to.
#[derive(Debug, Default, PartialEq, Eq)]
struct Outcome {
    stdout: String,
    stderr: String,
    exit_code: Option<Option<u32>>,
    timed_out: usize,
    faults: Vec<(Operation, u32)>,
    closed: bool,
}

impl Outcome {
    fn take(&mut self, event: Event) {
        let text = |data| String::from_utf8(data).unwrap();
        match event {
            Event::Output { stream: Stdout, data, .. } => self.stdout += &text(data),
            Event::Output { stream: Stderr, data, .. } => self.stderr += &text(data),
            Event::Done { exit_code, .. } => self.exit_code = Some(exit_code),
            Event::TimedOut { .. } => self.timed_out += 1,
            Event::Closed => self.closed = true,
            Event::Faulted { operation, fault, .. } => {
                self.faults.push((operation, fault.error_code().unwrap().0));
            }
            _ => {}
        }
    }
}

/// A client's shell that does what the recording's client did.
struct Replay {
    shell: client::Shell,
    command: Option<client::CommandKey>,
    outcome: Outcome,
    ids: u128,
}

impl Replay {
    fn new(recorded: &Envelope) -> Self {
        let header = &recorded.header;
        let mut context = RequestContext::new(
            header.to().unwrap(),
            header.resource_uri().unwrap(),
            Uuid::from_u128(7),
        );
        context.max_envelope_size = header.max_envelope_size().unwrap();
        let shell = client::Shell::new(context);
        Self { shell, command: None, outcome: Outcome::default(), ids: 0 }
    }

    /// Makes the request that the recording's client made, by the machine's own means.
    fn ask(&mut self, request: &Request) {
        self.ids += 1;
        let (id, timeout) = (Uuid::from_u128(self.ids), Duration::from_secs(20));
        let command = self.command;
        let asked = match request.clone() {
            Request::Create { shell, options } => self.shell.open(id, timeout, *shell, options),
            Request::Command { command, options } => {
                self.shell.start(id, timeout, command, options).map(|key| self.command = Some(key))
            }
            Request::Send(mut send) => {
                let stream = send.streams.remove(0);
                self.shell.send(id, timeout, command.unwrap(), stream.data, stream.end)
            }
            Request::Receive { .. } => self.shell.receive(id, timeout, command.unwrap()),
            Request::Signal(signal) => {
                self.shell.signal(id, timeout, command.unwrap(), signal.code)
            }
            Request::Delete => self.shell.close(id, timeout),
            other => panic!("{other:?} is not in these recordings"),
        };
        asked.unwrap();
    }

    /// Gives the recorded answer, made an answer to the machine's own message.
    fn answer(&mut self, request: &client::Request, recorded: &Envelope) {
        let mut answer = recorded.clone();
        for block in &mut answer.header.blocks {
            if let HeaderValue::RelatesTo(id) = &mut block.value {
                *id = request.envelope.header.message_id().unwrap().to_owned();
            }
        }
        self.shell.handle_response(&answer).unwrap();
        while let Some(event) = self.shell.poll_event() {
            self.outcome.take(event);
        }
    }
}

/// Replays a file. `ours` changes what the recording's client did on purpose wrongly.
fn replay(test: &str, file: &str, ours: impl Fn(&mut Request, &Request)) -> Option<Outcome> {
    let path = folder(test, "pypsrp/responses")?.join(file);
    let conversation: Conversation = serde_norway::from_str(&read(&path)).unwrap();
    let first = conversation.messages.first().unwrap();
    let mut replay = Replay::new(&decode(&first.request));
    for exchange in &conversation.messages {
        let recorded = decode(&exchange.request);
        let mut theirs = Request::from_envelope(&recorded).unwrap();
        if std::mem::take(&mut replay.outcome.closed) {
            // The recording's client opens another shell.
            replay = Replay { outcome: replay.outcome, ..Replay::new(&recorded) };
        }
        replay.ask(&theirs);
        let request = replay.shell.poll_request().unwrap();
        let sent = decode(std::str::from_utf8(&request.envelope.encode()).unwrap());
        let mine = Request::from_envelope(&sent).unwrap();
        ours(&mut theirs, &mine);
        // The operation, the command with its ids and its data, and the options.
        assert_eq!(mine, theirs, "{file}");
        for same in [wsman::Header::to, wsman::Header::resource_uri, wsman::Header::shell_id] {
            assert_eq!(same(&sent.header), same(&recorded.header), "{file}");
        }
        replay.answer(&request, &decode(&exchange.response));
    }
    Some(replay.outcome)
}

fn as_recorded(_: &mut Request, _: &Request) {}

fn finished(stdout: &str, stderr: &str, exit_code: u32) -> Outcome {
    Outcome {
        stdout: stdout.to_owned(),
        stderr: stderr.to_owned(),
        exit_code: Some(Some(exit_code)),
        closed: true,
        ..Outcome::default()
    }
}

macro_rules! recordings {
    ($($test:ident: $file:literal => $outcome:expr;)*) => {
        $(#[test]
        fn $test() {
            if let Some(outcome) = replay(stringify!($test), $file, as_recorded) {
                assert_eq!(outcome, $outcome);
            }
        })*
    };
}

recordings! {
    windows_runs_a_command: "test_winrs_standard.yml" => finished("hi\r\n", "", 0);
    windows_tells_stderr_and_exit_code: "test_winrs_stderr_rc.yml"
        => finished("out \r\n", "err \r\n", 1);
    windows_passes_unicode: "test_winrs_unicode.yml" => finished("こんにちは\n", "", 0);
    windows_takes_input_in_two_sends: "test_winrs_send.yml"
        => finished("output 1\noutput 2\n", "", 0);
    windows_starts_in_the_working_directory: "test_winrs_extra_opts.yml"
        => finished("C:\\Windows\r\n", "", 0);
    windows_times_out_a_silent_receive: "test_winrs_operation_timeout.yml"
        => Outcome { timed_out: 2, ..finished("hi\nhi again\n", "", 0) };
    windows_wants_a_full_path_without_a_shell: "test_winrs_no_cmd_shell.yml" => Outcome {
        faults: vec![(Operation::Command, 2_147_942_402)],
        ..finished("hi\n", "", 0)
    };
    windows_opens_and_closes: "test_winrs_open_already_opened.yml"
        => Outcome { closed: true, ..Outcome::default() };
}

#[test]
fn windows_takes_an_environment() {
    let file = "test_winrs_environment.yml";
    let Some(outcome) = replay("windows_takes_an_environment", file, as_recorded) else { return };
    assert!(outcome.stdout.contains("\r\nenv1=var1\r\n"));
    assert!(outcome.stdout.contains("\r\n_-(){}[]<>*+-/\\?\"!@#$^&|;:i,.`~0="));
    assert!(outcome.stdout.ends_with("windir=C:\\Windows\r\n"));
    assert_eq!((outcome.exit_code, outcome.stderr.as_str()), (Some(Some(0)), ""));
}

#[test]
fn windows_leaves_the_profile_unloaded() {
    let file = "test_winrs_noprofile.yml";
    let test = "windows_leaves_the_profile_unloaded";
    let Some(outcome) = replay(test, file, as_recorded) else { return };
    assert!(outcome.stdout.contains("USERPROFILE=C:\\Users\\Default\r\n"));
    assert_eq!((outcome.exit_code, outcome.closed), (Some(Some(0)), true));
}

#[test]
fn windows_runs_commands_of_another_client_call() {
    for (file, needle) in [
        ("test_client_execute_cmd.yml", "28,319,084,544 bytes free\r\nabc\r\n"),
        ("test_client_execute_cmd_environment.yml", "\r\ndouble_quote=double \" quote\r\n"),
    ] {
        let test = "windows_runs_commands_of_another_client_call";
        let Some(outcome) = replay(test, file, as_recorded) else { return };
        assert!(outcome.stdout.contains(needle), "{file}: {:?}", outcome.stdout);
        assert_eq!((outcome.exit_code, outcome.closed), (Some(Some(0)), true));
    }
}

#[test]
fn windows_does_not_know_the_command() {
    // The recording's client asked for a command that it made up; the machine cannot be brought to
    // do that, and its own request gets the recorded fault.
    let file = "test_winrs_bad_cmd_id.yml";
    let repaired = |theirs: &mut Request, mine: &Request| {
        if let (Request::Receive { receive, .. }, Request::Receive { receive: mine, .. }) =
            (theirs, mine)
        {
            assert_eq!(receive.command_id(), Some("87E77BEB-6761-4C48-9D70-A00266B8459A"));
            receive.clone_from(mine);
        }
    };
    let outcome = replay("windows_does_not_know_the_command", file, repaired);
    let expected = Outcome {
        faults: vec![(Operation::Receive, 2_150_858_843)],
        closed: true,
        ..Outcome::default()
    };
    assert!(outcome.is_none_or(|outcome| outcome == expected));
}

#[test]
fn receive_without_a_command_is_refused_by_windows_and_by_us() {
    let test = "receive_without_a_command_is_refused_by_windows_and_by_us";
    let Some(folder) = folder(test, "pypsrp/responses") else { return };
    let text = read(&folder.join("test_winrs_fail_poll_process.yml"));
    let conversation: Conversation = serde_norway::from_str(&text).unwrap();
    let [_, receive, _] = &conversation.messages[..] else { panic!("not three messages") };
    let windows = Fault::from_envelope(&decode(&receive.response)).unwrap().unwrap();
    let ours = Request::from_envelope(&decode(&receive.request)).unwrap_err();
    assert_eq!(windows.error_code(), Some(ErrorCode(87)));
    assert_eq!(ours.error_code(), windows.error_code());
    assert_eq!((&ours.subcode, &ours.fault_detail), (&windows.subcode, &windows.fault_detail));
    let provider = |fault: &Fault| {
        let message = &fault.wsman_fault.as_ref().unwrap().message;
        message.provider.as_ref().unwrap().provider.clone()
    };
    assert_eq!(provider(&ours), provider(&windows));
}

/// One file of `requests`: its name and what stands in it.
struct Sent {
    name: String,
    request: Envelope,
    stub_says: Option<String>,
}

/// What one client sent to a command shell, in order.
fn requests(folder: &Path) -> Vec<Sent> {
    let mut names: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .filter(|name| name.ends_with(".body.xml") && !name.contains("PSRP"))
        .collect();
    names.sort();
    let sent = |name: String| {
        let answer = folder.join(name.replace(".body.xml", ".resp.xml"));
        let stub_says = answer.exists().then(|| read(&answer));
        let text = read(&folder.join(&name));
        // Empty bodies belong to the logins.
        let request = (!text.trim().is_empty()).then(|| decode(&text))?;
        Some(Sent { name, request, stub_says })
    };
    let shell = |sent: &Sent| sent.request.header.resource_uri() == Some(wsman::ns::resource::CMD);
    names.into_iter().filter_map(sent).filter(shell).collect()
}

/// A server's shell that plays the part of the stub.
struct Stub {
    scene: Option<Scene>,
    /// Ids of the recording and ours.
    ids: BTreeMap<String, String>,
    process: Option<CommandKey>,
    tokens: u64,
    operations: Vec<String>,
}

impl Stub {
    fn create(&mut self, description: ShellDescription) {
        let scene = Scene::with(description, Settings::default());
        let response = scene.shell.create_response("http://host:5985/wsman", scene.now);
        assert_eq!(response.shell_id(), Some(identity().shell_id.as_str()));
        self.scene = Some(scene);
    }

    fn put_ids_in(&self, request: &mut Request) {
        let put = |id: &mut Option<String>| {
            if let Some(id) = id {
                self.ids.get(id).expect("an id that no answer named").clone_into(id);
            }
        };
        match request {
            Request::Send(send) => {
                send.streams.iter_mut().for_each(|stream| put(&mut stream.command_id));
            }
            Request::Receive { receive: Receive { desired, .. }, .. } => {
                desired.iter_mut().for_each(|desired| put(&mut desired.command_id));
            }
            Request::Signal(signal) => put(&mut signal.command_id),
            _ => {}
        }
    }

    fn take(&mut self, sent: &Sent) {
        sent.request.header.check_request().unwrap();
        let mut request = Request::from_envelope(&sent.request).unwrap();
        self.operations.push(sent.name.clone());
        if let Request::Create { shell, .. } = request {
            self.create(*shell);
            return;
        }
        self.put_ids_in(&mut request);
        let says = sent.stub_says.as_deref().unwrap_or_default();
        let scene = self.scene.as_mut().expect("no Create");
        self.tokens += 1;
        let token = RequestToken(self.tokens);
        let limit = usize::try_from(sent.request.header.reply_limit(512_000)).unwrap();
        let mut incoming = Incoming::from_envelope(
            token,
            &sent.request,
            scene.now + TIMEOUT,
            limit.max(ENVELOPE),
            Uuid::from_u128(u128::from(self.tokens)),
        )
        .unwrap();
        incoming.request = request.clone();
        scene.shell.handle_request(incoming, scene.now);
        scene.drain();
        match request {
            Request::Command { .. } => {
                let key = scene.started_key();
                scene.started(key);
                self.process = Some(key);
                let ours = CommandResponse::from_body(&scene.reply(token).into_body()).unwrap();
                let theirs = CommandResponse::from_body(&decode(says).body).unwrap();
                self.ids.insert(theirs.command_id, ours.command_id);
            }
            Request::Send(_) => {
                let process = self.process.unwrap();
                assert!(matches!(scene.actions.last(), Some(Action::Write { .. })));
                scene.written(process);
                scene.reply(token);
            }
            Request::Receive { .. } => Self::receive(scene, self.process.unwrap(), token, says),
            Request::Signal(_) | Request::Delete => {
                scene.reply(token);
            }
            other => panic!("{other:?} is not in these recordings"),
        }
        scene.take_actions();
    }

    /// The process does what the stub's did.
    fn receive(scene: &mut Scene, process: CommandKey, token: RequestToken, says: &str) {
        if says.contains("2150858793") {
            scene.wait(TIMEOUT);
            assert_eq!(scene.fault(token), ErrorCode::OPERATION_TIMEDOUT);
            return;
        }
        scene.output(process, Stdout, b"out");
        if says.contains("CommandState/Done") {
            scene.finish(process, 0);
        }
        scene.wait(Duration::from_secs(1));
        let response = scene.received(token);
        assert_eq!(crate::shell_scene::stream(&response, Stdout).0, b"out");
        let is_done = response.state.unwrap().state == wsman::shell::State::Done;
        assert_eq!(is_done, says.contains("CommandState/Done"));
    }
}

#[test]
fn requests_of_released_clients_are_answered_without_a_fault() {
    let test = "requests_of_released_clients_are_answered_without_a_fault";
    let Some(folder) = folder(test, "requests") else { return };
    let mut clients = 0;
    let folders = fs::read_dir(folder).unwrap();
    for entry in folders {
        let path = entry.unwrap().path();
        if !path.is_dir() {
            continue;
        }
        let sent = requests(&path);
        if sent.is_empty() {
            continue;
        }
        clients += 1;
        let mut stub = Stub {
            scene: None,
            ids: BTreeMap::new(),
            process: None,
            tokens: 0,
            operations: Vec::new(),
        };
        for sent in &sent {
            stub.take(sent);
        }
        let last = stub.operations.last().unwrap();
        assert!(last.contains("Delete"), "{}: {last}", path.display());
        let shell: &Shell = &stub.scene.unwrap().shell;
        assert!(shell.closed().is_some(), "{}", path.display());
    }
    assert!(clients >= 10, "only {clients} clients");
}
