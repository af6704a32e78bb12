//! One command of a shell, from its Command to the Signal that frees it, or the streams of a plug-in's
//! shell itself, which are always `Running` or `Done`.
//!
//! ```text
//!            handle_started(Ok)             both ends and the exit known
//! Starting ────────────────────► Running ─────────────────────────────► Done
//!    │ │                            │                                    │
//!    │ │ Signal terminate           │ Signal terminate                   │ Signal terminate,
//!    │ └──────────────────────►  Pending ◄── (nobody knows the id)       │ or its place is needed
//!    ▼ handle_started(Err)          │ handle_exit                        ▼
//! (forgotten)                   (forgotten)                          (forgotten)
//! ```
//!
//! `Running`, `Pending` and `Done` are the values of `rsp:CommandState`, [MS-WSMV] 2.2.5.4; as on
//! Windows, `Pending` means that the end has been asked for and has not come yet.

use std::time::Instant;

use super::exchange::{Action, CommandKey, Output, Reply, RequestToken};
use super::faults;
use super::output::Buffer;
use super::receive::{Answered, Receiving};
use crate::fault::Fault;
use crate::shell::{InputStream, OutputStream, Profile, SignalCode, State};

/// A request that waits for something, and until when.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waiting {
    pub(super) token: RequestToken,
    pub(super) deadline: Instant,
}

#[derive(Debug)]
pub(super) struct Command {
    pub(super) key: CommandKey,
    /// `CommandId`, as the client wrote it or as it was made.
    pub(super) id: String,
    /// Whether the client chose the id: then it can reach the command without the answer to its
    /// Command.
    pub(super) id_is_chosen: bool,
    /// For the list of commands.
    pub(super) line: String,
    /// The kind of shell.
    pub(super) profile: Profile,
    pub(super) phase: Phase,
    /// Whether the streams are compressed on the wire.
    pub(super) is_compressed: bool,
    pub(super) stdout: Buffer,
    pub(super) stderr: Buffer,
    pub(super) exit: Option<u32>,
    pub(super) input: Input,
    /// The Signals that stop a plug-in's command and wait until it says that it has stopped.
    pub(super) stops: Vec<Waiting>,
    pub(super) receiving: Option<Receiving>,
    /// The last answer to a Receive, for the case that it was lost on its way.
    pub(super) answered: Option<Answered>,
    /// While output waits: when it has waited long enough.
    pub(super) gather_until: Option<Instant>,
    /// Whether an answer has said Done.
    pub(super) done_told: bool,
}

/// How far the command's process is.
#[derive(Debug)]
pub(super) enum Phase {
    /// The driver has not confirmed the start.
    Starting(Starting),
    /// The process runs or has ended by itself.
    Running,
    /// The process has been told to end.
    Pending(Pending),
}

#[derive(Debug, Default)]
pub(super) struct Starting {
    /// The Command, unless it was answered with a time-out.
    pub(super) request: Option<Waiting>,
    /// A `ctrl_c` or `ctrl_break` to pass on.
    pub(super) interrupt: Option<SignalCode>,
    /// Set when the command is to end as soon as it has started.
    pub(super) terminate: Option<Pending>,
}

#[derive(Debug, Default)]
pub(super) struct Pending {
    /// The Signal that waits for the end.
    pub(super) signal: Option<Waiting>,
}

/// The command's standard input.
#[derive(Debug)]
pub(super) enum Input {
    /// Takes a Send.
    Open,
    /// A Send that came before the process had started.
    Held { waiting: Option<Waiting>, stream: InputStream, data: Vec<u8>, end: bool },
    /// The driver writes. `waiting` is the Send, unless it was answered with a time-out.
    Writing { waiting: Option<Waiting>, end: bool },
    /// Closed by `End`.
    Ended,
}

impl Input {
    const fn waiting(&mut self) -> Option<&mut Option<Waiting>> {
        match self {
            Self::Held { waiting, .. } | Self::Writing { waiting, .. } => Some(waiting),
            Self::Open | Self::Ended => None,
        }
    }
}

impl Command {
    pub(super) fn new(
        key: CommandKey,
        id: String,
        id_is_chosen: bool,
        line: String,
        profile: Profile,
        request: Waiting,
    ) -> Self {
        let starting = Starting { request: Some(request), ..Starting::default() };
        let [stdout, stderr] = OutputStream::ALL.map(|stream| {
            let mut buffer =
                if profile.is_plug_in { Buffer::of_chunks() } else { Buffer::default() };
            // What there is not has ended.
            if !profile.outputs.contains(&stream) {
                buffer.end();
            }
            buffer
        });
        Self {
            key,
            id,
            id_is_chosen,
            line,
            profile,
            phase: Phase::Starting(starting),
            is_compressed: false,
            stdout,
            stderr,
            exit: None,
            input: Input::Open,
            stops: Vec::new(),
            receiving: None,
            answered: None,
            gather_until: None,
            done_told: false,
        }
    }

