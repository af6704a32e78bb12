//! Conversations of pypsrp with real Windows hosts, led again by our pool: the host's answers, from its WS-Management
//! down to its objects, must suit what our machine asks.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::time::Duration;

use psrp::client::{Event as Told, Options};
use psrp::clixml::Limits;
use psrp::fragment::Assembler;
use psrp::message::Frame;
use psrp::messages::{InitRunspacePool, Message};
use serde::Deserialize;
use session::client::pool::{Event, How, Leave, Pool, Question};
use uuid::Uuid;
use wsman::shell::client::{KnownShell, Operation, Request as Sent};
use wsman::shell::{CommandResponse, CreateResponse, Request, RequestContext, SignalCode};
use wsman::{Envelope, HeaderValue};

const TIMEOUT: Duration = Duration::from_secs(20);
/// No message of the recordings is longer.
const MOST: usize = 16 * 1024 * 1024;

/// Conversations that our machine does not lead to their end, and why.
const LEFT_OUT: &[(&str, &str)] = &[
    ("test_client_copy_file_warning", "a stream names a command that nobody has started"),
    (
        "test_psrp_disconnected_commands",
        "ids of pipelines are in another byte order than those of their commands",
    ),
    ("test_psrp_key_exchange_timeout", "the session key is encrypted for a key that nobody has"),
    ("test_psrp_multiple_commands", "the session key is encrypted for a key that nobody has"),
    (
        "test_psrp_pshost_ui_mocked_methods",
        "the session key is encrypted for a key that nobody has",
    ),
];

#[derive(Deserialize)]
struct Conversation {
    messages: Vec<Exchange>,
}

#[derive(Deserialize)]
struct Exchange {
    request: String,
    #[serde(default)]
    response: Option<String>,
}

/// A shell of the recording and our pool for it.
struct Led {
    pool: Pool,
    ids: u128,
    assemblers: BTreeMap<Option<Uuid>, Assembler>,
    told: Vec<Told>,
    refused: Vec<(Operation, u32)>,
    /// The pipelines by the ids of their commands: those of older recordings are the same bytes in another order, and
    /// Windows 7 chooses its own.
    pipelines: BTreeMap<Uuid, Uuid>,
    /// What we have asked that the recording has not answered yet.
    asked: VecDeque<Sent>,
}

/// What the conversations came to.
#[derive(Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Tally {
    conversations: usize,
    answers: usize,
    pools: usize,
    pipelines: usize,
}

fn decode(text: &str) -> Envelope {
    let limits = wsman::xml::Limits { bytes: MOST, ..wsman::xml::Limits::default() };
    Envelope::decode(text.as_bytes(), &limits).unwrap()
}

impl Led {
    fn new(
        recorded: &Envelope,
        id: Uuid,
        version: psrp::clixml::Version,
        init: InitRunspacePool,
    ) -> Self {
        let header = &recorded.header;
        let mut context = RequestContext::new(
            header.to().unwrap(),
            header.resource_uri().unwrap(),
            Uuid::from_u128(7),
        );
        context.max_envelope_size = header.max_envelope_size().unwrap();
        let options = Options { id, protocol_version: version, init, limits: Limits::default() };
        Self {
            pool: Pool::new(context, options, How::default()),
            ids: 0,
            assemblers: BTreeMap::new(),
            told: Vec::new(),
            refused: Vec::new(),
            pipelines: BTreeMap::new(),
            asked: VecDeque::new(),
        }
    }

    fn id(&mut self) -> Uuid {
        self.ids += 1;
        Uuid::from_u128(self.ids)
    }

    /// Does with our machine what the recorded client told the host's engine.
    fn act(&mut self, command: Option<Uuid>, data: &[u8]) -> Result<(), String> {
        let mut whole = Vec::new();
        let assembler = self.assemblers.entry(command).or_insert_with(|| Assembler::new(MOST));
        assembler
            .handle_fragments(data, |message| whole.push(message))
            .map_err(|error| error.to_string())?;
        for message in whole {
            let frame = Frame::decode(message).map_err(|error| error.to_string())?;
            let pipeline = frame.pipeline;
            let message =
                Message::decode(frame, &Limits::default()).map_err(|error| error.to_string())?;
            let name = message.name();
            if let Some(command) = command {
                self.pipelines.insert(command, pipeline);
            }
            let target = command.map(|_| pipeline);
            let done = match message {
                Message::CreatePipeline(what) => self.pool.invoke(pipeline, *what),
                Message::GetCommandMetadata(question) => {
                    self.pool.get_command_metadata(pipeline, question)
                }
                Message::PipelineInput(input) => self.pool.send_input(pipeline, input.0),
                Message::EndOfPipelineInput(_) => self.pool.end_input(pipeline),
                Message::PipelineHostResponse(response) => self.pool.respond(target, response),
                Message::SetMaxRunspaces(set) => {
                    self.ask(Question::SetMaxRunspaces(set.max_runspaces))
                }
                Message::SetMinRunspaces(set) => {
                    self.ask(Question::SetMinRunspaces(set.min_runspaces))
                }
                Message::GetAvailableRunspaces(_) => self.ask(Question::AvailableRunspaces),
                Message::ResetRunspaceState(_) => self.ask(Question::Reset),
                other => return Err(format!("{} is not led", other.name())),
            };
            done.map_err(|error| format!("{name}: {error}"))?;
        }
        Ok(())
    }

