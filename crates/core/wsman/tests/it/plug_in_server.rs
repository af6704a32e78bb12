//! A service's PowerShell shell, rule by rule: wrong orders and the faults for them.

use std::time::Instant;

use uuid::Uuid;
use wsman::shell::server::{
    Action, ApiMisuse, CommandKey, Error, Identity, Incoming, Reply, RequestToken, Settings, Shell,
};
use wsman::shell::{
    BufferMode, CommandLine, CommandOptions, Connect, Disconnect, InputStream, ListedCommand,
    OutputStream, Profile, Receive, Reconnect, Request, Send, ShellDescription, ShellInfo, Signal,
    SignalCode, State, Stream,
};
use wsman::{ErrorCode, Fault, OptionSet, ns};

use crate::shell_scene::{ENVELOPE, SESSION, TIMEOUT, beginning, seconds};

const POOL: &str = "B6631D8E-65A0-49F2-9053-A1B156C95777";
const PIPELINE: &str = "356E6DC2-6889-4305-9FE6-8B03F44D7210";
const OTHER: &str = "uuid:00000000-0000-0000-0000-000000000008";

struct Scene {
    shell: Shell,
    now: Instant,
    tokens: u64,
    actions: Vec<Action>,
}

fn description() -> ShellDescription {
    ShellDescription { shell_id: Some(POOL.to_owned()), ..ShellDescription::default() }
}

fn shell(description: ShellDescription) -> Result<Shell, Box<Fault>> {
    let identity = Identity {
        shell_id: POOL.to_owned(),
        resource_uri: [ns::resource::POWERSHELL_PREFIX, "Microsoft.PowerShell"].concat(),
        owner: "alice".to_owned(),
        client_ip: "192.0.2.1".to_owned(),
    };
    let profile = Profile::POWERSHELL;
    let shell =
        Shell::with_profile(profile, identity, description, Settings::default(), beginning())?;
    Ok(shell.with_session(Some(SESSION)))
}

impl Scene {
    fn new() -> Self {
        Self::with(description())
    }

    fn with(description: ShellDescription) -> Self {
        let shell = shell(description).unwrap();
        Self { shell, now: beginning(), tokens: 0, actions: Vec::new() }
    }

    fn ask_as(&mut self, session: Option<&str>, request: Request) -> RequestToken {
        self.tokens += 1;
        let token = RequestToken(self.tokens);
        let incoming = Incoming {
            token,
            message_id: format!("uuid:{}", self.tokens),
            session_id: session.map(str::to_owned),
            request,
            deadline: self.now + TIMEOUT,
            envelope_limit: ENVELOPE,
            empty_reply: 500,
            command_id: Uuid::from_u128(self.tokens.into()),
        };
        self.shell.handle_request(incoming, self.now);
        self.actions.extend(std::iter::from_fn(|| self.shell.poll_action()));
        token
    }

    /// What the request came to at once.
    fn ask(&mut self, request: Request) -> Result<Reply, ErrorCode> {
        let token = self.ask_as(Some(SESSION), request);
        self.answer(token).expect("no answer")
    }

    /// What the request of another session came to at once.
    fn other(&mut self, request: Request) -> Result<Reply, ErrorCode> {
        let token = self.ask_as(Some(OTHER), request);
        self.answer(token).expect("no answer")
    }

    fn answer(&mut self, token: RequestToken) -> Option<Result<Reply, ErrorCode>> {
        let response = self.shell.poll_response()?;
        assert_eq!(response.token, token);
        Some(response.result.map_err(|fault| fault.error_code().unwrap()))
    }

    fn disconnected() -> Self {
        let mut scene = Self::new();
        scene.ask(disconnect()).unwrap();
        assert!(scene.shell.is_disconnected());
        scene
    }

    /// A shell with a pipeline that runs.
    fn running() -> (Self, CommandKey) {
        let mut scene = Self::new();
        let token = scene.ask_as(Some(SESSION), command());
        let Some(Action::Start { command, .. }) = scene.actions.pop() else { panic!("no Start") };
        scene.shell.handle_started(command, Ok(()), scene.now).unwrap();
        scene.answer(token).unwrap().unwrap();
        (scene, command)
    }
}

fn disconnect() -> Request {
    Request::Disconnect(Disconnect::default())
}

fn reconnect() -> Request {
    Request::Reconnect(Reconnect::default())
}

fn connect() -> Request {
    let connect = Box::new(Connect::shell(b"hello".to_vec()));
    Request::Connect { connect, options: OptionSet::default() }
}

