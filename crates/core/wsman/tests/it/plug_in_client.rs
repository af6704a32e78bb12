//! A client's PowerShell shell, rule by rule: wrong orders, lost answers and faults.

use std::time::Duration;

use uuid::Uuid;
use wsman::shell::client::{
    ApiMisuse, CommandKey, Error, Event, KnownShell, Operation, PeerMisbehaved, Request, Shell,
};
use wsman::shell::{
    CommandLine, CommandOptions, CommandResponse, CommandState, Connect, ConnectResponse,
    CreateResponse, Disconnect, InputStream, Profile, ReceiveResponse, Reconnect, RequestContext,
    ShellDescription, ShellInfo, ShellOptions, SignalCode, State, Stream,
};
use wsman::xml::Element;
use wsman::{EndpointReference, Envelope, ErrorCode, Fault, OptionSet, SelectorSet, guid, ns};

const TIMEOUT: Duration = Duration::from_secs(20);
const POOL: &str = "B6631D8E-65A0-49F2-9053-A1B156C95777";
const PIPELINE: &str = "356E6DC2-6889-4305-9FE6-8B03F44D7210";

struct Scene {
    shell: Shell,
    ids: u128,
}

impl Scene {
    fn new(profile: Profile) -> Self {
        let uri = [ns::resource::POWERSHELL_PREFIX, "Microsoft.PowerShell"].concat();
        let context = RequestContext::new("http://host:5985/wsman", &uri, Uuid::from_u128(7));
        Self { shell: Shell::with_profile(context, profile), ids: 0 }
    }

    fn open() -> Self {
        let mut scene = Self::new(Profile::POWERSHELL);
        scene.ask(|shell, id| {
            let shell_id = Some(POOL.to_owned());
            let description = ShellDescription { shell_id, ..ShellDescription::default() };
            shell.open(id, TIMEOUT, description, ShellOptions::default())
        });
        let request = scene.sent();
        let resource_created = EndpointReference {
            selectors: Some(SelectorSet::shell(POOL)),
            ..EndpointReference::address("http://host:5985/wsman")
        };
        let created = CreateResponse { resource_created, shell: None, other: Vec::new() };
        scene.reply(&request, ns::action::CREATE_RESPONSE, created.to_body());
        assert!(matches!(scene.events()[..], [Event::Opened { .. }]));
        scene
    }

    fn id(&mut self) -> Uuid {
        self.ids += 1;
        Uuid::from_u128(self.ids)
    }

    fn ask<T>(&mut self, ask: impl FnOnce(&mut Shell, Uuid) -> Result<T, Error>) -> T {
        let id = self.id();
        ask(&mut self.shell, id).unwrap()
    }

    fn sent(&mut self) -> Request {
        self.shell.poll_request().unwrap()
    }

    fn reply(&mut self, request: &Request, action: &str, body: Vec<Element>) {
        let answer = request.envelope.reply(action, Uuid::max(), body);
        self.shell.handle_response(&answer).unwrap();
    }

    fn refuse(&mut self, request: &Request, code: ErrorCode) {
        let fault = Fault::new(code, "no ");
        let answer = fault.to_envelope(Some(&request.envelope.header), Uuid::max(), "host");
        self.shell.handle_response(&answer).unwrap();
    }

    fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.shell.poll_event()).collect()
    }

    fn disconnect(&mut self) -> Request {
        self.ask(|shell, id| shell.disconnect(id, TIMEOUT, Disconnect::default()));
        self.sent()
    }

    fn reconnect(&mut self) -> Request {
        self.ask(|shell, id| shell.reconnect(id, TIMEOUT, Reconnect::default()));
        self.sent()
    }

    fn receive(&mut self, of: CommandKey) -> Request {
        self.ask(|shell, id| shell.receive(id, TIMEOUT, of));
        self.sent()
    }

    fn start(&mut self) -> (CommandKey, Request) {
        let line = CommandLine::plug_in(Some(PIPELINE.to_owned()), b"fragment");
        let options = CommandOptions::default();
        let key = self.ask(|shell, id| shell.start(id, TIMEOUT, line, options));
        (key, self.sent())
    }
}

