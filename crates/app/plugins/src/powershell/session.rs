//! One pool: the bridge, the engine's process, and the pipes between them.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::time::{Duration, Instant};

use psrp::bridge::{Bridge, BufferMode as BridgeMode, Event, Operation};
use psrp::clixml::Limits;
use psrp::fragment::Assembler;
use psrp::message::Frame;
use psrp::messages::Message;
use psrp::out_of_process::Stream;
use server::BoxFuture;
use server::plugin::{Holding, Session, SessionEvent, SessionOutput, SessionSignal};
use spawner::network::{Exit, Keeper, Outcome, Process, Signal};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::pipe;
use tokio::time::{sleep_until, timeout};
use uuid::Uuid;
use wsman::fault::{ErrorCode, Fault};
use wsman::shell::{BufferMode, InputStream};

use super::faults::refused;

/// Bytes that are read from the engine at once.
const READ: usize = 64 * 1024;
/// The longest wait for the engine to close its pool before its process is ended.
const MOST_CLOSE: Duration = Duration::from_secs(3);
/// Characters of a pipeline that the log gets.
const MOST_LINE: usize = 2_000;

/// A pool and its engine.
pub(super) struct EngineSession {
    id: Uuid,
    bridge: Bridge,
    keeper: Option<Keeper>,
    process: Process,
    stdin: Option<pipe::Sender>,
    stdout: Option<pipe::Receiver>,
    stderr: Option<pipe::Receiver>,
    /// What the engine has not taken yet.
    unwritten: Vec<u8>,
    written: usize,
    /// Since when the engine's output is closed.
    silent_since: Option<Instant>,
    /// Whether the bridge knows that the engine is gone.
    is_gone: bool,
    /// What came of signals that the bridge did not take.
    late: VecDeque<SessionEvent>,
}

/// What the engine did, or what time it is.
enum Happened {
    Wrote(io::Result<usize>),
    Said(io::Result<usize>),
    Complained(io::Result<usize>),
    Exited(Exit),
    TimePassed,
    KeeperGone,
}

impl EngineSession {
    /// A session with a bridge that is open and an engine that was just started.
    pub(super) fn new(
        id: Uuid,
        bridge: Bridge,
        keeper: Keeper,
        mut process: Process,
    ) -> Result<Self, Box<Fault>> {
        let pipes = (process.stdin.take(), process.stdout.take(), process.stderr.take());
        let (Some(stdin), Some(stdout), Some(stderr)) = pipes else {
            let text = "The pipes of the PowerShell engine are missing. ";
            return Err(Box::new(Fault::new(ErrorCode::INTERNAL_ERROR, text)));
        };
        Ok(Self {
            id,
            bridge,
            keeper: Some(keeper),
            process,
            stdin: Some(stdin),
            stdout: Some(stdout),
            stderr: Some(stderr),
            unwritten: Vec::new(),
            written: 0,
            silent_since: None,
            is_gone: false,
            late: VecDeque::new(),
        })
    }

    /// Takes what the bridge has for the engine.
    fn fill(&mut self) {
        if self.written == self.unwritten.len() {
            self.unwritten.clear();
            self.written = 0;
        }
        while self.unwritten.is_empty() || self.unwritten.len() < READ {
            let Some(line) = self.bridge.poll_engine() else { return };
            if self.stdin.is_some() {
                self.unwritten.extend_from_slice(line.as_bytes());
            }
        }
    }

    /// Waits for the next thing, and hands it to the bridge.
    async fn step(&mut self) {
        self.fill();
        let mut said = Vec::with_capacity(READ);
        let mut complaint = Vec::with_capacity(1024);
        let reads = self.bridge.reads_engine();
        let awaits_exit = self.silent_since.is_some() && !self.is_gone;
        let given_up = self.silent_since.filter(|_| awaits_exit).map(|since| since + MOST_CLOSE);
        let due = [self.bridge.poll_timeout(), given_up].into_iter().flatten().min();
        let Self { keeper, process, stdin, stdout, stderr, unwritten, written, .. } = self;
        let rest = unwritten.get(*written..).unwrap_or_default();
        let write = async {
            match stdin {
                Some(stdin) if !rest.is_empty() => stdin.write(rest).await,
                _ => std::future::pending().await,
            }
        };
        let read = async {
            match stdout {
                Some(stdout) if reads => stdout.read_buf(&mut said).await,
                _ => std::future::pending().await,
            }
        };
        let listen = async {
            match stderr {
                Some(stderr) => stderr.read_buf(&mut complaint).await,
                None => std::future::pending().await,
            }
        };
        let timer = async {
            match due {
                Some(at) => sleep_until(at.into()).await,
                None => std::future::pending().await,
            }
        };
        let gone = async {
            match keeper {
                Some(keeper) => keeper.ended().await,
                None => std::future::pending().await,
            }
        };
        let happened = tokio::select! {
            written = write => Happened::Wrote(written),
            read = read => Happened::Said(read),
            read = listen => Happened::Complained(read),
            exit = process.wait(), if awaits_exit => Happened::Exited(exit),
            () = timer => Happened::TimePassed,
            () = gone => Happened::KeeperGone,
        };
        self.take(happened, &said, &complaint);
    }

