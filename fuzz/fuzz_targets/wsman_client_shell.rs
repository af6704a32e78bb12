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
use wsman::shell::client::{CommandKey, Error, Event, Operation, Request, Shell};
use wsman::shell::{
    CommandLine, CommandOptions, CommandResponse, CommandState, CreateResponse, OutputStream,
    ReceiveResponse, RequestContext, SendResponse, ShellDescription, ShellInfo, ShellOptions,
    SignalCode, SignalResponse, State, Stream,
};
use wsman::xml::{Element, Limits};
use wsman::{EndpointReference, Envelope, ErrorCode, Fault, SelectorSet, ns};

const SHELL: &str = "0D6FCA9D-2D40-44C3-B691-E665BE7AA687";
const COMMAND: &str = "B0973E54-434E-4D99-B4BE-ADE584CE3BFB";
const TIMEOUT: Duration = Duration::from_secs(20);
const ENVELOPE: u64 = 8_192;
const STEPS: usize = 100;

#[cfg(not(test))]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| run(bytes));

pub(crate) fn run(bytes: &[u8]) {
    let mut play = Play::new(Script(bytes));
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
    shell: Shell,
    count: u128,
    keys: Vec<CommandKey>,
    waiting: Vec<Request>,
    told: BTreeMap<CommandKey, Told>,
    failed: Option<Error>,
    closed: bool,
}

impl<'a> Play<'a> {
    fn new(script: Script<'a>) -> Self {
        let mut context =
            RequestContext::new("http://host:5985/wsman", ns::resource::CMD, Uuid::from_u128(7));
        context.max_envelope_size = ENVELOPE;
        Self {
            script,
            shell: Shell::new(context),
            count: 0,
            keys: Vec::new(),
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
        let kind = self.script.below(7);
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
        let result = self.shell.send(id, TIMEOUT, key, data, end);
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
        ];
        let fault = Fault::new(self.script.one_of(&codes), self.script.text());
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
            let command_id = Some(self.ids(COMMAND));
            let end = self.script.below(4) == 0;
            let stream = Stream { name, command_id, end, data, ..Stream::default() };
            response.streams.push(stream);
        }
        let states = [State::Running, State::Done, State::Pending];
        if let Some(state) = states.get(self.script.below(4)) {
            let id = self.ids(COMMAND);
            let code = self.script.flag().then(|| u32::from(self.script.byte()));
            response.state = Some(CommandState::new(&id, state.clone(), code));
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
        let ids = self.shell.shell_id().is_some();
        assert!(!(self.closed && ids) && !(self.failed.is_some() && ids));
        assert!(ids || !self.shell.is_open());
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
                assert!(told.ended.len() == 2 && !std::mem::replace(&mut told.done, true));
                assert!(self.shell.is_done(command));
            }
            Event::Closed => assert!(!std::mem::replace(&mut self.closed, true)),
            _ => {}
        }
    }
}