fn known() -> KnownShell {
    KnownShell { shell_id: POOL.to_owned(), compression: false }
}

fn misuse<T>(error: ApiMisuse) -> Result<T, Error> {
    Err(Error::ApiMisuse(error))
}

#[test]
fn a_command_shell_is_neither_left_nor_taken_up() {
    let mut scene = Scene::new(Profile::COMMAND);
    let id = scene.id();
    let shell = &mut scene.shell;
    let refused = misuse(ApiMisuse::CommandShell);
    assert_eq!(shell.disconnect(id, TIMEOUT, Disconnect::default()), refused);
    assert_eq!(shell.reconnect(id, TIMEOUT, Reconnect::default()), refused);
    let (connect, options) = (Connect::default(), OptionSet::default());
    assert_eq!(shell.connect(id, TIMEOUT, known(), connect, options), refused);
    let unknown = misuse(ApiMisuse::NotOpen);
    assert_eq!(shell.receive(id, TIMEOUT, CommandKey::SHELL), unknown);
    assert_eq!(shell.poll_request(), None);
}

#[test]
fn nothing_is_asked_of_a_shell_that_is_left_but_its_return_its_end_and_what_it_is() {
    let mut scene = Scene::open();
    let not_open = misuse(ApiMisuse::NotOpen);
    let request = scene.disconnect();
    for state in ["leaving", "left"] {
        let id = scene.id();
        let shell = &mut scene.shell;
        assert_eq!(shell.receive(id, TIMEOUT, CommandKey::SHELL), not_open, "{state}");
        assert_eq!(shell.disconnect(id, TIMEOUT, Disconnect::default()), not_open);
        let send = shell.send(id, TIMEOUT, CommandKey::SHELL, Vec::new(), false);
        assert_eq!(send, not_open);
        assert!(!shell.is_open());
        assert_eq!(shell.shell_id(), Some(POOL));
        if state == "leaving" {
            assert_eq!(shell.reconnect(id, TIMEOUT, Reconnect::default()), not_open);
            scene.reply(&request, ns::action::DISCONNECT_RESPONSE, Vec::new());
            assert_eq!(scene.events(), [Event::Disconnected]);
        }
    }
    scene.ask(|shell, id| shell.get(id, TIMEOUT));
    let request = scene.sent();
    let info = ShellInfo { state: Some("Disconnected".to_owned()), ..ShellInfo::default() };
    scene.reply(&request, ns::action::GET_RESPONSE, vec![info.to_element()]);
    assert!(matches!(scene.events()[..], [Event::Info { .. }]));
    scene.ask(|shell, id| shell.close(id, TIMEOUT));
    let request = scene.sent();
    scene.refuse(&request, ErrorCode::ACCESS_DENIED);
    assert!(scene.shell.is_disconnected());
    scene.ask(|shell, id| shell.close(id, TIMEOUT));
    let request = scene.sent();
    scene.reply(&request, ns::action::DELETE_RESPONSE, Vec::new());
    assert_eq!(scene.events().last(), Some(&Event::Closed));
}

#[test]
fn requests_that_fail_leave_the_shell_as_it_was() {
    let mut scene = Scene::open();
    let request = scene.disconnect();
    scene.refuse(&request, ErrorCode::SHELL_DISCONNECT_NOT_SUPPORTED);
    assert!(scene.shell.is_open());
    let request = scene.disconnect();
    scene.shell.handle_unsent(request.message_id);
    assert!(scene.shell.is_open());
    let request = scene.disconnect();
    scene.reply(&request, ns::action::DISCONNECT_RESPONSE, Vec::new());
    let request = scene.reconnect();
    scene.refuse(&request, ErrorCode::SHELL_CLIENTSESSIONID_MISMATCH);
    assert!(scene.shell.is_disconnected());
    let request = scene.reconnect();
    scene.shell.handle_lost(request.message_id);
    assert!(scene.shell.is_disconnected());
}