    fn take(&mut self, happened: Happened, said: &[u8], complaint: &[u8]) {
        let now = Instant::now();
        match happened {
            Happened::Wrote(Ok(count)) => self.written += count,
            Happened::Wrote(Err(_)) => self.stdin = None,
            Happened::Said(Ok(count)) if count > 0 => self.bridge.handle_engine_bytes(said, now),
            Happened::Said(_) => {
                self.stdout = None;
                self.silent_since = Some(now);
            }
            Happened::Complained(Ok(count)) if count > 0 => {
                let text = String::from_utf8_lossy(complaint);
                let text: String = text.chars().take(MOST_LINE).collect();
                tracing::debug!(shell = %self.id, text, "the PowerShell engine says");
            }
            Happened::Complained(_) => self.stderr = None,
            Happened::Exited(exit) => self.gone(&how(exit.outcome), now),
            Happened::TimePassed => {
                self.bridge.handle_timeout(now);
                if self.silent_since.is_some_and(|since| since + MOST_CLOSE <= now) {
                    self.gone("it has closed its output", now);
                }
            }
            Happened::KeeperGone => {
                self.keeper = None;
                self.stdout = None;
                self.gone("what started it has ended", now);
            }
        }
    }

    fn gone(&mut self, how: &str, now: Instant) {
        if !std::mem::replace(&mut self.is_gone, true) {
            self.bridge.handle_engine_ended(how, now);
        }
    }

    fn answered(operation: Operation) -> Option<SessionEvent> {
        match operation {
            Operation::Command(id) => Some(SessionEvent::Started(id)),
            Operation::Send(target, _) => Some(SessionEvent::Written(target)),
            Operation::Stop(id) => Some(SessionEvent::Stopped(id)),
            Operation::Terminate(id) => Some(SessionEvent::Terminated(id)),
            // The Delete is answered once all is closed.
            Operation::Close | _ => None,
        }
    }

    /// Works until the engine has closed its pool.
    async fn closed(&mut self) {
        loop {
            while let Some(event) = self.bridge.poll_event() {
                if matches!(event, Event::EndEngine | Event::Answered(Operation::Close)) {
                    return;
                }
            }
            self.step().await;
        }
    }

    /// The engine is of no use any more.
    fn end_engine(&mut self) {
        self.stdin = None;
        self.unwritten.clear();
        self.written = 0;
        self.process.signal(Signal::Terminate);
    }
}

/// How a process ended, for people.
fn how(outcome: Outcome) -> String {
    match outcome {
        Outcome::Code(code) => format!("exit code {code}"),
        Outcome::Signal(signal) => format!("signal {signal}"),
        Outcome::Lost | _ => "nobody knows how".to_owned(),
    }
}

/// What a pipeline runs, for the log, as far as its first fragments tell.
fn line_of(payload: &[u8]) -> String {
    let limits = Limits::default();
    let mut line = None;
    let whole = Assembler::new(limits.bytes).handle_fragments(payload, |message| {
        let message =
            Frame::decode(message).ok().and_then(|frame| Message::decode(frame, &limits).ok());
        line = match message {
            Some(Message::CreatePipeline(create)) => {
                let statement = |commands: &Vec<psrp::messages::Command>| {
                    let texts = commands
                        .iter()
                        .map(|command| command.command.to_string_lossy().into_owned());
                    texts.collect::<Vec<_>>().join(" | ")
                };
                Some(
                    create
                        .power_shell
                        .statements
                        .iter()
                        .map(statement)
                        .collect::<Vec<_>>()
                        .join("; "),
                )
            }
            Some(Message::GetCommandMetadata(_)) => Some("Get-Command".to_owned()),
            _ => None,
        };
    });
    match (whole, line) {
        (Ok(()), Some(line)) => line.chars().take(MOST_LINE).collect(),
        _ => "a long pipeline".to_owned(),
    }
}

