//! What can go wrong in a client's shell, first by whose mistake it is.

use super::event::{CommandKey, Operation};
use crate::compression;
use crate::shell::{InputStream, OutputStream};

/// Why a call of the machine failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The caller broke the contract of the machine. Nothing has changed.
    #[error(transparent)]
    ApiMisuse(#[from] ApiMisuse),
    /// The service broke the protocol. The shell is unusable from here on: every later call fails
    /// with the same error.
    #[error(transparent)]
    PeerMisbehaved(#[from] PeerMisbehaved),
}

/// A rule of the machine that its caller broke.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ApiMisuse {
    /// The shell is open, or about to be.
    #[error("the shell was opened before")]
    OpenAfterOpen,
    /// The shell is not open: never opened, closed, or about to be.
    #[error("the shell is not open")]
    NotOpen,
    /// The message id is that of a request without an answer.
    #[error("the message id is in use")]
    MessageIdInUse,
    /// The shell knows no such command, or it has been terminated.
    #[error("the shell has no {0}")]
    UnknownCommand(CommandKey),
    /// The answer to the Command is not here.
    #[error("{0} has not been started")]
    NotStarted(CommandKey),
    /// A Send without an answer is under way, [MS-WSMV] 3.1.4.13.
    #[error("a Send to {0} is under way")]
    SendUnderWay(CommandKey),
    /// The end of the input has been sent.
    #[error("the input of {0} has ended")]
    InputEnded(CommandKey),
    /// The data does not fit an envelope; see [`Shell::max_send_payload`](super::Shell::max_send_payload).
    #[error("{got} bytes do not fit one Send of at most {max}")]
    InputTooLong {
        /// Bytes that were to be sent.
        got: usize,
        /// Bytes that fit.
        max: usize,
    },
    /// A Receive without an answer is under way, [MS-WSMV] 3.1.4.14.
    #[error("a Receive of {0} is under way")]
    ReceiveUnderWay(CommandKey),
    /// The command has told its end.
    #[error("{0} is done")]
    Done(CommandKey),
    /// The shell has no such input stream.
    #[error("the shell has no input stream {0}")]
    UnknownStream(InputStream),
    /// A command shell has no client but the one that made it, [MS-WSMV] 3.1.4.15.
    #[error("a command shell cannot be disconnected")]
    CommandShell,
    /// The command has been signalled to terminate.
    #[error("{0} is being terminated")]
    Terminated(CommandKey),
}

/// A rule of the protocol that the service broke.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PeerMisbehaved {
    /// The message does not say which request it answers, [MS-WSMV] 3.1.4.1.5.
    #[error("the answer has no RelatesTo")]
    MissingRelatesTo,
    /// The message answers a request that was never sent, or has been answered.
    #[error("the answer relates to {0:?}, which is no request of this shell")]
    UnknownRelatesTo(String),
    /// The action is neither the operation's response nor a fault.
    #[error("the answer to {operation} has the action {action:?}")]
    UnexpectedAction {
        /// What was asked for.
        operation: Operation,
        /// The action of the answer; empty where it has none.
        action: String,
    },
    /// The body is not what the operation's response holds.
    #[error("the answer to {operation} is malformed: {error}")]
    Malformed {
        /// What was asked for.
        operation: Operation,
        /// What is wrong.
        error: crate::Error,
    },
    /// The answer to the Create names no shell, [MS-WSMV] 3.1.4.5.2.
    #[error("the answer to Create names no shell")]
    MissingShellId,
    /// The answer to a Command names none, [MS-WSMV] 3.1.4.11.
    #[error("the answer to Command names no command")]
    MissingCommandId,
    /// Output or state of a command that was not asked about, [MS-WSMV] 3.1.4.1.31.1.
    #[error("the answer is about the command {got:?} instead of {expected:?}")]
    WrongCommandId {
        /// The command that was asked about.
        expected: String,
        /// The command that the answer is about.
        got: String,
    },
    /// Output of a stream that the shell does not have, [MS-WSMV] 3.1.4.14.
    #[error("the answer has output of the stream {0:?}")]
    UnknownStream(String),
    /// Output of a shell that compresses which cannot be decompressed, or becomes too long.
    #[error("the output cannot be decompressed: {0}")]
    Compression(compression::Error),
    /// Output after the mark that ends the stream.
    #[error("the answer has output of {0} after its end")]
    OutputAfterEnd(OutputStream),
}

/// Error texts quote at most this much of what a peer sent.
pub(super) fn shorten(text: &str) -> String {
    text.chars().take(200).collect()
}