    fn ask(&mut self, question: Question) -> Result<(), session::client::pool::Error> {
        self.pool.ask(question).map(drop)
    }

    /// The pipeline of a command.
    fn pipeline(&self, command: Uuid) -> Uuid {
        self.pipelines.get(&command).copied().unwrap_or(command)
    }

    /// Takes the requests that our machine has by now.
    fn poll(&mut self) -> Result<(), String> {
        loop {
            let id = self.id();
            match self.pool.poll_request(id, TIMEOUT).map_err(|error| error.to_string())? {
                Some(request) => self.asked.push_back(request),
                None => return Ok(()),
            }
        }
    }

    /// Gives the recorded answer, made an answer to our own request for the same thing. Whether there was one.
    fn answer(
        &mut self,
        operation: Operation,
        target: Option<Uuid>,
        recorded: &Envelope,
    ) -> Result<bool, String> {
        let position = self.asked.iter().position(|request| {
            request.operation == operation && self.pool.target(request.command) == target
        });
        let Some(request) = position.and_then(|position| self.asked.remove(position)) else {
            return Ok(false);
        };
        let mut answer = recorded.clone();
        for block in &mut answer.header.blocks {
            if let HeaderValue::RelatesTo(id) = &mut block.value {
                *id = request.envelope.header.message_id().unwrap().to_owned();
            }
        }
        self.pool
            .handle_response(&answer)
            .map_err(|error| format!("answer to {operation}: {error}"))?;
        while let Some(event) = self.pool.poll_event() {
            match event {
                Event::Told(told) => self.told.push(told),
                Event::Refused { operation, fault, .. } => {
                    self.refused.push((
                        operation,
                        fault.error_code().map(|code| code.0).unwrap_or_default(),
                    ));
                }
                _ => {}
            }
        }
        Ok(true)
    }
}

/// What a Create or a Connect of the recording says of its pool.
fn pool_of(data: &[u8]) -> (Uuid, psrp::clixml::Version, Option<InitRunspacePool>) {
    let mut messages = Vec::new();
    Assembler::new(MOST).handle_fragments(data, |message| messages.push(message)).unwrap();
    let (mut id, mut version, mut init) = (Uuid::nil(), psrp::version::DEFAULT, None);
    for message in messages {
        let frame = Frame::decode(message).unwrap();
        id = frame.pool;
        match Message::decode(frame, &Limits::default()).unwrap() {
            Message::SessionCapability(capability) => version = capability.protocol_version,
            Message::InitRunspacePool(whole) => init = Some(whole),
            _ => {}
        }
    }
    (id, version, init)
}

fn lead(path: &Path, tally: &mut Tally) -> Result<(), String> {
    let text = testkit::read(path);
    let conversation: Conversation =
        serde_norway::from_str(&text).map_err(|error| error.to_string())?;
    let mut shells: BTreeMap<String, Led> = BTreeMap::new();
    for (number, exchange) in conversation.messages.iter().enumerate() {
        let Some(response) = &exchange.response else { continue };
        let recorded = decode(&exchange.request);
        let Ok(request) = Request::from_envelope(&recorded) else { continue };
        let response = decode(response);
        follow(&mut shells, &recorded, request, &response, tally)
            .map_err(|problem| format!("exchange {number}: {problem}"))?;
    }
    for led in shells.values() {
        tally.pools += 1;
        let over =
            |told: &&Told| matches!(told, Told::PipelineState { state, .. } if state.is_final());
        tally.pipelines += led.told.iter().filter(over).count();
    }
    tally.conversations += 1;
    Ok(())
}

