//! NTLMv2 ([MS-NLMP]): both roles, the verdict over a response, and message sealing.
//!
//! NTLMv1, LM responses and anonymous logins are not implemented: an acceptor refuses them, an initiator never sends
//! them.

mod acceptor;
mod flags;
mod initiator;
mod key_stream;
mod keys;
mod messages;
mod response;
mod sealer;
mod target_info;
mod wire;

pub use acceptor::{Acceptor, AcceptorOptions, MicPolicy};
pub use flags::Flags;
pub use initiator::{Credential, Initiator, InitiatorOptions};
pub(crate) use keys::rc4;
pub use messages::{Authenticate, Challenge, Negotiate, VERSION};
pub use response::{NtHash, NtlmAttempt, SessionBaseKey, nt_hash, verify, verify_unknown};
pub(crate) use response::{hmac_md5, keyed};
pub use target_info::{AvId, AvPairs, TargetNames};

/// Whether sealing must be granted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "either a connection is protected by something else, or it is not"
)]
pub enum Protection {
    /// Plain HTTP: the login is refused unless SIGN, SEAL, 128-bit keys and extended session security are granted.
    #[default]
    Sealed,
    /// TLS protects the messages: whatever is granted will do.
    Optional,
}
