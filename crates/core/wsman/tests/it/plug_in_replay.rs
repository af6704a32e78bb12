//! Recorded conversations with PowerShell on Windows through the machines of both roles: shells that
//! are left, listed, taken up again and taken over.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde::Deserialize;
use uuid::Uuid;
use wsman::enumeration::client::{Limits as Bounds, Walk};
use wsman::enumeration::{Enumerate, EnumerateResponse, Item};
use wsman::shell::client::{CommandKey, Event, KnownShell, Shell};
use wsman::shell::{
    CommandState, ConnectResponse, CreateResponse, InputStream, ListedCommand, OutputStream,
    Profile, ReceiveResponse, Request, RequestContext, ShellInfo, State, server,
};
use wsman::xml::{Element, Limits};
use wsman::{Envelope, HeaderValue, OptionSet, ns};

use crate::corpora::{folder, read};

const TIMEOUT: Duration = Duration::from_secs(20);

#[derive(Deserialize)]
struct Conversation {
    messages: Vec<Exchange>,
}

#[derive(Deserialize)]
struct Exchange {
    request: String,
    response: String,
}

fn decode(text: &str) -> Envelope {
    Envelope::decode(text.as_bytes(), &Limits::default()).unwrap()
}

/// What the conversation came to.
#[derive(Default)]
struct Outcome {
    /// What happened, shell by shell, in order; output as its number of bytes.
    events: Vec<String>,
    shells: Vec<ShellInfo>,
    commands: Vec<ListedCommand>,
}

/// One shell of the recording's client.
struct Known {
    shell: Shell,
    keys: BTreeMap<String, CommandKey>,
}

#[derive(Default)]
struct Replay {
    shells: BTreeMap<String, Known>,
    ids: u128,
    outcome: Outcome,
}

fn context(recorded: &Envelope) -> RequestContext {
    let header = &recorded.header;
    let (to, resource) = (header.to().unwrap(), header.resource_uri().unwrap());
    let mut context = RequestContext::new(to, resource, Uuid::from_u128(7));
    context.max_envelope_size = header.max_envelope_size().unwrap();
    context
}

/// The recorded answer, made an answer to our own message.
fn answer_to(ours: &Envelope, recorded: &Envelope) -> Envelope {
    let mut answer = recorded.clone();
    for block in &mut answer.header.blocks {
        if let HeaderValue::RelatesTo(id) = &mut block.value {
            ours.header.message_id().unwrap().clone_into(id);
        }
    }
    answer
}

impl Replay {
    fn take(&mut self, exchange: &Exchange) {
        let (recorded, answer) = (decode(&exchange.request), decode(&exchange.response));
        self.ids += 1;
        if recorded.action() == Some(ns::action::ENUMERATE) {
            self.enumerate(&recorded, &answer);
            return;
        }
        let resource = recorded.header.resource_uri().unwrap();
        let is_elsewhere = resource == ns::resource::CONFIG || resource == ns::resource::CMD;
        if is_elsewhere {
            // Copies use a command shell as well, and some clients ask for a setting.
            return;
        }
        let theirs = Request::from_envelope(&recorded).unwrap();
        let shell_id = match &theirs {
            Request::Create { shell, .. } => shell.shell_id.clone().unwrap(),
            _ => recorded.header.shell_id().unwrap().to_owned(),
        };
        let takes_over = matches!(&theirs, Request::Connect { connect, .. }
            if connect.command_id.is_none());
        if takes_over || matches!(theirs, Request::Create { .. }) {
            let shell = Shell::with_profile(context(&recorded), Profile::POWERSHELL);
            self.shells.insert(shell_id.clone(), Known { shell, keys: BTreeMap::new() });
        }
        let known = self.shells.get_mut(&shell_id).unwrap();
        known.ask(Uuid::from_u128(self.ids), &theirs, &shell_id);
        let request = known.shell.poll_request().unwrap();
        let sent = decode(std::str::from_utf8(&request.envelope.encode()).unwrap());
        let mut mine = Request::from_envelope(&sent).unwrap();
        if let (Request::Receive { keep_alive, .. }, Request::Receive { keep_alive: theirs, .. }) =
            (&mut mine, &theirs)
        {
            *keep_alive = *theirs;
        }
        assert_eq!(mine, theirs);
        for same in [wsman::Header::to, wsman::Header::resource_uri, wsman::Header::shell_id] {
            assert_eq!(same(&sent.header), same(&recorded.header));
        }
        known.shell.handle_response(&answer_to(&request.envelope, &answer)).unwrap();
        while let Some(event) = known.shell.poll_event() {
            self.outcome.events.extend(tell(&event));
        }
        known.learn();
        // Windows 7 chooses the ids of shells and commands itself.
        if let Some(id) = known.shell.shell_id().map(str::to_owned).filter(|id| *id != shell_id) {
            let known = self.shells.remove(&shell_id);
            self.shells.extend(known.map(|known| (id, known)));
        }
    }

