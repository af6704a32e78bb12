//! The client's pool with the engine of this machine, over the out-of-process framing.

use std::collections::VecDeque;
use std::time::Duration;

use psrp::client::{Event, Options, Pool, Priority, Record, Request};
use psrp::clixml::{Limits, Text, Value, Version};
use psrp::fragment::OUT_OF_PROCESS;
use psrp::messages::{
    ApartmentState, Availability, Command, CommandTypes, CreatePipeline, GetCommandMetadata,
    HostInfo, HostResponse, HostResult, InitRunspacePool, PipelineState, PowerShell,
    PsThreadOptions, RemoteStreamOptions,
};
use psrp::out_of_process::{Lines, Packet, Piece, Stream, Verb};
use psrp::session_key::{KeyPair, Plain};
use testkit::Engine;
use testkit::engine::Running;
use uuid::Uuid;

/// Longer than any answer takes.
const PATIENCE: Duration = Duration::from_secs(60);

struct Seeded(testkit::Seeded);

impl psrp::entropy::Entropy for Seeded {
    fn fill(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            *byte = self.0.draw().to_le_bytes()[7];
        }
    }
}

/// A pool and the engine that it has for itself.
struct Session {
    engine: Running,
    lines: Lines,
    pool: Pool,
    heard: VecDeque<Packet>,
    pipelines: u128,
}

impl Session {
    fn open(minor: u32, max_runspaces: i32) -> Self {
        let host = HostInfo {
            is_host_null: false,
            is_host_ui_null: false,
            is_host_raw_ui_null: false,
            use_runspace_host: false,
            ..HostInfo::NONE
        };
        let pool = Pool::new(Options {
            id: Uuid::from_u128(7),
            protocol_version: Version::new(2, minor),
            init: InitRunspacePool {
                min_runspaces: 1,
                max_runspaces,
                thread_options: PsThreadOptions::Default,
                apartment_state: ApartmentState::Unknown,
                host_info: host,
                application_arguments: Value::Null,
            },
            limits: Limits::default(),
        });
        let engine = Engine::find();
        testkit::report(&engine.peer("served the client's pool"));
        let engine = engine.start(&[("HOME", "/tmp")]).unwrap();
        let lines = Lines::new(1 << 20);
        let mut session = Self { engine, lines, pool, heard: VecDeque::new(), pipelines: 100 };
        session.pool.open().unwrap();
        session.until(|event| matches!(event, Event::Opened { .. }));
        session
    }

    fn say(&self, packet: &Packet) {
        self.engine.send(format!("{packet}\n").as_bytes());
    }

    /// Carries what waits for a target, and waits until it was taken.
    fn carry(&mut self, pipeline: Option<Uuid>) {
        for (priority, stream) in
            [(Priority::Response, Stream::PromptResponse), (Priority::Default, Stream::Default)]
        {
            loop {
                let data = self.pool.poll_fragments(pipeline, priority, OUT_OF_PROCESS);
                if data.is_empty() {
                    break;
                }
                self.say(&Packet::new(pipeline, Verb::Data(stream, data)));
                self.acknowledged(pipeline, &Verb::DataAck);
            }
        }
    }

    fn acknowledged(&mut self, pipeline: Option<Uuid>, verb: &Verb) {
        loop {
            let place = self
                .heard
                .iter()
                .position(|packet| packet.pipeline() == pipeline && packet.verb == *verb);
            if let Some(place) = place {
                self.heard.remove(place);
                return;
            }
            self.hear();
        }
    }

    fn hear(&mut self) {
        let bytes = self.engine.receive(PATIENCE).expect("the engine says something");
        let heard = &mut self.heard;
        let take = |piece| match piece {
            Piece::Packet(packet) => heard.push_back(packet),
            other => panic!("{other:?}"),
        };
        self.lines.handle_bytes(&bytes, take).unwrap();
    }

