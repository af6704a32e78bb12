//! Our client, the bridge, and an engine in memory that ends the test where the real one would lose
//! something, end, or fall silent.

use std::collections::{BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use psrp::bridge::{Bridge, BufferMode, Event, Operation, Refusal, Settings};
use psrp::client::{self, Event as Told, Options, Priority, Request};
use psrp::clixml::{Limits, Value, Version};
use psrp::fragment::Fragmenter;
use psrp::message::Frame;
use psrp::messages::{
    ApartmentState, Command, CreatePipeline, HostInfo, InitRunspacePool, PipelineState, PowerShell,
    PsThreadOptions, RemoteStreamOptions,
};
use psrp::out_of_process::{Packet, Stream, Verb};
use psrp::server;
use uuid::Uuid;

#[path = "../../../../../../fuzz/support/engine_rules.rs"]
mod engine_rules;

pub(crate) use engine_rules::Rules;

pub(crate) const POOL: Uuid = Uuid::from_u128(1);
pub(crate) const PIPELINE: Uuid = Uuid::from_u128(2);

#[expect(clippy::disallowed_methods, reason = "a test turns its own clock from here on")]
pub(crate) fn beginning() -> Instant {
    Instant::now()
}

/// An engine: the framing around our server's pool.
pub(crate) struct Engine {
    pub(crate) rules: Rules,
    pub(crate) pool: server::Pool,
    pub(crate) wants: Vec<server::Event>,
    /// Lines that wait until the bridge reads.
    pub(crate) says: VecDeque<String>,
    /// Whether it acknowledges at once.
    pub(crate) acknowledges: bool,
    /// Whether it opens its pool when it is asked to.
    pub(crate) opens: bool,
    pub(crate) heard: Vec<Packet>,
}

impl Engine {
    fn new() -> Self {
        Self {
            rules: Rules::default(),
            pool: server::Pool::new(POOL, Limits::default()),
            wants: Vec::new(),
            says: VecDeque::new(),
            acknowledges: true,
            opens: true,
            heard: Vec::new(),
        }
    }

    fn hear(&mut self, line: &str) {
        let packet = self.rules.hear(line);
        self.heard.push(packet.clone());
        let target = packet.pipeline();
        let mut ends = None;
        match &packet.verb {
            Verb::Data(stream, data) => {
                let stream = match stream {
                    Stream::PromptResponse => Priority::Response,
                    _ => Priority::Default,
                };
                self.pool.handle_fragments(target, stream, data).unwrap();
            }
            Verb::Signal | Verb::Close => match target {
                Some(id) => ends = Some(id),
                None => self.pool.close().unwrap(),
            },
            _ => {}
        }
        while let Some(event) = self.pool.poll_event() {
            if let server::Event::Open(_) = event
                && self.opens
            {
                self.pool.accept(private_data()).unwrap();
                self.rules.open();
            }
            self.wants.push(event);
        }
        if let Some(id) = ends
            && self.acknowledges
        {
            // What it has not heard of, or what is over, says nothing.
            drop(self.pool.end(id, PipelineState::Stopped, None));
        }
        self.speak();
        if self.acknowledges {
            self.acknowledge(packet.target);
        }
        if packet.verb == Verb::Close
            && let Some(id) = target
        {
            self.pool.forget(id);
        }
    }

    pub(crate) fn acknowledge(&mut self, target: Uuid) {
        let packet = self.rules.acknowledge(target);
        self.says.push_back(format!("{packet}\n"));
    }

    /// Turns what its pool has to say into lines.
    pub(crate) fn speak(&mut self) {
        let known = self.rules.known().map(Some).collect::<Vec<_>>();
        for target in [None].into_iter().chain(known) {
            loop {
                let data = self.pool.poll_fragments(target, 32_768);
                if data.is_empty() {
                    break;
                }
                let packet = Packet::new(target, Verb::Data(Stream::Default, data));
                self.says.push_back(format!("{packet}\n"));
            }
        }
    }

    /// The targets to which something was sent, in order, in one word each.
    pub(crate) fn words(&self, target: Uuid) -> Vec<&'static str> {
        let packets = self.heard.iter().filter(|packet| packet.target == target);
        let words = packets.map(|packet| match packet.verb {
            Verb::Data(Stream::PromptResponse, _) => "response",
            Verb::Data(..) => "data",
            Verb::Command => "command",
            Verb::Signal => "signal",
            Verb::Close => "close",
            _ => "nonsense",
        });
        words.collect()
    }
}

