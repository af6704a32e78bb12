//! Client's shell and server's shell with encoded bytes between them and a turned clock.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use uuid::Uuid;
use wsman::shell::client::{self, Event, Operation};
use wsman::shell::server::{self, Action, Incoming, RequestToken, Settings};
use wsman::shell::{
    self, CommandLine, CommandOptions, OutputStream, RequestContext, ShellDescription,
    ShellOptions, SignalCode,
};
use wsman::xml::Limits;
use wsman::{Charset, Envelope, Header, ns};

use crate::shell_scene::{GATHER, beginning, identity, seconds};

pub(crate) const TIMEOUT: Duration = seconds(20);

/// Both machines and what is between them.
#[derive(Debug)]
pub(crate) struct Pair {
    pub(crate) client: client::Shell,
    pub(crate) host: Option<server::Shell>,
    pub(crate) settings: Settings,
    /// What the Create asks for.
    pub(crate) options: ShellOptions,
    /// How messages are written in both directions.
    pub(crate) charset: Charset,
    pub(crate) now: Instant,
    /// Requests without an answer, by the server's token.
    pub(crate) asked: BTreeMap<RequestToken, Header>,
    /// Encoded answers that have not reached the client.
    pub(crate) answers: VecDeque<Vec<u8>>,
    pub(crate) events: Vec<Event>,
    pub(crate) actions: Vec<Action>,
    /// What the client has sent, in order.
    pub(crate) sent: Vec<client::Request>,
    pub(crate) ids: u128,
}

impl Pair {
    pub(crate) fn new(max_envelope_size: u64) -> Self {
        Self::written(max_envelope_size, Charset::Utf8, false)
    }

    /// A pair whose messages are in that charset, and whose streams may be compressed.
    pub(crate) fn written(max_envelope_size: u64, charset: Charset, compression: bool) -> Self {
        let mut context =
            RequestContext::new("http://host:5985/wsman", ns::resource::CMD, Uuid::from_u128(7));
        context.max_envelope_size = max_envelope_size;
        context.charset = charset;
        let settings = Settings { gather: GATHER, ..Settings::default() };
        Self {
            client: client::Shell::new(context),
            host: None,
            settings,
            options: ShellOptions { compression, ..ShellOptions::default() },
            charset,
            now: beginning(),
            asked: BTreeMap::new(),
            answers: VecDeque::new(),
            events: Vec::new(),
            actions: Vec::new(),
            sent: Vec::new(),
            ids: 0,
        }
    }

    pub(crate) fn open(max_envelope_size: u64) -> Self {
        let mut pair = Self::new(max_envelope_size);
        pair.create_shell();
        pair
    }

    pub(crate) fn create_shell(&mut self) {
        let id = self.id();
        let description = ShellDescription::default();
        self.client.open(id, TIMEOUT, description, self.options.clone()).unwrap();
        self.go();
        assert!(matches!(self.take_events()[..], [Event::Opened { info: Some(_), .. }]));
    }

    pub(crate) fn open_and_start(&mut self) -> (client::CommandKey, server::CommandKey) {
        self.create_shell();
        self.start()
    }

    pub(crate) fn running(
        max_envelope_size: u64,
    ) -> (Self, client::CommandKey, server::CommandKey) {
        let mut pair = Self::new(max_envelope_size);
        let (command, process) = pair.open_and_start();
        (pair, command, process)
    }

    pub(crate) fn id(&mut self) -> Uuid {
        self.ids += 1;
        Uuid::from_u128(self.ids)
    }

    pub(crate) fn shell(&mut self) -> &mut server::Shell {
        self.host.as_mut().expect("no shell")
    }

    pub(crate) fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    pub(crate) fn take_actions(&mut self) -> Vec<Action> {
        std::mem::take(&mut self.actions)
    }

    /// Carries everything in both directions until nothing moves.
    pub(crate) fn go(&mut self) {
        while let Some(request) = self.client.poll_request() {
            self.sent.push(request.clone());
            self.carry(&request);
        }
        self.deliver();
    }

    /// Carries one request to the server; its answers stay on the way.
    pub(crate) fn carry(&mut self, request: &client::Request) {
        let bytes = request.envelope.encode_as(self.charset);
        let limit = request.envelope.header.max_envelope_size().unwrap();
        assert!(u64::try_from(bytes.len()).unwrap() <= limit, "{} > {limit}", bytes.len());
        let envelope = Envelope::decode(&bytes, &Limits::default()).unwrap();
        envelope.header.check_request().unwrap();
        self.ids += 1;
        let token = RequestToken(u64::try_from(self.ids).unwrap());
        let timeout = envelope.header.operation_timeout().and_then(|time| time.length());
        let limit = usize::try_from(envelope.header.reply_limit(512_000)).unwrap();
        let limit = self.charset.fits(limit);
        let deadline = self.now + timeout.unwrap();
        let fresh = Uuid::from_u128(self.ids << 64);
        let now = self.now;
        if request.operation == Operation::Create {
            self.create(&envelope);
            return;
        }
        let incoming = Incoming::from_envelope(token, &envelope, deadline, limit, fresh).unwrap();
        assert_eq!(envelope.header.shell_id(), Some(identity().shell_id.as_str()));
        self.asked.insert(token, envelope.header);
        self.shell().handle_request(incoming, now);
        self.drain();
    }

