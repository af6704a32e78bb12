//! The engine of this machine against recordings of a real one: every recorded client's lines are sent
//! to it, and what it answers must be what pwsh answered, apart from what is volatile.
//!
//! Compared are, for each target, the kinds and contents of messages and the packets in their order, how
//! many acknowledgements of data came, and the exit status. Lines that are no packets are not: they
//! hold stack traces.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use psrp::clixml::{Content, Fields, Limits, Value};
use psrp::fragment::Assembler;
use psrp::message::{Destination, Frame};
use psrp::messages::Kind;
use psrp::out_of_process::{Lines, Piece, Verb};
use serde_json::Value as Json;
use testkit::Engine;
use testkit::engine::Running;
use uuid::Uuid;

use crate::corpora;

/// Longer than any recorded pipeline sleeps.
const PATIENCE: Duration = Duration::from_secs(30);
/// Recordings that are followed at once.
const AT_ONCE: usize = 6;

/// Recordings that are followed: their scripts are known to the stand-in, or they have none.
const FOLLOWED: &[&str] = &[
    "client-new-pssession",
    "client-stop",
    "environment-exit",
    "exit-3",
    "history",
    "host-pipeline-own",
    "input",
    "misuse-ack-from-client",
    "misuse-attribute-order",
    "misuse-bad-base64",
    "misuse-bad-psguid",
    "misuse-bad-stream",
    "misuse-base64-blanks",
    "misuse-blank-line",
    "misuse-capability-twice",
    "misuse-close-twice",
    "misuse-command-before-open",
    "misuse-command-only",
    "misuse-command-twice",
    "misuse-connect",
    "misuse-create-in-pool-data",
    "misuse-crlf",
    "misuse-data-closed-pipeline",
    "misuse-double-quotes-only",
    "misuse-empty-line",
    "misuse-eof-at-once",
    "misuse-eof-hostcall",
    "misuse-eof-idle",
    "misuse-extra-attribute",
    "misuse-extra-attribute-data",
    "misuse-fragment-negative-length",
    "misuse-fragment-object-id-zero",
    "misuse-fragment-out-of-order",
    "misuse-fragment-pool-out-of-order",
    "misuse-fragment-truncated",
    "misuse-fragment-zero-length",
    "misuse-garbage-first",
    "misuse-garbage-line",
    "misuse-init-twice",
    "misuse-init-without-capability",
    "misuse-invalid-utf8",
    "misuse-message-bad-clixml",
    "misuse-message-bad-host-response",
    "misuse-message-empty-cmds",
    "misuse-message-missing-property",
    "misuse-message-short",
    "misuse-message-unknown-type",
    "misuse-message-wrong-destination",
    "misuse-message-wrong-pid",
    "misuse-message-wrong-rpid",
    "misuse-no-psguid",
    "misuse-no-stream",
    "misuse-pool-close-open-command",
    "misuse-protocol-0.0",
    "misuse-protocol-1.0",
    "misuse-protocol-1.9",
    "misuse-protocol-3.0",
    "misuse-public-key-bad",
    "misuse-public-key-twice",
    "misuse-signal-before-data",
    "misuse-signal-pool",
    "misuse-split-element",
    "misuse-two-elements",
    "misuse-unknown-element",
    "misuse-unknown-guid-close",
    "misuse-unknown-guid-data",
    "misuse-unknown-guid-signal",
    "misuse-upper-case-guid",
    "misuse-utf8-bom",
    "misuse-xml-declaration",
    "open-capability-first",
    "open-close",
    "open-close-flags",
    "protocol-2.2",
    "protocol-2.4",
    "protocol-2.5",
    "protocol-2.9",
    "queued-pipeline",
    "reset-runspace-max2",
    "runspace-counts",
    "runspace-counts-open",
    "runspace-counts-open-zero",
    "securestring-2.4",
    "securestring-by-request",
    "statements",
    "two-pipelines",
];

