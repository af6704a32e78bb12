//! Remote shells and their commands.
//!
//! One Receive of a command waits at a time, and one Send ([MS-WSMV] 3.1.4.13, 3.1.4.14). A
//! command that has ended is signalled before the next one starts to need its slot, or when the
//! shell is closed: never between the end and the caller.
//!
//! Shells and commands get ids of our choice (Windows 8 and newer take them, older hosts choose
//! others), so that a lost answer does not lose what it told of:
//!
//! ```text
//! Create, answer lost or "there is such a shell" ──► Delete of our id ──► answered: a new Create, once; else the error
//! Command, answer lost ─► Receive of our id ─► answered: the command runs; else the error
//! Send, answer lost ────► the error (the bare end of the input is sent again)
//! ```
//!
//! A Command is never sent twice, not even by its id: hosts that choose their own would run it twice.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use session::client::endpoint::Transport;
use tokio::time::{sleep, timeout};
use uuid::Uuid;
use wsman::fault::{ErrorCode, Fault};
use wsman::shell::client::{self as machine, Event as Told, Operation, Request};
use wsman::shell::{
    CommandLine, CommandOptions as WireCommandOptions, OutputStream, RequestContext,
    ShellDescription, ShellOptions as WireShellOptions, SignalCode, Variable, stream_name,
};
use wsman::xml::Limits;

use crate::calls::{Call, Calls, lock};
use crate::connection::Answer;
use crate::entropy;
use crate::error::{Error, ErrorKind, ProtocolError};
use crate::options::{CommandOptions, ShellOptions};
use crate::pace::Pace;

/// Ended commands that may wait for their Signal; Windows allows 25 processes in a shell by specification.
const ENDED_KEPT: usize = 4;
/// The pause before a Send is repeated that found the service busy with the one before; it doubles each time.
const FIRST_BUSY_PAUSE: Duration = Duration::from_millis(100);
/// The longest such pause.
const MOST_BUSY_PAUSE: Duration = Duration::from_secs(5);
/// How long a service may take to end a shell whose Create was lost.
const CLEAN_UP: Duration = Duration::from_secs(5);
/// How long a service may take to tell whether it knows a command whose Command was lost.
const PROBE: Duration = Duration::from_secs(2);

/// What a command tells.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a caller that misses one would lose output")]
pub enum Event {
    /// Bytes of its standard output, in order.
    Stdout(Vec<u8>),
    /// Bytes of its standard error stream, in order among themselves.
    Stderr(Vec<u8>),
    /// It is over.
    Done {
        /// Its exit code; services leave it out for commands that were killed.
        exit_code: Option<u32>,
    },
}

/// What a command can be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Signal {
    /// Ctrl-Break.
    CtrlBreak,
    /// Ctrl-C.
    CtrlC,
    /// Ends it.
    Terminate,
}

/// A remote shell. [`close`](Self::close) it: the service keeps a shell that is only dropped until its idle time is
/// over, though dropping it tries to close it in the background.
#[derive(Debug)]
pub struct Shell {
    core: Arc<Core>,
}

/// A running command.
#[derive(Debug)]
pub struct Command {
    input: Input,
    ready: VecDeque<Event>,
    done: bool,
    pace: Pace,
}

/// The way to a running command: its input and its signals. Clones reach the same command.
#[derive(Debug, Clone)]
pub struct Input {
    core: Arc<Core>,
    id: machine::CommandKey,
    deadline: Option<Instant>,
    /// A Send must wait for the one before it.
    sending: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Debug)]
struct Core {
    calls: Arc<Calls>,
    machine: Mutex<machine::Shell>,
    /// Commands that are over but still hold a slot on the service.
    ended: Mutex<Vec<machine::CommandKey>>,
}