    fn enumerate(&mut self, recorded: &Envelope, answer: &Envelope) {
        let theirs = Enumerate::from_body(&recorded.body).unwrap();
        let mut walk = Walk::new(context(recorded), theirs.clone(), Bounds::default());
        let request = walk.next(Uuid::from_u128(self.ids), TIMEOUT).unwrap().unwrap();
        let sent = decode(std::str::from_utf8(&request.envelope.encode()).unwrap());
        assert_eq!(Enumerate::from_body(&sent.body).unwrap(), theirs);
        let items = walk.handle_response(&answer_to(&request.envelope, answer)).unwrap();
        assert!(walk.is_finished());
        let objects = items.iter().map(Item::object).map(Option::unwrap);
        if let Some(filter) = theirs.filter {
            let filter = filter.as_selectors().unwrap();
            assert!(self.shells.contains_key(filter.text("ShellId").unwrap()));
            let commands = objects.map(|item| ListedCommand::from_element(item).unwrap());
            self.outcome.commands.extend(commands);
        } else {
            let shells = objects.map(|item| ShellInfo::from_element(item).unwrap());
            self.outcome.shells.extend(shells);
        }
    }
}

impl Known {
    /// Notes the ids that the service has given to commands.
    fn learn(&mut self) {
        let keys: Vec<_> = self.keys.values().copied().collect();
        for key in keys {
            if let Some(id) = self.shell.command_id(key) {
                self.keys.insert(id.to_owned(), key);
            }
        }
    }

    /// Makes the request that the recording's client made, by the machine's own means.
    fn ask(&mut self, id: Uuid, request: &Request, shell_id: &str) {
        let shell = &mut self.shell;
        let key = |id: Option<&str>| id.map_or(CommandKey::SHELL, |id| self.keys[id]);
        let asked = match request.clone() {
            Request::Create { shell: description, options } => {
                shell.open(id, TIMEOUT, *description, options)
            }
            Request::Command { command, options } => {
                assert!(command.payload().unwrap().len() > 21);
                let name = command.command_id.clone().unwrap();
                shell.start(id, TIMEOUT, command, options).map(|key| {
                    self.keys.insert(name, key);
                })
            }
            Request::Receive { receive, .. } => {
                shell.receive(id, TIMEOUT, key(receive.command_id()))
            }
            Request::Send(mut send) => {
                let stream = send.streams.remove(0);
                let name = InputStream::from_name(&stream.name).unwrap();
                let of = key(stream.command_id.as_deref());
                shell.send_to(id, TIMEOUT, of, name, stream.data, stream.end)
            }
            Request::Signal(signal) => {
                shell.signal(id, TIMEOUT, key(signal.command_id.as_deref()), signal.code)
            }
            Request::Get => shell.get(id, TIMEOUT),
            Request::Disconnect(disconnect) => shell.disconnect(id, TIMEOUT, disconnect),
            Request::Reconnect(reconnect) => shell.reconnect(id, TIMEOUT, reconnect),
            Request::Connect { connect, .. } if connect.command_id.is_some() => {
                let name = connect.command_id.unwrap();
                shell.connect_command(id, TIMEOUT, &name).map(|key| {
                    self.keys.insert(name, key);
                })
            }
            Request::Connect { connect, options } => {
                let known = KnownShell { shell_id: shell_id.to_owned(), compression: false };
                shell.connect(id, TIMEOUT, known, *connect, options)
            }
            Request::Delete => shell.close(id, TIMEOUT),
            other => panic!("{other:?} is not in these recordings"),
        };
        asked.unwrap();
    }
}

