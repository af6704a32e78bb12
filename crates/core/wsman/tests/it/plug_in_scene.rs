//! A client's and a service's machine of a PowerShell shell with encoded bytes between them and a
//! turned clock. The plug-in is the test.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use uuid::Uuid;
use wsman::shell::client::{self, CommandKey, Event, KnownShell, Operation};
use wsman::shell::server::{self, Action, Identity, Incoming, RequestToken, Settings};
use wsman::shell::{
    self, BufferMode, CommandLine, CommandOptions, Connect, Disconnect, InputStream, OutputStream,
    Profile, Reconnect, RequestContext, ShellDescription, ShellOptions, SignalCode,
};
use wsman::xml::Limits;
use wsman::{Envelope, ErrorCode, Header, OptionItem, OptionSet, ns};

use crate::shell_scene::{GATHER, beginning, seconds};

pub(crate) const TIMEOUT: Duration = seconds(20);
pub(crate) const POOL: &str = "B6631D8E-65A0-49F2-9053-A1B156C95777";
pub(crate) const PIPELINE: &str = "356E6DC2-6889-4305-9FE6-8B03F44D7210";
pub(crate) const BUFFER: usize = 1_000;

/// A service's shell and the clients that speak to it.
pub(crate) struct Play {
    pub(crate) clients: Vec<client::Shell>,
    pub(crate) host: Option<server::Shell>,
    pub(crate) settings: Settings,
    pub(crate) compression: bool,
    pub(crate) now: Instant,
    asked: BTreeMap<RequestToken, (usize, Header)>,
    /// Encoded answers on their way, with the client that they are for.
    pub(crate) answers: VecDeque<(usize, Vec<u8>)>,
    pub(crate) events: Vec<Event>,
    pub(crate) actions: Vec<Action>,
    ids: u128,
}

pub(crate) fn resource() -> String {
    [ns::resource::POWERSHELL_PREFIX, "Microsoft.PowerShell"].concat()
}

/// A client machine whose session is of that number.
pub(crate) fn client(session: u128) -> client::Shell {
    let mut context =
        RequestContext::new("http://host:5985/wsman", &resource(), Uuid::from_u128(session));
    context.max_envelope_size = 8_192;
    client::Shell::with_profile(context, Profile::POWERSHELL)
}

impl Play {
    /// Two clients of different sessions, and no shell.
    pub(crate) fn new() -> Self {
        let settings = Settings { gather: GATHER, output_buffer: BUFFER, ..Settings::default() };
        Self {
            clients: vec![client(7), client(8)],
            host: None,
            settings,
            compression: false,
            now: beginning(),
            asked: BTreeMap::new(),
            answers: VecDeque::new(),
            events: Vec::new(),
            actions: Vec::new(),
            ids: 0,
        }
    }

    /// The first client has opened a pool.
    pub(crate) fn open() -> Self {
        let mut play = Self::new();
        play.create();
        play
    }

    /// And started a pipeline in it.
    pub(crate) fn running() -> (Self, CommandKey, server::CommandKey) {
        let mut play = Self::open();
        let (pipeline, process) = play.start();
        (play, pipeline, process)
    }

    pub(crate) fn create(&mut self) {
        let description = ShellDescription {
            shell_id: Some(POOL.to_owned()),
            name: Some("Session1".to_owned()),
            input_streams: Profile::POWERSHELL.input_names(),
            output_streams: Profile::POWERSHELL.output_names(),
            creation_xml: Some(b"capability".to_vec()),
            ..ShellDescription::default()
        };
        let options = ShellOptions {
            no_profile: Some(true),
            compression: self.compression,
            other: vec![OptionItem::required(shell::PROTOCOL_VERSION, "2.3")],
            ..ShellOptions::default()
        };
        let id = self.id();
        self.clients[0].open(id, TIMEOUT, description, options).unwrap();
        self.go();
        assert!(matches!(self.take_events()[..], [Event::Opened { info: Some(_), .. }]));
    }

    pub(crate) fn start(&mut self) -> (CommandKey, server::CommandKey) {
        let line = CommandLine::plug_in(Some(PIPELINE.to_owned()), b"first fragment");
        let id = self.id();
        let pipeline = self.clients[0].start(id, TIMEOUT, line, CommandOptions::default()).unwrap();
        self.go();
        let actions = self.take_actions();
        let [Action::Start { command, line, .. }] = &actions[..] else { panic!("{actions:?}") };
        assert_eq!(line.payload().unwrap(), b"first fragment");
        let process = *command;
        self.report(|shell, now| shell.handle_started(process, Ok(()), now));
        assert_eq!(self.take_events(), [Event::Started { command: pipeline }]);
        (pipeline, process)
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
        for client in 0..self.clients.len() {
            while let Some(request) = self.clients[client].poll_request() {
                self.carry(client, &request);
            }
        }
        self.deliver();
    }

    /// Carries one request to the service; its answer stays on the way.
    pub(crate) fn carry(&mut self, client: usize, request: &client::Request) {
        let bytes = request.envelope.encode();
        assert!(bytes.len() <= 8_192, "{} octets", bytes.len());
        let envelope = Envelope::decode(&bytes, &Limits::default()).unwrap();
        envelope.header.check_request().unwrap();
        if request.operation == Operation::Create {
            self.accept(client, &envelope);
            return;
        }
        self.ids += 1;
        let token = RequestToken(u64::try_from(self.ids).unwrap());
        let deadline = self.now + TIMEOUT;
        let fresh = Uuid::from_u128(self.ids << 64);
        let incoming = Incoming::from_envelope(token, &envelope, deadline, 8_192, fresh).unwrap();
        assert_eq!(envelope.header.shell_id(), Some(POOL));
        self.asked.insert(token, (client, envelope.header));
        let now = self.now;
        self.shell().handle_request(incoming, now);
        self.drain();
    }