#[test]
fn faults_that_say_it_is_so_already_are_successes() {
    let mut scene = Scene::open();
    let request = scene.disconnect();
    scene.refuse(&request, ErrorCode::SHELL_DISCONNECT_OPERATION_NOT_VALID);
    assert_eq!(scene.events(), [Event::Disconnected]);
    let request = scene.reconnect();
    scene.refuse(&request, ErrorCode::SHELL_RECONNECT_OPERATION_NOT_VALID);
    assert_eq!(scene.events(), [Event::Reconnected]);
    // One that does not know that it was given up may ask as well.
    let request = scene.reconnect();
    scene.reply(&request, ns::action::RECONNECT_RESPONSE, Vec::new());
    assert_eq!(scene.events(), [Event::Reconnected]);
}

#[test]
fn the_end_of_a_receive_from_before_is_no_news_after_the_return() {
    let mut scene = Scene::open();
    let receive = scene.receive(CommandKey::SHELL);
    let request = scene.disconnect();
    scene.reply(&request, ns::action::DISCONNECT_RESPONSE, Vec::new());
    let request = scene.reconnect();
    scene.reply(&request, ns::action::RECONNECT_RESPONSE, Vec::new());
    scene.events();
    scene.refuse(&receive, ErrorCode::SERVICE_STREAM_DISCONNECTED);
    let command = Some(CommandKey::SHELL);
    assert_eq!(scene.events(), [Event::Aborted { operation: Operation::Receive, command }]);
    assert!(scene.shell.is_open());
    // That of one from after it is.
    let receive = scene.receive(CommandKey::SHELL);
    scene.refuse(&receive, ErrorCode::SHELL_DISCONNECTED);
    let aborted = Event::Aborted { operation: Operation::Receive, command };
    assert_eq!(scene.events(), [Event::Disconnected, aborted]);
    assert!(scene.shell.is_disconnected());
}

#[test]
fn request_that_found_the_shell_left_is_told_apart_from_one_that_may_have_been_taken() {
    let mut scene = Scene::open();
    let (key, request) = scene.start();
    scene.refuse(&request, ErrorCode::SHELL_DISCONNECTED);
    let not_taken = Event::NotTaken { operation: Operation::Command, command: key };
    assert_eq!(scene.events(), [Event::Disconnected, not_taken]);
    let request = scene.reconnect();
    assert!(scene.shell.is_changing());
    scene.reply(&request, ns::action::RECONNECT_RESPONSE, Vec::new());
    assert!(!scene.shell.is_changing());
    let (_, request) = scene.start();
    scene.disconnect();
    scene.events();
    scene.refuse(&request, ErrorCode::OPERATION_ABORTED);
    assert!(matches!(scene.events()[..], [Event::Faulted { .. }]));
}

#[test]
fn windows_7_names_the_pipeline_itself() {
    let mut scene = Scene::open();
    let (key, request) = scene.start();
    let other = guid(Uuid::from_u128(77));
    let response = CommandResponse { command_id: other.clone(), other: Vec::new() };
    scene.reply(&request, ns::action::COMMAND_RESPONSE, response.to_body());
    assert_eq!(scene.shell.command_id(key), Some(other.as_str()));
    let request = scene.receive(key);
    let receive = wsman::shell::Receive::from_body(&request.envelope.body).unwrap();
    assert_eq!(receive.command_id(), Some(other.as_str()));
    assert_eq!(receive.desired[0].streams, ["stdout"]);
}