fn tell(event: &Event) -> Option<String> {
    Some(match event {
        Event::Opened { .. } => "opened".to_owned(),
        Event::Started { .. } => "started".to_owned(),
        Event::Output { command, data, .. } => {
            assert!(data.len() > 21);
            let of = if *command == CommandKey::SHELL { "pool" } else { "pipeline" };
            format!("{of} output")
        }
        Event::Disconnected => "disconnected".to_owned(),
        Event::Reconnected => "reconnected".to_owned(),
        Event::Connected { response, .. } => {
            assert_eq!(response.input_streams, Profile::POWERSHELL.input_names());
            assert_eq!(response.output_streams, Profile::POWERSHELL.output_names());
            assert!(response.connect_response_xml.as_ref().unwrap().len() > 42);
            "connected".to_owned()
        }
        Event::CommandConnected { .. } => "pipeline connected".to_owned(),
        Event::Done { exit_code, .. } => format!("done {exit_code:?}"),
        Event::Closed => "closed".to_owned(),
        Event::Sent { .. } => "sent".to_owned(),
        Event::Signaled { code, .. } => format!("signaled {code:?}"),
        Event::TimedOut { .. } => "timed out".to_owned(),
        Event::Info { .. } => "told".to_owned(),
        Event::Aborted { operation, .. } => format!("aborted {operation}"),
        Event::Faulted { operation, fault, .. } => format!("faulted {operation} {fault}"),
        Event::Ended { .. } => return None,
        other => panic!("{other:?}"),
    })
}

fn replay(test: &str, file: &str) -> Option<Outcome> {
    let path = folder(test, "pypsrp/responses")?.join(file);
    let conversation: Conversation = serde_norway::from_str(&read(&path)).unwrap();
    let mut replay = Replay::default();
    conversation.messages.iter().for_each(|exchange| replay.take(exchange));
    assert!(replay.shells.values().all(|known| known.shell.outstanding() == 0));
    Some(replay.outcome)
}

#[test]
fn windows_keeps_pools_that_are_left_lists_them_and_gives_them_back() {
    let test = "windows_keeps_pools_that_are_left_lists_them_and_gives_them_back";
    let Some(outcome) = replay(test, "test_psrp_disconnect_runspaces.yml") else { return };
    let expected = [
        "opened",
        "pool output",
        "pool output",
        "pool output",
        "disconnected",
        "reconnected",
        "disconnected",
        "opened",
        "pool output",
        "pool output",
        "pool output",
        "disconnected",
        "connected",
        "pool output",
        "connected",
        "pool output",
        "closed",
        "closed",
    ];
    assert_eq!(outcome.events, expected);
    assert_eq!((outcome.shells.len(), outcome.commands.len()), (2, 0));
    for shell in &outcome.shells {
        assert!(shell.is_disconnected());
        assert_eq!(shell.buffer_mode.as_deref(), Some("Block"));
        let known = KnownShell::listed(shell).unwrap();
        assert!(!known.compression && Some(known.shell_id) == shell.shell_id);
    }
}

#[test]
fn windows_gives_pipelines_back_with_the_output_that_was_kept() {
    let test = "windows_gives_pipelines_back_with_the_output_that_was_kept";
    let Some(outcome) = replay(test, "test_psrp_disconnected_commands.yml") else { return };
    let pool = ["opened", "pool output", "pool output", "pool output", "started", "disconnected"];
    let taken_over = [
        "connected",
        "pool output",
        "pipeline connected",
        "pipeline output",
        "pipeline output",
        "pipeline output",
        "pipeline output",
        "done Some(0)",
    ];
    let end = ["reconnected", "closed"];
    let expected = [&pool[..], &pool, &taken_over, &taken_over, &end, &end].concat();
    assert_eq!(outcome.events, expected);
    assert_eq!((outcome.shells.len(), outcome.commands.len()), (2, 2));
    for command in &outcome.commands {
        assert_eq!(command.state, Some(State::Running));
        assert_eq!(command.command_line.as_deref(), Some(""));
    }
}

#[test]
fn every_recorded_pool_is_created_with_bytes_and_a_version() {
    let test = "every_recorded_pool_is_created_with_bytes_and_a_version";
    let Some(folder) = folder(test, "pypsrp/responses") else { return };
    let mut creates = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = read(&path);
        if !path.to_string_lossy().contains("psrp") || !text.contains("creationXml") {
            continue;
        }
        let conversation: Conversation = serde_norway::from_str(&text).unwrap();
        for exchange in &conversation.messages {
            let recorded = decode(&exchange.request);
            // Some of these conversations use a command shell as well.
            if recorded.header.resource_uri() == Some(ns::resource::CMD) {
                continue;
            }
            let Ok(Request::Create { shell, options }) = Request::from_envelope(&recorded) else {
                continue;
            };
            creates += 1;
            assert!(shell.creation_xml.as_ref().unwrap().len() > 42, "{}", path.display());
            let version = OptionSet { options: options.other.clone() };
            let version = version.find(wsman::shell::PROTOCOL_VERSION).unwrap();
            assert!(version.must_comply(), "{}", path.display());
            let ours = Request::Create { shell, options }.to_envelope(
                &context(&recorded),
                None,
                Uuid::nil(),
                TIMEOUT,
            );
            let again = decode(std::str::from_utf8(&ours.encode()).unwrap());
            assert_eq!(Request::from_envelope(&again), Request::from_envelope(&recorded));
        }
    }
    assert!(creates >= 35, "only {creates} pools");
}