/// Recordings that the stand-in does not follow, and why.
const LEFT_OUT: &[(&str, &[&str])] = &[
    (
        "the script is outside of what the stand-in knows",
        &[
            "apartment-sta",
            "application-arguments",
            "application-arguments-nil",
            "arguments",
            "client-copy-item",
            "client-debugger",
            "client-import-pssession",
            "client-runspace",
            "collections",
            "console-write",
            "culture",
            "culture-invariant",
            "culture-tr",
            "custom-objects",
            "debugger",
            "depth",
            "errors",
            "errors-invocation-info",
            "events",
            "fail-fast",
            "host-buffer",
            "host-misc",
            "host-prompt",
            "host-rawui",
            "host-write",
            "modules",
            "nested-session",
            "objects",
            "primitives",
            "restricted-endpoint",
            "streams",
            "streams-invocation-info",
            "streams-nohost",
            "thread-options",
            "version",
            "wait-debugger",
            "working-directory",
        ],
    ),
    (
        "the stand-in has fewer commands, and fewer parameters of them",
        &["client-enter-pssession", "command-metadata", "interactive"],
    ),
    (
        "the stand-in gives errors of host calls and merged records fewer properties",
        &[
            "client-invoke-command",
            "host-choice",
            "host-readline",
            "merge",
            "streams-default-preferences",
            "streams-nohostui",
        ],
    ),
    (
        "the recorded client encrypted with the key of that process",
        &["host-credential", "host-securestring", "protocol-2.0", "protocol-2.1", "securestring"],
    ),
    (
        "the recording left out what the client or the engine said",
        &[
            "large-error",
            "large-input",
            "large-output",
            "large-script",
            "many-outputs",
            "misuse-data-20mb",
            "misuse-fragment-object-mixed",
            "misuse-fragment-repeated",
            "misuse-line-20mb",
            "private-data-debug",
        ],
    ),
    (
        "pwsh handles lines at once, and its answers come out differently from run to run",
        &[
            "misuse-double-quotes",
            "misuse-empty-data",
            "misuse-eof-half-line",
            "misuse-eof-running",
            "misuse-malformed-xml",
            "misuse-no-acks-awaited",
            "misuse-nul-byte",
            "misuse-pipelines-before-opened",
            "misuse-trailing-space",
        ],
    ),
    ("a pool whose zero GUID had a Command never acknowledges its Close", &["misuse-command-zero"]),
    ("the recorded process id is another one's here", &["misuse-sigterm"]),
    (
        "the start folder of the recording is absent",
        &["reset-runspace", "reopen-same-process", "stop"],
    ),
    ("names of functions come in lower case", &["scopes"]),
];

/// What may differ from one run of the same engine to the next, or tells only how it is made: times, ids
/// of processes and users, stack traces, and the names of the system.
const VOLATILE: &[&str] = &[
    "Computer",
    "Data",
    "EncryptedSessionKey",
    "EndExecutionTime",
    "Duration",
    "GitCommitId",
    "HistoryId",
    "InnerException",
    "ManagedThreadId",
    "NativeThreadId",
    "OS",
    "ProcessId",
    "StackTrace",
    "StandInEngine",
    "StartExecutionTime",
    "TargetSite",
    "TimeGenerated",
    "User",
];

#[test]
fn engine_answers_recorded_clients_as_pwsh_did() {
    let test = "psrp::engine_answers_recorded_clients_as_pwsh_did";
    let Some(folder) = corpora::folder(test, "pwsh-sshs") else { return };
    let engine = Engine::find();
    testkit::report(&engine.peer("answered the recorded clients of pwsh"));
    let mut wrong = Vec::new();
    for path in corpora::files(&folder, ".jsonl") {
        let name = path.file_stem().unwrap().to_str().unwrap();
        let is_left_out = LEFT_OUT.iter().any(|(_, names)| names.contains(&name));
        assert!(FOLLOWED.contains(&name) != is_left_out, "{name} is in no list, or in both");
    }
    for together in FOLLOWED.chunks(AT_ONCE) {
        std::thread::scope(|scope| {
            let led: Vec<_> = together
                .iter()
                .map(|name| {
                    let path = folder.join(format!("{name}.jsonl"));
                    let engine = &engine;
                    (name, scope.spawn(move || follow(engine, &path)))
                })
                .collect();
            for (name, thread) in led {
                if let Err(problem) = thread.join().unwrap() {
                    wrong.push(format!("{name}: {problem}"));
                }
            }
        });
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), FOLLOWED.len(), wrong.join("\n"));
}