#[test]
fn a_pool_has_one_receive_and_its_pipelines_have_theirs() {
    let mut scene = Scene::open();
    let (key, request) = scene.start();
    let response = CommandResponse { command_id: PIPELINE.to_owned(), other: Vec::new() };
    scene.reply(&request, ns::action::COMMAND_RESPONSE, response.to_body());
    let pool = scene.receive(CommandKey::SHELL);
    scene.receive(key);
    let id = scene.id();
    let again = scene.shell.receive(id, TIMEOUT, CommandKey::SHELL);
    assert_eq!(again, misuse(ApiMisuse::ReceiveUnderWay(CommandKey::SHELL)));
    let signal = scene.shell.signal(id, TIMEOUT, CommandKey::SHELL, SignalCode::Terminate);
    assert_eq!(signal, misuse(ApiMisuse::UnknownCommand(CommandKey::SHELL)));
    // Output of a pipeline is no answer to the pool's Receive.
    let stream = Stream {
        name: "stdout".to_owned(),
        command_id: Some(PIPELINE.to_owned()),
        data: b"x".to_vec(),
        ..Stream::default()
    };
    let body = ReceiveResponse { streams: vec![stream], ..ReceiveResponse::default() }.to_body();
    let answer = pool.envelope.reply(ns::action::RECEIVE_RESPONSE, Uuid::max(), body);
    let error = scene.shell.handle_response(&answer).unwrap_err();
    let wrong = matches!(error, Error::PeerMisbehaved(PeerMisbehaved::WrongCommandId { .. }));
    assert!(wrong, "{error}");
}

#[test]
fn a_pool_has_no_error_stream() {
    let mut scene = Scene::open();
    let request = scene.receive(CommandKey::SHELL);
    let stream = Stream { name: "stderr".to_owned(), data: b"x".to_vec(), ..Stream::default() };
    let body = ReceiveResponse { streams: vec![stream], ..ReceiveResponse::default() }.to_body();
    let answer = request.envelope.reply(ns::action::RECEIVE_RESPONSE, Uuid::max(), body);
    let error = scene.shell.handle_response(&answer).unwrap_err();
    assert_eq!(error, PeerMisbehaved::UnknownStream("stderr".to_owned()).into());
}

#[test]
fn a_pool_that_is_done_receives_no_more() {
    let mut scene = Scene::open();
    let request = scene.receive(CommandKey::SHELL);
    let state = CommandState { command_id: None, ..CommandState::new("", State::Done, Some(0)) };
    let body = ReceiveResponse { state: Some(state), ..ReceiveResponse::default() }.to_body();
    scene.reply(&request, ns::action::RECEIVE_RESPONSE, body);
    let done = Event::Done { command: CommandKey::SHELL, exit_code: Some(0) };
    assert_eq!(scene.events().last(), Some(&done));
    let id = scene.id();
    let again = scene.shell.receive(id, TIMEOUT, CommandKey::SHELL);
    assert_eq!(again, misuse(ApiMisuse::Done(CommandKey::SHELL)));
}

#[test]
fn a_connect_that_fails_or_is_lost_may_be_made_again() {
    let mut scene = Scene::new(Profile::POWERSHELL);
    let connect = |shell: &mut Shell, id| {
        shell.connect(id, TIMEOUT, known(), Connect::default(), OptionSet::default())
    };
    scene.ask(connect);
    let request = scene.sent();
    assert!(!request.replay);
    assert_eq!(request.envelope.header.shell_id(), Some(POOL));
    let id = scene.id();
    assert_eq!(connect(&mut scene.shell, id), misuse(ApiMisuse::OpenAfterOpen));
    scene.refuse(&request, ErrorCode::SHELL_CONNECTED_TO_DIFFERENT_CLIENT);
    assert!(matches!(scene.events()[..], [Event::Faulted { .. }]));
    scene.ask(connect);
    let request = scene.sent();
    scene.shell.handle_lost(request.message_id);
    assert_eq!(scene.shell.shell_id(), None);
    scene.ask(connect);
    let request = scene.sent();
    let body = ConnectResponse::default().to_body();
    scene.reply(&request, ns::action::CONNECT_RESPONSE, body);
    assert!(scene.shell.is_open());
}