fn command() -> Request {
    let command = CommandLine::plug_in(Some(PIPELINE.to_owned()), b"first");
    Request::Command { command, options: CommandOptions::default() }
}

fn stop() -> Request {
    Request::Signal(Signal::command(PIPELINE, SignalCode::PowerShellCtrlC))
}

fn receive(id: Option<&str>) -> Request {
    Request::Receive { receive: Receive::plug_in(id), keep_alive: true }
}

fn send(pieces: &[(&str, Option<&str>)]) -> Request {
    let stream = |(name, id): &(&str, Option<&str>)| Stream {
        name: (*name).to_owned(),
        command_id: id.map(str::to_owned),
        data: b"x".to_vec(),
        ..Stream::default()
    };
    Request::Send(Send { streams: pieces.iter().map(stream).collect(), ..Send::default() })
}

#[test]
fn a_disconnected_shell_refuses_all_but_what_takes_it_up_or_ends_it() {
    let mut scene = Scene::disconnected();
    let signal = Request::Signal(Signal::command(PIPELINE, SignalCode::Terminate));
    for request in [command(), receive(None), send(&[("stdin", None)]), signal] {
        let answer = scene.ask(request).map(drop);
        assert_eq!(answer, Err(ErrorCode::SHELL_DISCONNECTED));
    }
    let of_a_command = Reconnect { command_id: Some(PIPELINE.to_owned()), ..Reconnect::default() };
    let answer = scene.ask(Request::Reconnect(of_a_command)).map(drop);
    assert_eq!(answer, Err(ErrorCode::SHELL_DISCONNECTED));
    let expected = ErrorCode::SHELL_DISCONNECT_OPERATION_NOT_VALID;
    assert_eq!(scene.ask(disconnect()).map(drop), Err(expected));
    let body = scene.ask(Request::Get).unwrap().into_body();
    assert!(ShellInfo::from_element(&body[0]).unwrap().is_disconnected());
    scene.ask(Request::Delete).unwrap();
    assert!(scene.shell.closed().is_some());
}

#[test]
fn the_answers_to_disconnect_and_reconnect_are_empty() {
    let mut scene = Scene::new();
    let reply = scene.ask(disconnect()).unwrap();
    assert_eq!(reply.action(), ns::action::DISCONNECT_RESPONSE);
    assert_eq!(reply.into_body(), []);
    let reply = scene.ask(reconnect()).unwrap();
    assert_eq!(reply.action(), ns::action::RECONNECT_RESPONSE);
    assert_eq!(reply.into_body(), []);
    // Of a connected shell nothing is left to be done.
    scene.ask(reconnect()).unwrap();
}

#[test]
fn only_the_session_of_the_shell_leaves_it_and_takes_it_up_again() {
    let mut scene = Scene::new();
    let mismatch = Err(ErrorCode::SHELL_CLIENTSESSIONID_MISMATCH);
    assert_eq!(scene.other(disconnect()).map(drop), mismatch);
    assert_eq!(scene.other(reconnect()).map(drop), mismatch);
    scene.ask(disconnect()).unwrap();
    assert_eq!(scene.other(reconnect()).map(drop), mismatch);
    let token = scene.ask_as(None, reconnect());
    assert_eq!(scene.answer(token).unwrap().map(drop), mismatch);
    // A session id is a GUID: its writing does not matter.
    let token = scene.ask_as(Some("{00000000-0000-0000-0000-000000000007}"), reconnect());
    scene.answer(token).unwrap().unwrap();
}

#[test]
fn a_session_id_that_is_too_long_to_be_one_is_none() {
    let mut scene = Scene::new();
    let long = "x".repeat(46);
    scene.shell = scene.shell.with_session(Some(&long));
    assert_eq!(scene.shell.session_id(), None);
    let shorter = "x".repeat(45);
    scene.shell = scene.shell.with_session(Some(&shorter));
    assert_eq!(scene.shell.session_id(), Some(&*shorter));
}

#[test]
fn a_shell_whose_id_the_service_chose_cannot_be_left() {
    let mut scene = Scene::with(ShellDescription::default());
    for request in [disconnect(), reconnect(), connect()] {
        let answer = scene.ask(request).map(drop);
        assert_eq!(answer, Err(ErrorCode::SHELL_DISCONNECT_NOT_SUPPORTED));
    }
    let info = scene.shell.info(scene.now);
    assert_eq!(info.buffer_mode, None);
}

