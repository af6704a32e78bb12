//! What a driver of the server's shell can do wrong.
//!
//! Clients' mistakes are no errors here: they are answered with faults.

use super::CommandKey;
use crate::shell::OutputStream;

/// Why a call of the machine was refused. Nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The driver broke the contract of the machine.
    #[error(transparent)]
    ApiMisuse(#[from] ApiMisuse),
}

/// A rule of the machine that its driver broke.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ApiMisuse {
    /// The machine has never named this command in an [`Action::Start`](super::Action::Start).
    #[error("{0} was never started by this shell")]
    UnknownCommand(CommandKey),
    /// The driver reported something of a process whose start it has not confirmed.
    #[error("{0} has not been confirmed with handle_started")]
    NotStarted(CommandKey),
    /// [`handle_started`](super::Shell::handle_started) came twice.
    #[error("the start of {0} was confirmed before")]
    StartedTwice(CommandKey),
    /// Output after the stream's end.
    #[error("{command} wrote to {stream} after its end")]
    OutputAfterEnd {
        /// The command.
        command: CommandKey,
        /// The stream.
        stream: OutputStream,
    },
    /// More output than the stream had credit for.
    #[error("{got} bytes on {stream} of {command}, but only {credit} bytes of credit")]
    OutputBeyondCredit {
        /// The command.
        command: CommandKey,
        /// The stream.
        stream: OutputStream,
        /// Bytes that the driver brought.
        got: usize,
        /// Bytes that it may bring.
        credit: usize,
    },
    /// [`handle_connected`](super::Shell::handle_connected) without an
    /// [`Action::Connect`](super::Action::Connect).
    #[error("no Connect is under way")]
    NothingConnected,
    /// The process exited twice.
    #[error("the exit of {0} was reported before")]
    ExitedTwice(CommandKey),
    /// [`handle_written`](super::Shell::handle_written) without an
    /// [`Action::Write`](super::Action::Write).
    #[error("no write to {0} is under way")]
    NothingWritten(CommandKey),
}