/// What was said about one target.
#[derive(Debug, Default, PartialEq)]
struct Said {
    data_acknowledged: usize,
    packets: Vec<String>,
}

/// What an engine said, by target.
#[derive(Debug, Default)]
struct Transcript {
    targets: BTreeMap<Uuid, Said>,
    lines: usize,
    assemblers: BTreeMap<Uuid, Assembler>,
}

impl Transcript {
    fn hear(&mut self, piece: Piece) {
        self.lines += 1;
        let Piece::Packet(packet) = piece else { return };
        let said = self.targets.entry(packet.target).or_default();
        match packet.verb {
            Verb::DataAck => said.data_acknowledged += 1,
            Verb::Data(_, data) => {
                let assembler = self
                    .assemblers
                    .entry(packet.target)
                    .or_insert_with(|| Assembler::new(Limits::default().bytes));
                let whole = |message| said.packets.push(content(&Frame::decode(message).unwrap()));
                assembler.handle_fragments(&data, whole).unwrap();
            }
            Verb::CloseAck => {
                said.packets.push("CloseAck".to_owned());
                // A pool may be opened again, and its messages counted from one.
                self.assemblers.remove(&packet.target);
            }
            other => said.packets.push(format!("{other:?}")),
        }
    }

    /// What pwsh said on a recorded line.
    fn hear_recorded(&mut self, entry: &Json) {
        let line = entry["line"].as_str().unwrap_or_default();
        let mut bare = line.to_owned();
        if line.starts_with("<Data ") {
            self.lines += 1;
            let id = Uuid::try_parse(line.split("PSGuid='").nth(1).unwrap().get(..36).unwrap());
            let said = self.targets.entry(id.unwrap()).or_default();
            for message in entry["msgs"].as_array().into_iter().flatten() {
                said.packets.push(content(&frame(message)));
            }
            return;
        }
        bare.push('\n');
        let mut lines = Lines::new(usize::MAX);
        lines.handle_bytes(bare.as_bytes(), |piece| self.hear(piece)).unwrap();
    }

    fn difference(&self, pwsh: &Self) -> Option<String> {
        for (target, said) in &pwsh.targets {
            let ours = self.targets.get(target);
            let nothing = Said::default();
            let ours = ours.unwrap_or(&nothing);
            if ours == said {
                continue;
            }
            let pairs = said.packets.iter().zip(&ours.packets);
            if let Some((place, (theirs, our))) = pairs.enumerate().find(|(_, (a, b))| a != b) {
                let at = theirs.chars().zip(our.chars()).take_while(|(a, b)| a == b).count();
                let part = |text: &str| {
                    let from = at.saturating_sub(60);
                    text.chars().skip(from).take(220).collect::<String>()
                };
                return Some(format!(
                    "{target} packet {place}:\n  pwsh: {}\n  here: {}",
                    part(theirs),
                    part(our)
                ));
            }
            let name = |packets: &[String]| {
                let first = |packet: &String| packet.split(' ').next().map(str::to_owned);
                packets.iter().filter_map(first).collect::<Vec<_>>().join(" ")
            };
            return Some(format!(
                "{target}: pwsh {} acks, {}; here {} acks, {}",
                said.data_acknowledged,
                name(&said.packets),
                ours.data_acknowledged,
                name(&ours.packets),
            ));
        }
        None
    }
}