#[test]
fn a_command_shell_cannot_be_left() {
    let mut scene = crate::shell_scene::Scene::new();
    for request in [disconnect(), reconnect(), connect()] {
        let token = scene.ask(request);
        assert_eq!(scene.fault(token), ErrorCode::SHELL_DISCONNECT_NOT_SUPPORTED);
    }
}

#[test]
fn nobody_else_comes_between_a_connect_and_its_answer() {
    let mut scene = Scene::disconnected();
    let waiting = scene.ask_as(Some(OTHER), connect());
    assert!(matches!(scene.actions[..], [Action::Connect { .. }]));
    for request in [connect(), reconnect()] {
        assert_eq!(scene.ask(request).map(drop), Err(ErrorCode::BUSY));
    }
    assert_eq!(scene.ask(receive(None)).map(drop), Err(ErrorCode::SHELL_DISCONNECTED));
    scene.shell.handle_connected(Ok(None), scene.now).unwrap();
    scene.answer(waiting).unwrap().unwrap();
    let twice = scene.shell.handle_connected(Ok(None), scene.now);
    assert_eq!(twice, Err(Error::ApiMisuse(ApiMisuse::NothingConnected)));
    assert_eq!(scene.shell.session_id(), Some(OTHER));
}

#[test]
fn a_connect_that_nobody_waits_for_takes_nothing() {
    let mut scene = Scene::disconnected();
    let waiting = scene.ask_as(Some(OTHER), connect());
    scene.shell.handle_cancel(waiting, scene.now);
    scene.shell.handle_connected(Ok(None), scene.now).unwrap();
    assert!(scene.shell.is_disconnected());
    // So does one that the plug-in answers too late.
    let waiting = scene.ask_as(Some(OTHER), connect());
    scene.now += TIMEOUT;
    assert_eq!(scene.shell.poll_timeout(), Some(scene.now));
    scene.shell.handle_timeout(scene.now);
    let answer = scene.answer(waiting).unwrap().map(drop);
    assert_eq!(answer, Err(ErrorCode::OPERATION_TIMEDOUT));
    scene.shell.handle_connected(Ok(None), scene.now).unwrap();
    assert!(scene.shell.is_disconnected());
    scene.ask(reconnect()).unwrap();
}

#[test]
fn a_session_that_lost_the_shell_is_kept_away_from_all_that_it_could_break() {
    let (mut scene, _) = Scene::running();
    scene.ask(disconnect()).unwrap();
    let waiting = scene.ask_as(Some(OTHER), connect());
    scene.shell.handle_connected(Ok(None), scene.now).unwrap();
    scene.answer(waiting).unwrap().unwrap();
    let mismatch = Err(ErrorCode::SHELL_CLIENTSESSIONID_MISMATCH);
    let signal = Request::Signal(Signal::command(PIPELINE, SignalCode::Terminate));
    for request in [receive(Some(PIPELINE)), send(&[("stdin", None)]), signal, disconnect()] {
        assert_eq!(scene.ask(request).map(drop), mismatch);
    }
    let of_a_command = Request::Connect {
        connect: Box::new(Connect::command(PIPELINE)),
        options: OptionSet::default(),
    };
    assert_eq!(scene.ask(of_a_command.clone()).map(drop), mismatch);
    let reply = scene.other(of_a_command).unwrap();
    assert_eq!(reply.action(), ns::action::CONNECT_RESPONSE);
}

#[test]
fn commands_that_are_not_there_cannot_be_taken_up() {
    let mut scene = Scene::new();
    let id = Some(PIPELINE.to_owned());
    let reconnect = Reconnect { command_id: id, ..Reconnect::default() };
    let options = OptionSet::default();
    let connect = Request::Connect { connect: Box::new(Connect::command(PIPELINE)), options };
    for request in [Request::Reconnect(reconnect), connect] {
        let answer = scene.ask(request).map(drop);
        assert_eq!(answer, Err(ErrorCode::UNEXPECTED_SELECTORS));
    }
}

#[test]
fn an_empty_command_id_is_not_the_shell_itself() {
    let mut scene = Scene::new();
    for request in [receive(Some("")), send(&[("stdin", Some(""))])] {
        let answer = scene.ask(request).map(drop);
        assert_eq!(answer, Err(ErrorCode::UNEXPECTED_SELECTORS));
    }
}

