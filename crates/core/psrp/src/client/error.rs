//! What can go wrong in a client's pool, first by whose mistake it is.

use uuid::Uuid;

use crate::clixml::Version;
use crate::{fragment, message, messages, session_key};

/// Why a call of the machine failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The caller broke the contract of the machine. Nothing has changed.
    #[error(transparent)]
    ApiMisuse(#[from] ApiMisuse),
    /// The host broke the protocol. The pool is unusable from here on: every later call fails with
    /// the same error.
    #[error(transparent)]
    PeerMisbehaved(#[from] PeerMisbehaved),
}

/// A rule of the machine that its caller broke.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ApiMisuse {
    /// The pipeline takes no input, or its end was sent.
    #[error("pipeline {0} takes no more input")]
    InputEnded(Uuid),
    /// Keys are exchanged once.
    #[error("keys were exchanged before")]
    KeysExchanged,
    /// Nobody waits for the answer to this call of the host.
    #[error("this call of the host wants no answer")]
    NoAnswerWanted,
    /// There is no key for SecureStrings.
    #[error("no keys have been exchanged")]
    NoKey,
    /// The pool is not disconnected.
    #[error("the pool is not disconnected")]
    NotDisconnected,
    /// The version of the protocol that both sides speak has no such thing.
    #[error("version {0} of the protocol cannot do this")]
    NotInThisVersion(Version),
    /// The pool is not open: never opened, closed, or about to be.
    #[error("the pool is not open")]
    NotOpen,
    /// The pool is open, or about to be.
    #[error("the pool was opened before")]
    OpenAfterOpen,
    /// The id belongs to another pipeline, or to the pool.
    #[error("pipeline id {0} is in use")]
    PipelineIdInUse(Uuid),
    /// There is no such pipeline.
    #[error("there is no pipeline {0}")]
    UnknownPipeline(Uuid),
}

/// A rule of the protocol that the host broke.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PeerMisbehaved {
    /// Fragments that make no message, [MS-PSRP] 3.1.5.1.2.
    #[error(transparent)]
    Fragment(#[from] fragment::Error),
    /// Bytes that are no message.
    #[error(transparent)]
    Frame(#[from] message::Error),
    /// A message whose text is not what its type demands.
    #[error(transparent)]
    Message(#[from] messages::Error),
    /// A session key or a string that cannot be decrypted.
    #[error(transparent)]
    SessionKey(#[from] session_key::Error),
    /// A message that has no business where it came, [MS-PSRP] 3.1.5.2.
    #[error("{0} came when it must not")]
    Unexpected(&'static str),
    /// A version of the protocol that nobody speaks, [MS-PSRP] 3.1.5.4.1.
    #[error("the host speaks version {0} of the protocol, which this client does not")]
    Version(Version),
    /// A message for the server, or for another pool.
    #[error("{0} is not for this client")]
    WrongAddress(&'static str),
}