/// Sends what a recorded client sent, each line once the engine has said as much as pwsh had then.
fn follow(engine: &Engine, path: &Path) -> Result<(), String> {
    let home = [("HOME", "/home/user"), ("USER", "user"), ("LANG", "en_US.UTF-8")];
    let mut running = engine.start(&home).map_err(|error| error.to_string())?;
    let (mut pwsh, mut ours) = (Transcript::default(), Transcript::default());
    let mut lines = Lines::new(64 * 1024 * 1024);
    let mut exit = None;
    for line in corpora::read(path).lines() {
        let entry: Json = corpora::parse(line).unwrap();
        match entry["dir"].as_str() {
            Some("in") => pwsh.hear_recorded(&entry),
            Some("out") => {
                if !catch_up(&mut running, &mut lines, &mut ours, pwsh.lines) {
                    let missing = format!("{} lines instead of {}", ours.lines, pwsh.lines);
                    return Err(ours.difference(&pwsh).unwrap_or(missing));
                }
                let Some(mut line) = sent(path, &entry) else {
                    return Err("a line of the client was cut".to_owned());
                };
                line.push_str(if entry["noeol"] == true { "" } else { "\n" });
                running.send(line.as_bytes());
            }
            Some("out-eof") => {
                catch_up(&mut running, &mut lines, &mut ours, pwsh.lines);
                running.end_input();
            }
            Some("exit") => exit = entry["code"].as_i64(),
            _ => {}
        }
    }
    running.end_input();
    while let Some(bytes) = running.receive(PATIENCE) {
        lines.handle_bytes(&bytes, |piece| ours.hear(piece)).map_err(|error| error.to_string())?;
    }
    if let Some(difference) = ours.difference(&pwsh) {
        return Err(difference);
    }
    let code = running.wait(PATIENCE).map_err(|error| error.to_string())?;
    // The recorder of pwsh as a client saw no status.
    if exit.is_none() || code.map(i64::from) == exit {
        Ok(())
    } else {
        Err(format!("exit {code:?}, not {exit:?}"))
    }
}

/// Waits until the engine has said so many lines; false when it does not.
fn catch_up(
    running: &mut Running,
    lines: &mut Lines,
    ours: &mut Transcript,
    wanted: usize,
) -> bool {
    while ours.lines < wanted {
        let Some(bytes) = running.receive(PATIENCE) else { return false };
        lines.handle_bytes(&bytes, |piece| ours.hear(piece)).unwrap();
    }
    true
}

/// A recorded message of either side.
fn frame(recorded: &Json) -> Frame {
    let id = |name: &str| Uuid::try_parse(recorded[name].as_str().unwrap()).unwrap();
    Frame {
        destination: if recorded["dest"] == 1 { Destination::Client } else { Destination::Server },
        kind: u32::from_str_radix(recorded["code"].as_str().unwrap(), 16).unwrap(),
        pool: id("rpid"),
        pipeline: id("pid"),
        text: recorded["xml"].as_str().unwrap().to_owned(),
    }
}

/// A line of the recorded client, whole: where it was cut, made again from its messages.
fn sent(path: &Path, entry: &Json) -> Option<String> {
    let line = entry["line"].as_str()?;
    if entry.get("line_cut").is_none() {
        return Some(line.to_owned());
    }
    let mut data = Vec::new();
    let messages = entry["msgs"].as_array()?.iter().zip(entry["frags"].as_array()?);
    for (message, fragment) in messages {
        let mut whole = frame(message);
        if let Some(cut) = message.get("xml_cut") {
            whole.text = match cut["why"].as_str()? {
                "like the one in open-close" => {
                    let like = ordinary(path, "open-close", &message["type"])?;
                    let (head, _) = whole.text.split_once('…')?;
                    // What differs is at the beginning.
                    let left = usize::try_from(cut["chars"].as_u64()?).ok()? - head.len();
                    format!("{head}{}", like.get(like.len().checked_sub(left)?..)?)
                }
                "ordinary CREATE_PIPELINE of psrpcore" => {
                    let commands = message["cmds"].as_array()?;
                    script(path, commands.first().filter(|_| commands.len() == 1)?.as_str()?)?
                }
                _ => return None,
            };
        }
        let mut blob = whole.encode();
        if message["bom"] == true {
            blob.splice(40..40, *b"\xEF\xBB\xBF");
        }
        data.extend(fragment["oid"].as_u64()?.to_be_bytes());
        data.extend(fragment["fid"].as_u64()?.to_be_bytes());
        data.push(3);
        data.extend(u32::try_from(blob.len()).ok()?.to_be_bytes());
        data.extend(blob);
    }
    let head = line.split_once('>')?.0;
    Some(format!("{head}>{}</Data>", STANDARD.encode(data)))
}