#[test]
fn a_message_id_in_use_changes_nothing() {
    let mut scene = Scene::open();
    let request = scene.receive(CommandKey::SHELL);
    let disconnect = scene.shell.disconnect(request.message_id, TIMEOUT, Disconnect::default());
    assert_eq!(disconnect, misuse(ApiMisuse::MessageIdInUse));
    assert!(scene.shell.is_open());
}

#[test]
fn a_command_of_a_connected_shell_that_is_gone_is_forgotten() {
    let mut scene = Scene::open();
    let key = scene.ask(|shell, id| shell.connect_command(id, TIMEOUT, PIPELINE));
    let request = scene.sent();
    let id = scene.id();
    let early = scene.shell.receive(id, TIMEOUT, key);
    assert_eq!(early, misuse(ApiMisuse::NotStarted(key)));
    scene.refuse(&request, ErrorCode::UNEXPECTED_SELECTORS);
    assert!(matches!(scene.events()[..], [Event::Faulted { .. }]));
    let gone = scene.shell.receive(id, TIMEOUT, key);
    assert_eq!(gone, misuse(ApiMisuse::UnknownCommand(key)));
    // What was lost may be there, and is asked for by its id.
    let key = scene.ask(|shell, id| shell.connect_command(id, TIMEOUT, PIPELINE));
    let request = scene.sent();
    scene.shell.handle_lost(request.message_id);
    scene.receive(key);
}

#[test]
fn a_command_is_taken_up_by_its_id_where_the_service_wants_it() {
    let mut scene = Scene::open();
    let (key, request) = scene.start();
    let response = CommandResponse { command_id: PIPELINE.to_owned(), other: Vec::new() };
    scene.reply(&request, ns::action::COMMAND_RESPONSE, response.to_body());
    scene.events();
    scene.ask(|shell, id| shell.reconnect_command(id, TIMEOUT, key));
    let request = scene.sent();
    let reconnect = Reconnect::from_body(&request.envelope.body).unwrap();
    assert_eq!(reconnect.command_id.as_deref(), Some(PIPELINE));
    scene.reply(&request, ns::action::RECONNECT_RESPONSE, Vec::new());
    assert_eq!(scene.events(), [Event::CommandReconnected { command: key }]);
    let id = scene.id();
    let own = scene.shell.reconnect_command(id, TIMEOUT, CommandKey::SHELL);
    assert_eq!(own, misuse(ApiMisuse::UnknownCommand(CommandKey::SHELL)));
}

#[test]
fn payloads_of_the_most_bytes_fit_a_request_and_one_more_does_not() {
    let mut scene = Scene::open();
    let limit = 153_600;
    let most = scene.shell.max_command_payload().unwrap();
    let line = CommandLine::plug_in(Some(PIPELINE.to_owned()), &vec![7; most]);
    scene.ask(|shell, id| {
        shell.start(id, Duration::from_secs(u32::MAX.into()), line, CommandOptions::default())
    });
    let length = scene.sent().envelope.encode().len();
    assert!(length <= limit && length > limit - 60, "{length}");
    let mut new = Scene::new(Profile::POWERSHELL);
    let (mut description, options) = (ShellDescription::default(), ShellOptions::default());
    let most = new.shell.max_creation_payload(&description, &options);
    description.creation_xml = Some(vec![7; most]);
    new.ask(|shell, id| shell.open(id, Duration::from_secs(u32::MAX.into()), description, options));
    let length = new.sent().envelope.encode().len();
    assert!(length <= limit && length > limit - 60, "{length}");
    let most = scene.shell.max_send_payload(CommandKey::SHELL).unwrap();
    let id = scene.id();
    let stream = InputStream::Priority;
    let own = CommandKey::SHELL;
    let send = scene.shell.send_to(id, TIMEOUT, own, stream, vec![7; most + 1], false);
    assert!(matches!(send, Err(Error::ApiMisuse(ApiMisuse::InputTooLong { .. }))));
    scene.ask(|shell, id| shell.send_to(id, TIMEOUT, own, stream, vec![7; most], false));
    let envelope: Envelope = scene.sent().envelope;
    assert!(envelope.encode().len() <= limit);
}
