//! A service's shell asked anything in any order by clients, with processes that do what they want:
//! every request gets one answer within its limit, output arrives whole and in order, and what the
//! machine asks its driver for is always possible.
#![cfg_attr(not(test), no_main)]

#[path = "../support/script.rs"]
mod script;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use script::Script;
use uuid::Uuid;
use wsman::compression::{compress, decompress};
use wsman::shell::server::{
    Action, CommandKey, Identity, Incoming, Reply, RequestToken, Response, Settings, Shell,
};
use wsman::shell::{
    BufferMode, CommandLine, CommandOptions, Connect, DesiredStream, Disconnect, OutputStream,
    Profile, Receive, ReceiveResponse, Reconnect, Request, RequestContext, Send, ShellDescription,
    ShellOptions, Signal, SignalCode, Stream,
};
use wsman::xml::Limits;
use wsman::{Envelope, ErrorCode, Fault, OptionSet, guid, ns, same_id, uuid_uri};

const SHELL: &str = "11111111-2222-3333-4444-555555555555";
const IDS: [&str; 4] = [
    "B0973E54-434E-4D99-B4BE-ADE584CE3BFB",
    "{b0973e54-434e-4d99-b4be-ade584ce3bfb}",
    "urn:uuid:00000000-0000-0000-0000-000000000000",
    "not a guid",
];
const BUFFER: usize = 600;
const STEPS: usize = 120;

#[cfg(not(test))]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| run(bytes));

/// What a script of a plug-in's shell begins with.
const PLUG_IN: u8 = 0xFF;

pub(crate) fn run(bytes: &[u8]) {
    let (profile, bytes) = match bytes.split_first() {
        Some((&PLUG_IN, rest)) => (Profile::POWERSHELL, rest),
        _ => (Profile::COMMAND, bytes),
    };
    let Some(mut play) = Play::new(Script(bytes), profile) else { return };
    for _ in 0..STEPS {
        if play.script.is_over() {
            break;
        }
        play.step();
        play.drain();
    }
    play.finish();
}

/// What the driver knows of a command.
#[derive(Default)]
struct Known {
    id: String,
    confirmed: bool,
    writing: bool,
    exited: bool,
    terminated: bool,
    forgotten: bool,
    ended: BTreeSet<OutputStream>,
    /// Bytes of each stream that were handed over and not released.
    held: BTreeMap<OutputStream, usize>,
    written: BTreeMap<OutputStream, Vec<u8>>,
    /// Bytes that answers have brought.
    received: BTreeMap<OutputStream, usize>,
    last: Option<(String, ReceiveResponse)>,
}

impl Known {
    /// A command of that id. What the shell does not have has ended from the beginning.
    fn new(id: String, profile: Profile) -> Self {
        let has = |stream: &OutputStream| profile.outputs().contains(stream);
        let ended = OutputStream::ALL.into_iter().filter(|stream| !has(stream)).collect();
        Self { id, ended, ..Self::default() }
    }
}

struct Asked {
    envelope: Envelope,
    limit: usize,
    message_id: String,
    receives: bool,
}

struct Play<'a> {
    script: Script<'a>,
    profile: Profile,
    /// Whether the driver has been asked about a Connect.
    connecting: bool,
    /// Whether output may ever have been thrown away.
    drops: bool,
    shell: Shell,
    settings: Settings,
    is_compressed: bool,
    now: Instant,
    tokens: u64,
    ids: u128,
    last_message: Uuid,
    commands: BTreeMap<CommandKey, Known>,
    asked: BTreeMap<RequestToken, Asked>,
    closed: bool,
}

impl<'a> Play<'a> {
    fn new(mut script: Script<'a>, profile: Profile) -> Option<Self> {
        let is_plug_in = profile == Profile::POWERSHELL;
        let settings = Settings {
            max_commands: 3,
            max_processes: 2,
            output_buffer: BUFFER,
            max_input: 500,
            gather: Duration::from_millis(20),
            ..Settings::default()
        };
        let identity = Identity {
            shell_id: SHELL.to_owned(),
            resource_uri: resource(profile),
            owner: "alice".to_owned(),
            client_ip: "192.0.2.1".to_owned(),
        };
        let mut description = ShellDescription::default();
        if script.flag() {
            description.output_streams = vec![script.text()];
            description.idle_timeout = script.text().parse().ok();
            description.lifetime = script.text().parse().ok();
        }
        if is_plug_in && script.below(8) > 0 {
            description.shell_id = Some(SHELL.to_owned());
        }
        let is_compressed = script.flag();
        let options = ShellOptions { compression: is_compressed, ..ShellOptions::default() };
        let now = Instant::now();
        let shell = Shell::with_profile(profile, identity, description, settings.clone(), now);
        let session = uuid_uri(Uuid::from_u128(7));
        let shell = shell.ok()?.with_options(&options).with_session(Some(&session));
        let mut commands = BTreeMap::new();
        if is_plug_in {
            let own = Known { confirmed: true, ..Known::new(String::new(), profile) };
            commands.insert(CommandKey::SHELL, own);
        }
        Some(Self {
            script,
            profile,
            connecting: false,
            drops: false,
            shell,
            settings,
            is_compressed,
            now,
            tokens: 0,
            ids: 0,
            last_message: Uuid::nil(),
            commands,
            asked: BTreeMap::new(),
            closed: false,
        })
    }

