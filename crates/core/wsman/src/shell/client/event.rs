//! What comes out of the machine: requests to send and events to know.

use std::collections::VecDeque;
use std::fmt;

use uuid::Uuid;

use crate::fault::Fault;
use crate::shell::{ConnectResponse, OutputStream, ShellInfo, SignalCode};
use crate::{Envelope, shell};

/// The machine's name for a command, never used again within a shell, or for the shell itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommandKey(pub(super) u64);

impl CommandKey {
    /// The shell itself, whose own streams a plug-in's shell has beside those of its commands.
    pub const SHELL: Self = Self(0);
}

impl fmt::Display for CommandKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::SHELL {
            return f.write_str("the shell itself");
        }
        write!(f, "command {}", self.0)
    }
}

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Operation {
    /// Makes the shell.
    Create,
    /// Starts a command.
    Command,
    /// Gives input.
    Send,
    /// Asks for output.
    Receive,
    /// Interrupts or ends a command.
    Signal,
    /// Ends the shell.
    Delete,
    /// Asks what the shell is.
    Get,
    /// Leaves the shell without a client.
    Disconnect,
    /// Takes up the shell or a command again.
    Reconnect,
    /// Takes up a shell or a command of another session.
    Connect,
}

impl Operation {
    pub(super) const fn of(request: &shell::Request) -> Self {
        match request {
            shell::Request::Create { .. } => Self::Create,
            shell::Request::Command { .. } => Self::Command,
            shell::Request::Send(_) => Self::Send,
            shell::Request::Receive { .. } => Self::Receive,
            shell::Request::Signal(_) => Self::Signal,
            shell::Request::Delete => Self::Delete,
            shell::Request::Get => Self::Get,
            shell::Request::Disconnect(_) => Self::Disconnect,
            shell::Request::Reconnect(_) => Self::Reconnect,
            shell::Request::Connect { .. } => Self::Connect,
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Create => "Create",
            Self::Command => "Command",
            Self::Send => "Send",
            Self::Receive => "Receive",
            Self::Signal => "Signal",
            Self::Delete => "Delete",
            Self::Get => "Get",
            Self::Disconnect => "Disconnect",
            Self::Reconnect => "Reconnect",
            Self::Connect => "Connect",
        })
    }
}

/// A message for the service.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "read by every driver")]
pub struct Request {
    /// Its id.
    pub message_id: Uuid,
    /// What it asks for.
    pub operation: Operation,
    /// The command that it is about.
    pub command: Option<CommandKey>,
    /// The message.
    pub envelope: Envelope,
    /// Whether the identical message may be sent again when the connection broke before the answer
    /// was there: the service then gives the same answer, or nothing is left to be done. True for
    /// Receive, Delete, Get, Disconnect, Reconnect, the Signal terminate, and a Send of nothing but
    /// the input's end.
    pub replay: bool,
}

/// Something that the caller should know.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The shell is open.
    Opened {
        /// Its id.
        shell_id: String,
        /// What the service says about it; services before Windows 7 say nothing.
        info: Option<Box<ShellInfo>>,
    },
    /// The command runs: receive its output now.
    Started {
        /// The command.
        command: CommandKey,
    },
    /// Output. Pieces may end within a character.
    Output {
        /// The command.
        command: CommandKey,
        /// The stream.
        stream: OutputStream,
        /// At least one byte.
        data: Vec<u8>,
    },
    /// The stream has ended. Comes once for each stream, before [`Self::Done`].
    Ended {
        /// The command.
        command: CommandKey,
        /// The stream.
        stream: OutputStream,
    },
    /// The command is over: signal it to terminate, which frees its place.
    Done {
        /// The command.
        command: CommandKey,
        /// Its exit code; absent where it was ended by force.
        exit_code: Option<u32>,
    },
    /// The command was silent for the whole OperationTimeout: receive again.
    TimedOut {
        /// The command.
        command: CommandKey,
    },
    /// The input has been taken.
    Sent {
        /// The command.
        command: CommandKey,
    },
    /// The signal has been taken. After `terminate` the command is gone.
    Signaled {
        /// The command.
        command: CommandKey,
        /// The signal.
        code: SignalCode,
    },
    /// The service keeps the shell without a client: it was told so by [`Shell::disconnect`], or it
    /// found out itself that the client was gone.
    ///
    /// [`Shell::disconnect`]: super::Shell::disconnect
    Disconnected,
    /// The shell is taken up again: receive the output of everything that runs in it.
    Reconnected,
    /// The shell of another session is taken up, which has become this one's.
    Connected {
        /// Its id.
        shell_id: String,
        /// Its streams, and what the plug-in says.
        response: Box<ConnectResponse>,
    },
    /// A command of another session is taken up: receive its output.
    CommandConnected {
        /// The command.
        command: CommandKey,
    },
    /// A command is taken up again: receive its output.
    CommandReconnected {
        /// The command.
        command: CommandKey,
    },
    /// A request ended without a result because of a signal, a close or a disconnect.
    Aborted {
        /// What the request asked for.
        operation: Operation,
        /// The command that it was about.
        command: Option<CommandKey>,
    },
    /// A Command, Send or Signal found the shell left, and did nothing: it may be made again once the shell is taken
    /// up.
    NotTaken {
        /// What the request asked for.
        operation: Operation,
        /// The command that it was about; after a Command it is not known any more.
        command: CommandKey,
    },
    /// What the service says about the shell.
    Info {
        /// The description.
        info: Box<ShellInfo>,
    },
    /// The shell is gone.
    Closed,
    /// The service refused a request.
    Faulted {
        /// What the request asked for.
        operation: Operation,
        /// The command that it was about. After a faulted Command it is gone.
        command: Option<CommandKey>,
        /// Why.
        fault: Box<Fault>,
    },
}

#[derive(Debug, Default)]
pub(super) struct Output {
    pub(super) requests: VecDeque<Request>,
    pub(super) events: VecDeque<Event>,
}
