//! One shell of a plug-in with a protocol of its own: a task that owns the machine of the shell's messages and the
//! plug-in's session.
//!
//! ```text
//!            requests, cancels            ┌───────────────────┐
//!  dispatch ─────────────────► mailbox ──►│ machine ◄► session │ (engine, in there)
//!           ◄───────────────── answers ───└───────────────────┘
//! ```
//!
//! Output stays in the session until a Receive waits for it. The task ends as that of a command shell does: when a
//! client deletes the shell, when it is idle for too long, or when the service stops.

use std::collections::BTreeMap;
use std::time::Instant;

use tracing::error;
use uuid::Uuid;
use wsman::fault::{ErrorCode, Fault};
use wsman::shell::server::{Action, CommandKey};
use wsman::shell::{CommandLine, SignalCode};

use super::budget::Balance;
use super::desk::{Desk, End};
use super::operations::Operation;
use crate::audit;
use crate::metrics::{Gauge, Outcome, Present};
use crate::plugin::{Session, SessionEvent, SessionSignal};

/// A shell's task.
pub(super) struct Actor {
    pub(super) desk: Desk,
    pub(super) session: Box<dyn Session>,
}

/// A command that the session has taken.
struct Taken {
    id: Uuid,
    line: String,
    /// The command counts until it is forgotten.
    _operation: Option<Operation>,
    /// And among those that run until its end.
    running: Option<Present>,
}

/// The parts that change while the task runs.
struct Work {
    desk: Desk,
    session: Box<dyn Session>,
    balance: Balance,
    commands: BTreeMap<CommandKey, Taken>,
    keys: BTreeMap<Uuid, CommandKey>,
    /// Whether the session knows that nobody is connected.
    is_left: bool,
}

impl Actor {
    /// Runs until the shell is over.
    pub(super) async fn run(self) {
        let Self { desk, session } = self;
        let (commands, keys) = (BTreeMap::new(), BTreeMap::new());
        let balance = Balance::new(desk.memory.clone());
        let mut work = Work { desk, session, balance, commands, keys, is_left: false };
        let end = work.live().await;
        let Work { mut desk, mut session, commands, .. } = work;
        desk.withdraw();
        drop(commands);
        desk.end(&end, session.close()).await;
    }
}

