//! A client's shell whose caller does everything in any order, and whose service answers anything:
//! what goes out is always a request that a service can read, and events keep their order.
#![cfg_attr(not(test), no_main)]

#[path = "../support/script.rs"]
mod script;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use script::Script;
use uuid::Uuid;
use wsman::compression::compress;
use wsman::shell::client::{CommandKey, Error, Event, KnownShell, Operation, Request, Shell};
use wsman::shell::{
    BufferMode, CommandLine, CommandOptions, CommandResponse, CommandState, Connect,
    ConnectResponse, CreateResponse, Disconnect, InputStream, OutputStream, Profile,
    ReceiveResponse, Reconnect, RequestContext, SendResponse, ShellDescription, ShellInfo,
    ShellOptions, SignalCode, SignalResponse, State, Stream,
};
use wsman::xml::{Element, Limits};
use wsman::{EndpointReference, Envelope, ErrorCode, Fault, OptionSet, SelectorSet, ns};

const SHELL: &str = "0D6FCA9D-2D40-44C3-B691-E665BE7AA687";
const COMMAND: &str = "B0973E54-434E-4D99-B4BE-ADE584CE3BFB";
const TIMEOUT: Duration = Duration::from_secs(20);
const ENVELOPE: u64 = 8_192;
const STEPS: usize = 100;

#[cfg(not(test))]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| run(bytes));

/// What a script of a plug-in's shell begins with: no step of a command shell's has this number.
const PLUG_IN: u8 = 0xFF;

pub(crate) fn run(bytes: &[u8]) {
    let (profile, bytes) = match bytes.split_first() {
        Some((&PLUG_IN, rest)) => (Profile::POWERSHELL, rest),
        _ => (Profile::COMMAND, bytes),
    };
    let mut play = Play::new(Script(bytes), profile);
    for _ in 0..STEPS {
        if play.script.is_over() {
            break;
        }
        play.step();
        play.drain();
    }
}

/// What the events have told about a command.
#[derive(Default)]
struct Told {
    ended: BTreeSet<OutputStream>,
    done: bool,
}

struct Play<'a> {
    script: Script<'a>,
    profile: Profile,
    shell: Shell,
    count: u128,
    keys: Vec<CommandKey>,
    waiting: Vec<Request>,
    told: BTreeMap<CommandKey, Told>,
    failed: Option<Error>,
    closed: bool,
}

impl<'a> Play<'a> {
    fn new(script: Script<'a>, profile: Profile) -> Self {
        let is_plug_in = profile == Profile::POWERSHELL;
        let resource = [ns::resource::POWERSHELL_PREFIX, "Microsoft.PowerShell"].concat();
        let resource = if is_plug_in { &resource } else { ns::resource::CMD };
        let mut context =
            RequestContext::new("http://host:5985/wsman", resource, Uuid::from_u128(7));
        context.max_envelope_size = ENVELOPE;
        Self {
            script,
            profile,
            shell: Shell::with_profile(context, profile),
            count: 0,
            keys: if is_plug_in { vec![CommandKey::SHELL] } else { Vec::new() },
            waiting: Vec::new(),
            told: BTreeMap::new(),
            failed: None,
            closed: false,
        }
    }

    fn id(&mut self) -> Uuid {
        self.count += 1;
        Uuid::from_u128(self.count)
    }

    fn key(&mut self) -> Option<CommandKey> {
        let at = self.script.below(self.keys.len());
        self.keys.get(at).copied()
    }

    fn step(&mut self) {
        match self.script.below(16) {
            0..=6 => self.call(),
            7 => self.give_up(),
            8 | 9 => self.answer_with_fault(),
            10..=13 => self.answer(),
            14 => self.answer_with_bytes(),
            _ => self.say_bytes(),
        }
    }