/// A service's shell that a recording's requests are put to, with the plug-in that Windows had.
struct Host {
    shell: server::Shell,
    keys: BTreeMap<String, server::CommandKey>,
}

impl Host {
    fn new(create: &Envelope, now: Instant) -> Self {
        let Ok(Request::Create { shell, options }) = Request::from_envelope(create) else {
            panic!("no Create")
        };
        let identity = server::Identity {
            shell_id: shell.shell_id.clone().unwrap(),
            resource_uri: create.header.resource_uri().unwrap().to_owned(),
            owner: "alice".to_owned(),
            client_ip: "192.0.2.1".to_owned(),
        };
        let settings = server::Settings::default();
        let profile = Profile::POWERSHELL;
        let shell = server::Shell::with_profile(profile, identity, *shell, settings, now).unwrap();
        let shell = shell.with_options(&options).with_session(create.header.session_id());
        Self { shell, keys: BTreeMap::new() }
    }

    /// The body of the answer, after the plug-in has done what Windows's did.
    fn ask(&mut self, request: &Envelope, windows: &Envelope, now: Instant) -> Vec<Element> {
        let token = server::RequestToken(1);
        let later = now + TIMEOUT;
        let incoming =
            server::Incoming::from_envelope(token, request, later, 153_600, Uuid::nil()).unwrap();
        let asked = incoming.request.clone();
        self.shell.handle_request(incoming, now);
        match &asked {
            Request::Command { command, .. } => {
                let mut actions = std::iter::from_fn(|| self.shell.poll_action());
                let start = actions.find_map(|action| match action {
                    server::Action::Start { command, .. } => Some(command),
                    _ => None,
                });
                let key = start.expect("no Start");
                self.keys.insert(command.command_id.clone().unwrap(), key);
                self.shell.handle_started(key, Ok(()), now).unwrap();
            }
            Request::Connect { connect, .. } if connect.command_id.is_none() => {
                let response = ConnectResponse::from_body(&windows.body).unwrap();
                self.shell.handle_connected(Ok(response.connect_response_xml), now).unwrap();
            }
            Request::Receive { receive, .. } => {
                let own = server::CommandKey::SHELL;
                let key = receive.command_id().map_or(own, |id| self.keys[id]);
                let response = ReceiveResponse::from_body(&windows.body).unwrap();
                for stream in response.streams {
                    let stdout = OutputStream::Stdout;
                    self.shell.handle_output(key, stdout, stream.data, now).unwrap();
                }
                if let Some(CommandState { exit_code: Some(code), .. }) = response.state {
                    self.shell.handle_end(key, OutputStream::Stdout, now).unwrap();
                    self.shell.handle_exit(key, code, now).unwrap();
                }
                self.shell.handle_timeout(now + server::Settings::default().gather);
            }
            _ => {}
        }
        let response = self.shell.poll_response().expect("no answer");
        let reply = response.result.unwrap();
        assert_eq!(reply.action(), windows.action().unwrap());
        reply.into_body()
    }
}

fn compare_create(host: &Host, request: &Envelope, windows: &Envelope, now: Instant) {
    let ours = host.shell.create_response(request.header.to().unwrap(), now);
    let theirs = CreateResponse::from_body(&windows.body).unwrap();
    assert_eq!(ours.resource_created.selectors, theirs.resource_created.selectors);
    let (ours, theirs) = (ours.shell.unwrap(), theirs.shell.unwrap());
    assert_eq!(ours.input_streams, theirs.input_streams);
    assert_eq!(ours.output_streams, theirs.output_streams);
    assert_eq!((ours.state, ours.buffer_mode), (theirs.state, theirs.buffer_mode));
    assert_eq!(ours.compression_mode, theirs.compression_mode);
    assert_eq!(ours.idle_timeout, theirs.idle_timeout);
    assert_eq!(ours.max_idle_timeout, theirs.max_idle_timeout);
}

