//! A server's shell with a turned clock, for the tests of the machines.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use uuid::Uuid;
use wsman::shell::server::{
    Action, CommandKey, Identity, Incoming, Reply, RequestToken, Settings, Shell,
};
use wsman::shell::{
    CommandLine, CommandOptions, OutputStream, Receive, ReceiveResponse, Request, Send,
    ShellDescription, Signal, SignalCode, Stream,
};
use wsman::{Envelope, ErrorCode, Fault, ns};

/// The moment at which every test begins.
#[expect(clippy::disallowed_methods, reason = "an Instant has no other beginning")]
pub(crate) fn beginning() -> Instant {
    Instant::now()
}

/// Seconds.
pub(crate) const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

pub(crate) const SHELL_ID: &str = "11111111-2222-3333-4444-555555555555";
/// The session of every request, unless a test says otherwise.
pub(crate) const SESSION: &str = "uuid:00000000-0000-0000-0000-000000000007";
pub(crate) const TIMEOUT: Duration = seconds(60);
pub(crate) const GATHER: Duration = Duration::from_millis(20);
pub(crate) const ENVELOPE: usize = 153_600;

pub(crate) fn identity() -> Identity {
    Identity {
        shell_id: SHELL_ID.to_owned(),
        resource_uri: ns::resource::CMD.to_owned(),
        owner: "alice".to_owned(),
        client_ip: "192.0.2.1".to_owned(),
    }
}

/// What a request came to.
pub(crate) type Outcome = Result<Reply, Box<Fault>>;

/// A shell, its clock and what it has said.
#[derive(Debug)]
pub(crate) struct Scene {
    pub(crate) shell: Shell,
    pub(crate) now: Instant,
    pub(crate) actions: Vec<Action>,
    pub(crate) answers: BTreeMap<RequestToken, Outcome>,
    tokens: u64,
}

impl Scene {
    pub(crate) fn new() -> Self {
        Self::with(ShellDescription::default(), Settings { gather: GATHER, ..Settings::default() })
    }

    pub(crate) fn with(description: ShellDescription, settings: Settings) -> Self {
        let now = beginning();
        let shell = Shell::new(identity(), description, settings, now).unwrap();
        Self { shell, now, actions: Vec::new(), answers: BTreeMap::new(), tokens: 0 }
    }

    pub(crate) fn drain(&mut self) {
        self.actions.extend(std::iter::from_fn(|| self.shell.poll_action()));
        while let Some(response) = self.shell.poll_response() {
            let before = self.answers.insert(response.token, response.result);
            assert!(before.is_none(), "{:?} was answered twice", response.token);
        }
    }

    pub(crate) fn take_actions(&mut self) -> Vec<Action> {
        std::mem::take(&mut self.actions)
    }

    /// Turns the clock and wakes the machine as often as it asks.
    pub(crate) fn wait(&mut self, time: Duration) {
        let until = self.now + time;
        while let Some(due) = self.shell.poll_timeout().filter(|due| *due <= until) {
            self.now = self.now.max(due);
            self.shell.handle_timeout(self.now);
            self.drain();
            let next = self.shell.poll_timeout();
            assert!(next.is_none_or(|next| next > self.now), "the machine wakes for nothing");
        }
        self.now = until;
    }

    pub(crate) fn ask(&mut self, request: Request) -> RequestToken {
        self.tokens += 1;
        let message_id = format!("uuid:{}", self.tokens);
        self.ask_as(&message_id, request, ENVELOPE)
    }

    pub(crate) fn ask_as(
        &mut self,
        message_id: &str,
        request: Request,
        limit: usize,
    ) -> RequestToken {
        self.tokens += 1;
        let token = RequestToken(self.tokens);
        self.shell.handle_request(
            Incoming {
                token,
                message_id: message_id.to_owned(),
                session_id: Some(SESSION.to_owned()),
                request,
                deadline: self.now + TIMEOUT,
                envelope_limit: limit,
                empty_reply: empty_reply(message_id),
                command_id: Uuid::from_u128(self.tokens.into()),
            },
            self.now,
        );
        self.drain();
        token
    }

    pub(crate) fn is_waiting(&self, token: RequestToken) -> bool {
        !self.answers.contains_key(&token)
    }