#[expect(clippy::too_many_lines, reason = "one arm for each operation")]
fn follow(
    shells: &mut BTreeMap<String, Led>,
    recorded: &Envelope,
    request: Request,
    response: &Envelope,
    tally: &mut Tally,
) -> Result<(), String> {
    let name = |error: session::client::pool::Error| error.to_string();
    let shell_id = match &request {
        Request::Create { shell, .. } if shell.creation_xml.is_some() => shell.shell_id.clone(),
        _ => recorded.header.shell_id().map(str::to_owned),
    };
    // The host's configuration, or a command shell.
    let Some(mut shell_id) = shell_id.map(|id| id.to_ascii_uppercase()) else { return Ok(()) };
    let is_new = matches!(request, Request::Create { .. } | Request::Connect { .. });
    if !is_new && !shells.contains_key(&shell_id) {
        return Ok(());
    }
    let guid = |text: &str| Uuid::try_parse(text).map_err(|error| error.to_string());
    let target = target_of(&request).map(guid).transpose()?;
    let operation = match request {
        Request::Create { shell, .. } => {
            let (id, version, init) = pool_of(shell.creation_xml.as_ref().unwrap());
            let mut led = Led::new(recorded, id, version, init.unwrap());
            led.pool.open().map_err(name)?;
            let told =
                CreateResponse::from_body(&response.body).map_err(|error| error.to_string())?;
            shell_id = told.shell_id().unwrap_or(&shell_id).to_ascii_uppercase();
            shells.insert(shell_id.clone(), led);
            Operation::Create
        }
        Request::Connect { connect, .. } => match (&connect.connect_xml, &connect.command_id) {
            (Some(data), _) => {
                let (id, version, _) = pool_of(data);
                let mut led = Led::new(recorded, id, version, init());
                led.pool
                    .connect(KnownShell { shell_id: shell_id.clone(), compression: false })
                    .map_err(name)?;
                shells.insert(shell_id.clone(), led);
                Operation::Connect
            }
            (None, Some(command)) => {
                let led = shells.get_mut(&shell_id).ok_or("unknown shell")?;
                led.pool.connect_pipeline(guid(command)?).map_err(name)?;
                Operation::Connect
            }
            (None, None) => return Err("a Connect to nothing".to_owned()),
        },
        Request::Command { command, .. } => {
            shells
                .get_mut(&shell_id)
                .ok_or("unknown shell")?
                .act(target, &command.payload().unwrap())?;
            Operation::Command
        }
        Request::Send(send) => {
            let led = shells.get_mut(&shell_id).ok_or("unknown shell")?;
            for stream in &send.streams {
                let command = stream.command_id.as_deref().map(guid).transpose()?;
                led.act(command, &stream.data)?;
            }
            Operation::Send
        }
        Request::Receive { .. } => {
            let led = shells.get_mut(&shell_id).ok_or("unknown shell")?;
            let target = target.map(|command| led.pipeline(command));
            if led.pool.receivable().any(|one| one == target) {
                let id = led.id();
                led.asked.extend(led.pool.receive(target, id, TIMEOUT).map_err(name)?);
            }
            Operation::Receive
        }
        Request::Signal(signal) => {
            let led = shells.get_mut(&shell_id).ok_or("unknown shell")?;
            let target = led.pipeline(target.unwrap());
            let done = match signal.code {
                SignalCode::PowerShellCtrlC => led.pool.stop(target),
                _ => led.pool.forget(target),
            };
            done.map_err(name)?;
            Operation::Signal
        }
        Request::Delete => {
            let led = shells.get_mut(&shell_id).ok_or("unknown shell")?;
            led.pool.close().map_err(name)?;
            Operation::Delete
        }
        Request::Disconnect(_) => {
            shells
                .get_mut(&shell_id)
                .ok_or("unknown shell")?
                .pool
                .disconnect(Leave::default())
                .map_err(name)?;
            Operation::Disconnect
        }
        Request::Reconnect(_) => {
            shells.get_mut(&shell_id).ok_or("unknown shell")?.pool.reconnect().map_err(name)?;
            Operation::Reconnect
        }
        _ => return Ok(()),
    };
    let led = shells.get_mut(&shell_id).ok_or("unknown shell")?;
    led.poll()?;
    let target = target.map(|command| led.pipeline(command));
    if led.answer(operation, target, response)? {
        tally.answers += 1;
    }
    if let (Operation::Command, Some(target), Ok(told)) =
        (operation, target, CommandResponse::from_body(&response.body))
    {
        led.pipelines.insert(guid(&told.command_id)?, target);
    }
    Ok(())
}
/// The command that a request is about.
fn target_of(request: &Request) -> Option<&str> {
    match request {
        Request::Command { command, .. } => command.command_id.as_deref(),
        Request::Send(send) => send.streams.first()?.command_id.as_deref(),
        Request::Receive { receive, .. } => receive.command_id(),
        Request::Signal(signal) => signal.command_id.as_deref(),
        Request::Connect { connect, .. } => connect.command_id.as_deref(),
        _ => None,
    }
}

fn init() -> InitRunspacePool {
    InitRunspacePool {
        min_runspaces: 1,
        max_runspaces: 1,
        thread_options: psrp::messages::PsThreadOptions::Default,
        apartment_state: psrp::messages::ApartmentState::Unknown,
        host_info: psrp::messages::HostInfo::NONE,
        application_arguments: psrp::clixml::Value::Null,
    }
}

#[test]
fn conversations_of_pypsrp_with_windows_go_through() {
    let Some(folder) = testkit::corpora("session::conversations_of_pypsrp_with_windows_go_through")
    else {
        return;
    };
    let mut tally = Tally::default();
    let mut wrong = Vec::new();
    for path in testkit::files(&folder.join("pypsrp/responses"), ".yml") {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        if name.starts_with('_')
            || name.contains("winrs")
            || LEFT_OUT.iter().any(|(left, _)| *left == name)
        {
            continue;
        }
        if let Err(problem) = lead(&path, &mut tally) {
            wrong.push(format!("{name}: {problem}"));
        }
    }
    assert!(wrong.is_empty(), "{tally:?}, not: {}\n{}", wrong.len(), wrong.join("\n"));
    let least = Tally { conversations: 49, answers: 320, pools: 47, pipelines: 43 };
    assert!(tally >= least, "{tally:?}");
}
