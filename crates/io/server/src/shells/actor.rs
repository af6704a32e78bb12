//! One shell: a task that owns the protocol's machine and the plug-in's shell.
//!
//! ```text
//!            requests, cancels            ┌────────────┐  start, signal, close
//!  dispatch ─────────────────► mailbox ──►│   actor    │─────────────────────► plug-in
//!           ◄───────────────── answers ───│ (machine)  │◄───────────────────── events of commands
//!                                         └────────────┘
//! ```
//!
//! It ends when a client deletes the shell, when the shell is idle for too long, when what ran its
//! commands is gone, or when the service stops. Every request that waits gets an answer.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};
use tokio::time::{sleep_until, timeout};
use tracing::{debug, error};
use uuid::Uuid;
use wsman::fault::Fault;
use wsman::shell::SignalCode;
use wsman::shell::server::{Action, CloseReason, CommandKey, Incoming, Reply, RequestToken, Shell};

use super::budget::Memory;
use super::command::{Event, Handle, Streams, Write};
use super::operations::Operation;
use super::{Registration, faults};
use crate::audit;
use crate::metrics::{self, Gauge, Metrics, Outcome, Present};
use crate::plugin::{CommandSignal, ShellInstance, StartCommand};

/// Events that may wait; the commands wait when it is full.
const EVENTS: usize = 64;
/// The longest wait for the end of a shell's processes before its Delete is answered.
const MOST_CLOSE: Duration = Duration::from_secs(5);

/// Where the answer to a request goes.
pub(super) type Answer = oneshot::Sender<Result<Reply, Box<Fault>>>;

/// What an actor is sent.
#[derive(Debug)]
pub(super) enum Message {
    /// A request, and for a Command the place that the command takes.
    Request(Box<Incoming>, Option<Operation>, Answer),
    /// The connection of a request is gone.
    Cancel(RequestToken),
    /// Somebody wants to see what the shell is.
    Look(Look),
    /// The service stops.
    Stop,
}

/// A look at a shell's machine.
pub(super) struct Look(pub(super) Box<dyn FnOnce(&Shell) + Send>);

impl fmt::Debug for Look {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Look(..)")
    }
}

/// A shell's task.
pub(super) struct Actor {
    pub(super) id: Uuid,
    pub(super) user: String,
    pub(super) machine: Shell,
    pub(super) instance: Arc<dyn ShellInstance>,
    pub(super) mailbox: mpsc::UnboundedReceiver<Message>,
    /// Keeps the shell in the table.
    pub(super) registration: Registration,
    /// How the streams of commands are read and written.
    pub(super) streams: Streams,
    pub(super) metrics: Arc<Metrics>,
    /// Counts the shell while it is open.
    pub(super) present: Present,
    /// The memory of the shell's owner.
    pub(super) memory: Memory,
}

/// A command that was started.
struct Started {
    handle: Handle,
    id: String,
    line: String,
    /// The command counts until it is forgotten.
    _operation: Option<Operation>,
    /// And among those that run until its end.
    running: Option<Present>,
}

/// The parts that change while the actor runs.
struct Work {
    id: Uuid,
    user: String,
    machine: Shell,
    instance: Arc<dyn ShellInstance>,
    streams: Streams,
    metrics: Arc<Metrics>,
    memory: Memory,
    commands: BTreeMap<CommandKey, Started>,
    waiting: BTreeMap<RequestToken, Answer>,
    events: mpsc::Sender<(CommandKey, Event)>,
    /// The id that a command gets whose client chose none.
    fresh_id: Uuid,
    /// The place of the command that the request at hand may start.
    operation: Option<Operation>,
    closing: Option<CloseReason>,
}

/// Why the loop ended.
enum End {
    Closed(CloseReason),
    HostGone,
    Stopped,
}

impl Actor {
    /// Runs until the shell is over.
    pub(super) async fn run(self) {
        let Self { id, user, machine, instance, mut mailbox, registration, .. } = self;
        let Self { streams, metrics, present, memory, .. } = self;
        let (events, mut reports) = mpsc::channel(EVENTS);
        let mut work = Work {
            id,
            user,
            machine,
            instance,
            streams,
            metrics,
            memory,
            commands: BTreeMap::new(),
            waiting: BTreeMap::new(),
            events,
            fresh_id: Uuid::nil(),
            operation: None,
            closing: None,
        };
        let end = work.live(&mut mailbox, &mut reports).await;
        // From here on nobody finds the shell; what is in the mailbox already is answered below.
        registration.remove();
        mailbox.close();
        drop(reports);
        work.end(end, mailbox).await;
        drop((registration, present));
    }
}