fn compare_lists(
    hosts: &BTreeMap<String, Host>,
    request: &Envelope,
    windows: &Envelope,
    now: Instant,
) {
    let theirs = EnumerateResponse::from_body(&windows.body).unwrap();
    let items: Vec<_> = theirs.batch.items.into_iter().flatten().collect();
    let Some(filter) = Enumerate::from_body(&request.body).unwrap().filter else {
        for item in &items {
            let theirs = ShellInfo::from_element(item).unwrap();
            let ours = hosts[theirs.shell_id.as_ref().unwrap()].shell.info(now);
            assert_eq!((ours.state, ours.buffer_mode), (theirs.state, theirs.buffer_mode));
        }
        return;
    };
    let filter = filter.as_selectors().unwrap();
    let commands = hosts[filter.text("ShellId").unwrap()].shell.commands();
    let ours: Vec<_> = commands.map(ListedCommand::from).collect();
    let theirs = items.iter().map(|item| ListedCommand::from_element(item).unwrap());
    assert_eq!(ours, theirs.collect::<Vec<_>>());
}

#[test]
fn our_service_answers_a_released_client_as_windows_did() {
    let test = "our_service_answers_a_released_client_as_windows_did";
    let now = crate::shell_scene::beginning();
    for file in ["test_psrp_disconnect_runspaces.yml", "test_psrp_disconnected_commands.yml"] {
        let Some(folder) = folder(test, "pypsrp/responses") else { return };
        let conversation: Conversation = serde_norway::from_str(&read(&folder.join(file))).unwrap();
        let mut hosts: BTreeMap<String, Host> = BTreeMap::new();
        for exchange in &conversation.messages {
            let (request, windows) = (decode(&exchange.request), decode(&exchange.response));
            request.header.check_request().unwrap();
            match request.action().unwrap() {
                ns::action::CREATE => {
                    let host = Host::new(&request, now);
                    compare_create(&host, &request, &windows, now);
                    hosts.insert(host.shell.id().to_owned(), host);
                }
                ns::action::ENUMERATE => compare_lists(&hosts, &request, &windows, now),
                _ => {
                    let host = hosts.get_mut(request.header.shell_id().unwrap()).unwrap();
                    let ours = host.ask(&request, &windows, now);
                    let written = |body| Envelope { body, ..Envelope::default() }.encode();
                    assert_eq!(written(ours), written(windows.body), "{file}");
                }
            }
        }
        assert!(hosts.values().all(|host| host.shell.closed().is_some()));
    }
}

/// Recordings that break off where a client does on purpose what a machine cannot be brought to do,
/// or that are not of one conversation.
const NOT_REPLAYED: [&str; 4] = [
    // An answer that is no XML.
    "test_psrp_is_alive_http_error.yml",
    // A Receive of a command that was made up.
    "test_psrp_receive_failure.yml",
    // Its answers name other commands than its requests.
    "test_client_copy_file_warning.yml",
    "_template.yml",
];

#[test]
fn everything_that_windows_said_to_a_client_of_powershell_is_understood() {
    let test = "everything_that_windows_said_to_a_client_of_powershell_is_understood";
    let Some(folder) = folder(test, "pypsrp/responses") else { return };
    let (mut files, mut unusual) = (0, Vec::new());
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let text = read(&path);
        if NOT_REPLAYED.contains(&name.as_str()) || !text.contains("creationXml") {
            continue;
        }
        files += 1;
        let conversation: Conversation = serde_norway::from_str(&text).unwrap();
        let mut replay = Replay::default();
        conversation.messages.iter().for_each(|exchange| replay.take(exchange));
        let is_unusual = |event: &&String| {
            ["faulted", "aborted", "timed"].iter().any(|word| event.starts_with(word))
        };
        unusual.extend(replay.outcome.events.iter().filter(is_unusual).cloned());
    }
    assert!(files >= 45, "only {files} conversations");
    unusual.sort();
    let unusual: Vec<_> = unusual.iter().map(|event| event.split(':').next().unwrap()).collect();
    let expected = [
        "faulted Get 0x8033800F ERROR_WSMAN_INVALID_MESSAGE_INFORMATION_HEADER",
        "faulted Get 0x8033805B ERROR_WSMAN_UNEXPECTED_SELECTORS",
        "timed out",
        "timed out",
    ];
    assert_eq!(unusual, expected);
}