    fn step(&mut self) {
        let steps = if self.profile == Profile::POWERSHELL { 20 } else { 16 };
        match self.script.below(steps) {
            16 => self.ask_disconnect(),
            17 => {
                let command_id = (self.script.below(4) == 0).then(|| self.some_id());
                let reconnect = Reconnect { command_id, ..Reconnect::default() };
                self.ask(&Request::Reconnect(reconnect), Uuid::nil());
            }
            18 => self.ask_connect(),
            19 => self.connected(),
            0 => self.ask_command(),
            1..=3 => self.ask_receive(),
            4 => self.ask_send(),
            5 => self.ask_signal(),
            6 => match self.script.below(8) {
                0 => self.ask(&Request::Delete, Uuid::nil()),
                1 => self.ask(&Request::Get, Uuid::nil()),
                _ => self.ask_bytes(),
            },
            7 => self.started(),
            8..=10 => self.output(),
            11 => self.end(),
            12 => self.exit(),
            13 => self.written(),
            14 => self.cancel(),
            _ => self.wait(),
        }
    }

    fn key(&mut self) -> Option<CommandKey> {
        let at = self.script.below(self.commands.len());
        self.commands.keys().nth(at).copied()
    }

    fn ask_disconnect(&mut self) {
        let modes = [None, None, Some(BufferMode::Block), Some(BufferMode::Drop)];
        let buffer_mode = self.script.one_of(&modes);
        self.drops |= buffer_mode == Some(BufferMode::Drop);
        let idle_timeout = if self.script.flag() { self.script.text().parse().ok() } else { None };
        let disconnect = Disconnect { buffer_mode, idle_timeout, ..Disconnect::default() };
        self.ask(&Request::Disconnect(disconnect), Uuid::nil());
    }

    fn ask_connect(&mut self) {
        let connect = if self.script.flag() {
            Connect::command(&self.some_id())
        } else {
            Connect::shell(self.script.text().into_bytes())
        };
        let options = OptionSet::default();
        self.ask(&Request::Connect { connect: Box::new(connect), options }, Uuid::nil());
    }

    /// The driver answers a Connect, whether it was asked or not.
    fn connected(&mut self) {
        let result = self.result().map(|()| Some(b"welcome".to_vec()));
        let done = self.shell.handle_connected(result, self.now);
        assert_eq!(done.is_ok(), self.connecting || self.closed, "{done:?}");
        self.connecting = false;
    }

    /// The id that a stream of a request has: none for those of the shell itself.
    fn command_id(&mut self) -> Option<String> {
        let own = self.profile == Profile::POWERSHELL && self.script.flag();
        (!own).then(|| self.some_id())
    }

    /// The id of a command as some client writes it.
    fn some_id(&mut self) -> String {
        let key = self.key();
        match (self.script.below(8), key.and_then(|key| self.commands.get(&key))) {
            (0, _) | (_, None) => self.script.one_of(&IDS).to_owned(),
            (1, Some(known)) => format!("uuid:{}", known.id.to_ascii_lowercase()),
            (_, Some(known)) => known.id.clone(),
        }
    }

    fn ask_command(&mut self) {
        let command_id = self.script.flag().then(|| self.script.one_of(&IDS).to_owned());
        let command =
            CommandLine { command_id, command: self.script.text(), ..CommandLine::default() };
        let options = CommandOptions::default();
        self.ask(&Request::Command { command, options }, Uuid::nil());
    }

