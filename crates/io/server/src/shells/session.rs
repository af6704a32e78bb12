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
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::time::{sleep_until, timeout};
use tracing::{debug, error};
use uuid::Uuid;
use wsman::fault::{ErrorCode, Fault};
use wsman::shell::server::{Action, CloseReason, CommandKey, Incoming, RequestToken, Shell};
use wsman::shell::{CommandLine, SignalCode};

use super::actor::{Answer, Message};
use super::budget::{Balance, Memory};
use super::operations::Operation;
use super::{Registration, faults};
use crate::audit;
use crate::metrics::{self, Gauge, Metrics, Outcome, Present};
use crate::plugin::{Session, SessionEvent, SessionSignal};

/// The longest wait for the end of a shell's processes before its Delete is answered.
const MOST_CLOSE: Duration = Duration::from_secs(5);

/// A shell's task.
pub(super) struct Actor {
    pub(super) id: Uuid,
    pub(super) user: String,
    pub(super) machine: Shell,
    pub(super) session: Box<dyn Session>,
    pub(super) mailbox: mpsc::UnboundedReceiver<Message>,
    /// Keeps the shell in the table.
    pub(super) registration: Registration,
    pub(super) metrics: Arc<Metrics>,
    /// Counts the shell while it is open.
    pub(super) present: Present,
    /// The memory of the shell's owner.
    pub(super) memory: Memory,
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
    id: Uuid,
    user: String,
    machine: Shell,
    session: Box<dyn Session>,
    metrics: Arc<Metrics>,
    balance: Balance,
    commands: BTreeMap<CommandKey, Taken>,
    keys: BTreeMap<Uuid, CommandKey>,
    waiting: BTreeMap<RequestToken, Answer>,
    /// The place of the command that the request at hand may start.
    operation: Option<Operation>,
    /// The id that a command gets whose client chose none.
    fresh_id: Uuid,
    /// Whether the session knows that nobody is connected.
    is_left: bool,
    closing: Option<CloseReason>,
}

/// Why the loop ended.
enum End {
    Closed(CloseReason),
    Stopped,
}

impl Actor {
    /// Runs until the shell is over.
    pub(super) async fn run(self) {
        let Self {
            id,
            user,
            machine,
            session,
            mut mailbox,
            registration,
            metrics,
            present,
            memory,
        } = self;
        let mut work = Work {
            id,
            user,
            machine,
            session,
            metrics,
            balance: Balance::new(memory),
            commands: BTreeMap::new(),
            keys: BTreeMap::new(),
            waiting: BTreeMap::new(),
            operation: None,
            fresh_id: Uuid::nil(),
            is_left: false,
            closing: None,
        };
        let end = work.live(&mut mailbox).await;
        // From here on nobody finds the shell; what is in the mailbox already is answered below.
        registration.remove();
        mailbox.close();
        work.end(end, mailbox).await;
        drop((registration, present));
    }
}

impl Work {
    async fn live(&mut self, mailbox: &mut mpsc::UnboundedReceiver<Message>) -> End {
        loop {
            self.settle();
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
                () = self.session.work() => {}
                () = timer => self.machine.handle_timeout(Instant::now()),
            }
        }
    }

    fn take(&mut self, incoming: Incoming, answer: Answer) {
        self.fresh_id = incoming.command_id;
        self.waiting.insert(incoming.token, answer);
        self.machine.handle_request(incoming, Instant::now());
    }

    /// Carries everything between the machine and the session until neither has anything for the other.
    fn settle(&mut self) {
        loop {
            let mut has_moved = false;
            self.settle_balance();
            while let Some(action) = self.machine.poll_action() {
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
        let output = held.output + self.machine.kept_for_replay() + self.machine.buffered();
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
                    let result = self.machine.handle_written(command, Err(fault), Instant::now());
                    self.told(result);
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
                let result = self.machine.handle_connected(result.map(Some), Instant::now());
                self.told(result);
            }
            Action::Forget { command } => {
                if let Some(taken) = self.commands.remove(&command) {
                    self.keys.remove(&taken.id);
                    self.session.signal(taken.id, SessionSignal::Terminate);
                }
            }
            // Output is handed out for Receives only.
            Action::Release { .. } => {}
            Action::Close { reason } => self.closing = Some(reason),
            other => error!(shell = %self.id, action = ?other, "unknown action of the shell"),
        }
    }

    fn start(&mut self, command: CommandKey, line: &CommandLine) {
        let id = match &line.command_id {
            Some(text) => Uuid::try_parse(text).unwrap_or_default(),
            None => self.fresh_id,
        };
        let payload = line.payload().map_err(|error| {
            let text = format!("The parameter is incorrect: {error}. ");
            Box::new(Fault::new(ErrorCode::INVALID_PARAMETER, text))
        });
        match payload.and_then(|payload| self.session.command(id, &payload)) {
            Ok(line) => {
                let operation = self.operation.take();
                self.keys.insert(id, command);
                self.commands
                    .insert(command, Taken { id, line, _operation: operation, running: None });
            }
            Err(fault) => {
                self.metrics.commands.add(Outcome::Refused, 1);
                audit::command_failed(&self.user, self.id, &id.to_string(), "", &fault.to_string());
                let result = self.machine.handle_started(command, Err(fault), Instant::now());
                self.told(result);
            }
        }
    }

    fn report(&mut self, event: SessionEvent) {
        let now = Instant::now();
        let result = match event {
            SessionEvent::Started(id) => {
                let Some(command) = self.keys.get(&id).copied() else { return };
                if let Some(taken) = self.commands.get_mut(&command) {
                    self.metrics.commands.add(Outcome::Accepted, 1);
                    taken.running = Some(self.metrics.enter(Gauge::Commands));
                    audit::command_accepted(&self.user, self.id, &id.to_string(), &taken.line);
                }
                self.machine.handle_started(command, Ok(()), now)
            }
            SessionEvent::Written(None) => {
                self.machine.handle_written(CommandKey::SHELL, Ok(()), now)
            }
            SessionEvent::Written(Some(id)) => {
                let Some(command) = self.keys.get(&id).copied() else { return };
                self.machine.handle_written(command, Ok(()), now)
            }
            SessionEvent::Terminated(id) => {
                let Some(command) = self.keys.get(&id).copied() else { return };
                self.ended(command);
                self.machine.handle_exit(command, 0, now)
            }
        };
        self.told(result);
    }

    fn ended(&mut self, command: CommandKey) {
        if let Some(taken) = self.commands.get_mut(&command)
            && taken.running.take().is_some()
        {
            audit::command_ended(&self.user, self.id, &taken.id.to_string(), 0);
        }
    }

    /// Tells the session whether somebody is connected.
    fn follow_link(&mut self) {
        let is_left = self.machine.is_disconnected();
        match (self.is_left, is_left) {
            (false, true) => self.session.disconnected(self.machine.buffer_mode()),
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
        for (command, room) in self.machine.wanted().collect::<Vec<_>>() {
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
            let result =
                self.machine.handle_piece(command, output.data, output.is_last, Instant::now());
            self.told(result);
        }
        has_moved
    }

    fn told(&self, result: Result<(), wsman::shell::server::Error>) {
        if let Err(misuse) = result {
            error!(shell = %self.id, error = %misuse, "shell driver out of step");
        }
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
            End::Stopped => ("the service stops", Counted::Stopped, faults::stopping()),
        };
        audit::shell_ended(&self.user, self.id, reason);
        self.metrics.shells_ended.add(counted, 1);
        self.commands.clear();
        if timeout(MOST_CLOSE, self.session.close()).await.is_err() {
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
