//! A client that asks anything in any order, and an engine that says anything: the real engine could
//! have taken every line it got, each request that was accepted is answered once, what the client gets
//! makes messages, memory is bounded, and all comes to an end.
#![cfg_attr(not(test), no_main)]

#[path = "../support/engine_rules.rs"]
mod engine_rules;
#[path = "../support/script.rs"]
mod script;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use engine_rules::Rules;
use psrp::bridge::{Bridge, BufferMode, Event, Operation, Settings};
use psrp::clixml::{Limits, Value, Version};
use psrp::fragment::{Assembler, Fragmenter};
use psrp::message::Destination;
use psrp::messages::{
    ApartmentState, ApplicationPrivateData, Availability, Command, ConnectRunspacePool,
    CreatePipeline, Data, Empty, GetAvailableRunspaces, HostCall, HostInfo, InitRunspacePool,
    Message, PipelineState, PipelineStateMessage, PowerShell, PsThreadOptions, RemoteStreamOptions,
    RunspaceAvailability, RunspacePoolState, RunspacePoolStateMessage, SessionCapability,
    SetMaxRunspaces,
};
use psrp::out_of_process::{Packet, Stream, Verb};
use script::Script;
use uuid::Uuid;

const POOL: Uuid = Uuid::from_u128(1);
const PIPELINES: [Uuid; 3] = [Uuid::from_u128(2), Uuid::from_u128(3), Uuid::from_u128(4)];
const STEPS: usize = 150;
const BUFFER: usize = 2_000;
const MESSAGE: usize = 4_000;

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
    play.finish();
}

struct Play<'a> {
    script: Script<'a>,
    bridge: Bridge,
    rules: Rules,
    now: Instant,
    /// The numbers of objects of each side.
    objects: u64,
    /// What was accepted and not answered, and how often.
    owed: BTreeMap<String, usize>,
    has_ended: bool,
    /// What the client of now gets from each target.
    client: BTreeMap<Option<Uuid>, (u64, Assembler)>,
    /// Targets whose end was told.
    done: BTreeSet<Option<Uuid>>,
    lines: Vec<String>,
}

impl<'a> Play<'a> {
    fn new(script: Script<'a>) -> Self {
        let settings = Settings {
            limits: Limits { bytes: 5_000, depth: 10, values: 100 },
            max_pipelines: 2,
            max_message: MESSAGE,
            max_input: 1_000,
            buffer: BUFFER,
            open_timeout: Duration::from_secs(30),
            ack_timeout: Duration::from_secs(10),
            stop_timeout: Duration::from_secs(20),
        };
        let now = Instant::now();
        Self {
            script,
            bridge: Bridge::new(settings, now),
            rules: Rules::default(),
            now,
            objects: 0,
            owed: BTreeMap::new(),
            has_ended: false,
            client: BTreeMap::new(),
            done: BTreeSet::new(),
            lines: Vec::new(),
        }
    }

    fn step(&mut self) {
        match self.script.below(20) {
            0 => self.open(),
            1 | 2 => self.command(),
            3 | 4 => self.send(),
            5 => self.signal(),
            6 => self.terminate(),
            7 => self.attach(),
            8 | 9 => self.receive(),
            10..=12 => self.acknowledge(),
            13..=15 => self.say(),
            16 => self.babble(),
            17 => self.wait(),
            18 => self.well_behaved(),
            _ => self.rare(),
        }
    }

    fn target(&mut self) -> Option<Uuid> {
        let number = self.script.below(4);
        PIPELINES.get(number).copied()
    }

    fn pipeline(&mut self) -> Uuid {
        self.script.one_of(&PIPELINES)
    }

    fn stream(&mut self) -> Stream {
        if self.script.flag() { Stream::PromptResponse } else { Stream::Default }
    }

    /// A message in fragments, mostly of the right target; now and then bytes of the script.
    fn fragments(
        &mut self,
        to: Destination,
        target: Option<Uuid>,
        messages: &[Message],
    ) -> Vec<u8> {
        let spoils = self.script.below(12);
        if spoils == 0 {
            return self.script.bytes().to_vec();
        }
        let mut fragmenter = Fragmenter::new();
        for message in messages {
            let pool = if spoils == 1 { Uuid::nil() } else { POOL };
            let target = if spoils == 2 { self.target() } else { target };
            let frame = message.encode(to, pool, target.unwrap_or_default());
            fragmenter.push(frame.encode());
        }
        self.objects += 1;
        let mut data = fragmenter.poll_fragments(32_768, &mut self.objects);
        if spoils == 3 {
            data.truncate(self.script.below(256));
        }
        data
    }