    fn ask_receive(&mut self) {
        let command_id = self.command_id();
        let streams: &[&str] = match self.script.below(6) {
            0 => &["stdout"],
            1 => &["stderr", "stdout", "stderr"],
            2 => &["stdin"],
            _ if self.profile == Profile::POWERSHELL => &["stdout"],
            _ => &["stdout", "stderr"],
        };
        let streams = streams.iter().map(|&name| name.to_owned()).collect();
        let desired = DesiredStream { streams, command_id, ..DesiredStream::default() };
        let receive = Receive { desired: vec![desired], ..Receive::default() };
        let again = if self.script.below(4) == 0 { self.last_message } else { Uuid::nil() };
        let keep_alive = self.script.flag();
        self.ask(&Request::Receive { receive, keep_alive }, again);
    }

    fn ask_send(&mut self) {
        let mut streams = Vec::new();
        for _ in 0..=self.script.below(3) {
            let command_id = self.command_id();
            let mut data = self.script.text().into_bytes();
            if self.is_compressed && self.script.below(4) > 0 {
                data = compress(&data);
            }
            let names: &[&str] = if self.profile == Profile::POWERSHELL {
                &["stdin", "PR", "pr", "stdout"]
            } else {
                &["stdin", "STDIN", "stdin", "stdout"]
            };
            let name = self.script.one_of(names).to_owned();
            let end = self.script.below(4) == 0;
            streams.push(Stream { name, command_id, end, data, ..Stream::default() });
        }
        self.ask(&Request::Send(Send { streams, ..Send::default() }), Uuid::nil());
    }

    fn ask_signal(&mut self) {
        let code = match self.script.below(6) {
            3 if self.profile == Profile::POWERSHELL => SignalCode::PowerShellCtrlC,
            0 => SignalCode::CtrlC,
            1 => SignalCode::CtrlBreak,
            2 => SignalCode::Other(self.script.text()),
            _ => SignalCode::Terminate,
        };
        let id = self.some_id();
        self.ask(&Request::Signal(Signal::command(&id, code)), Uuid::nil());
    }

    /// Asks over the wire; `again` is the id of the message where it was said before.
    fn ask(&mut self, request: &Request, again: Uuid) {
        let resource = match request {
            Request::Get => ns::resource::SHELL.to_owned(),
            _ => resource(self.profile),
        };
        let other = self.profile == Profile::POWERSHELL && self.script.below(4) == 0;
        let session = Uuid::from_u128(if other { 8 } else { 7 });
        let context = RequestContext::new("http://host:5985/wsman", &resource, session);
        self.ids += 1;
        let id = if again.is_nil() { Uuid::from_u128(self.ids) } else { again };
        self.last_message = id;
        let envelope = request.to_envelope(&context, Some(SHELL), id, Duration::from_secs(20));
        self.ask_envelope(&envelope.encode());
    }

    fn ask_bytes(&mut self) {
        let bytes = self.script.bytes();
        self.ask_envelope(bytes);
    }

    fn ask_envelope(&mut self, bytes: &[u8]) {
        let Ok(envelope) = Envelope::decode(bytes, &Limits::default()) else { return };
        if envelope.header.check_request().is_err() {
            return;
        }
        self.tokens += 1;
        let token = RequestToken(self.tokens);
        let limit = 1_500 + 16 * usize::from(self.script.byte());
        let deadline = self.now + Duration::from_secs(u64::from(self.script.byte()));
        self.ids += 1;
        let fresh = Uuid::from_u128(self.ids);
        let Ok(incoming) = Incoming::from_envelope(token, &envelope, deadline, limit, fresh) else {
            return;
        };
        let message_id = incoming.message_id.clone();
        let receives = matches!(incoming.request, Request::Receive { .. });
        self.asked.insert(token, Asked { envelope, limit, message_id, receives });
        self.shell.handle_request(incoming, self.now);
        // A command that has no id of its own has the fresh one.
        for action in self.take_actions() {
            if let Action::Start { command, line, .. } = &action {
                let id = line.command_id.clone().unwrap_or_else(|| guid(fresh));
                let known = Known::new(id, self.profile);
                assert!(self.commands.keys().all(|earlier| earlier < command));
                self.commands.insert(*command, known);
            }
            self.act(action);
        }
    }

    fn take_actions(&mut self) -> Vec<Action> {
        std::iter::from_fn(|| self.shell.poll_action()).collect()
    }

    fn result(&mut self) -> Result<(), Box<Fault>> {
        if self.script.below(4) > 0 {
            return Ok(());
        }
        Err(Box::new(Fault::new(ErrorCode::INTERNAL_ERROR, "broken ")))
    }