/// The first message of a type that a recording has whole.
fn ordinary(path: &Path, name: &str, kind: &Json) -> Option<String> {
    let path = path.with_file_name(format!("{name}.jsonl"));
    corpora::read(&path).lines().find_map(|line| {
        let entry: Json = corpora::parse(line).ok()?;
        let messages = entry["msgs"].as_array()?;
        let found = messages.iter().find(|m| m["type"] == *kind && m.get("xml_cut").is_none())?;
        Some(found["xml"].as_str()?.to_owned())
    })
}

/// CREATE_PIPELINE with this script, whose text is escaped already.
fn script(path: &Path, text: &str) -> Option<String> {
    let whole = ordinary(path, "securestring", &Json::from("CREATE_PIPELINE"))?;
    let (before, rest) = whole.split_once("<S N=\"Cmd\">")?;
    let (_, after) = rest.split_once("</S>")?;
    Some(format!("{before}<S N=\"Cmd\">{text}</S>{after}"))
}

/// A message as text in which what is volatile is missing, and dictionaries are sorted.
fn content(frame: &Frame) -> String {
    let name = Kind::of(frame.kind).map_or("?", |kind| kind.name);
    let mut text = format!("{name} ");
    match frame.value(&Limits::default()) {
        Ok(value) => write_value(&mut text, &value),
        // A recording may hold a cut text.
        Err(_) => text.push_str("(cut)"),
    }
    text
}

fn write_value(text: &mut String, value: &Value) {
    match value {
        Value::SecureString(_) => text.push_str("SecureString"),
        Value::Object(object) => write_object(text, object),
        other => write!(text, "{other:?}").unwrap(),
    }
}

fn write_object(text: &mut String, object: &Fields) {
    text.push('{');
    if let Some(names) = &object.type_names {
        write!(text, "{:?}", names.first()).unwrap();
    }
    // The text of an exception ends in its stack.
    let is_exception = object.adapted.value("StackTrace").is_some();
    if let Some(words) = object.to_string.as_ref().filter(|_| !is_exception) {
        write!(text, " {words:?}").unwrap();
    }
    match &object.content {
        Content::None => {}
        Content::Base(value) => write_value(text, value),
        Content::Dictionary(entries) => {
            let mut lines: Vec<String> = entries
                .iter()
                .map(|(key, value)| {
                    let mut line = format!("{key:?}");
                    if !VOLATILE.iter().any(|name| line.contains(&format!("\"{name}\""))) {
                        write_value(&mut line, value);
                        return line;
                    }
                    String::new()
                })
                .filter(|line| !line.is_empty())
                .collect();
            lines.sort();
            write!(text, "[{}]", lines.join(",")).unwrap();
        }
        Content::List(items)
        | Content::Enumerable(items)
        | Content::Queue(items)
        | Content::Stack(items) => {
            text.push('[');
            for item in items {
                write_value(text, item);
                text.push(',');
            }
            text.push(']');
        }
        other => write!(text, "{other:?}").unwrap(),
    }
    // Readers look properties up by name.
    let properties = object.adapted.values().chain(object.extended.values());
    let mut properties: Vec<_> =
        properties.map(|(name, value)| (name.to_string(), value)).collect();
    properties.sort_by(|a, b| a.0.cmp(&b.0));
    for (name, value) in properties {
        let is_made_by = is_exception && name == "Source";
        if !is_made_by && !VOLATILE.contains(&&*name) {
            write!(text, " {name}=").unwrap();
            write_value(text, value);
        }
    }
    text.push('}');
}