    fn serve(&mut self) {
        while let Some(request) = self.pool.poll_request() {
            match request {
                Request::Open => self.carry(None),
                Request::Send { pipeline } => self.carry(pipeline),
                Request::Start { pipeline } => {
                    self.say(&Packet::new(Some(pipeline), Verb::Command));
                    self.acknowledged(Some(pipeline), &Verb::CommandAck);
                    self.carry(Some(pipeline));
                }
                Request::Stop { pipeline } => self.say(&Packet::new(Some(pipeline), Verb::Signal)),
                Request::Forget { pipeline } => {
                    self.say(&Packet::new(Some(pipeline), Verb::Close));
                    self.acknowledged(Some(pipeline), &Verb::CloseAck);
                }
                Request::Close => {
                    self.say(&Packet::new(None, Verb::Close));
                    self.acknowledged(None, &Verb::CloseAck);
                    self.pool.handle_closed();
                }
                other => panic!("{other:?}"),
            }
        }
    }

    /// Events up to the one that is waited for, which is the last.
    fn until(&mut self, is_last: impl Fn(&Event) -> bool) -> Vec<Event> {
        let mut events = Vec::new();
        loop {
            self.serve();
            while let Some(event) = self.pool.poll_event() {
                events.push(event);
                if is_last(events.last().unwrap()) {
                    return events;
                }
            }
            let data = |packet: &Packet| matches!(packet.verb, Verb::Data(..));
            match self.heard.iter().position(data) {
                Some(place) => {
                    let packet = self.heard.remove(place).unwrap();
                    let target = packet.pipeline();
                    if let Verb::Data(_, data) = packet.verb {
                        self.pool.handle_fragments(target, &data).unwrap();
                    }
                }
                None => self.hear(),
            }
        }
    }

    fn start(&mut self, commands: Vec<Command>, no_input: bool) -> Uuid {
        self.pipelines += 1;
        let id = Uuid::from_u128(self.pipelines);
        let create = CreatePipeline {
            no_input,
            apartment_state: ApartmentState::Unknown,
            remote_stream_options: RemoteStreamOptions(0),
            add_to_history: true,
            host_info: HostInfo { use_runspace_host: true, ..HostInfo::NONE },
            power_shell: PowerShell { statements: vec![commands], ..PowerShell::default() },
            is_nested: false,
        };
        self.pool.invoke(id, create).unwrap();
        self.serve();
        id
    }

    fn ended(&mut self) -> Vec<Event> {
        self.until(|event| matches!(event, Event::PipelineState { .. }))
    }

    /// What a script wrote as output.
    fn output(&mut self, script: &str) -> Vec<Value> {
        let id = self.start(vec![Command::script(script)], true);
        let events = self.ended();
        let Some(Event::PipelineState { state, error, .. }) = events.last() else { panic!() };
        assert_eq!(*state, PipelineState::Completed, "{script}: {error:?}");
        self.pool.forget(id).unwrap();
        self.serve();
        outputs(&events)
    }
}

fn outputs(events: &[Event]) -> Vec<Value> {
    let output = |event: &Event| match event {
        Event::Record { record: Record::Output(value), .. } => Some(value.clone()),
        _ => None,
    };
    events.iter().filter_map(output).collect()
}

fn text(text: &str) -> Value {
    Value::String(Text::from(text))
}

#[test]
fn scripts_run_and_write_to_every_stream() {
    let mut session = Session::open(3, 1);
    assert_eq!(session.output("1..3 | ForEach-Object { $_ * 2 }"), [2.into(), 4.into(), 6.into()]);
    let script = "$VerbosePreference = $DebugPreference = 'Continue'; 'out'; Write-Error e; \
                  Write-Warning w; Write-Verbose v; Write-Debug d; Write-Information i; Write-Progress p";
    session.start(vec![Command::script(script)], true);
    let seen: Vec<&str> = session
        .ended()
        .iter()
        .filter_map(|event| match event {
            Event::Record { record, .. } => Some(match record {
                Record::Output(_) => "output",
                Record::Error(_) => "error",
                Record::Warning(_) => "warning",
                Record::Verbose(_) => "verbose",
                Record::Debug(_) => "debug",
                Record::Information(_) => "information",
                Record::Progress(_) => "progress",
                _ => "?",
            }),
            _ => None,
        })
        .collect();
    let wanted = ["output", "error", "warning", "verbose", "debug", "information", "progress"];
    assert_eq!(seen, wanted);
}