    fn started(&mut self) {
        let (Some(key), result) = (self.key(), self.result()) else { return };
        let failed = result.is_err();
        let done = self.shell.handle_started(key, result, self.now);
        let Some(known) = self.commands.get_mut(&key) else { return };
        let gone = known.forgotten || self.closed;
        assert_eq!(done.is_ok(), gone || !known.confirmed, "{done:?}");
        known.forgotten |= failed && !known.confirmed;
        known.confirmed = true;
    }

    fn output(&mut self) {
        let Some(key) = self.key() else { return };
        let stream = self.script.one_of(&OutputStream::ALL);
        let length = usize::from(self.script.byte()) * 3;
        let Some(known) = self.commands.get_mut(&key) else { return };
        let held = known.held.entry(stream).or_default();
        let written = known.written.entry(stream).or_default();
        let data: Vec<u8> = (written.len()..written.len() + length)
            .map(|at| u8::try_from(at % 251).expect("small"))
            .collect();
        let done = self.shell.handle_output(key, stream, data.clone(), self.now);
        let gone = known.forgotten || self.closed;
        let fits = *held + length <= BUFFER && !known.ended.contains(&stream);
        assert_eq!(done.is_ok(), gone || (known.confirmed && fits), "{done:?}");
        if done.is_ok() && !gone {
            *held += length;
            written.extend(data);
        }
    }

    fn end(&mut self) {
        let Some(key) = self.key() else { return };
        let stream = self.script.one_of(&OutputStream::ALL);
        let done = self.shell.handle_end(key, stream, self.now);
        let Some(known) = self.commands.get_mut(&key) else { return };
        assert_eq!(done.is_ok(), known.forgotten || self.closed || known.confirmed, "{done:?}");
        if done.is_ok() {
            known.ended.insert(stream);
        }
    }

    fn exit(&mut self) {
        let Some(key) = self.key() else { return };
        let done = self.shell.handle_exit(key, self.script.byte().into(), self.now);
        let Some(known) = self.commands.get_mut(&key) else { return };
        let legal = known.confirmed && !known.exited;
        assert_eq!(done.is_ok(), known.forgotten || self.closed || legal, "{done:?}");
        known.exited |= done.is_ok();
    }

    fn written(&mut self) {
        let (Some(key), result) = (self.key(), self.result()) else { return };
        let done = self.shell.handle_written(key, result, self.now);
        let Some(known) = self.commands.get_mut(&key) else { return };
        assert_eq!(done.is_ok(), known.forgotten || self.closed || known.writing, "{done:?}");
        known.writing = false;
    }

    fn cancel(&mut self) {
        let at = self.script.below(self.asked.len());
        let Some(&token) = self.asked.keys().nth(at) else { return };
        self.shell.handle_cancel(token, self.now);
        // Nobody is there to be answered, though an answer that is out already may come.
        self.asked.remove(&token);
    }

    /// Turns the clock, and wakes the machine as often as it asks.
    fn wait(&mut self) {
        let until = self.now + Duration::from_millis(7 << self.script.below(16));
        while let Some(due) = self.shell.poll_timeout().filter(|due| *due <= until) {
            self.now = self.now.max(due);
            self.shell.handle_timeout(self.now);
            self.drain();
            let next = self.shell.poll_timeout();
            assert!(next.is_none_or(|next| next > self.now), "the machine wakes for nothing");
        }
        self.now = until;
    }

