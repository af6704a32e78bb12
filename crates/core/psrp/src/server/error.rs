//! What can go wrong in a server's pool, first by whose mistake it is.

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
    /// The client broke the protocol. The pool is unusable from here on: every later call fails
    /// with the same error.
    #[error(transparent)]
    PeerMisbehaved(#[from] PeerMisbehaved),
}

/// A rule of the machine that its caller broke.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ApiMisuse {
    /// There is no key for SecureStrings.
    #[error("no keys have been exchanged")]
    NoKey,
    /// The pool is in another state.
    #[error("the pool's state does not allow this")]
    NotNow,
    /// There is no such pipeline, or it has told its end.
    #[error("no pipeline {0} is running")]
    UnknownPipeline(Uuid),
}

/// A rule of the protocol that the client broke.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PeerMisbehaved {
    /// Fragments that make no message, [MS-PSRP] 3.2.5.1.2.
    #[error(transparent)]
    Fragment(#[from] fragment::Error),
    /// Bytes that are no message.
    #[error(transparent)]
    Frame(#[from] message::Error),
    /// A message whose text is not what its type demands.
    #[error(transparent)]
    Message(#[from] messages::Error),
    /// Fewer runspaces than one, or fewer at most than at least.
    #[error("a pool of {0} to {1} runspaces cannot be")]
    Runspaces(i32, i32),
    /// A public key or a string that is none.
    #[error(transparent)]
    SessionKey(#[from] session_key::Error),
    /// A message that has no business where it came, [MS-PSRP] 3.2.5.2.
    #[error("{0} came when it must not")]
    Unexpected(&'static str),
    /// A version of the protocol that nobody speaks, [MS-PSRP] 3.2.5.4.1.
    #[error("the client speaks version {0} of the protocol, which this server does not")]
    Version(Version),
    /// A message for the client, or for another pool.
    #[error("{0} is not for this pool")]
    WrongAddress(&'static str),
}