    /// The caller wants something.
    fn call(&mut self) {
        let id = self.id();
        let kinds = if self.profile == Profile::POWERSHELL { 12 } else { 7 };
        let kind = self.script.below(kinds);
        let result = match (kind, self.key()) {
            (0, _) => self.open(id),
            (1, _) => self.start(id),
            (2, Some(key)) => self.send(id, key),
            (3, Some(key)) => self.shell.receive(id, TIMEOUT, key),
            (4, Some(key)) => {
                let code = [SignalCode::CtrlC, SignalCode::Terminate];
                let code = if self.script.flag() { &code[0] } else { &code[1] };
                self.shell.signal(id, TIMEOUT, key, code.clone())
            }
            (5, _) => self.shell.get(id, TIMEOUT),
            (6, _) => self.shell.close(id, TIMEOUT),
            (7, _) => {
                let buffer_mode = self.script.flag().then_some(BufferMode::Drop);
                let disconnect = Disconnect { buffer_mode, ..Disconnect::default() };
                self.shell.disconnect(id, TIMEOUT, disconnect)
            }
            (8, _) => self.shell.reconnect(id, TIMEOUT, Reconnect::default()),
            (9, _) => self.connect(id),
            (10, _) => self.shell.connect_command(id, TIMEOUT, COMMAND).map(|key| {
                assert!(self.keys.iter().all(|known| *known < key), "a key comes again");
                self.keys.push(key);
            }),
            (11, Some(key)) => self.shell.reconnect_command(id, TIMEOUT, key),
            _ => return,
        };
        match (result, &self.failed) {
            (Ok(()), failed) => assert!(failed.is_none(), "a call after {failed:?}"),
            (Err(error), Some(failed)) => assert_eq!(&error, failed),
            (Err(error), None) => assert!(matches!(error, Error::ApiMisuse(_)), "{error:?}"),
        }
    }

    fn open(&mut self, id: Uuid) -> Result<(), Error> {
        let shell_id = self.script.flag().then(|| SHELL.to_owned());
        let description = ShellDescription { shell_id, ..ShellDescription::default() };
        let compression = self.script.flag();
        let options = ShellOptions { compression, ..ShellOptions::default() };
        self.shell.open(id, TIMEOUT, description, options)
    }

    fn connect(&mut self, id: Uuid) -> Result<(), Error> {
        let known = KnownShell { shell_id: SHELL.to_owned(), compression: self.script.flag() };
        let connect = Connect::shell(self.script.text().into_bytes());
        self.shell.connect(id, TIMEOUT, known, connect, OptionSet::default())
    }

    fn start(&mut self, id: Uuid) -> Result<(), Error> {
        let command_id = self.script.flag().then(|| COMMAND.to_owned());
        let line =
            CommandLine { command_id, command: self.script.text(), ..CommandLine::default() };
        let key = self.shell.start(id, TIMEOUT, line, CommandOptions::default())?;
        assert!(self.keys.iter().all(|known| *known < key), "a key comes again");
        self.keys.push(key);
        Ok(())
    }

    fn send(&mut self, id: Uuid, key: CommandKey) -> Result<(), Error> {
        let most = self.shell.max_send_payload(key)?;
        let data = match self.script.below(3) {
            0 => self.script.text().into_bytes(),
            1 => (0..most).map(|at| u8::try_from(at * at % 251).expect("small")).collect(),
            _ => vec![0; most + 1],
        };
        let (is_too_long, end) = (data.len() > most, self.script.flag());
        let result = if self.profile == Profile::POWERSHELL && self.script.flag() {
            let stream = InputStream::Priority;
            self.shell.send_to(id, TIMEOUT, key, stream, data, end)
        } else {
            self.shell.send(id, TIMEOUT, key, data, end)
        };
        assert!(result.is_err() || !is_too_long);
        result
    }

    fn give_up(&mut self) {
        let is_sent = self.script.flag();
        let Some(request) = self.take_waiting() else { return };
        if is_sent {
            self.shell.handle_lost(request.message_id);
        } else {
            self.shell.handle_unsent(request.message_id);
        }
    }

    fn take_waiting(&mut self) -> Option<Request> {
        let at = self.script.below(self.waiting.len());
        (at < self.waiting.len()).then(|| self.waiting.remove(at))
    }

