//! The bridge against what a real pwsh heard and said: what the recorded client sent goes in, what the
//! engine said comes back, and the engine must hear the same as it did then, each line when it can
//! take it. And against what pypsrp sent to Windows.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Instant;

use psrp::bridge::{Bridge, BufferMode, Event, Operation, Refusal, Settings};
use psrp::clixml::Version;
use psrp::fragment::{Assembler, Fragmenter};
use psrp::message::{Destination, Frame};
use psrp::messages::{KINDS, Message, SessionCapability};
use psrp::out_of_process::{Lines, Packet, Piece, Stream, Verb};
use serde_json::Value as Json;
use uuid::Uuid;

use super::world::{POOL, Rules, beginning, fragment, init, private_data, script};
use crate::corpora;

#[test]
fn recorded_sessions_of_pwsh_go_through_the_bridge() {
    let name = "psrp::recorded_sessions_of_pwsh_go_through_the_bridge";
    let Some(folder) = corpora::folder(name, "pwsh-sshs") else { return };
    let (mut led, mut wrong) = (0, Vec::new());
    for path in corpora::files(&folder, ".jsonl") {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        if name.starts_with("misuse") {
            continue;
        }
        match lead(&path) {
            // Here the recorded engine was silent.
            Err(_) if name.starts_with("runspace-counts-open") => {}
            Ok(sessions) => led += sessions,
            Err(problem) => wrong.push(format!("{name}: {problem}")),
        }
    }
    assert!(wrong.is_empty(), "{led} led, {} not:\n{}", wrong.len(), wrong.join("\n"));
    assert!(led > 70, "{led}");
}

/// What one side hears of a target.
#[derive(Debug, Clone, PartialEq)]
enum Heard {
    Word(&'static str),
    /// A message, unless the recording has only parts of it.
    Message(u32, Option<String>),
}

struct Session {
    id: Uuid,
    bridge: Bridge,
    rules: Rules,
    now: Instant,
    object: u64,
    /// Of what the bridge sends to the engine.
    assemblers: BTreeMap<(Uuid, bool), Assembler>,
    heard: BTreeMap<Uuid, Vec<Heard>>,
    recorded: BTreeMap<Uuid, Vec<Heard>>,
    over: BTreeSet<Uuid>,
    /// What the client got and should have got.
    client: BTreeMap<Uuid, (Assembler, Vec<Frame>)>,
    wanted: BTreeMap<Uuid, Vec<Frame>>,
    is_closing: bool,
    is_closed: bool,
}

/// Leads the sessions of one recording; returns their number.
fn lead(path: &Path) -> Result<usize, String> {
    let mut led = 0;
    let mut session: Option<Session> = None;
    for (number, line) in corpora::read(path).lines().enumerate() {
        let entry: Json = corpora::parse(line).unwrap();
        let at = |problem: String| format!("line {}: {problem}", number + 1);
        let line = entry["line"].as_str().unwrap_or_default();
        match entry["dir"].as_str() {
            Some("out") => {
                let messages: Vec<_> = messages(&entry);
                let begins = messages.first().is_some_and(|(frame, _)| frame.kind == 0x0001_0002);
                if begins {
                    if let Some(session) = session.take() {
                        session.finish().map_err(at)?;
                        led += 1;
                    }
                    session = Some(Session::open(&messages).map_err(at)?);
                } else if let Some(session) = &mut session {
                    session.act(line, &messages).map_err(at)?;
                }
            }
            Some("in") => {
                if let Some(session) = &mut session {
                    session.hear(line, &messages(&entry));
                }
            }
            _ => {}
        }
    }
    if let Some(session) = session {
        session.finish()?;
        led += 1;
    }
    Ok(led)
}

/// The messages of an entry, and whether each is whole.
fn messages(entry: &Json) -> Vec<(Frame, bool)> {
    let id = |recorded: &Json, name: &str| Uuid::try_parse(recorded[name].as_str()?).ok();
    let message = |recorded: &Json| {
        let code = recorded["code"].as_str()?.trim_start_matches("0x");
        let kind = u32::from_str_radix(code, 16).ok()?;
        let is_whole = recorded.get("xml_cut").is_none();
        let text = recorded["xml"].as_str().unwrap_or_default();
        let text = match recorded["type"].as_str()? {
            _ if is_whole => text.to_owned(),
            "CREATE_PIPELINE" => {
                let create = Message::CreatePipeline(Box::new(script("x", false)));
                create.encode(Destination::Server, POOL, POOL).text
            }
            "INIT_RUNSPACEPOOL" => {
                let number = |name| {
                    let (_, rest) = text.split_once(&format!("N=\"{name}\">"))?;
                    rest.split_once('<')?.0.parse().ok()
                };
                let init = init(number("MinRunspaces")?, number("MaxRunspaces")?);
                let init = Message::InitRunspacePool(init);
                init.encode(Destination::Server, POOL, Uuid::nil()).text
            }
            // The number is in the beginning; the error record is not needed.
            "PIPELINE_STATE" => {
                format!("{}</I32></MS></Obj>", text.split_once("</I32>")?.0)
            }
            _ => "<S>cut</S>".to_owned(),
        };
        let destination =
            if recorded["dest"] == 1 { Destination::Client } else { Destination::Server };
        let (pool, pipeline) = (id(recorded, "rpid")?, id(recorded, "pid")?);
        Some((Frame { destination, kind, pool, pipeline, text }, is_whole))
    };
    entry["msgs"].as_array().into_iter().flatten().filter_map(message).collect()
}

fn target(line: &str) -> Uuid {
    line.split("PSGuid='")
        .nth(1)
        .and_then(|rest| Uuid::try_parse(&rest[..36]).ok())
        .unwrap_or_default()
}

impl Session {
    fn open(messages: &[(Frame, bool)]) -> Result<Self, String> {
        let (id, now) = (messages[0].0.pool, beginning());
        let mut session = Self {
            id,
            bridge: Bridge::new(Settings::default(), now),
            rules: Rules::default(),
            now,
            object: 1,
            assemblers: BTreeMap::new(),
            heard: BTreeMap::new(),
            recorded: BTreeMap::new(),
            over: BTreeSet::new(),
            client: BTreeMap::new(),
            wanted: BTreeMap::new(),
            is_closing: false,
            is_closed: false,
        };
        let data: Vec<_> = messages.iter().map(|(frame, _)| session.fragment(frame)).collect();
        session.expect(Uuid::nil(), messages);
        session.bridge.open(&data.concat(), now).map_err(|refusal| refusal.to_string())?;
        session.drain();
        Ok(session)
    }