impl Work {
    async fn live(
        &mut self,
        mailbox: &mut mpsc::UnboundedReceiver<Message>,
        reports: &mut mpsc::Receiver<(CommandKey, Event)>,
    ) -> End {
        let instance = Arc::clone(&self.instance);
        let mut host_end = instance.ended();
        loop {
            self.act();
            // A command that was refused gives its place back.
            self.operation = None;
            if let Some(reason) = self.closing {
                return End::Closed(reason);
            }
            self.answer();
            let deadline = self.machine.poll_timeout();
            let timer = async {
                match deadline {
                    Some(at) => sleep_until(at.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                message = mailbox.recv() => match message {
                    Some(Message::Request(incoming, operation, answer)) => {
                        self.operation = operation;
                        self.take(*incoming, answer);
                    }
                    Some(Message::Cancel(token)) => {
                        self.waiting.remove(&token);
                        self.machine.handle_cancel(token, Instant::now());
                    }
                    Some(Message::Look(look)) => (look.0)(&self.machine),
                    Some(Message::Stop) | None => return End::Stopped,
                },
                Some((key, event)) = reports.recv() => {
                    self.report(key, event);
                    // What came together is told together: one answer instead of several.
                    while let Ok((key, event)) = reports.try_recv() {
                        self.report(key, event);
                    }
                }
                () = timer => self.machine.handle_timeout(Instant::now()),
                () = &mut host_end => return End::HostGone,
            }
        }
    }

    fn take(&mut self, incoming: Incoming, answer: Answer) {
        self.fresh_id = incoming.command_id;
        self.waiting.insert(incoming.token, answer);
        self.machine.handle_request(incoming, Instant::now());
    }

    fn report(&mut self, key: CommandKey, event: Event) {
        // A command that was forgotten may still have reports on their way.
        let Some(started) = self.commands.get_mut(&key) else { return };
        let now = Instant::now();
        let result = match event {
            Event::Started(result) => {
                let Started { id, line, running, .. } = started;
                match &result {
                    Ok(()) => {
                        self.metrics.commands.add(Outcome::Accepted, 1);
                        *running = Some(self.metrics.enter(Gauge::Commands));
                        audit::command_accepted(&self.user, self.id, id, line);
                    }
                    Err(fault) => {
                        self.metrics.commands.add(Outcome::Refused, 1);
                        let reason = fault.to_string();
                        audit::command_failed(&self.user, self.id, id, line, &reason);
                    }
                }
                self.machine.handle_started(key, result, now)
            }
            Event::Output(stream, data) => self.machine.handle_output(key, stream, data, now),
            Event::End(stream) => self.machine.handle_end(key, stream, now),
            Event::Written => self.machine.handle_written(key, Ok(()), now),
            Event::Exit(code) => {
                started.running = None;
                audit::command_ended(&self.user, self.id, &started.id, code);
                self.machine.handle_exit(key, code, now)
            }
        };
        if let Err(misuse) = result {
            error!(shell = %self.id, command = %key, error = %misuse, "shell driver out of step");
        }
    }

    /// Does what the machine asks for.
    fn act(&mut self) {
        while let Some(action) = self.machine.poll_action() {
            match action {
                Action::Start { command, line, options } => {
                    let skip = options.skip_cmd_shell.unwrap_or_default();
                    let start = StartCommand::new(line.command, line.arguments, skip);
                    self.start(command, line.command_id, start);
                }
                Action::Write { command, data, end, .. } => {
                    if let Some(started) = self.commands.get(&command) {
                        let held = self.memory.hold_accepted(data.len());
                        started.handle.write(Write { data, end, held });
                    }
                }
                Action::Signal { command, code } => {
                    if let Some(started) = self.commands.get(&command) {
                        started.handle.signal(signal_of(&code));
                    }
                }
                Action::Release { command, stream, bytes } => {
                    if let Some(started) = self.commands.get(&command) {
                        started.handle.release(stream, bytes);
                    }
                }
                Action::Forget { command } => drop(self.commands.remove(&command)),
                Action::Close { reason } => self.closing = Some(reason),
                // A command shell cannot be left.
                other @ (Action::Connect { .. } | _) => {
                    error!(shell = %self.id, action = ?other, "unknown action of the shell")
                }
            }
        }
    }

    fn start(&mut self, key: CommandKey, chosen: Option<String>, start: StartCommand) {
        let id = chosen.unwrap_or_else(|| wsman::guid(self.fresh_id));
        let line = start.line();
        let shell = Arc::clone(&self.instance);
        let streams = self.streams.clone();
        let handle = Handle::start(shell, start, key, streams, &self.memory, self.events.clone());
        let operation = self.operation.take();
        let started = Started { handle, id, line, _operation: operation, running: None };
        self.commands.insert(key, started);
    }

    /// Hands out the machine's answers.
    fn answer(&mut self) {
        while let Some(response) = self.machine.poll_response() {
            if let Some(answer) = self.waiting.remove(&response.token) {
                // Nobody waits where the connection was lost meanwhile.
                drop(answer.send(response.result));
            }
        }
    }

    async fn end(mut self, end: End, mut mailbox: mpsc::UnboundedReceiver<Message>) {
        use metrics::End as Counted;
        let gone = faults::no_such_shell;
        let (reason, counted, fault) = match end {
            End::Closed(CloseReason::Deleted) => ("deleted", Counted::Deleted, gone()),
            End::Closed(CloseReason::Idle) => ("idle", Counted::Idle, gone()),
            End::Closed(CloseReason::Lifetime) => ("lifetime", Counted::Other, gone()),
            End::Closed(_) => ("closed", Counted::Other, gone()),
            End::HostGone => ("its processes are gone", Counted::HostGone, faults::host_gone()),
            End::Stopped => ("the service stops", Counted::Stopped, faults::stopping()),
        };
        audit::shell_ended(&self.user, self.id, reason);
        self.metrics.shells_ended.add(counted, 1);
        self.commands.clear();
        if timeout(MOST_CLOSE, self.instance.close()).await.is_err() {
            debug!(shell = %self.id, "the processes of the shell end late");
        }
        self.answer();
        for (_, answer) in std::mem::take(&mut self.waiting) {
            drop(answer.send(Err(fault.clone())));
        }
        while let Some(message) = mailbox.recv().await {
            if let Message::Request(_, _, answer) = message {
                drop(answer.send(Err(fault.clone())));
            }
        }
    }
}

fn signal_of(code: &SignalCode) -> CommandSignal {
    match code {
        SignalCode::Terminate => CommandSignal::Terminate,
        SignalCode::CtrlC | SignalCode::CtrlBreak => CommandSignal::Interrupt,
        // The machine passes on the codes that a command shell has.
        SignalCode::PowerShellCtrlC | SignalCode::Other(_) | _ => CommandSignal::Interrupt,
    }
}