    fn answer_with_fault(&mut self) {
        let codes = [
            ErrorCode::UNEXPECTED_SELECTORS,
            ErrorCode::OPERATION_TIMEDOUT,
            ErrorCode::OPERATION_ABORTED,
            ErrorCode::CANCELLED,
            ErrorCode::QUOTA_MAX_SHELLS,
            ErrorCode::SHELL_DISCONNECTED,
            ErrorCode::SERVICE_STREAM_DISCONNECTED,
            ErrorCode::SHELL_DISCONNECT_OPERATION_NOT_VALID,
            ErrorCode::SHELL_RECONNECT_OPERATION_NOT_VALID,
        ];
        let codes = match self.profile == Profile::POWERSHELL {
            true => &codes[..],
            false => &codes[..5],
        };
        let fault = Fault::new(self.script.one_of(codes), self.script.text());
        let is_related = self.script.flag();
        let Some(request) = self.take_waiting() else { return };
        let result = if is_related {
            let envelope = fault.to_envelope(Some(&request.envelope.header), Uuid::max(), "host");
            self.shell.handle_response(&envelope)
        } else {
            self.shell.handle_fault(request.message_id, fault)
        };
        self.take(result);
    }

    /// An answer of the right kind, with something in it that may be wrong.
    fn answer(&mut self) {
        let Some(request) = self.take_waiting() else { return };
        let (action, body) = match request.operation {
            Operation::Create => (ns::action::CREATE_RESPONSE, self.created()),
            Operation::Command => (ns::action::COMMAND_RESPONSE, self.started()),
            Operation::Send => (ns::action::SEND_RESPONSE, SendResponse::default().to_body()),
            Operation::Receive => (ns::action::RECEIVE_RESPONSE, self.received()),
            Operation::Signal => (ns::action::SIGNAL_RESPONSE, SignalResponse::default().to_body()),
            Operation::Delete => (ns::action::DELETE_RESPONSE, Vec::new()),
            Operation::Disconnect => (ns::action::DISCONNECT_RESPONSE, Vec::new()),
            Operation::Reconnect => (ns::action::RECONNECT_RESPONSE, Vec::new()),
            Operation::Connect => (ns::action::CONNECT_RESPONSE, self.connected()),
            _ => (ns::action::GET_RESPONSE, vec![ShellInfo::default().to_element()]),
        };
        self.respond(&request, action, body);
    }

    fn respond(&mut self, request: &Request, action: &str, body: Vec<Element>) {
        let answer = request.envelope.reply(action, Uuid::max(), body).encode();
        let answer = Envelope::decode(&answer, &Limits::default());
        let result = self.shell.handle_response(&answer.expect("our own output is readable"));
        self.take(result);
    }

    fn ids(&mut self, usual: &str) -> String {
        match self.script.below(8) {
            0 => self.script.text(),
            1 => usual.to_ascii_lowercase(),
            _ => usual.to_owned(),
        }
    }

    fn created(&mut self) -> Vec<Element> {
        let id = self.ids(SHELL);
        let resource_created = EndpointReference {
            selectors: Some(SelectorSet::shell(&id)),
            ..EndpointReference::address("http://host:5985/wsman")
        };
        CreateResponse { resource_created, shell: None, other: Vec::new() }.to_body()
    }

    fn started(&mut self) -> Vec<Element> {
        CommandResponse { command_id: self.ids(COMMAND), other: Vec::new() }.to_body()
    }

    fn connected(&mut self) -> Vec<Element> {
        let data = self.script.flag().then(|| self.script.text().into_bytes());
        ConnectResponse { connect_response_xml: data, ..ConnectResponse::default() }.to_body()
    }

    /// The id that an answer to a Receive has: none where it is about the shell itself.
    fn answered_id(&mut self) -> Option<String> {
        let own = self.profile == Profile::POWERSHELL && self.script.flag();
        (!own).then(|| self.ids(COMMAND))
    }

    fn received(&mut self) -> Vec<Element> {
        let mut response = ReceiveResponse::default();
        for _ in 0..self.script.below(4) {
            let name = match self.script.below(8) {
                0 => self.script.text(),
                1..=4 => "stdout".to_owned(),
                _ => "stderr".to_owned(),
            };
            let mut data = self.script.text().into_bytes();
            if self.script.flag() {
                data = compress(&data);
            }
            let command_id = self.answered_id();
            let end = self.script.below(4) == 0;
            let stream = Stream { name, command_id, end, data, ..Stream::default() };
            response.streams.push(stream);
        }
        let states = [State::Running, State::Done, State::Pending];
        if let Some(state) = states.get(self.script.below(4)) {
            let command_id = self.answered_id();
            let code = self.script.flag().then(|| u32::from(self.script.byte()));
            let state = CommandState::new("", state.clone(), code);
            response.state = Some(CommandState { command_id, ..state });
        }
        response.to_body()
    }