#[test]
fn a_send_is_for_one_target_and_one_stream_that_there_is() {
    let (mut scene, _) = Scene::running();
    let bad: [&[(&str, Option<&str>)]; 4] = [
        &[("stderr", None)],
        &[("stdin", None), ("pr", None)],
        &[("stdin", None), ("stdin", Some(PIPELINE))],
        &[("stdin", Some(PIPELINE)), ("stdin", None)],
    ];
    for pieces in bad {
        let answer = scene.ask(send(pieces)).map(drop);
        assert_eq!(answer, Err(ErrorCode::INVALID_PARAMETER), "{pieces:?}");
    }
    scene.ask_as(Some(SESSION), send(&[("PR", None), ("pr", None)]));
    let write = Action::Write {
        command: CommandKey::SHELL,
        stream: InputStream::Priority,
        data: b"xx".to_vec(),
        end: false,
    };
    assert_eq!(scene.actions, [write]);
    // The shell itself is busy, its pipeline is not.
    assert_eq!(scene.ask(send(&[("stdin", None)])).map(drop), Err(ErrorCode::BUSY));
    scene.ask_as(Some(SESSION), send(&[("stdin", Some(PIPELINE))]));
    assert_eq!(scene.actions.len(), 2);
}

#[test]
fn streams_that_a_shell_of_powershell_has_not_are_refused() {
    for (input, output) in [("stdin stderr", "stdout"), ("stdin", "stdout stderr")] {
        let split = |text: &str| text.split(' ').map(str::to_owned).collect();
        let description = ShellDescription {
            input_streams: split(input),
            output_streams: split(output),
            ..description()
        };
        let fault = shell(description).unwrap_err();
        assert_eq!(fault.error_code(), Some(ErrorCode::INVALID_PARAMETER));
    }
    let name = Some("x".repeat(256));
    assert!(shell(ShellDescription { name, ..description() }).is_err());
    let mut scene = Scene::new();
    let mut wrong = Receive::plug_in(None);
    wrong.desired[0].streams = vec!["stderr".to_owned()];
    let answer = scene.ask(Request::Receive { receive: wrong, keep_alive: true }).map(drop);
    assert_eq!(answer, Err(ErrorCode::INVALID_PARAMETER));
}

#[test]
fn signals_go_to_pipelines_and_under_one_name() {
    let (mut scene, pipeline) = Scene::running();
    let code = SignalCode::Other("powershell/signal/ctrl_c".to_owned());
    let token = scene.ask_as(Some(SESSION), stop());
    let expected = Action::Signal { command: pipeline, code: SignalCode::PowerShellCtrlC };
    assert_eq!(scene.actions, [expected]);
    scene.shell.handle_stopped(pipeline, scene.now).unwrap();
    assert!(scene.answer(token).unwrap().is_ok());
    let to_the_shell = Signal { command_id: None, ..Signal::command(PIPELINE, code) };
    let unknown = Signal::command(PIPELINE, SignalCode::Other("urn:x".to_owned()));
    for signal in [to_the_shell, unknown] {
        let answer = scene.ask(Request::Signal(signal)).map(drop);
        assert_eq!(answer, Err(ErrorCode::INVALID_PARAMETER));
    }
}

#[test]
fn stop_is_answered_once_the_pipeline_has_stopped() {
    let (mut scene, pipeline) = Scene::running();
    let first = scene.ask_as(Some(SESSION), stop());
    let second = scene.ask_as(Some(SESSION), stop());
    assert!(scene.shell.poll_response().is_none());
    scene.shell.handle_stopped(pipeline, scene.now).unwrap();
    assert!(scene.answer(first).unwrap().is_ok());
    assert!(scene.answer(second).unwrap().is_ok());
    // It may be told again, as the bridge does for each Signal.
    scene.shell.handle_stopped(pipeline, scene.now).unwrap();
    let third = scene.ask_as(Some(SESSION), stop());
    assert!(scene.shell.poll_response().is_none());
    scene.shell.handle_exit(pipeline, 0, scene.now).unwrap();
    assert!(scene.answer(third).unwrap().is_ok());
    // What has ended has nothing to stop.
    assert!(scene.ask(stop()).is_ok());
}

#[test]
fn stop_of_a_pipeline_that_does_not_stop_times_out_and_ends_with_the_shell() {
    let (mut scene, pipeline) = Scene::running();
    let token = scene.ask_as(Some(SESSION), stop());
    assert_eq!(scene.shell.poll_timeout(), Some(scene.now + TIMEOUT));
    scene.now += TIMEOUT;
    scene.shell.handle_timeout(scene.now);
    assert_eq!(scene.answer(token).unwrap().map(drop), Err(ErrorCode::OPERATION_TIMEDOUT));
    let cancelled = scene.ask_as(Some(SESSION), stop());
    scene.shell.handle_cancel(cancelled, scene.now);
    let left = scene.ask_as(Some(SESSION), stop());
    scene.shell.handle_stopped(pipeline, scene.now).unwrap();
    assert!(scene.answer(left).unwrap().is_ok());
    assert!(scene.shell.poll_response().is_none());
}