    fn fragment(&mut self, frame: &Frame) -> Vec<u8> {
        self.object += 1;
        fragment(frame, self.object)
    }

    fn expect(&mut self, target: Uuid, messages: &[(Frame, bool)]) {
        let heard = messages.iter().map(|(frame, is_whole)| {
            Heard::Message(frame.kind, is_whole.then(|| frame.text.clone()))
        });
        self.recorded.entry(target).or_default().extend(heard);
    }

    /// Does what the recorded client did.
    fn act(&mut self, line: &str, messages: &[(Frame, bool)]) -> Result<(), String> {
        let id = target(line);
        let is_over = self.over.contains(&id);
        let recorded = self.recorded.entry(id).or_default();
        let mut result = Ok(());
        if line.starts_with("<Command") {
            self.over.remove(&id);
            recorded.push(Heard::Word("command"));
        } else if line.starts_with("<Signal") {
            if !is_over {
                recorded.push(Heard::Word("signal"));
            }
            result = self.bridge.handle_signal(id, self.now);
        } else if line.starts_with("<Close") && id.is_nil() {
            recorded.push(Heard::Word("close"));
            self.is_closing = true;
            result = self.bridge.handle_close(self.now);
        } else if line.starts_with("<Close") {
            recorded.push(Heard::Word("close"));
            self.over.insert(id);
            result = self.bridge.handle_terminate(id, self.now);
            self.client.remove(&id);
            self.wanted.remove(&id);
        }
        if !messages.is_empty() && !is_over {
            self.expect(id, messages);
        }
        for (frame, _) in messages {
            let data = self.fragment(frame);
            let is_answer = line.contains("PromptResponse");
            let stream = if is_answer { Stream::PromptResponse } else { Stream::Default };
            result = match Some(id).filter(|id| !id.is_nil()) {
                Some(id) if matches!(frame.kind, 0x0002_1006 | 0x0002_100A) => {
                    self.bridge.handle_command(id, &data, self.now)
                }
                target => self.bridge.handle_data(target, stream, &data, self.now),
            };
            self.drain();
        }
        self.drain();
        result.map_err(|refusal| format!("{refusal:?}"))
    }

