//! A client's shell and a service that answers what a test says.

use std::time::Duration;

use uuid::Uuid;
use wsman::shell::client::{ApiMisuse, CommandKey, Error, Event, Request, Shell};
use wsman::shell::{
    self, CommandLine, CommandOptions, CommandResponse, CommandState, CreateResponse,
    ReceiveResponse, RequestContext, ShellDescription, ShellOptions, SignalCode, State, Stream,
};
use wsman::xml::{Element, Limits};
use wsman::{EndpointReference, Envelope, ErrorCode, Fault, SelectorSet, ns};

pub(crate) const TIMEOUT: Duration = Duration::from_secs(20);
pub(crate) const SHELL: &str = "0D6FCA9D-2D40-44C3-B691-E665BE7AA687";
pub(crate) const COMMAND: &str = "B0973E54-434E-4D99-B4BE-ADE584CE3BFB";

/// A client's shell and the ids of its messages.
#[derive(Debug)]
pub(crate) struct Scene {
    pub(crate) shell: Shell,
    pub(crate) count: u128,
}

impl Scene {
    pub(crate) fn new() -> Self {
        Self { shell: Shell::new(context(153_600)), count: 0 }
    }

    pub(crate) fn id(&mut self) -> Uuid {
        self.count += 1;
        Uuid::from_u128(0xABC0_0000 + self.count)
    }

    pub(crate) fn request(&mut self) -> Request {
        let request = self.shell.poll_request().expect("no request");
        assert_eq!(self.shell.poll_request(), None);
        // What goes out is what a service reads.
        let read = Envelope::decode(&request.envelope.encode(), &Limits::default()).unwrap();
        read.header.check_request().unwrap();
        shell::Request::from_envelope(&read).unwrap();
        request
    }

    pub(crate) fn answer(
        &mut self,
        request: &Request,
        action: &str,
        body: Vec<Element>,
    ) -> Vec<Event> {
        self.try_answer(request, action, body).unwrap();
        self.events()
    }

    pub(crate) fn try_answer(
        &mut self,
        request: &Request,
        action: &str,
        body: Vec<Element>,
    ) -> Result<(), Error> {
        self.shell.handle_response(&request.envelope.reply(action, Uuid::max(), body))
    }

    pub(crate) fn fault(&mut self, request: &Request, code: ErrorCode) -> Vec<Event> {
        let fault = Fault::new(code, "said the test");
        let envelope = fault.to_envelope(Some(&request.envelope.header), Uuid::max(), "host");
        self.shell.handle_response(&envelope).unwrap();
        self.events()
    }

    pub(crate) fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.shell.poll_event()).collect()
    }

    pub(crate) fn open() -> Self {
        Self::new().opened()
    }

    pub(crate) fn opened(mut self) -> Self {
        let id = self.id();
        let (description, options) = (ShellDescription::default(), ShellOptions::default());
        self.shell.open(id, TIMEOUT, description, options).unwrap();
        let request = self.request();
        self.answer(&request, ns::action::CREATE_RESPONSE, created().to_body());
        self
    }

    /// A command of that id, which the service takes.
    pub(crate) fn start_as(&mut self, command_id: &str) -> CommandKey {
        let id = self.id();
        let line = CommandLine { command_id: Some(command_id.to_owned()), ..line() };
        let key = self.shell.start(id, TIMEOUT, line, CommandOptions::default()).unwrap();
        let request = self.request();
        self.answer(&request, ns::action::COMMAND_RESPONSE, command_response(command_id));
        key
    }

    pub(crate) fn start(&mut self) -> (CommandKey, Request) {
        let id = self.id();
        let options = CommandOptions::default();
        let key = self.shell.start(id, TIMEOUT, line(), options).unwrap();
        (key, self.request())
    }

    pub(crate) fn running() -> (Self, CommandKey) {
        let mut scene = Self::open();
        let (key, request) = scene.start();
        scene.answer(&request, ns::action::COMMAND_RESPONSE, command_response(COMMAND));
        (scene, key)
    }

    pub(crate) fn receive(&mut self, key: CommandKey) -> Request {
        let id = self.id();
        self.shell.receive(id, TIMEOUT, key).unwrap();
        self.request()
    }

    pub(crate) fn received(&mut self, request: &Request, response: &ReceiveResponse) -> Vec<Event> {
        self.answer(request, ns::action::RECEIVE_RESPONSE, response.to_body())
    }

    pub(crate) fn send(&mut self, key: CommandKey, data: &[u8], end: bool) -> Request {
        let id = self.id();
        self.shell.send(id, TIMEOUT, key, data.to_vec(), end).unwrap();
        self.request()
    }

    pub(crate) fn signal(&mut self, key: CommandKey, code: SignalCode) -> Request {
        let id = self.id();
        self.shell.signal(id, TIMEOUT, key, code).unwrap();
        self.request()
    }

    pub(crate) fn close(&mut self) -> Request {
        let id = self.id();
        self.shell.close(id, TIMEOUT).unwrap();
        self.request()
    }
}

pub(crate) fn context(max_envelope_size: u64) -> RequestContext {
    let mut context =
        RequestContext::new("http://host:5985/wsman", ns::resource::CMD, Uuid::from_u128(7));
    context.max_envelope_size = max_envelope_size;
    context
}

pub(crate) fn line() -> CommandLine {
    CommandLine { command: "whoami".to_owned(), ..CommandLine::default() }
}

pub(crate) fn created() -> CreateResponse {
    CreateResponse {
        resource_created: EndpointReference {
            selectors: Some(SelectorSet::shell(SHELL)),
            ..EndpointReference::address("http://host:5985/wsman")
        },
        shell: None,
        other: Vec::new(),
    }
}

pub(crate) fn command_response(id: &str) -> Vec<Element> {
    CommandResponse { command_id: id.to_owned(), other: Vec::new() }.to_body()
}

pub(crate) fn piece(name: &str, data: &[u8], end: bool) -> Stream {
    Stream {
        name: name.to_owned(),
        command_id: Some(COMMAND.to_owned()),
        end,
        data: data.to_vec(),
        ..Stream::default()
    }
}

pub(crate) fn response(
    streams: Vec<Stream>,
    state: Option<(State, Option<u32>)>,
) -> ReceiveResponse {
    let state = state.map(|(state, exit_code)| CommandState::new(COMMAND, state, exit_code));
    ReceiveResponse { streams, state, ..ReceiveResponse::default() }
}

pub(crate) fn misuse<T>(error: ApiMisuse) -> Result<T, Error> {
    Err(Error::ApiMisuse(error))
}