impl Work {
    async fn live(&mut self) -> End {
        loop {
            self.settle();
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
                () = self.session.work() => {}
                () = timer => self.desk.machine.handle_timeout(Instant::now()),
            }
        }
    }

    /// Carries everything between the machine and the session until neither has anything for the other.
    fn settle(&mut self) {
        loop {
            let mut has_moved = false;
            self.settle_balance();
            while let Some(action) = self.desk.machine.poll_action() {
                has_moved = true;
                self.act(action);
            }
            while let Some(event) = self.session.poll_event() {
                has_moved = true;
                self.report(event);
            }
            self.follow_link();
            has_moved |= self.hand_out();
            if !has_moved {
                return;
            }
        }
    }

    /// Counts what waits here as the owner's.
    fn settle_balance(&mut self) {
        let held = self.session.held();
        let output =
            held.output + self.desk.machine.kept_for_replay() + self.desk.machine.buffered();
        let room = self.balance.settle(held.input, output);
        self.session.limit_output(room);
    }

    /// Does what the machine asks for.
    fn act(&mut self, action: Action) {
        match action {
            Action::Start { command, line, .. } => self.start(command, &line),
            Action::Write { command, stream, data, .. } => {
                let target = self.commands.get(&command).map(|taken| taken.id);
                if (target.is_some() || command == CommandKey::SHELL)
                    && let Err(fault) = self.session.input(target, stream, &data)
                {
                    let result =
                        self.desk.machine.handle_written(command, Err(fault), Instant::now());
                    self.desk.told(result);
                }
            }
            Action::Signal { command, code } => {
                let Some(taken) = self.commands.get(&command) else { return };
                let signal = match code {
                    SignalCode::Terminate => SessionSignal::Terminate,
                    SignalCode::CtrlC
                    | SignalCode::CtrlBreak
                    | SignalCode::PowerShellCtrlC
                    | SignalCode::Other(_)
                    | _ => SessionSignal::Stop,
                };
                self.session.signal(taken.id, signal);
            }
            Action::Connect { connect, .. } => {
                let payload = connect.connect_xml.as_deref().unwrap_or_default();
                let result = self.session.connect(payload);
                self.is_left = result.is_err();
                let result = self.desk.machine.handle_connected(result.map(Some), Instant::now());
                self.desk.told(result);
            }
            Action::Forget { command } => {
                if let Some(taken) = self.commands.remove(&command) {
                    self.keys.remove(&taken.id);
                    self.session.signal(taken.id, SessionSignal::Terminate);
                }
            }
            // Output is handed out for Receives only.
            Action::Release { .. } => {}
            Action::Close { reason } => self.desk.closing = Some(reason),
            other => error!(shell = %self.desk.id, action = ?other, "unknown action of the shell"),
        }
    }

    fn start(&mut self, command: CommandKey, line: &CommandLine) {
        let id = match &line.command_id {
            Some(text) => Uuid::try_parse(text).unwrap_or_default(),
            None => self.desk.fresh_id,
        };
        let payload = line.payload().map_err(|error| {
            let text = format!("The parameter is incorrect: {error}. ");
            Box::new(Fault::new(ErrorCode::INVALID_PARAMETER, text))
        });
        match payload.and_then(|payload| self.session.command(id, &payload)) {
            Ok(line) => {
                let operation = self.desk.operation.take();
                self.keys.insert(id, command);
                self.commands
                    .insert(command, Taken { id, line, _operation: operation, running: None });
            }
            Err(fault) => {
                self.desk.metrics.commands.add(Outcome::Refused, 1);
                audit::command_failed(
                    &self.desk.user,
                    self.desk.id,
                    &id.to_string(),
                    "",
                    &fault.to_string(),
                );
                let result = self.desk.machine.handle_started(command, Err(fault), Instant::now());
                self.desk.told(result);
            }
        }
    }

    fn report(&mut self, event: SessionEvent) {
        let now = Instant::now();
        let result = match event {
            SessionEvent::Started(id) => {
                let Some(command) = self.keys.get(&id).copied() else { return };
                if let Some(taken) = self.commands.get_mut(&command) {
                    self.desk.metrics.commands.add(Outcome::Accepted, 1);
                    taken.running = Some(self.desk.metrics.enter(Gauge::Commands));
                    audit::command_accepted(
                        &self.desk.user,
                        self.desk.id,
                        &id.to_string(),
                        &taken.line,
                    );
                }
                self.desk.machine.handle_started(command, Ok(()), now)
            }
            SessionEvent::Written(None) => {
                self.desk.machine.handle_written(CommandKey::SHELL, Ok(()), now)
            }
            SessionEvent::Written(Some(id)) => {
                let Some(command) = self.keys.get(&id).copied() else { return };
                self.desk.machine.handle_written(command, Ok(()), now)
            }
            SessionEvent::Stopped(id) => {
                let Some(command) = self.keys.get(&id).copied() else { return };
                self.desk.machine.handle_stopped(command, now)
            }
            SessionEvent::Terminated(id) => {
                let Some(command) = self.keys.get(&id).copied() else { return };
                self.ended(command);
                self.desk.machine.handle_exit(command, 0, now)
            }
        };
        self.desk.told(result);
    }

    fn ended(&mut self, command: CommandKey) {
        if let Some(taken) = self.commands.get_mut(&command)
            && taken.running.take().is_some()
        {
            audit::command_ended(&self.desk.user, self.desk.id, &taken.id.to_string(), 0);
        }
    }

    /// Tells the session whether somebody is connected.
    fn follow_link(&mut self) {
        let is_left = self.desk.machine.is_disconnected();
        match (self.is_left, is_left) {
            (false, true) => self.session.disconnected(self.desk.machine.buffer_mode()),
            (true, false) => self.session.reconnected(),
            (false, false) | (true, true) => {}
        }
        self.is_left = is_left;
    }

    /// Answers the Receives for which there is output. Whether there was some.
    fn hand_out(&mut self) -> bool {
        if self.is_left {
            return false;
        }
        let mut has_moved = false;
        for (command, room) in self.desk.machine.wanted().collect::<Vec<_>>() {
            let target = match self.commands.get(&command) {
                Some(taken) => Some(taken.id),
                None if command == CommandKey::SHELL => None,
                None => continue,
            };
            let output = self.session.output(target, room.min(self.balance.piece()));
            if output.data.is_empty() && !output.is_last {
                continue;
            }
            has_moved = true;
            if output.is_last {
                self.ended(command);
            }
            let result = self.desk.machine.handle_piece(
                command,
                output.data,
                output.is_last,
                Instant::now(),
            );
            self.desk.told(result);
        }
        has_moved
    }
}