    /// The streams of the shell itself.
    pub(super) fn shell(profile: Profile, now: Instant) -> Self {
        let nobody = Waiting { token: RequestToken(0), deadline: now };
        let id = String::new();
        let own = Self::new(CommandKey::SHELL, id, true, String::new(), profile, nobody);
        Self { phase: Phase::Running, ..own }
    }

    /// Whether it stands for the shell itself.
    pub(super) fn is_shell(&self) -> bool {
        self.key == CommandKey::SHELL
    }

    pub(super) const fn buffer(&self, stream: OutputStream) -> &Buffer {
        match stream {
            OutputStream::Stdout => &self.stdout,
            OutputStream::Stderr => &self.stderr,
        }
    }

    pub(super) const fn buffer_mut(&mut self, stream: OutputStream) -> &mut Buffer {
        match stream {
            OutputStream::Stdout => &mut self.stdout,
            OutputStream::Stderr => &mut self.stderr,
        }
    }

    /// Whether the process has ended and everything that it wrote is here.
    pub(super) const fn is_over(&self) -> bool {
        self.exit.is_some() && self.stdout.is_ended() && self.stderr.is_ended()
    }

    /// `rsp:CommandState`.
    pub(super) const fn state(&self) -> State {
        if self.is_ending() {
            State::Pending
        } else if self.is_over() {
            State::Done
        } else {
            State::Running
        }
    }

    /// Whether the process has been told to end, or will be as soon as it has started.
    pub(super) const fn is_ending(&self) -> bool {
        match &self.phase {
            Phase::Starting(starting) => starting.terminate.is_some(),
            Phase::Running => false,
            Phase::Pending(_) => true,
        }
    }

    /// Whether the command is only kept for a client that knows its end already.
    pub(super) fn may_give_way(&self) -> bool {
        !self.is_shell()
            && matches!(self.phase, Phase::Running)
            && self.done_told
            && self.receiving.is_none()
    }

    /// Whether a request about this command has no answer yet.
    pub(super) fn has_waiting(&self) -> bool {
        self.receiving.is_some()
            || !self.stops.is_empty()
            || self.waiting().into_iter().any(|waiting| waiting.is_some())
    }

    /// The requests that wait, but for the Receive and the Signals that stop: the Command, the Signal that ends, the Send.
    const fn waiting(&self) -> [Option<Waiting>; 3] {
        let (command, signal) = match &self.phase {
            Phase::Starting(Starting { request, terminate: Some(pending), .. }) => {
                (*request, pending.signal)
            }
            Phase::Starting(Starting { request, terminate: None, .. }) => (*request, None),
            Phase::Running => (None, None),
            Phase::Pending(pending) => (None, pending.signal),
        };
        let send = match &self.input {
            Input::Held { waiting, .. } | Input::Writing { waiting, .. } => *waiting,
            Input::Open | Input::Ended => None,
        };
        [command, signal, send]
    }

    /// Every place where a request may wait, but for the Receive.
    fn each_waiting(&mut self, mut visit: impl FnMut(&mut Option<Waiting>, Kind)) {
        match &mut self.phase {
            Phase::Starting(starting) => {
                visit(&mut starting.request, Kind::Command);
                if let Some(pending) = &mut starting.terminate {
                    visit(&mut pending.signal, Kind::Signal);
                }
            }
            Phase::Running => {}
            Phase::Pending(pending) => visit(&mut pending.signal, Kind::Signal),
        }
        if let Some(waiting) = self.input.waiting() {
            visit(waiting, Kind::Send);
        }
        self.stops.retain(|stop| {
            let mut waiting = Some(*stop);
            visit(&mut waiting, Kind::Signal);
            waiting.is_some()
        });
    }

    /// The earliest time at which something has to be done.
    pub(super) fn next_timeout(&self) -> Option<Instant> {
        let receive = self.receiving.as_ref().map(|receiving| receiving.waiting.deadline);
        let gathered = self.gather_until.filter(|_| self.has_desired_output());
        let others = self.waiting().into_iter().flatten().map(|waiting| waiting.deadline);
        let stops = self.stops.iter().map(|waiting| waiting.deadline);
        others.chain(stops).chain(receive).chain(gathered).min()
    }

    /// Answers what has waited too long, but for the Receive.
    pub(super) fn expire(&mut self, now: Instant, out: &mut Output) {
        let mut start_expired = false;
        self.each_waiting(|waiting, kind| {
            if let Some(late) = waiting.take_if(|waiting| waiting.deadline <= now) {
                out.fault(late.token, faults::timed_out());
                start_expired |= matches!(kind, Kind::Command);
            }
        });
        if start_expired {
            self.withdraw();
        }
    }

