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
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::mpsc;
use tracing::error;
use wsman::shell::SignalCode;
use wsman::shell::server::{Action, CommandKey};

use super::command::{Event, Handle, Streams, Write};
use super::desk::{Desk, End};
use super::operations::Operation;
use crate::audit;
use crate::metrics::{Gauge, Outcome, Present};
use crate::plugin::{CommandSignal, ShellInstance, StartCommand};

/// Events that may wait; the commands wait when it is full.
const EVENTS: usize = 64;

/// A shell's task.
pub(super) struct Actor {
    pub(super) desk: Desk,
    pub(super) instance: Arc<dyn ShellInstance>,
    /// How the streams of commands are read and written.
    pub(super) streams: Streams,
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
    desk: Desk,
    instance: Arc<dyn ShellInstance>,
    streams: Streams,
    commands: BTreeMap<CommandKey, Started>,
    events: mpsc::Sender<(CommandKey, Event)>,
}

impl Actor {
    /// Runs until the shell is over.
    pub(super) async fn run(self) {
        let Self { desk, instance, streams } = self;
        let (events, mut reports) = mpsc::channel(EVENTS);
        let mut work = Work { desk, instance, streams, commands: BTreeMap::new(), events };
        let end = work.live(&mut reports).await;
        let Work { mut desk, instance, commands, .. } = work;
        desk.withdraw();
        drop((reports, commands));
        desk.end(&end, instance.close()).await;
    }
}

impl Work {
    async fn live(&mut self, reports: &mut mpsc::Receiver<(CommandKey, Event)>) -> End {
        let instance = Arc::clone(&self.instance);
        let mut host_end = instance.ended();
        loop {
            self.act();
            if let Some(end) = self.desk.settled() {
                return end;
            }
            let timer = self.desk.timer();
            tokio::select! {
                message = self.desk.mailbox.recv() => {
                    if let Some(end) = self.desk.take(message) {
                        return end;
                    }
                }
                Some((key, event)) = reports.recv() => {
                    self.report(key, event);
                    // What came together is told together: one answer instead of several.
                    while let Ok((key, event)) = reports.try_recv() {
                        self.report(key, event);
                    }
                }
                () = timer => self.desk.machine.handle_timeout(Instant::now()),
                () = &mut host_end => return End::HostGone,
            }
        }
    }

    fn report(&mut self, key: CommandKey, event: Event) {
        // A command that was forgotten may still have reports on their way.
        let Some(started) = self.commands.get_mut(&key) else { return };
        let desk = &mut self.desk;
        let now = Instant::now();
        let result = match event {
            Event::Started(result) => {
                let Started { id, line, running, .. } = started;
                match &result {
                    Ok(()) => {
                        desk.metrics.commands.add(Outcome::Accepted, 1);
                        *running = Some(desk.metrics.enter(Gauge::Commands));
                        audit::command_accepted(&desk.user, desk.id, id, line);
                    }
                    Err(fault) => {
                        desk.metrics.commands.add(Outcome::Refused, 1);
                        let reason = fault.to_string();
                        audit::command_failed(&desk.user, desk.id, id, line, &reason);
                    }
                }
                desk.machine.handle_started(key, result, now)
            }
            Event::Output(stream, data) => desk.machine.handle_output(key, stream, data, now),
            Event::End(stream) => desk.machine.handle_end(key, stream, now),
            Event::Written => desk.machine.handle_written(key, Ok(()), now),
            Event::Exit(code) => {
                started.running = None;
                audit::command_ended(&desk.user, desk.id, &started.id, code);
                desk.machine.handle_exit(key, code, now)
            }
        };
        desk.told(result);
    }

    /// Does what the machine asks for.
    fn act(&mut self) {
        while let Some(action) = self.desk.machine.poll_action() {
            match action {
                Action::Start { command, line, options } => {
                    let skip = options.skip_cmd_shell.unwrap_or_default();
                    let start = StartCommand::new(line.command, line.arguments, skip);
                    self.start(command, line.command_id, start);
                }
                Action::Write { command, data, end, .. } => {
                    if let Some(started) = self.commands.get(&command) {
                        let held = self.desk.memory.hold_accepted(data.len());
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
                Action::Close { reason } => self.desk.closing = Some(reason),
                // A command shell cannot be left.
                other @ (Action::Connect { .. } | _) => {
                    error!(shell = %self.desk.id, action = ?other, "unknown action of the shell")
                }
            }
        }
    }

    fn start(&mut self, key: CommandKey, chosen: Option<String>, start: StartCommand) {
        let id = chosen.unwrap_or_else(|| wsman::guid(self.desk.fresh_id));
        let line = start.line();
        let shell = Arc::clone(&self.instance);
        let streams = self.streams.clone();
        let handle =
            Handle::start(shell, start, key, streams, &self.desk.memory, self.events.clone());
        let operation = self.desk.operation.take();
        let started = Started { handle, id, line, _operation: operation, running: None };
        self.commands.insert(key, started);
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