impl Shell {
    pub(crate) async fn open(
        calls: Arc<Calls>,
        context: RequestContext,
        options: ShellOptions,
    ) -> Result<Self, Error> {
        let first = Self::new(&calls, context.clone());
        let Err(error) = first.create(options.clone()).await else { return Ok(first) };
        if !lock(&first.core.machine).is_open() {
            return Err(error);
        }
        // The shell may be there: it must not stay behind. Only then another one is opened.
        let closed = timeout(CLEAN_UP, first.core.close()).await;
        let may_be_there = error.is_lost() || error.fault().is_some_and(is_ours);
        if !may_be_there || !matches!(closed, Ok(Ok(()))) {
            return Err(error);
        }
        tracing::debug!(%error, "Create lost, opening another shell");
        let second = Self::new(&calls, context);
        second.create(options).await.map(|()| second)
    }

    fn new(calls: &Arc<Calls>, context: RequestContext) -> Self {
        let mut machine = machine::Shell::new(context);
        if calls.config().endpoint.transport == Transport::Https {
            machine.trust_refusals();
        }
        let core = Core {
            calls: Arc::clone(calls),
            machine: Mutex::new(machine),
            ended: Mutex::default(),
        };
        Self { core: Arc::new(core) }
    }

    async fn create(&self, options: ShellOptions) -> Result<(), Error> {
        let variable = |(name, value)| Variable { name, value };
        let description = ShellDescription {
            shell_id: Some(wsman::guid(entropy::uuid())),
            environment: options.environment.into_iter().map(variable).collect(),
            working_directory: options.directory,
            idle_timeout: options.idle_timeout.map(wsman::Duration::seconds),
            input_streams: vec![stream_name::STDIN.to_owned()],
            output_streams: vec![stream_name::STDOUT.to_owned(), stream_name::STDERR.to_owned()],
            ..ShellDescription::default()
        };
        let wire = WireShellOptions {
            no_profile: Some(options.no_profile),
            code_page: options.code_page,
            compression: options.compression,
            other: Vec::new(),
        };
        let opened = self
            .core
            .perform(None, |machine, id, timeout| machine.open(id, timeout, description, wire));
        opened.await.map(drop)
    }

    /// The shell's id.
    #[must_use]
    pub fn id(&self) -> Option<String> {
        lock(&self.core.machine).shell_id().map(str::to_owned)
    }

    /// Starts a command. Several may run at once.
    ///
    /// # Errors
    ///
    /// [`Error`]; when the connection was lost, and the service does not know the command
    /// afterwards, it is unknown whether it was started, and it is not started again.
    pub async fn start(&self, options: CommandOptions) -> Result<Command, Error> {
        let deadline = options.deadline.map(|limit| Instant::now() + limit);
        if lock(&self.core.ended).len() >= ENDED_KEPT {
            self.core.signal_ended().await;
        }
        let line = CommandLine {
            command_id: Some(wsman::guid(entropy::uuid())),
            command: options.command,
            arguments: options.arguments,
            ..CommandLine::default()
        };
        let wire = WireCommandOptions {
            console_mode_stdin: Some(options.console_mode_stdin),
            skip_cmd_shell: Some(options.skip_cmd_shell),
        };
        let mut id = None;
        let started = self.core.perform(deadline, |machine, message_id, timeout| {
            id = Some(machine.start(message_id, timeout, line, wire)?);
            Ok(())
        });
        let started = started.await.map(drop);
        let id = match (id, started) {
            (Some(id), Ok(())) => id,
            (Some(id), Err(error)) if error.is_lost() => {
                return self.found(id, deadline, error).await;
            }
            (_, Err(error)) => return Err(error),
            (None, Ok(())) => return Err(self.core.broken("Command", "no command was started")),
        };
        Ok(self.command(id, deadline))
    }

    fn command(&self, id: machine::CommandKey, deadline: Option<Instant>) -> Command {
        let input = Input { core: Arc::clone(&self.core), id, deadline, sending: Arc::default() };
        Command { input, ready: VecDeque::new(), done: false, pace: Pace::default() }
    }