#[test]
fn input_reaches_the_pipeline_and_stop_ends_one() {
    let mut session = Session::open(3, 1);
    let id = session.start(vec![Command::script("$input | ForEach-Object { \"got $_\" }")], false);
    for number in 1..=2 {
        session.pool.send_input(id, number.into()).unwrap();
    }
    session.pool.end_input(id).unwrap();
    assert_eq!(outputs(&session.ended()), [text("got 1"), text("got 2")]);

    let id = session.start(vec![Command::script("'begun'; Start-Sleep 600; 'never'")], true);
    session.until(|event| matches!(event, Event::Record { .. }));
    session.pool.stop(id).unwrap();
    let events = session.ended();
    let Some(Event::PipelineState { state, error, .. }) = events.last() else { panic!() };
    assert_eq!((*state, error.is_some()), (PipelineState::Stopped, true));
    assert_eq!(session.output("'still here'"), [text("still here")]);
}

#[test]
fn secure_strings_travel_both_ways_with_and_without_a_key() {
    for minor in [2, 3, 4] {
        let mut session = Session::open(minor, 1);
        if session.pool.needs_keys() {
            let mut entropy = Seeded(testkit::Seeded::new(5));
            session.pool.exchange_keys(KeyPair::new(&mut entropy).unwrap()).unwrap();
            session.until(|event| matches!(event, Event::KeyExchanged));
        }
        let given = session.output("ConvertTo-SecureString -AsPlainText -Force 'geheim ü'");
        let [Value::SecureString(secret)] = given.as_slice() else { panic!("{given:?}") };
        let plain = session.pool.decrypt(secret).unwrap();
        assert_eq!(String::from_utf16(plain.units()).unwrap(), "geheim ü");

        let script =
            "$s = Read-Host -AsSecureString; [System.Net.NetworkCredential]::new('', $s).Password";
        let id = session.start(vec![Command::script(script)], true);
        let asked = session.until(|event| matches!(event, Event::HostCall { .. }));
        let Some(Event::HostCall { call, .. }) = asked.last() else { panic!() };
        let answer = session.pool.encrypt(&Plain::new("pä".encode_utf16().collect())).unwrap();
        let result = HostResult::Value(Value::SecureString(answer));
        let response = HostResponse { call_id: call.call_id, method: call.method, result };
        session.pool.respond(Some(id), response).unwrap();
        assert_eq!(outputs(&session.ended()), [text("pä")]);
    }
}

#[test]
fn runspaces_commands_and_typed_lines_answer() {
    let mut session = Session::open(3, 2);
    let answered = |session: &mut Session| {
        let events = session.until(|event| matches!(event, Event::Availability { .. }));
        let Some(Event::Availability { response, .. }) = events.last() else { panic!() };
        *response
    };
    session.pool.get_available_runspaces().unwrap();
    assert_eq!(answered(&mut session), Availability::Count(2));
    session.pool.set_max_runspaces(1).unwrap();
    assert_eq!(answered(&mut session), Availability::Done(true));
    session.pool.reset_runspace_state().unwrap();
    assert_eq!(answered(&mut session), Availability::Done(true));

    let question = GetCommandMetadata {
        names: vec!["Out-Default".into(), "Exit-PSSession".into()],
        command_type: CommandTypes(271),
        namespaces: Vec::new(),
        arguments: Vec::new(),
    };
    session.pool.get_command_metadata(Uuid::from_u128(50), question).unwrap();
    assert!(outputs(&session.ended()).len() >= 3);

    session.start(vec![Command::script("'shown'"), Command::named("Out-Default")], true);
    let called = session.until(|event| matches!(event, Event::HostCall { .. }));
    let Some(Event::HostCall { call, .. }) = called.last() else { panic!() };
    assert_eq!(
        (call.method.name().as_str(), call.parameters.as_slice()),
        ("WriteLine2", &[text("shown")][..])
    );
    session.ended();
}

#[test]
fn large_output_comes_whole() {
    let mut session = Session::open(3, 1);
    let given = session.output("'x' * 3000000; 'y' * 40000");
    let lengths: Vec<usize> = given
        .iter()
        .map(|value| match value {
            Value::String(text) => text.to_string().len(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(lengths, [3_000_000, 40_000]);
}