    /// An answer whose body nobody chose with care.
    fn answer_with_bytes(&mut self) {
        let actions = [
            ns::action::CREATE_RESPONSE,
            ns::action::COMMAND_RESPONSE,
            ns::action::RECEIVE_RESPONSE,
            ns::action::GET_RESPONSE,
            ns::action::CREATE,
        ];
        let action = self.script.one_of(&actions);
        let body = Envelope::decode(self.script.bytes(), &Limits::default());
        let Some(request) = self.take_waiting() else { return };
        self.respond(&request, action, body.map(|envelope| envelope.body).unwrap_or_default());
    }

    fn say_bytes(&mut self) {
        let Ok(envelope) = Envelope::decode(self.script.bytes(), &Limits::default()) else {
            return;
        };
        let related = envelope.header.relates_to().unwrap_or_default().to_owned();
        let result = self.shell.handle_response(&envelope);
        self.waiting.retain(|request| wsman::uuid_uri(request.message_id) != related);
        self.take(result);
    }

    /// What a message from the service came to: an error of it is final.
    fn take(&mut self, result: Result<(), Error>) {
        if let Err(error) = result {
            assert!(matches!(error, Error::PeerMisbehaved(_)), "{error:?}");
            assert!(error.to_string().len() < 10_000);
            assert_eq!(self.failed.get_or_insert_with(|| error.clone()), &error);
        } else {
            assert!(self.failed.is_none());
        }
    }

    fn drain(&mut self) {
        while let Some(request) = self.shell.poll_request() {
            self.check_request(&request);
            self.waiting.push(request);
        }
        while let Some(event) = self.shell.poll_event() {
            self.check_event(event);
        }
        if self.failed.is_none() {
            assert_eq!(self.shell.outstanding(), self.waiting.len());
        }
        assert!(!(self.shell.is_open() && self.shell.is_disconnected()));
        let has_id = self.shell.shell_id().is_some();
        assert!(!has_id || !(self.closed || self.failed.is_some()));
        assert!(has_id || !self.shell.is_open());
    }

    fn check_request(&self, request: &Request) {
        let bytes = request.envelope.encode();
        if request.operation == Operation::Send {
            assert!(u64::try_from(bytes.len()).is_ok_and(|length| length <= ENVELOPE));
        }
        let read = Envelope::decode(&bytes, &Limits::default()).expect("a request is readable");
        read.header.check_request().expect("a request has a sound header");
        let meaning = wsman::shell::Request::from_envelope(&read).expect("a request is one");
        assert_eq!(meaning.action(), read.action().unwrap_or_default());
        let same = |other: &&Request| {
            other.operation == request.operation && other.command == request.command
        };
        if matches!(request.operation, Operation::Receive | Operation::Send) {
            assert_eq!(self.waiting.iter().find(same), None, "two at once");
        }
    }

    fn check_event(&mut self, event: Event) {
        match event {
            Event::Opened { shell_id, .. } => assert!(!shell_id.is_empty() && !self.closed),
            Event::Connected { shell_id, .. } => assert!(!shell_id.is_empty() && !self.closed),
            Event::Output { command, stream, data } => {
                let told = self.told.entry(command).or_default();
                assert!(!data.is_empty() && !told.ended.contains(&stream) && !told.done);
            }
            Event::Ended { command, stream } => {
                let told = self.told.entry(command).or_default();
                assert!(told.ended.insert(stream) && !told.done);
            }
            Event::Done { command, .. } => {
                let told = self.told.entry(command).or_default();
                let streams = self.profile.outputs().len();
                assert!(told.ended.len() == streams && !std::mem::replace(&mut told.done, true));
                assert!(self.shell.is_done(command));
            }
            Event::Closed => assert!(!std::mem::replace(&mut self.closed, true)),
            _ => {}
        }
    }
}