    /// A command the answer to whose Command was lost, if the service knows it.
    async fn found(
        &self,
        id: machine::CommandKey,
        deadline: Option<Instant>,
        lost: Error,
    ) -> Result<Command, Error> {
        let soon = Instant::now() + PROBE;
        let until = deadline.map_or(soon, |deadline| deadline.min(soon));
        let told = self.core.perform(Some(until), |machine, message_id, timeout| {
            machine.receive(message_id, timeout, id)
        });
        let Ok(told) = told.await else { return Err(lost) };
        tracing::debug!(%lost, "Command found again");
        let mut command = self.command(id, deadline);
        command.take(told);
        Ok(command)
    }

    /// Ends the shell and everything that runs in it.
    ///
    /// # Errors
    ///
    /// [`Error`] when the service could not be told; it ends the shell itself when its idle time
    /// is over.
    pub async fn close(self) -> Result<(), Error> {
        self.core.close().await
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        if !lock(&self.core.machine).is_open() {
            return;
        }
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let core = Arc::clone(&self.core);
        drop(runtime.spawn(async move {
            if let Err(error) = core.close().await {
                tracing::debug!(%error, "Shell left behind");
            }
        }));
    }
}

impl Command {
    /// The next thing that the command tells; `None` after [`Event::Done`].
    ///
    /// # Errors
    ///
    /// [`Error`]; a fault of the service and a passed deadline among them.
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe: output that was on its way when the future was dropped is lost. Keep the
    /// future and poll it on.
    pub async fn next(&mut self) -> Result<Option<Event>, Error> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Ok(Some(event));
            }
            if self.done {
                return Ok(None);
            }
            let Input { core, id, deadline, .. } = &self.input;
            let (asked, deadline) = (Instant::now(), *deadline);
            let told = core
                .perform(deadline, |machine, message_id, timeout| {
                    machine.receive(message_id, timeout, *id)
                })
                .await?;
            self.take(told);
            let pause = self.pace.after(!self.ready.is_empty(), asked.elapsed());
            // The runtime's shortest sleep is a millisecond, which is longer than most answers take.
            if !pause.is_zero() {
                let left = deadline.map(|at| at.saturating_duration_since(Instant::now()));
                sleep(left.map_or(pause, |left| left.min(pause))).await;
            }
        }
    }

    /// The way to the command: its input and its signals.
    #[must_use]
    pub fn input(&self) -> Input {
        self.input.clone()
    }

    fn take(&mut self, told: Vec<Told>) {
        for event in told {
            match event {
                Told::Output { stream: OutputStream::Stdout, data, .. } => {
                    self.ready.push_back(Event::Stdout(data));
                }
                Told::Output { stream: OutputStream::Stderr, data, .. } => {
                    self.ready.push_back(Event::Stderr(data));
                }
                Told::Done { exit_code, .. } => self.end(exit_code),
                // The Receive was ended by our own Signal: the command is over.
                Told::Aborted { .. } => self.end(None),
                Told::Opened { .. }
                | Told::Started { .. }
                | Told::Ended { .. }
                | Told::TimedOut { .. }
                | Told::Sent { .. }
                | Told::Signaled { .. }
                | Told::Info { .. }
                | Told::Closed
                | Told::Faulted { .. }
                | _ => {}
            }
        }
    }

    fn end(&mut self, exit_code: Option<u32>) {
        if !self.done {
            self.done = true;
            lock(&self.input.core.ended).push(self.input.id);
            self.ready.push_back(Event::Done { exit_code });
        }
    }
}

impl Input {
    /// Writes to the command's standard input; returns when the service has taken it all.
    ///
    /// # Errors
    ///
    /// [`Error`]; what was sent before it is not taken back.
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe: how much arrived is unknown when the future is dropped.
    pub async fn write(&self, data: &[u8]) -> Result<(), Error> {
        let _turn = self.sending.lock().await;
        self.send_all(data, false).await
    }

    /// Writes the last of the input, which may be nothing, and closes it.
    ///
    /// # Errors
    ///
    /// As [`write`](Self::write).
    pub async fn end(&self, data: &[u8]) -> Result<(), Error> {
        let _turn = self.sending.lock().await;
        self.send_all(data, true).await
    }