#[test]
fn the_shell_itself_is_no_command() {
    let (mut scene, pipeline) = Scene::running();
    let commands: Vec<_> = scene.shell.commands().map(|info| info.command).collect();
    assert_eq!(commands, [pipeline]);
    let lines: Vec<_> = scene.shell.commands().map(|info| info.line.to_owned()).collect();
    assert_eq!(lines, [""]);
    let listed: Vec<_> = scene.shell.commands().map(ListedCommand::from).collect();
    let expected = ListedCommand {
        command_id: PIPELINE.to_owned(),
        command_line: Some(String::new()),
        state: Some(State::Running),
        ..ListedCommand::default()
    };
    assert_eq!(listed, [expected]);
    let started = scene.shell.handle_started(CommandKey::SHELL, Ok(()), scene.now);
    let expected = ApiMisuse::StartedTwice(CommandKey::SHELL);
    assert_eq!(started, Err(Error::ApiMisuse(expected)));
    let stderr = scene.shell.handle_output(
        CommandKey::SHELL,
        OutputStream::Stderr,
        b"x".to_vec(),
        scene.now,
    );
    assert!(matches!(stderr, Err(Error::ApiMisuse(ApiMisuse::OutputAfterEnd { .. }))));
}

#[test]
fn an_idle_time_of_a_disconnect_is_bounded_and_a_negative_one_refused() {
    let mut scene = Scene::new();
    let wish = |text: &str| {
        let idle_timeout = Some(text.parse().unwrap());
        Request::Disconnect(Disconnect { idle_timeout, ..Disconnect::default() })
    };
    let answer = scene.ask(wish("-PT1S")).map(drop);
    assert_eq!(answer, Err(ErrorCode::INVALID_PARAMETER));
    assert!(!scene.shell.is_disconnected());
    scene.ask(wish("PT1S")).unwrap();
    assert_eq!(scene.shell.idle_timeout(), seconds(60));
    assert_eq!(scene.shell.poll_timeout(), Some(scene.now + seconds(60)));
}

#[test]
fn a_mode_that_a_client_asks_for_stays() {
    let mut scene = Scene::new();
    assert_eq!(scene.shell.buffer_mode(), BufferMode::Block);
    let buffer_mode = Some(BufferMode::Drop);
    scene.ask(Request::Disconnect(Disconnect { buffer_mode, ..Disconnect::default() })).unwrap();
    assert_eq!(scene.shell.info(scene.now).buffer_mode.as_deref(), Some("Drop"));
    scene.ask(reconnect()).unwrap();
    assert_eq!(scene.shell.buffer_mode(), BufferMode::Drop);
    let buffer_mode = Some(BufferMode::Block);
    scene.ask(Request::Reconnect(Reconnect { buffer_mode, ..Reconnect::default() })).unwrap();
    assert_eq!(scene.shell.buffer_mode(), BufferMode::Block);
}

#[test]
fn a_delete_ends_what_waits_for_the_link() {
    let mut scene = Scene::disconnected();
    let waiting = scene.ask_as(Some(OTHER), connect());
    scene.ask_as(Some(SESSION), Request::Delete);
    let answer = scene.answer(waiting).unwrap().map(drop);
    assert_eq!(answer, Err(ErrorCode::OPERATION_ABORTED));
    assert!(scene.shell.handle_connected(Ok(None), scene.now).is_ok());
}

#[test]
fn a_disconnect_whose_client_is_gone_takes_place_all_the_same() {
    let (mut scene, pipeline) = Scene::running();
    scene.ask_as(Some(SESSION), send(&[("stdin", Some(PIPELINE))]));
    scene.now += seconds(1);
    let waiting = scene.ask_as(Some(SESSION), disconnect());
    assert_eq!(scene.ask(receive(None)).map(drop), Err(ErrorCode::SHELL_DISCONNECTED));
    scene.shell.handle_cancel(waiting, scene.now);
    scene.shell.handle_written(pipeline, Ok(()), scene.now).unwrap();
    assert!(scene.shell.is_disconnected());
}
