//! The client's pool against what a real pwsh said: every recorded session is led again by our
//! machine, which must take each message and end each pipeline as it ended there.

use std::collections::BTreeMap;
use std::path::Path;

use psrp::client::{Event, Options, Pool, Priority, Request};
use psrp::clixml::{Limits, Value, Version};
use psrp::fragment::{Assembler, Fragmenter};
use psrp::message::{Destination, Frame};
use psrp::messages::{
    ApartmentState, Command, CreatePipeline, HostInfo, InitRunspacePool, Message, PipelineState,
    PowerShell, PsThreadOptions, RemoteStreamOptions,
};
use serde_json::Value as Json;
use uuid::Uuid;

use crate::corpora;

/// Sessions that our client does not lead, and why.
const LEFT_OUT: &[(&str, &str)] =
    &[("client-runspace", "its pool is opened twice in one transcript")];

#[test]
fn recorded_sessions_of_pwsh_go_through() {
    let Some(folder) = corpora::folder("psrp::recorded_sessions_of_pwsh_go_through", "pwsh-sshs")
    else {
        return;
    };
    let mut led = 0;
    let mut wrong = Vec::new();
    for path in corpora::files(&folder, ".jsonl") {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        if name.starts_with("misuse") || name.starts_with("protocol-") {
            continue;
        }
        if LEFT_OUT.iter().any(|(left_out, _)| *left_out == name) {
            continue;
        }
        match lead(&path) {
            Ok(true) => led += 1,
            Ok(false) => {}
            Err(problem) => wrong.push(format!("{name}: {problem}")),
        }
    }
    assert!(wrong.is_empty(), "{led} led, {} not:\n{}", wrong.len(), wrong.join("\n"));
    assert!(led > 60, "{led}");
}

struct Session {
    pool: Pool,
    keys_unknown: bool,
    states: BTreeMap<Uuid, PipelineState>,
    /// What the recording says of pipelines.
    recorded: BTreeMap<Uuid, PipelineState>,
}

/// Leads one session; false where there is none in it.
fn lead(path: &Path) -> Result<bool, String> {
    let mut session: Option<Session> = None;
    for (number, line) in corpora::read(path).lines().enumerate() {
        let entry: Json = corpora::parse(line).unwrap();
        let at = |problem: String| format!("line {}: {problem}", number + 1);
        for recorded in entry["msgs"].as_array().into_iter().flatten() {
            match entry["dir"].as_str() {
                Some("out") => act(&mut session, recorded).map_err(at)?,
                Some("in") => hear(&mut session, recorded).map_err(at)?,
                _ => {}
            }
        }
        if let Some(session) = &mut session {
            let line = entry["line"].as_str().unwrap_or_default();
            if entry["dir"] == "out" && line.starts_with("<Signal") {
                let id = Uuid::try_parse(line.split('\'').nth(1).unwrap()).unwrap();
                if session.pool.is_running(id) {
                    session.pool.stop(id).map_err(|error| at(error.to_string()))?;
                }
            }
            drain(session);
            if entry["dir"] == "out" && line.starts_with("<Close") {
                let id = Uuid::try_parse(line.split('\'').nth(1).unwrap()).unwrap();
                // pwsh gives a pipeline the id of one that it has closed. What is unknown is the pool;
                // one that runs is stopped by its Close, and says so.
                if !session.pool.is_running(id) {
                    drop(session.pool.forget(id));
                }
            }
        }
    }
    let Some(session) = session else { return Ok(false) };
    if session.states != session.recorded {
        return Err(format!("{:?} instead of {:?}", session.states, session.recorded));
    }
    Ok(true)
}

fn drain(session: &mut Session) {
    while let Some(request) = session.pool.poll_request() {
        if let Request::Forget { .. } | Request::Stop { .. } = request {}
    }
    while let Some(event) = session.pool.poll_event() {
        if let Event::PipelineState { pipeline, state, .. } = event {
            session.states.insert(pipeline, state);
        }
    }
}

fn frame(recorded: &Json) -> Option<Frame> {
    let id = |name: &str| Uuid::try_parse(recorded[name].as_str()?).ok();
    if recorded.get("xml_cut").is_some() {
        return None;
    }
    Some(Frame {
        destination: if recorded["dest"] == 1 { Destination::Client } else { Destination::Server },
        kind: u32::from_str_radix(recorded["code"].as_str()?.trim_start_matches("0x"), 16).ok()?,
        pool: id("rpid")?,
        pipeline: id("pid")?,
        text: recorded["xml"].as_str()?.to_owned(),
    })
}