    fn accepted<E>(&mut self, operation: Operation, result: Result<(), E>) {
        if result.is_ok() {
            *self.owed.entry(format!("{operation:?}")).or_default() += 1;
        }
    }

    fn open(&mut self) {
        let version = Version::new(u32::from(self.script.below(8) != 1) * 2, 3);
        let capability = Message::SessionCapability(SessionCapability::new(version));
        let init = Message::InitRunspacePool(InitRunspacePool {
            min_runspaces: 1,
            max_runspaces: i32::from(self.script.byte()) % 5,
            thread_options: PsThreadOptions::Default,
            apartment_state: ApartmentState::Unknown,
            host_info: HostInfo::NONE,
            application_arguments: Value::Null,
        });
        let messages = [capability, init];
        let messages = if self.script.below(4) == 1 { &messages[..1] } else { &messages };
        let data = self.fragments(Destination::Server, None, messages);
        drop(self.bridge.open(&data, self.now));
    }

    fn command(&mut self) {
        let id = self.pipeline();
        let create = Message::CreatePipeline(Box::new(CreatePipeline {
            no_input: false,
            apartment_state: ApartmentState::Unknown,
            remote_stream_options: RemoteStreamOptions(0),
            add_to_history: false,
            host_info: HostInfo::NONE,
            power_shell: PowerShell {
                statements: vec![vec![Command::script("x")]],
                ..PowerShell::default()
            },
            is_nested: false,
        }));
        let data = self.fragments(Destination::Server, Some(id), &[create]);
        let cut = if self.script.flag() { data.len() } else { 0 };
        let result = self.bridge.handle_command(id, &data[..cut], self.now);
        if result.is_ok() {
            self.done.remove(&Some(id));
            self.client.remove(&Some(id));
        }
        self.accepted(Operation::Command(id), result);
        if cut == 0 {
            let result = self.bridge.handle_data(Some(id), Stream::Default, &data, self.now);
            self.accepted(Operation::Send(Some(id), Stream::Default), result);
        }
    }

    fn send(&mut self) {
        let (target, stream) = (self.target(), self.stream());
        let call_id = i64::from(self.script.byte());
        let message = match (target, self.script.below(4)) {
            (Some(_), 0) => Message::EndOfPipelineInput(Empty::NOTHING),
            (Some(_), _) => Message::PipelineInput(Data(self.script.text().as_str().into())),
            (None, 0) => Message::GetAvailableRunspaces(GetAvailableRunspaces { call_id }),
            (None, 1) => Message::ConnectRunspacePool(ConnectRunspacePool::default()),
            (None, _) => {
                let max_runspaces = i32::from(self.script.byte());
                Message::SetMaxRunspaces(SetMaxRunspaces { max_runspaces, call_id })
            }
        };
        let data = self.fragments(Destination::Server, target, &[message]);
        let result = self.bridge.handle_data(target, stream, &data, self.now);
        self.accepted(Operation::Send(target, stream), result);
    }

    fn signal(&mut self) {
        let id = self.pipeline();
        let result = self.bridge.handle_signal(id, self.now);
        self.accepted(Operation::Stop(id), result);
    }

    fn terminate(&mut self) {
        let id = self.pipeline();
        let result = self.bridge.handle_terminate(id, self.now);
        self.accepted(Operation::Terminate(id), result);
    }

    fn attach(&mut self) {
        match self.script.below(5) {
            0 | 1 => {
                let drops = self.script.flag();
                let mode = if drops { BufferMode::Drop } else { BufferMode::Block };
                drop(self.bridge.handle_disconnect(mode, self.now));
            }
            2 => drop(self.bridge.handle_reconnect(self.now)),
            3 => {
                let id = self.pipeline();
                drop(self.bridge.handle_connect_pipeline(id));
            }
            _ => {
                let version = Version::new(2, u32::from(self.script.below(5) as u8));
                let capability = Message::SessionCapability(SessionCapability::new(version));
                let connect = Message::ConnectRunspacePool(ConnectRunspacePool::default());
                let data = self.fragments(Destination::Server, None, &[capability, connect]);
                if let Ok(answer) = self.bridge.handle_connect(&data, self.now) {
                    self.client.clear();
                    self.take(None, &answer);
                }
            }
        }
    }