    pub(crate) fn reply(&mut self, token: RequestToken) -> Reply {
        match self.answers.remove(&token) {
            Some(outcome) => outcome.unwrap(),
            None => panic!("{token:?} has no answer"),
        }
    }

    pub(crate) fn fault(&mut self, token: RequestToken) -> ErrorCode {
        match self.answers.remove(&token) {
            Some(outcome) => outcome.unwrap_err().error_code().unwrap(),
            None => panic!("{token:?} has no answer"),
        }
    }

    pub(crate) fn received(&mut self, token: RequestToken) -> ReceiveResponse {
        ReceiveResponse::from_body(&self.reply(token).into_body()).unwrap()
    }

    /// Asks for a command and starts its process.
    pub(crate) fn run(&mut self) -> (CommandKey, String) {
        let token = self.ask(command());
        let key = self.started_key();
        self.started(key);
        let body = self.reply(token).into_body();
        let response = wsman::shell::CommandResponse::from_body(&body).unwrap();
        self.take_actions();
        (key, response.command_id)
    }

    /// The command of the last Start.
    pub(crate) fn started_key(&self) -> CommandKey {
        let start = |action: &Action| match action {
            Action::Start { command, .. } => Some(*command),
            _ => None,
        };
        self.actions.iter().rev().find_map(start).expect("no Start")
    }

    pub(crate) fn started(&mut self, key: CommandKey) {
        self.shell.handle_started(key, Ok(()), self.now).unwrap();
        self.drain();
    }

    pub(crate) fn output(&mut self, key: CommandKey, stream: OutputStream, data: &[u8]) {
        self.shell.handle_output(key, stream, data.to_vec(), self.now).unwrap();
        self.drain();
    }

    pub(crate) fn end(&mut self, key: CommandKey) {
        for stream in OutputStream::ALL {
            self.shell.handle_end(key, stream, self.now).unwrap();
            self.drain();
        }
    }

    pub(crate) fn exit(&mut self, key: CommandKey, code: u32) {
        self.shell.handle_exit(key, code, self.now).unwrap();
        self.drain();
    }

    pub(crate) fn written(&mut self, key: CommandKey) {
        self.shell.handle_written(key, Ok(()), self.now).unwrap();
        self.drain();
    }

    /// The process ends, and its pipes with it.
    pub(crate) fn finish(&mut self, key: CommandKey, code: u32) {
        self.end(key);
        self.exit(key, code);
    }
}

fn empty_reply(message_id: &str) -> usize {
    let mut envelope = Envelope::default();
    envelope.header = envelope.header.with(wsman::HeaderValue::MessageId(message_id.to_owned()));
    envelope.reply(ns::action::RECEIVE_RESPONSE, Uuid::nil(), Vec::new()).encode().len()
}

pub(crate) fn command() -> Request {
    command_as(None)
}

pub(crate) fn command_as(id: Option<&str>) -> Request {
    let command = CommandLine {
        command_id: id.map(str::to_owned),
        command: "echo".to_owned(),
        arguments: vec!["a  b".to_owned(), "c".to_owned()],
        ..CommandLine::default()
    };
    Request::Command { command, options: CommandOptions::default() }
}

pub(crate) fn receive(id: &str) -> Request {
    Request::Receive { receive: Receive::command(id), keep_alive: true }
}

pub(crate) fn send(id: &str, data: &[u8], end: bool) -> Request {
    let stream = Stream {
        name: "stdin".to_owned(),
        command_id: Some(id.to_owned()),
        end,
        data: data.to_vec(),
        ..Stream::default()
    };
    Request::Send(Send { streams: vec![stream], ..Send::default() })
}

pub(crate) fn signal(id: &str, code: SignalCode) -> Request {
    Request::Signal(Signal::command(id, code))
}

/// The bytes of one stream, and whether its end is marked.
pub(crate) fn stream(response: &ReceiveResponse, stream: OutputStream) -> (Vec<u8>, bool) {
    let of = || response.streams.iter().filter(move |piece| piece.name == stream.name());
    (of().flat_map(|piece| piece.data.clone()).collect(), of().any(|piece| piece.end))
}