    /// Says what the recorded engine said.
    fn hear(&mut self, line: &str, messages: &[(Frame, bool)]) {
        let id = target(line);
        if line.starts_with("<SignalAck") || (line.starts_with("<CloseAck") && id.is_nil()) {
            self.acknowledge(id, |verb| matches!(verb, Verb::Signal | Verb::Close));
        }
        for (frame, _) in messages {
            if frame.kind == 0x0002_1005 && frame.text.contains("\">2<") {
                self.rules.open();
            }
            let is_ours = frame.pool == self.id || frame.pool.is_nil();
            let is_heard = !self.is_closing && !self.over.contains(&id);
            if is_heard && is_ours {
                self.wanted.entry(id).or_default().push(frame.clone());
            }
            let is_end = |number| frame.text.contains(&format!("PipelineState\">{number}<"));
            if frame.kind == 0x0004_1006 && (3..=5).any(is_end) {
                self.over.insert(id);
            }
            let mut fragmenter = Fragmenter::new();
            fragmenter.push(frame.encode());
            self.object += 1;
            let mut object = self.object;
            while let Some(data) = fragmenter.poll_fragment(32_768, &mut object) {
                let target = Some(id).filter(|id| !id.is_nil());
                self.say(&Packet::new(target, Verb::Data(Stream::Default, data)));
            }
        }
        if messages.is_empty() && !line.starts_with('<') {
            self.bridge.handle_engine_bytes(format!("{line}\n").as_bytes(), self.now);
        }
        self.drain();
    }

    fn say(&mut self, packet: &Packet) {
        self.bridge.handle_engine_bytes(format!("{packet}\n").as_bytes(), self.now);
    }

    fn acknowledge(&mut self, id: Uuid, which: impl Fn(&Verb) -> bool) {
        if self.rules.unanswered(id).is_some_and(which) {
            let packet = self.rules.acknowledge(id);
            self.say(&packet);
        }
    }

    fn drain(&mut self) {
        while let Some(line) = self.bridge.poll_engine() {
            let packet = self.rules.hear(&line);
            let id = packet.target;
            let heard = self.heard.entry(id).or_default();
            match &packet.verb {
                Verb::Data(stream, data) => {
                    let key = (id, *stream == Stream::PromptResponse);
                    let assembler =
                        self.assemblers.entry(key).or_insert_with(|| Assembler::new(1 << 30));
                    let take = |message| {
                        let frame = Frame::decode(message).unwrap();
                        heard.push(Heard::Message(frame.kind, Some(frame.text)));
                    };
                    assembler.handle_fragments(data, take).unwrap();
                }
                Verb::Command => heard.push(Heard::Word("command")),
                Verb::Signal => heard.push(Heard::Word("signal")),
                _ => heard.push(Heard::Word("close")),
            }
            self.acknowledge(id, |verb| match verb {
                Verb::Signal => false,
                Verb::Close => !id.is_nil(),
                _ => true,
            });
        }
        self.fetch();
        while let Some(event) = self.bridge.poll_event() {
            self.is_closed |= event == Event::Answered(Operation::Close);
        }
    }

    /// What the client gets.
    fn fetch(&mut self) {
        let pipelines: Vec<_> = self.bridge.pipelines().map(|(id, _)| Some(id)).collect();
        for target in pipelines.into_iter().chain([None]) {
            let output = self.bridge.poll_output(target, 1 << 30, self.now).unwrap();
            let id = target.unwrap_or_default();
            let client = self.client.entry(id);
            let (assembler, frames) =
                client.or_insert_with(|| (Assembler::new(1 << 30), Vec::new()));
            let take = |message| frames.push(Frame::decode(message).unwrap());
            assembler.handle_fragments(&output.fragments, take).unwrap();
            if target.is_some() {
                assert_eq!(output.is_last, self.over.contains(&id));
            }
        }
    }