    fn receive(&mut self) {
        let target = self.target();
        let size = 22 + self.script.below(256) * 8;
        self.fetch(target, size);
    }

    fn fetch(&mut self, target: Option<Uuid>, size: usize) {
        let had = self.bridge.has_output(target);
        let Ok(output) = self.bridge.poll_output(target, size, self.now) else { return };
        assert!(output.fragments.len() <= size);
        assert!(had || (output.fragments.is_empty() && !output.is_last), "has_output lied");
        assert!(!had || output.is_last || !output.fragments.is_empty());
        assert!(output.fragments.is_empty() || !self.done.contains(&target), "after the end");
        self.take(target, &output.fragments);
        if output.is_last {
            self.done.insert(target);
        }
    }

    /// Whole messages, in fragments whose numbers count up.
    fn take(&mut self, target: Option<Uuid>, fragments: &[u8]) {
        let made = || (0, Assembler::new(1 << 20));
        let (last, assembler) = self.client.entry(target).or_insert_with(made);
        let mut rest = fragments;
        while let Some((object, _)) = rest.split_first_chunk() {
            let object = u64::from_be_bytes(*object);
            assert!(object >= *last, "{object} after {last}");
            *last = object;
            let length = u32::from_be_bytes(rest[17..21].try_into().unwrap());
            rest = &rest[21 + usize::try_from(length).unwrap()..];
        }
        assembler.handle_fragments(fragments, drop).expect("fragments of messages");
    }

    fn acknowledge(&mut self) {
        let target = self.target().unwrap_or_default();
        self.acknowledge_for(target);
    }

    fn acknowledge_for(&mut self, target: Uuid) {
        if self.rules.unanswered(target).is_some() {
            let packet = self.rules.acknowledge(target);
            self.tell(&format!("{packet}\n"));
        }
    }

    fn say(&mut self) {
        let target = self.target();
        let number = self.script.byte();
        let message = match target {
            Some(_) => match number % 8 {
                0 | 1 => {
                    let state = PipelineState::from_number(i32::from(self.script.byte()) % 8);
                    Message::PipelineState(PipelineStateMessage { state, error: None })
                }
                2 => Message::PipelineHostCall(HostCall {
                    call_id: 1,
                    method: psrp::host::Method::ReadLine,
                    parameters: vec![],
                }),
                _ => Message::PipelineOutput(Data(
                    "y".repeat(usize::from(number) * 20).as_str().into(),
                )),
            },
            None => match number % 5 {
                0 => Message::SessionCapability(SessionCapability::new(Version::new(2, 4))),
                1 => Message::ApplicationPrivateData(ApplicationPrivateData { data: Value::Null }),
                2 => {
                    let response = Availability::Done(self.script.flag());
                    let call_id = i64::from(self.script.byte());
                    Message::RunspaceAvailability(RunspaceAvailability { response, call_id })
                }
                _ => {
                    let state = RunspacePoolState::from_number(i32::from(self.script.byte()) % 10);
                    Message::RunspacePoolState(RunspacePoolStateMessage { state, error: None })
                }
            },
        };
        let data = self.fragments(Destination::Client, target, &[message]);
        if !data.is_empty() {
            let packet = Packet::new(target, Verb::Data(Stream::Default, data));
            self.tell(&format!("{packet}\n"));
        }
    }

    /// What is no packet, or one that nobody asked for.
    fn babble(&mut self) {
        match self.script.below(4) {
            0 => self.tell(&format!("{}\n", self.script.0.len())),
            1 => self.tell("__NamedPipeError__:Remote transport error: no\n"),
            2 => {
                let target = self.target();
                let verb = self.script.one_of(&[0, 1, 2, 3, 4]);
                let verb = [
                    Verb::DataAck,
                    Verb::CommandAck,
                    Verb::SignalAck,
                    Verb::CloseAck,
                    Verb::Command,
                ][verb]
                    .clone();
                // One that fits is an acknowledgement.
                let id = target.unwrap_or_default();
                let wanted = match self.rules.unanswered(id) {
                    Some(Verb::Data(..)) => Some(Verb::DataAck),
                    Some(Verb::Command) => Some(Verb::CommandAck),
                    Some(Verb::Signal) => Some(Verb::SignalAck),
                    Some(Verb::Close) => Some(Verb::CloseAck),
                    _ => None,
                };
                if wanted != Some(verb.clone()) {
                    self.tell(&format!("{}\n", Packet::new(target, verb)));
                }
            }
            _ => {
                let bytes = self.script.bytes().to_vec();
                self.bridge.handle_engine_bytes(&bytes, self.now);
            }
        }
    }