pub(crate) struct World {
    pub(crate) client: client::Pool,
    pub(crate) bridge: Bridge,
    pub(crate) engine: Engine,
    pub(crate) now: Instant,
    pub(crate) told: Vec<Told>,
    pub(crate) answered: Vec<Operation>,
    pub(crate) strays: Vec<String>,
    pub(crate) refused: Vec<Refusal>,
    pub(crate) has_ended: bool,
    /// Sends that the client waits for.
    sends: Vec<Operation>,
    /// Bytes of a Send and of an answer.
    pub(crate) size: usize,
    /// Whether the client asks for output.
    pub(crate) receives: bool,
    pub(crate) mode: BufferMode,
    /// The last pipelines that the client started.
    pub(crate) pipelines: BTreeSet<Uuid>,
    /// The greatest number of an object so far.
    object: u64,
    /// Pipelines that were told to be done.
    pub(crate) done: BTreeSet<Uuid>,
}

impl World {
    pub(crate) fn with(settings: Settings, version: Version) -> Self {
        let now = beginning();
        Self {
            client: client::Pool::new(options(version)),
            bridge: Bridge::new(settings, now),
            engine: Engine::new(),
            now,
            told: Vec::new(),
            answered: Vec::new(),
            strays: Vec::new(),
            refused: Vec::new(),
            has_ended: false,
            sends: Vec::new(),
            size: 50_000,
            receives: true,
            mode: BufferMode::Block,
            pipelines: BTreeSet::new(),
            object: 0,
            done: BTreeSet::new(),
        }
    }

    pub(crate) fn new() -> Self {
        Self::with(Settings::default(), Version::new(2, 3))
    }

    pub(crate) fn opened() -> Self {
        let mut world = Self::new();
        world.open();
        world
    }

    pub(crate) fn open(&mut self) {
        self.client.open().unwrap();
        self.run();
        assert!(self.client.is_open() && self.bridge.is_open(), "{:?}", self.told);
        self.told.clear();
    }

    /// Another client takes the place of the one that was.
    pub(crate) fn change_client(&mut self, version: Version) {
        self.client = client::Pool::new(options(version));
        self.sends.clear();
        self.told.clear();
        self.pipelines.clear();
    }

    pub(crate) fn start(&mut self, id: Uuid, no_input: bool) {
        self.client.invoke(id, script("Get-Date", no_input)).unwrap();
        self.run();
        assert!(self.is_wanted(id), "pipeline {id} does not run: {:?}", self.engine.heard);
    }

    pub(crate) fn is_wanted(&self, id: Uuid) -> bool {
        let create = |event: &server::Event| matches!(event, server::Event::Create { pipeline, .. } if *pipeline == id);
        self.engine.wants.iter().any(create)
    }

    pub(crate) fn pass(&mut self, time: Duration) {
        self.now += time;
        self.bridge.handle_timeout(self.now);
        self.run();
    }

    /// Does what there is to do, until there is nothing.
    pub(crate) fn run(&mut self) {
        let mut moves = true;
        while moves {
            moves = self.ask() | self.send();
            while let Some(line) = self.bridge.poll_engine() {
                self.engine.hear(&line);
                moves = true;
            }
            while self.bridge.reads_engine()
                && let Some(line) = self.engine.says.pop_front()
            {
                self.bridge.handle_engine_bytes(line.as_bytes(), self.now);
                moves = true;
            }
            moves |= self.receive();
            while let Some(event) = self.bridge.poll_event() {
                moves = true;
                match event {
                    Event::Answered(operation) => {
                        self.sends.retain(|send| *send != operation);
                        self.answered.push(operation);
                    }
                    Event::EndEngine => {
                        assert!(!self.has_ended, "the engine is ended once");
                        self.has_ended = true;
                    }
                    Event::Stray(line) => self.strays.push(line),
                    other => panic!("{other:?}"),
                }
            }
            self.told.extend(std::iter::from_fn(|| self.client.poll_event()));
        }
    }