    fn accept(&mut self, client: usize, envelope: &Envelope) {
        let shell::Request::Create { shell, options } =
            shell::Request::from_envelope(envelope).unwrap()
        else {
            panic!("no Create")
        };
        assert_eq!(shell.creation_xml.as_deref(), Some(&b"capability"[..]));
        let version = options.other.first().unwrap();
        assert_eq!((version.value.as_deref(), version.must_comply()), (Some("2.3"), true));
        assert_eq!(options.no_profile, Some(true));
        let identity = Identity {
            shell_id: shell.shell_id.clone().unwrap(),
            resource_uri: resource(),
            owner: "alice".to_owned(),
            client_ip: "192.0.2.1".to_owned(),
        };
        let profile = Profile::POWERSHELL;
        let settings = self.settings.clone();
        let host = server::Shell::with_profile(profile, identity, *shell, settings, self.now);
        let mut host =
            host.unwrap().with_options(&options).with_session(envelope.header.session_id());
        host.describe(shell::ShellInfo { process_id: Some(4), ..shell::ShellInfo::default() });
        let body = host.create_response(envelope.header.to().unwrap(), self.now).to_body();
        let answer = envelope.reply(ns::action::CREATE_RESPONSE, Uuid::max(), body);
        self.answers.push_back((client, answer.encode()));
        self.host = Some(host);
    }

    pub(crate) fn drain(&mut self) {
        let Some(host) = &mut self.host else { return };
        self.actions.extend(std::iter::from_fn(|| host.poll_action()));
        while let Some(response) = host.poll_response() {
            let (client, request) = self.asked.remove(&response.token).expect("answered twice");
            let answer = match response.result {
                Ok(reply) => request.reply(reply.action(), Uuid::max(), reply.into_body()),
                Err(fault) => fault.to_envelope(Some(&request), Uuid::max(), "host"),
            };
            let bytes = answer.encode();
            assert!(bytes.len() <= 8_192, "{} octets", bytes.len());
            self.answers.push_back((client, bytes));
        }
    }

    pub(crate) fn deliver(&mut self) {
        while let Some((client, bytes)) = self.answers.pop_front() {
            let envelope = Envelope::decode(&bytes, &Limits::default()).unwrap();
            self.clients[client].handle_response(&envelope).unwrap();
        }
        for client in &mut self.clients {
            self.events.extend(std::iter::from_fn(|| client.poll_event()));
        }
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

    /// What the plug-in reports.
    pub(crate) fn report(
        &mut self,
        report: impl FnOnce(&mut server::Shell, Instant) -> Result<(), server::Error>,
    ) {
        let now = self.now;
        report(self.shell(), now).unwrap();
        self.drain();
        self.deliver();
    }

    pub(crate) fn write(&mut self, of: server::CommandKey, data: &[u8]) {
        let data = data.to_vec();
        self.report(|shell, now| shell.handle_output(of, OutputStream::Stdout, data, now));
    }

    pub(crate) fn finish(&mut self, of: server::CommandKey) {
        self.report(|shell, now| shell.handle_end(of, OutputStream::Stdout, now));
        self.report(|shell, now| shell.handle_exit(of, 0, now));
    }

    pub(crate) fn receive(&mut self, client: usize, of: CommandKey) {
        let id = self.id();
        self.clients[client].receive(id, TIMEOUT, of).unwrap();
        self.go();
    }

    pub(crate) fn send(&mut self, of: CommandKey, stream: InputStream, data: &[u8]) {
        let id = self.id();
        self.clients[0].send_to(id, TIMEOUT, of, stream, data.to_vec(), false).unwrap();
        self.go();
    }

    pub(crate) fn signal(&mut self, of: CommandKey, code: SignalCode) {
        let id = self.id();
        self.clients[0].signal(id, TIMEOUT, of, code).unwrap();
        self.go();
    }

    pub(crate) fn disconnect(&mut self, client: usize, mode: Option<BufferMode>) {
        let id = self.id();
        let disconnect = Disconnect { buffer_mode: mode, ..Disconnect::default() };
        self.clients[client].disconnect(id, TIMEOUT, disconnect).unwrap();
        self.go();
    }

    pub(crate) fn reconnect(&mut self, client: usize) {
        let id = self.id();
        self.clients[client].reconnect(id, TIMEOUT, Reconnect::default()).unwrap();
        self.go();
    }

    /// Asks for the shell in another session; the plug-in has not answered.
    pub(crate) fn connect(&mut self, client: usize) {
        let id = self.id();
        let known = KnownShell { shell_id: POOL.to_owned(), compression: self.compression };
        let options =
            OptionSet::default().with_item(OptionItem::required(shell::PROTOCOL_VERSION, "2.3"));
        let connect = Connect::shell(b"here I am".to_vec());
        self.clients[client].connect(id, TIMEOUT, known, connect, options).unwrap();
        self.go();
    }

    /// The faults that came, by what was asked for.
    pub(crate) fn take_faults(&mut self) -> Vec<(Operation, ErrorCode)> {
        let fault = |event: &Event| match event {
            Event::Faulted { operation, fault, .. } => {
                Some((*operation, fault.error_code().unwrap()))
            }
            _ => None,
        };
        self.take_events().iter().filter_map(fault).collect()
    }
}

/// Output of one target, each piece as it came.
pub(crate) fn pieces(events: &[Event], of: CommandKey) -> Vec<Vec<u8>> {
    let data = |event: &Event| match event {
        Event::Output { command, data, .. } if *command == of => Some(data.clone()),
        _ => None,
    };
    events.iter().filter_map(data).collect()
}