    /// Bytes that fill one message now. It may change with every message.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.payload().unwrap_or(1)
    }

    async fn send_all(&self, mut data: &[u8], end: bool) -> Result<(), Error> {
        loop {
            let (piece, rest) = data.split_at(self.payload()?.min(data.len()));
            if piece.is_empty() && !end {
                return Ok(());
            }
            match self.send(piece, end && rest.is_empty()).await {
                Ok(()) if rest.is_empty() => return Ok(()),
                Ok(()) => data = rest,
                // The service may take it in smaller pieces.
                Err(error) if error.is_too_long() && lock(&self.core.machine).handle_too_long() => {
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Sends a signal to the command and what it started.
    ///
    /// # Errors
    ///
    /// [`Error`] when the service could not be told or refused.
    pub async fn signal(&self, signal: Signal) -> Result<(), Error> {
        let code = match signal {
            Signal::CtrlBreak => SignalCode::CtrlBreak,
            Signal::CtrlC => SignalCode::CtrlC,
            Signal::Terminate => SignalCode::Terminate,
        };
        if signal == Signal::Terminate {
            lock(&self.core.ended).retain(|ended| *ended != self.id);
        }
        self.core.signal(self.id, code).await
    }

    /// The most bytes that one Send takes.
    fn payload(&self) -> Result<usize, Error> {
        let size = lock(&self.core.machine).max_send_payload(self.id);
        size.map(|size| size.max(1)).map_err(|error| self.core.broken("Send", &error.to_string()))
    }

    /// One Send, until the service has taken it. A command that is slow to read shows in two faults:
    /// `TIMEDOUT` says that the service still writes what it was given, `BUSY` that it does so with
    /// an earlier piece and has not taken this one.
    async fn send(&self, data: &[u8], end: bool) -> Result<(), Error> {
        let mut pause = FIRST_BUSY_PAUSE;
        loop {
            let sent = self.core.perform(self.deadline, |machine, message_id, timeout| {
                machine.send(message_id, timeout, self.id, data.to_vec(), end)
            });
            let Err(error) = sent.await else { return Ok(()) };
            match error.fault().and_then(Fault::error_code) {
                Some(ErrorCode::OPERATION_TIMEDOUT) => return Ok(()),
                Some(ErrorCode::BUSY) => {
                    let left = self.deadline.map(|at| at.saturating_duration_since(Instant::now()));
                    sleep(left.map_or(pause, |left| left.min(pause))).await;
                    pause = (pause * 2).min(MOST_BUSY_PAUSE);
                }
                Some(_) | None => return Err(error),
            }
        }
    }
}

impl Core {
    /// One command of the machine, its request and its answer: the events that the answer brought.
    async fn perform(
        &self,
        deadline: Option<Instant>,
        command: impl FnOnce(&mut machine::Shell, Uuid, Duration) -> Result<(), machine::Error>,
    ) -> Result<Vec<Told>, Error> {
        let timing = self.calls.config().settings.timing;
        let left = deadline.map(|at| at.saturating_duration_since(Instant::now()));
        if left == Some(Duration::ZERO) {
            return Err(self.calls.named_error(ErrorKind::Timeout(Duration::ZERO), "command"));
        }
        let (operation_timeout, wait) = timing.split(left);
        let request = {
            let mut machine = lock(&self.machine);
            command(&mut machine, entropy::uuid(), operation_timeout)
                .map_err(|error| self.broken("shell", &error.to_string()))?;
            machine.poll_request()
        };
        let request = request.ok_or_else(|| self.broken("shell", "nothing to send"))?;
        let outstanding = Outstanding { core: self, message_id: request.message_id };
        let operation = name(request.operation);
        let message = request.envelope.encode_as(self.calls.config().charset);
        // A second Create with the same ShellId is refused, see `is_ours`, or (by Windows 7 and 2008 R2, which choose ids
        // themselves) makes a shell that ends when its idle time is over.
        let repeatable = request.replay || request.operation == Operation::Create;
        let replay = request.replay;
        let call = Call { replay, repeatable, ..Call::brief(&message, operation, wait) };
        let answer = self.calls.call(call).await.inspect_err(|error| {
            if error.is_unsent() {
                lock(&self.machine).handle_unsent(request.message_id);
            }
        })?;
        let told = self.take(&request, &answer)?;
        drop(outstanding);
        Ok(told)
    }

    fn take(&self, request: &Request, answer: &Answer) -> Result<Vec<Told>, Error> {
        let operation = name(request.operation);
        let limits = Limits {
            bytes: usize::try_from(self.calls.config().max_envelope_size).unwrap_or(usize::MAX),
            ..Limits::default()
        };
        let envelope =
            answer.envelope(&limits).map_err(|error| self.broken(operation, &error.to_string()))?;
        let mut machine = lock(&self.machine);
        let fault = Fault::from_envelope(&envelope);
        if let Ok(Some(fault)) = &fault
            && request.operation == Operation::Create
            && is_ours(fault)
        {
            machine.handle_lost(request.message_id);
            return Err(self.calls.named_error(fault.clone(), operation));
        }
        let result = match (envelope.header.relates_to(), fault) {
            (None, Ok(Some(fault))) => machine.handle_fault(request.message_id, fault),
            _ => machine.handle_response(&envelope),
        };
        result.map_err(|error| self.broken(operation, &error.to_string()))?;
        let mut told = Vec::new();
        while let Some(event) = machine.poll_event() {
            if let Told::Faulted { fault, .. } = event {
                return Err(self.calls.named_error(*fault, operation));
            }
            told.push(event);
        }
        Ok(told)
    }

    async fn signal(&self, id: machine::CommandKey, code: SignalCode) -> Result<(), Error> {
        let signalled = self.perform(None, |machine, message_id, timeout| {
            machine.signal(message_id, timeout, id, code)
        });
        signalled.await.map(drop)
    }

    /// Frees the slots of commands that are over.
    async fn signal_ended(&self) {
        let ended = std::mem::take(&mut *lock(&self.ended));
        for id in ended {
            if let Err(error) = self.signal(id, SignalCode::Terminate).await {
                tracing::debug!(%error, "Signal to an ended command was refused");
            }
        }
    }

    async fn close(&self) -> Result<(), Error> {
        self.signal_ended().await;
        let closed = self.perform(None, machine::Shell::close);
        closed.await.map(drop)
    }

    fn broken(&self, operation: &'static str, problem: &str) -> Error {
        self.calls.named_error(ProtocolError::Message(problem.to_owned()), operation)
    }
}

/// A request whose answer is still to come; dropping it tells the machine that none will.
struct Outstanding<'a> {
    core: &'a Core,
    message_id: Uuid,
}

impl Drop for Outstanding<'_> {
    fn drop(&mut self) {
        lock(&self.core.machine).handle_lost(self.message_id);
    }
}

/// Whether a Create was refused because its shell is there: nobody else has an id that we drew, so an earlier arrival of
/// the same message made it.
fn is_ours(fault: &Fault) -> bool {
    fault.error_code() == Some(ErrorCode::SHELL_CLIENTID_RESOURCE_CONFLICT)
}

/// The operation as errors name it.
pub(crate) const fn name(operation: Operation) -> &'static str {
    match operation {
        Operation::Create => "Create",
        Operation::Command => "Command",
        Operation::Send => "Send",
        Operation::Receive => "Receive",
        Operation::Signal => "Signal",
        Operation::Delete => "Delete",
        Operation::Disconnect => "Disconnect",
        Operation::Reconnect => "Reconnect",
        Operation::Connect => "Connect",
        Operation::Get | _ => "Get",
    }
}

/// What all requests of a shell have in common.
pub(crate) fn context(calls: &Calls, session_id: Uuid, resource_uri: &str) -> RequestContext {
    let config = calls.config();
    RequestContext {
        max_envelope_size: config.max_envelope_size.into(),
        locale: config.locale.clone(),
        data_locale: config.data_locale.as_ref().unwrap_or(&config.locale).clone(),
        charset: config.charset,
        ..RequestContext::new(&config.endpoint.to_string(), resource_uri, session_id)
    }
}