impl fmt::Debug for EngineSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EngineSession").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Session for EngineSession {
    fn command(&mut self, id: Uuid, payload: &[u8]) -> Result<String, Box<Fault>> {
        let taken = self.bridge.handle_command(id, payload, Instant::now());
        taken.map_err(|refusal| refused(&refusal))?;
        Ok(line_of(payload))
    }

    fn input(
        &mut self,
        command: Option<Uuid>,
        stream: InputStream,
        data: &[u8],
    ) -> Result<(), Box<Fault>> {
        let stream = match stream {
            InputStream::Stdin => Stream::Default,
            InputStream::Priority => Stream::PromptResponse,
        };
        let taken = self.bridge.handle_data(command, stream, data, Instant::now());
        taken.map_err(|refusal| refused(&refusal))
    }

    fn signal(&mut self, command: Uuid, signal: SessionSignal) {
        let now = Instant::now();
        let taken = match signal {
            SessionSignal::Stop => self.bridge.handle_signal(command, now),
            SessionSignal::Terminate => self.bridge.handle_terminate(command, now),
        };
        if let Err(refusal) = taken {
            tracing::debug!(shell = %self.id, pipeline = %command, %refusal, "a signal came too late");
            self.late.push_back(match signal {
                SessionSignal::Stop => SessionEvent::Stopped(command),
                SessionSignal::Terminate => SessionEvent::Terminated(command),
            });
        }
    }

    fn disconnected(&mut self, mode: BufferMode) {
        let mode = match mode {
            BufferMode::Drop => BridgeMode::Drop,
            BufferMode::Block => BridgeMode::Block,
        };
        if let Err(refusal) = self.bridge.handle_disconnect(mode, Instant::now()) {
            tracing::debug!(shell = %self.id, %refusal, "the pool takes no Disconnect");
        }
    }

    fn reconnected(&mut self) {
        if let Err(refusal) = self.bridge.handle_reconnect(Instant::now()) {
            tracing::debug!(shell = %self.id, %refusal, "the pool takes no Reconnect");
        }
    }

    fn connect(&mut self, payload: &[u8]) -> Result<Vec<u8>, Box<Fault>> {
        let connected = self.bridge.handle_connect(payload, Instant::now());
        connected.map_err(|refusal| refused(&refusal))
    }

    fn poll_event(&mut self) -> Option<SessionEvent> {
        if let Some(event) = self.late.pop_front() {
            return Some(event);
        }
        while let Some(event) = self.bridge.poll_event() {
            match event {
                Event::Answered(operation) => {
                    if let Some(event) = Self::answered(operation) {
                        return Some(event);
                    }
                }
                Event::EndEngine => self.end_engine(),
                Event::Stray(text) => {
                    tracing::debug!(shell = %self.id, text, "the engine wrote no packet")
                }
                _ => {}
            }
        }
        None
    }

    fn output(&mut self, command: Option<Uuid>, room: usize) -> SessionOutput {
        if !self.bridge.has_output(command) {
            return SessionOutput::default();
        }
        match self.bridge.poll_output(command, room, Instant::now()) {
            Ok(output) => SessionOutput { data: output.fragments, is_last: output.is_last },
            Err(refusal) => {
                tracing::debug!(shell = %self.id, %refusal, "a Receive for a pipeline that is gone");
                SessionOutput { data: Vec::new(), is_last: true }
            }
        }
    }

    fn held(&self) -> Holding {
        let unwritten = self.unwritten.len().saturating_sub(self.written);
        let input = self.bridge.held_input() + unwritten;
        Holding { input, output: self.bridge.held_output() }
    }

    fn limit_output(&mut self, bytes: usize) {
        self.bridge.limit_output(bytes, Instant::now());
    }

    fn work(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(self.step())
    }

    fn close(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            if self.bridge.handle_close(Instant::now()).is_ok() {
                // An engine that takes longer is ended as it is.
                drop(timeout(MOST_CLOSE, self.closed()).await);
            }
            self.end_engine();
            if let Some(keeper) = self.keeper.take() {
                keeper.close().await;
            }
        })
    }
}