    fn tell(&mut self, line: &str) {
        if self.bridge.reads_engine() {
            self.bridge.handle_engine_bytes(line.as_bytes(), self.now);
        } else {
            self.lines.push(line.to_owned());
        }
    }

    fn wait(&mut self) {
        self.now += Duration::from_secs(u64::from(self.script.byte()));
        self.bridge.handle_timeout(self.now);
        assert!(self.bridge.poll_timeout().is_none_or(|due| due > self.now));
    }

    /// Opens the pool and acknowledges everything.
    fn well_behaved(&mut self) {
        for _ in 0..4 {
            self.drain();
            for id in [None].into_iter().chain(PIPELINES.map(Some)) {
                self.acknowledge_for(id.unwrap_or_default());
            }
            if !self.bridge.is_open() {
                for message in [
                    Message::SessionCapability(SessionCapability::new(Version::new(2, 4))),
                    Message::RunspacePoolState(RunspacePoolStateMessage {
                        state: RunspacePoolState::Opened,
                        error: None,
                    }),
                ] {
                    let frame = message.encode(Destination::Client, POOL, Uuid::nil());
                    let mut fragmenter = Fragmenter::new();
                    fragmenter.push(frame.encode());
                    self.objects += 1;
                    let data = fragmenter.poll_fragments(32_768, &mut self.objects);
                    let packet = Packet::new(None, Verb::Data(Stream::Default, data));
                    self.tell(&format!("{packet}\n"));
                }
            }
        }
    }

    fn rare(&mut self) {
        match self.script.below(16) {
            0 => self.bridge.handle_engine_ended("for a test", self.now),
            1 => self.bridge.handle_engine_missing("for a test", self.now),
            2 | 3 => {
                let result = self.bridge.handle_close(self.now);
                self.accepted(Operation::Close, result);
            }
            _ => {}
        }
    }

    fn drain(&mut self) {
        loop {
            if self.bridge.is_open() {
                self.rules.open();
            }
            while let Some(line) = self.bridge.poll_engine() {
                assert!(!self.has_ended, "{line} for an engine that has ended");
                self.rules.hear(&line);
            }
            while let Some(event) = self.bridge.poll_event() {
                match event {
                    Event::Answered(operation) => {
                        let owed = self.owed.get_mut(&format!("{operation:?}"));
                        let owed = owed.filter(|owed| **owed > 0);
                        *owed.unwrap_or_else(|| panic!("{operation:?} was not accepted")) -= 1;
                    }
                    Event::EndEngine => {
                        assert!(!self.has_ended, "the engine ends once");
                        self.has_ended = true;
                    }
                    _ => {}
                }
            }
            if self.lines.is_empty() || !self.bridge.reads_engine() {
                return;
            }
            let line = self.lines.remove(0);
            self.bridge.handle_engine_bytes(line.as_bytes(), self.now);
        }
    }

    fn finish(&mut self) {
        drop(self.bridge.handle_reconnect(self.now));
        self.bridge.handle_engine_ended("for a test", self.now);
        let result = self.bridge.handle_close(self.now);
        self.accepted(Operation::Close, result);
        self.lines.clear();
        self.drain();
        assert!(self.has_ended && self.bridge.poll_timeout().is_none());
        assert!(self.owed.values().all(|owed| *owed == 0), "{:?}", self.owed);
        let known: Vec<_> = self.bridge.pipelines().map(|(id, runs)| (Some(id), runs)).collect();
        assert!(known.iter().all(|(_, runs)| !runs), "{known:?}");
        let mut held = 0;
        for target in known.into_iter().map(|(id, _)| id).chain([None]) {
            let output = self.bridge.poll_output(target, 1 << 20, self.now).expect("it is known");
            assert!(output.is_last);
            held += output.fragments.len();
        }
        // What may wait, one message more, and what is said of the end.
        assert!(held < 4 * BUFFER + MESSAGE + 20_000, "{held} bytes were held");
    }
}