    /// Forgets a request whose connection is gone. Whether it was one of this command.
    pub(super) fn cancel(&mut self, token: RequestToken) -> bool {
        let mut found = None;
        self.each_waiting(|waiting, kind| {
            if waiting.take_if(|waiting| waiting.token == token).is_some() {
                found = Some(kind);
            }
        });
        if matches!(found, Some(Kind::Command)) {
            self.withdraw();
        }
        let received = self.receiving.take_if(|receiving| receiving.waiting.token == token);
        found.is_some() || received.is_some()
    }

    /// Nobody will learn the id of the command, unless the client chose it: it would hold its
    /// place for as long as the shell lives.
    fn withdraw(&mut self) {
        if let Phase::Starting(starting) = &mut self.phase
            && !self.id_is_chosen
        {
            starting.terminate.get_or_insert_default();
        }
    }

    /// Ends every waiting request with the same fault.
    pub(super) fn abort(&mut self, fault: &Fault, out: &mut Output) {
        self.each_waiting(|waiting, _| {
            if let Some(waiting) = waiting.take() {
                out.fault(waiting.token, Box::new(fault.clone()));
            }
        });
        self.abort_receive(fault, out);
    }

    pub(super) fn abort_receive(&mut self, fault: &Fault, out: &mut Output) {
        if let Some(receiving) = self.receiving.take() {
            out.fault(receiving.waiting.token, Box::new(fault.clone()));
        }
    }

    /// The process runs: what waited for it goes out.
    pub(super) fn start(&mut self, out: &mut Output) {
        let key = self.key;
        let Phase::Starting(starting) = std::mem::replace(&mut self.phase, Phase::Running) else {
            return;
        };
        if let Some(request) = starting.request {
            out.reply(request.token, Reply::command(&self.id));
        }
        if let Some(pending) = starting.terminate {
            // A client that guessed the id of a command that was given up may wait here.
            self.abort(&faults::aborted(), out);
            self.phase = Phase::Pending(pending);
            out.act(Action::Signal { command: key, code: SignalCode::Terminate });
            return;
        }
        if let Some(code) = starting.interrupt {
            out.act(Action::Signal { command: key, code });
        }
        self.input = match std::mem::replace(&mut self.input, Input::Open) {
            Input::Held { waiting, stream, data, end } => {
                out.act(Action::Write { command: key, stream, data, end });
                Input::Writing { waiting, end }
            }
            input @ (Input::Open | Input::Writing { .. } | Input::Ended) => input,
        };
    }

    /// The process never ran, and the command is about to be forgotten.
    pub(super) fn fail(&mut self, fault: &Fault, out: &mut Output) {
        if let Phase::Starting(starting) = &mut self.phase {
            if let Some(request) = starting.request.take() {
                out.fault(request.token, Box::new(fault.clone()));
            }
            if let Some(Pending { signal: Some(signal) }) = starting.terminate.take() {
                out.reply(signal.token, Reply::signal());
            }
        }
        self.stop(out);
        self.abort(&faults::unknown_command(), out);
    }

    /// Begins the end: whatever waits for the command is aborted, and what it has still to say is
    /// not wanted any more.
    pub(super) fn terminate(&mut self, signal: Waiting, out: &mut Output) {
        let superseded = faults::aborted();
        self.abort(&superseded, out);
        self.answered = None;
        for stream in OutputStream::ALL {
            let buffer = self.buffer_mut(stream);
            let charged = buffer.charged();
            drop(buffer.take(usize::MAX));
            out.release(self.key, stream, charged);
        }
        let pending = Pending { signal: Some(signal) };
        match &mut self.phase {
            Phase::Starting(starting) => starting.terminate = Some(pending),
            Phase::Pending(now_pending) => *now_pending = pending,
            Phase::Running => {
                self.phase = Phase::Pending(pending);
                out.act(Action::Signal { command: self.key, code: SignalCode::Terminate });
            }
        }
    }

    /// Answers the Signals that stop: the command has stopped, or has nothing left to stop.
    pub(super) fn stop(&mut self, out: &mut Output) {
        for signal in self.stops.drain(..) {
            out.reply(signal.token, Reply::signal());
        }
    }

    /// The process has ended: input that it has not taken is discarded, [MS-WSMV] 3.1.4.13.
    pub(super) fn exit(&mut self, exit_code: u32, out: &mut Output) {
        self.exit = Some(exit_code);
        if let Some(waiting) = self.input.waiting().and_then(Option::take) {
            out.reply(waiting.token, Reply::send());
        }
        if let Phase::Pending(Pending { signal: Some(signal) }) = &self.phase {
            out.reply(signal.token, Reply::signal());
        }
        self.stop(out);
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Command,
    Send,
    Signal,
}