    fn finish(mut self) -> Result<(), String> {
        if self.is_closing && !self.is_closed {
            // The recorded engine did not acknowledge it: a pipeline waited for a key for ever.
            self.bridge.handle_timeout(self.now + Settings::default().stop_timeout);
            self.drain();
            if !self.is_closed {
                return Err("the pool's close is not answered".to_owned());
            }
        }
        for (id, recorded) in self.recorded {
            let mut heard = self.heard.remove(&id).unwrap_or_default();
            if recorded.last() != Some(&Heard::Word("close")) && self.over.contains(&id) {
                // The recorded client did not close the pipeline, which was over.
                heard.pop_if(|last| *last == Heard::Word("close"));
            }
            let is_same = heard.len() == recorded.len()
                && heard.iter().zip(&recorded).all(|(heard, recorded)| match (heard, recorded) {
                    (Heard::Message(heard, _), Heard::Message(recorded, None)) => heard == recorded,
                    _ => heard == recorded,
                });
            if !is_same && !heard.is_empty() {
                return Err(format!("{id}: {heard:?}\ninstead of {recorded:?}"));
            }
        }
        for (id, wanted) in self.wanted {
            let (_, frames) = self.client.remove(&id).unwrap();
            let told =
                if id.is_nil() { frames.get(..wanted.len()).unwrap_or(&frames) } else { &frames };
            if told != wanted {
                return Err(format!("{id}: the client heard {told:?}\ninstead of {wanted:?}"));
            }
        }
        Ok(())
    }
}

/// What the recorded client did wrong on purpose, and what is done about it here.
const MISUSE: &[(&str, bool)] = &[
    ("capability-twice", true),
    ("connect", true),
    ("create-in-pool-data", true),
    ("fragment-negative-length", true),
    ("fragment-out-of-order", true),
    ("fragment-pool-out-of-order", true),
    ("fragment-repeated", false),
    ("init-twice", true),
    ("init-without-capability", true),
    ("message-bad-clixml", true),
    ("message-bad-host-response", false),
    ("message-empty-cmds", true),
    ("message-missing-property", true),
    ("message-short", true),
    ("message-unknown-type", true),
    ("message-wrong-destination", true),
    ("message-wrong-pid", true),
    ("message-wrong-rpid", true),
    ("protocol-0.0", true),
    ("protocol-1.0", true),
    ("protocol-1.9", true),
    ("protocol-3.0", true),
    ("public-key-twice", false),
];

#[test]
fn what_pwsh_answers_with_silence_is_refused() {
    let name = "psrp::what_pwsh_answers_with_silence_is_refused";
    let Some(folder) = corpora::folder(name, "pwsh-sshs") else { return };
    let mut wrong = Vec::new();
    for (misuse, is_refused) in MISUSE {
        let refused = refused(&folder.join(format!("misuse-{misuse}.jsonl")));
        if refused.is_some() != *is_refused {
            wrong.push(format!("{misuse}: {refused:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The first refusal of what a recorded client sent, line by line.
fn refused(path: &Path) -> Option<Refusal> {
    let (mut bridge, mut rules, now) = (None, Rules::default(), beginning());
    let mut known = BTreeSet::new();
    for line in corpora::read(path).lines() {
        let entry: Json = corpora::parse(line).unwrap();
        if entry["dir"] != "out" {
            continue;
        }
        // A line that is cut has an ordinary message.
        let frames = messages(&entry);
        let line = entry["line"].as_str().unwrap();
        let data = match &*packets(line) {
            [Piece::Packet(Packet { verb: Verb::Data(_, data), .. })] => data.clone(),
            _ if line.starts_with("<Data") => {
                let data = frames.iter().zip(1..).map(|((frame, _), at)| fragment(frame, at));
                data.collect::<Vec<_>>().concat()
            }
            _ => continue,
        };
        let id = Some(target(line)).filter(|id| !id.is_nil());
        let result = match (&mut bridge, id) {
            (None, _) => bridge.insert(Bridge::new(Settings::default(), now)).open(&data, now),
            (Some(bridge), Some(id)) if known.insert(id) => bridge.handle_command(id, &data, now),
            (Some(bridge), id) => bridge.handle_data(id, Stream::Default, &data, now),
        };
        if let Err(refusal) = result {
            return Some(refusal);
        }
        if let Some(bridge) = &mut bridge {
            serve(bridge, &mut rules, now);
        }
    }
    None
}

fn packets(line: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let line = format!("{line}\n");
    drop(Lines::new(1 << 30).handle_bytes(line.as_bytes(), |piece| pieces.push(piece)));
    pieces
}

/// An engine that opens its pool and acknowledges everything.
fn serve(bridge: &mut Bridge, rules: &mut Rules, now: Instant) {
    while let Some(line) = bridge.poll_engine() {
        let packet = rules.hear(&line);
        let ack = rules.acknowledge(packet.target);
        if packet.pipeline().is_none() && !bridge.is_open() {
            let text = private_data();
            let opened = [
                Message::SessionCapability(SessionCapability::new(Version::new(2, 4))),
                Message::ApplicationPrivateData(psrp::messages::ApplicationPrivateData {
                    data: text,
                }),
                Message::RunspacePoolState(psrp::messages::RunspacePoolStateMessage {
                    state: psrp::messages::RunspacePoolState::Opened,
                    error: None,
                }),
            ];
            for (message, at) in opened.iter().zip(1..) {
                let frame = message.encode(Destination::Client, bridge.id().unwrap(), Uuid::nil());
                let data = Verb::Data(Stream::Default, fragment(&frame, at));
                let line = format!("{}\n", Packet::new(None, data));
                bridge.handle_engine_bytes(line.as_bytes(), now);
            }
            rules.open();
        }
        bridge.handle_engine_bytes(format!("{ack}\n").as_bytes(), now);
    }
    while bridge.poll_event().is_some() {}
}

/// A message of the corpus.
fn recorded(message: &Json) -> Frame {
    // The corpus has the bytes of both ids in the order of the wire.
    let id = |name: &str| {
        let id = Uuid::try_parse(message[name].as_str().unwrap()).unwrap();
        Uuid::from_bytes_le(id.into_bytes())
    };
    let kind = KINDS.iter().find(|kind| kind.name == message["type"]).unwrap();
    let to_client = message["dir"] == "response";
    Frame {
        destination: if to_client { Destination::Client } else { Destination::Server },
        kind: kind.number,
        pool: id("rpid_hex"),
        pipeline: id("pid_hex"),
        text: message["xml"].as_str().unwrap().to_owned(),
    }
}

#[test]
fn everything_that_pypsrp_sent_to_windows_is_taken() {
    let name = "psrp::everything_that_pypsrp_sent_to_windows_is_taken";
    let Some(folder) = corpora::folder(name, "pypsrp/decoded") else { return };
    let now = beginning();
    let (mut taken, mut connected) = (0, 0);
    for path in corpora::files(&folder, ".json") {
        let messages: Vec<Json> = corpora::json(&path);
        let mut pools: BTreeMap<Uuid, (Bridge, Rules)> = BTreeMap::new();
        let mut before = Vec::new();
        for (at, message) in messages.iter().enumerate() {
            if message["dir"] == "response" {
                continue;
            }
            let frame = recorded(message);
            let name = message["type"].as_str().unwrap();
            let data = fragment(&frame, taken + 1);
            taken += 1;
            let Some((bridge, rules)) = pools.get_mut(&frame.pool) else {
                let mut bridge = Bridge::new(Settings::default(), now);
                bridge.open(&data, now).unwrap();
                pools.insert(frame.pool, (bridge, Rules::default()));
                continue;
            };
            match name {
                // It comes with a Connect.
                "SESSION_CAPABILITY" => before = data,
                "CONNECT_RUNSPACEPOOL" => {
                    bridge.handle_disconnect(BufferMode::Block, now).unwrap();
                    let answer = bridge.handle_connect(&[&*before, &data].concat(), now).unwrap();
                    check_connect(&answer, &messages[at + 1..]);
                    connected += 1;
                }
                _ => {
                    let result = hand_in(bridge, rules, name, &frame, &data, now);
                    assert_eq!(result, Ok(()), "{name} in {}", path.display());
                    serve(bridge, rules, now);
                }
            }
        }
    }
    assert!(taken > 200 && connected == 4, "{taken} {connected}");
}

fn hand_in(
    bridge: &mut Bridge,
    rules: &mut Rules,
    name: &str,
    frame: &Frame,
    data: &[u8],
    now: Instant,
) -> Result<(), Refusal> {
    let pipeline = Some(frame.pipeline).filter(|id| !id.is_nil());
    if let ("CREATE_PIPELINE" | "GET_COMMAND_METADATA", Some(id)) = (name, pipeline) {
        // It calls the next one like the one that it has ended.
        if bridge.pipelines().any(|(known, _)| known == id) {
            bridge.handle_terminate(id, now)?;
            serve(bridge, rules, now);
        }
        return bridge.handle_command(id, data, now);
    }
    let is_answer = name.ends_with("HOST_RESPONSE");
    let stream = if is_answer { Stream::PromptResponse } else { Stream::Default };
    bridge.handle_data(pipeline, stream, data, now)
}

/// The answer to a Connect is what Windows answered.
fn check_connect(answer: &[u8], recorded_next: &[Json]) {
    let mut frames = Vec::new();
    let take = |message| frames.push(Frame::decode(message).unwrap());
    Assembler::new(1 << 20).handle_fragments(answer, take).unwrap();
    assert_eq!(frames.len(), 2);
    for (frame, windows) in frames.iter().zip(recorded_next) {
        assert_eq!(*frame, recorded(windows));
    }
}