/// Does what the recorded client did.
fn act(session: &mut Option<Session>, recorded: &Json) -> Result<(), String> {
    let pipeline =
        Uuid::try_parse(recorded["pid"].as_str().unwrap_or_default()).unwrap_or_default();
    let whole = frame(recorded);
    let message = match whole.clone().map(|frame| Message::decode(frame, &Limits::default())) {
        Some(Ok(message)) => Some(message),
        Some(Err(error)) => return Err(error.to_string()),
        None if recorded["type"] == "CREATE_PIPELINE" => None,
        None => return Ok(()),
    };
    if let Some(Message::SessionCapability(capability)) = &message {
        let mut pool = Pool::new(Options {
            id: whole.unwrap().pool,
            protocol_version: capability.protocol_version,
            init: init(),
            limits: Limits::default(),
        });
        pool.open().map_err(|error| error.to_string())?;
        let (states, recorded) = (BTreeMap::new(), BTreeMap::new());
        *session = Some(Session { pool, keys_unknown: false, states, recorded });
        return Ok(());
    }
    let Some(session) = session else { return Ok(()) };
    let pool = &mut session.pool;
    let done = match message {
        None => pool.invoke(pipeline, script()),
        Some(Message::CreatePipeline(create)) => pool.invoke(pipeline, *create),
        Some(Message::GetCommandMetadata(question)) => {
            pool.get_command_metadata(pipeline, question)
        }
        Some(Message::PipelineInput(input)) if pool.is_running(pipeline) => {
            match pool.send_input(pipeline, input.0) {
                // The recorder tried input to a pipeline that takes none, which pwsh ignores.
                Err(psrp::client::Error::ApiMisuse(_)) => Ok(()),
                other => other,
            }
        }
        Some(Message::EndOfPipelineInput(_)) if pool.is_running(pipeline) => {
            match pool.end_input(pipeline) {
                Err(psrp::client::Error::ApiMisuse(_)) => Ok(()),
                other => other,
            }
        }
        Some(Message::PipelineHostResponse(response)) if pool.is_running(pipeline) => {
            pool.respond(Some(pipeline), response)
        }
        Some(Message::SetMaxRunspaces(set)) => pool.set_max_runspaces(set.max_runspaces).map(drop),
        Some(Message::SetMinRunspaces(set)) => pool.set_min_runspaces(set.min_runspaces).map(drop),
        Some(Message::GetAvailableRunspaces(_)) => pool.get_available_runspaces().map(drop),
        Some(Message::PublicKey(_)) => {
            // Nobody has the private key of the recording.
            session.keys_unknown = true;
            Ok(())
        }
        Some(_) => Ok(()),
    };
    done.map_err(|error| format!("{}: {error}", recorded["type"]))
}

/// Takes what pwsh said.
fn hear(session: &mut Option<Session>, recorded: &Json) -> Result<(), String> {
    let (Some(session), Some(frame)) = (session, frame(recorded)) else { return Ok(()) };
    if recorded["type"] == "ENCRYPTED_SESSION_KEY" && session.keys_unknown {
        return Ok(());
    }
    if frame.pool != session.pool.id() && !frame.pool.is_nil() {
        return Ok(());
    }
    let pipeline = Some(frame.pipeline).filter(|id| !id.is_nil());
    if recorded["type"] == "PIPELINE_STATE" {
        let message = Message::decode(frame.clone(), &Limits::default()).unwrap();
        if let Message::PipelineState(message) = message {
            session.recorded.insert(frame.pipeline, message.state);
        }
    }
    let mut fragmenter = Fragmenter::default();
    fragmenter.push(frame.encode());
    let mut object = 1;
    while let Some(fragment) = fragmenter.poll_fragment(4096, &mut object) {
        session.pool.handle_fragments(pipeline, &fragment).map_err(|error| error.to_string())?;
    }
    drain(session);
    Ok(())
}

fn init() -> InitRunspacePool {
    InitRunspacePool {
        min_runspaces: 1,
        max_runspaces: 1,
        thread_options: PsThreadOptions::Default,
        apartment_state: ApartmentState::Unknown,
        host_info: HostInfo::NONE,
        application_arguments: Value::Null,
    }
}

fn script() -> CreatePipeline {
    CreatePipeline {
        no_input: true,
        apartment_state: ApartmentState::Unknown,
        remote_stream_options: RemoteStreamOptions(0),
        add_to_history: true,
        host_info: HostInfo::NONE,
        power_shell: PowerShell {
            statements: vec![vec![Command::script("$PSVersionTable")]],
            ..PowerShell::default()
        },
        is_nested: false,
    }
}

#[test]
fn what_the_client_sends_first_is_its_capability_and_the_pool() {
    let id = Uuid::from_u128(9);
    let mut pool = Pool::new(Options {
        id,
        protocol_version: Version::new(2, 3),
        init: init(),
        limits: Limits::default(),
    });
    pool.open().unwrap();
    assert_eq!(pool.poll_request(), Some(Request::Open));
    let data = pool.poll_fragments(None, Priority::Default, 100_000);
    let mut messages = Vec::new();
    let mut assembler = Assembler::new(100_000);
    assembler.handle_fragments(&data, |message| messages.push(message)).unwrap();
    let names: Vec<_> = messages
        .into_iter()
        .map(|message| {
            let frame = Frame::decode(message).unwrap();
            assert_eq!((frame.pool, frame.destination), (id, Destination::Server));
            Message::decode(frame, &Limits::default()).unwrap().name()
        })
        .collect();
    assert_eq!(names, ["SESSION_CAPABILITY", "INIT_RUNSPACEPOOL"]);
    assert!(pool.open().is_err());
}