    fn ask(&mut self) -> bool {
        let Some(request) = self.client.poll_request() else { return false };
        let (size, now) = (self.size, self.now);
        let bridge = &mut self.bridge;
        let result = match request {
            Request::Open => {
                bridge.open(&self.client.poll_fragments(None, Priority::Default, size), now)
            }
            Request::Connect => {
                let data = self.client.poll_fragments(None, Priority::Default, size);
                bridge.handle_connect(&data, now).map(|answer| {
                    self.object = check_objects(self.object, &answer);
                    self.client.handle_fragments(None, &answer).unwrap();
                })
            }
            Request::ConnectPipeline { pipeline } => {
                self.pipelines.insert(pipeline);
                bridge.handle_connect_pipeline(pipeline)
            }
            Request::Start { pipeline } => {
                self.pipelines.insert(pipeline);
                let data = self.client.poll_fragments(Some(pipeline), Priority::Default, size);
                bridge.handle_command(pipeline, &data, now)
            }
            Request::Stop { pipeline } => bridge.handle_signal(pipeline, now),
            Request::Forget { pipeline } => {
                self.pipelines.remove(&pipeline);
                bridge.handle_terminate(pipeline, now)
            }
            Request::Close => bridge.handle_close(now),
            Request::Disconnect => bridge.handle_disconnect(self.mode, now).map(|()| {
                self.client.handle_disconnected();
            }),
            Request::Reconnect => bridge.handle_reconnect(now).map(|()| {
                self.client.handle_reconnected();
            }),
            Request::Send { .. } => Ok(()),
            other => panic!("{other:?}"),
        };
        self.refused.extend(result.err());
        true
    }

    /// One Send for each target and stream at a time.
    fn send(&mut self) -> bool {
        let mut moves = false;
        let targets = self.pipelines.iter().copied().map(Some).chain([None]);
        for target in targets.collect::<Vec<_>>() {
            for (priority, stream) in
                [(Priority::Response, Stream::PromptResponse), (Priority::Default, Stream::Default)]
            {
                let send = Operation::Send(target, stream);
                if self.sends.contains(&send) || !self.bridge.is_connected() {
                    continue;
                }
                let data = self.client.poll_fragments(target, priority, self.size);
                if data.is_empty() {
                    continue;
                }
                moves = true;
                match self.bridge.handle_data(target, stream, &data, self.now) {
                    Ok(()) => self.sends.push(send),
                    Err(refusal) => self.refused.push(refusal),
                }
            }
        }
        moves
    }

    fn end(&mut self, target: Option<Uuid>) {
        match target {
            Some(id) => {
                self.done.insert(id);
                self.client.handle_pipeline_ended(id);
            }
            None => self.client.handle_closed(),
        }
    }

    fn receive(&mut self) -> bool {
        let mut moves = false;
        if !self.receives || !self.bridge.is_connected() {
            return false;
        }
        let targets = self.pipelines.iter().copied().map(Some).chain([None]);
        for target in targets.collect::<Vec<_>>() {
            while self.bridge.has_output(target) {
                let Ok(output) = self.bridge.poll_output(target, self.size, self.now) else {
                    break;
                };
                if !output.fragments.is_empty() {
                    moves = true;
                    assert!(output.fragments.len() <= self.size);
                    check_objects(0, &output.fragments);
                    drop(self.client.handle_fragments(target, &output.fragments));
                }
                if output.is_last {
                    self.end(target);
                    break;
                }
            }
        }
        moves
    }
}

/// The numbers of objects in fragments count up; returns the last.
pub(crate) fn check_objects(mut last: u64, mut data: &[u8]) -> u64 {
    while !data.is_empty() {
        let object = u64::from_be_bytes(data[..8].try_into().unwrap());
        assert!(object >= last, "object {object} after {last}");
        last = object;
        let length = u32::from_be_bytes(data[17..21].try_into().unwrap()) as usize;
        data = &data[21 + length..];
    }
    last
}

pub(crate) fn options(protocol_version: Version) -> Options {
    Options { id: POOL, protocol_version, init: init(1, 2), limits: Limits::default() }
}

pub(crate) fn init(min_runspaces: i32, max_runspaces: i32) -> InitRunspacePool {
    InitRunspacePool {
        min_runspaces,
        max_runspaces,
        thread_options: PsThreadOptions::Default,
        apartment_state: ApartmentState::Unknown,
        host_info: HostInfo::NONE,
        application_arguments: Value::Null,
    }
}

pub(crate) fn script(text: &str, no_input: bool) -> CreatePipeline {
    CreatePipeline {
        no_input,
        apartment_state: ApartmentState::Unknown,
        remote_stream_options: RemoteStreamOptions::ALL,
        add_to_history: true,
        host_info: HostInfo::NONE,
        power_shell: PowerShell {
            statements: vec![vec![Command::script(text)]],
            ..PowerShell::default()
        },
        is_nested: false,
    }
}

pub(crate) fn private_data() -> Value {
    Value::from("private data")
}

/// A message in one fragment.
pub(crate) fn fragment(frame: &Frame, object: u64) -> Vec<u8> {
    let mut fragmenter = Fragmenter::new();
    fragmenter.push(frame.encode());
    let mut object = object;
    fragmenter.poll_fragments(usize::MAX, &mut object)
}