    fn drain(&mut self) {
        for action in self.take_actions() {
            assert!(!matches!(action, Action::Start { .. }), "nobody asked");
            self.act(action);
        }
        while let Some(response) = self.shell.poll_response() {
            self.respond(response);
        }
        let commands = self.commands.iter().filter(|(key, _)| **key != CommandKey::SHELL);
        let running = commands.filter(|(_, known)| !known.forgotten && !known.exited);
        assert!(self.closed || running.count() <= self.settings.max_processes);
        let commands = self.shell.commands().count();
        assert!(commands <= self.settings.max_commands);
        let targets = commands + usize::from(self.profile == Profile::POWERSHELL);
        assert!(self.shell.buffered() <= targets * 2 * BUFFER);
        assert!(self.shell.kept_for_replay() <= targets * 3 * BUFFER);
        assert_eq!(self.shell.closed().is_some(), self.closed);
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Start { .. } => assert!(!self.closed),
            Action::Write { command, data, .. } => {
                let known = self.known(command);
                assert!(known.confirmed && !known.exited);
                assert!(!std::mem::replace(&mut known.writing, true), "two writes at once");
                assert!(!self.is_compressed || data.len() <= self.settings.max_input);
            }
            Action::Signal { command, code } => {
                let known = self.known(command);
                assert!(known.confirmed && !known.exited && !known.terminated);
                known.terminated |= code == SignalCode::Terminate;
            }
            Action::Release { command, stream, bytes } => {
                let held = self.known(command).held.entry(stream).or_default();
                *held = held.checked_sub(bytes).expect("nobody handed over so much");
            }
            Action::Forget { command } => {
                let known = self.known(command);
                assert!(known.exited);
                known.forgotten = true;
            }
            Action::Connect { .. } => {
                assert!(!self.closed);
                assert!(!std::mem::replace(&mut self.connecting, true), "two at once");
            }
            Action::Close { .. } => assert!(!std::mem::replace(&mut self.closed, true)),
            _ => {}
        }
    }

    fn known(&mut self, command: CommandKey) -> &mut Known {
        let known = self.commands.get_mut(&command).expect("a command that was started");
        assert!(!known.forgotten && !self.closed);
        known
    }

    fn respond(&mut self, response: Response) {
        // A cancelled one may have been answered before.
        let Some(asked) = self.asked.remove(&response.token) else { return };
        let header = &asked.envelope.header;
        match response.result {
            Err(fault) => {
                let bytes = fault.to_envelope(Some(header), Uuid::max(), "host").encode();
                let read = Envelope::decode(&bytes, &Limits::default()).expect("readable");
                let read = Fault::from_envelope(&read).expect("a fault").expect("a fault");
                assert!(read.error_code().is_some() && !read.text().is_empty());
            }
            Ok(reply) if asked.receives => self.receive(asked, reply),
            Ok(reply) => {
                drop(header.reply(reply.action(), Uuid::max(), reply.into_body()).encode())
            }
        }
    }

    /// Output comes whole and in order, within the limit of the message.
    fn receive(&mut self, asked: Asked, reply: Reply) {
        let body = reply.into_body();
        let response = ReceiveResponse::from_body(&body).expect("our own answer");
        let action = ns::action::RECEIVE_RESPONSE;
        let length = asked.envelope.reply(action, Uuid::max(), body).encode().len();
        assert!(length <= asked.limit, "{length} of {} octets", asked.limit);
        let Ok(Request::Receive { receive, .. }) = Request::from_envelope(&asked.envelope) else {
            panic!("an answer to no Receive")
        };
        let id = receive.command_id();
        let state = response.state.clone();
        assert!(state.is_some() || self.profile == Profile::POWERSHELL);
        let told = state.as_ref().and_then(|state| state.command_id.as_deref());
        assert!(state.is_none() || told.is_none() == id.is_none());
        let is_it = |(key, known): &(&CommandKey, &mut Known)| match id {
            Some(id) => **key != CommandKey::SHELL && !known.forgotten && same_id(&known.id, id),
            None => **key == CommandKey::SHELL,
        };
        let Some((_, known)) = self.commands.iter_mut().find(is_it) else { return };
        let message = asked.message_id;
        if known.last.as_ref().is_some_and(|last| last.0 == message && last.1 == response) {
            return;
        }
        for stream in &response.streams {
            let name = OutputStream::from_name(&stream.name).expect("a stream that there is");
            let data = if self.is_compressed {
                decompress(&stream.data, BUFFER).expect("our own compression")
            } else {
                stream.data.clone()
            };
            let received = known.received.entry(name).or_default();
            let written = known.written.get(&name).map(Vec::as_slice).unwrap_or_default();
            if !self.drops {
                let end = *received + data.len();
                assert_eq!(written.get(*received..end), Some(&*data), "{name}");
            }
            *received += data.len();
        }
        if state.is_some_and(|state| state.exit_code.is_some()) {
            assert!(known.exited && known.ended.len() == 2);
        }
        known.last = Some((message, response));
    }

    /// With the shell everything that waits has its answer.
    fn finish(&mut self) {
        self.ask(&Request::Delete, Uuid::nil());
        self.drain();
        assert!(self.closed && self.asked.is_empty(), "requests without an answer");
        assert_eq!((self.shell.poll_timeout(), self.shell.buffered()), (None, 0));
    }
}

fn resource(profile: Profile) -> String {
    if profile == Profile::POWERSHELL {
        [ns::resource::POWERSHELL_PREFIX, "Microsoft.PowerShell"].concat()
    } else {
        ns::resource::CMD.to_owned()
    }
}