    pub(crate) fn create(&mut self, envelope: &Envelope) {
        let shell::Request::Create { shell, options } =
            shell::Request::from_envelope(envelope).unwrap()
        else {
            panic!("no Create")
        };
        let host = server::Shell::new(identity(), *shell, self.settings.clone(), self.now);
        let host = host.unwrap().with_options(&options);
        let to = envelope.header.to().unwrap();
        let body = host.create_response(to, self.now).to_body();
        let answer = envelope.reply(ns::action::CREATE_RESPONSE, Uuid::max(), body);
        self.answers.push_back(answer.encode_as(self.charset));
        self.host = Some(host);
    }

    pub(crate) fn drain(&mut self) {
        let Some(host) = &mut self.host else { return };
        self.actions.extend(std::iter::from_fn(|| host.poll_action()));
        while let Some(response) = host.poll_response() {
            let request = self.asked.remove(&response.token).expect("answered twice");
            let answer = match response.result {
                Ok(reply) => {
                    let action = reply.action();
                    request.reply(action, Uuid::max(), reply.into_body())
                }
                Err(fault) => fault.to_envelope(Some(&request), Uuid::max(), "host"),
            };
            let bytes = answer.encode_as(self.charset);
            let limit = request.max_envelope_size().unwrap();
            assert!(u64::try_from(bytes.len()).unwrap() <= limit, "{} > {limit}", bytes.len());
            self.answers.push_back(bytes);
        }
    }

    pub(crate) fn deliver(&mut self) {
        while let Some(bytes) = self.answers.pop_front() {
            let envelope = Envelope::decode(&bytes, &Limits::default()).unwrap();
            self.client.handle_response(&envelope).unwrap();
        }
        self.events.extend(std::iter::from_fn(|| self.client.poll_event()));
    }

    /// Turns the clock; what is answered meanwhile arrives.
    pub(crate) fn wait(&mut self, time: Duration) {
        let until = self.now + time;
        while let Some(due) = self.shell().poll_timeout().filter(|due| *due <= until) {
            self.now = self.now.max(due);
            let now = self.now;
            self.shell().handle_timeout(now);
            self.drain();
            self.deliver();
            let next = self.shell().poll_timeout();
            assert!(next.is_none_or(|next| next > now), "the machine wakes for nothing");
        }
        self.now = until;
    }

    pub(crate) fn start(&mut self) -> (client::CommandKey, server::CommandKey) {
        let id = self.id();
        let line = CommandLine { command: "run".to_owned(), ..CommandLine::default() };
        let command = self.client.start(id, TIMEOUT, line, CommandOptions::default()).unwrap();
        self.go();
        let [Action::Start { command: process, .. }] = self.take_actions()[..] else {
            panic!("no Start")
        };
        self.process(|shell, now| shell.handle_started(process, Ok(()), now));
        assert_eq!(self.take_events(), [Event::Started { command }]);
        (command, process)
    }

    /// What a process does.
    pub(crate) fn process(
        &mut self,
        report: impl FnOnce(&mut server::Shell, Instant) -> Result<(), server::Error>,
    ) {
        let now = self.now;
        report(self.shell(), now).unwrap();
        self.drain();
        self.deliver();
    }

    pub(crate) fn write(&mut self, process: server::CommandKey, stream: OutputStream, data: &[u8]) {
        self.process(|shell, now| shell.handle_output(process, stream, data.to_vec(), now));
    }

    pub(crate) fn finish(&mut self, process: server::CommandKey, exit_code: u32) {
        for stream in OutputStream::ALL {
            self.process(|shell, now| shell.handle_end(process, stream, now));
        }
        self.process(|shell, now| shell.handle_exit(process, exit_code, now));
    }

    pub(crate) fn receive(&mut self, command: client::CommandKey) {
        let id = self.id();
        self.client.receive(id, TIMEOUT, command).unwrap();
        self.go();
    }

    pub(crate) fn send(&mut self, command: client::CommandKey, data: &[u8], end: bool) {
        let id = self.id();
        self.client.send(id, TIMEOUT, command, data.to_vec(), end).unwrap();
        self.go();
    }

    pub(crate) fn signal(&mut self, command: client::CommandKey, code: SignalCode) {
        let id = self.id();
        self.client.signal(id, TIMEOUT, command, code).unwrap();
        self.go();
    }

    pub(crate) fn close(&mut self) {
        let id = self.id();
        self.client.close(id, TIMEOUT).unwrap();
        self.go();
    }

    pub(crate) fn operations(&self) -> Vec<Operation> {
        self.sent.iter().map(|request| request.operation).collect()
    }
}

pub(crate) fn output(events: &[Event], of: OutputStream) -> Vec<u8> {
    let data = |event: &Event| match event {
        Event::Output { stream, data, .. } if *stream == of => data.clone(),
        _ => Vec::new(),
    };
    events.iter().flat_map(data).collect()
}

pub(crate) fn done(events: &[Event]) -> Option<Option<u32>> {
    events.iter().find_map(|event| match event {
        Event::Done { exit_code, .. } => Some(*exit_code),
        _ => None,
    })
}
