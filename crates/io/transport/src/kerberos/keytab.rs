//! [`Keytab`]: the keys of a service, and the tokens that they open.

use std::path::Path;

use auth::kerberos::Context;
use auth::{ChannelBinding, KerberosRefusal, Ticket};

use super::KerberosError;

/// The keys of a service, in a file that is read anew for each token, so that a new version of a key counts at once.
#[derive(Debug)]
pub struct Keytab {}

/// What a token proved.
#[derive(Debug)]
#[expect(clippy::exhaustive_structs, reason = "what the library hands out")]
pub struct Accepted {
    /// `user@REALM`.
    pub principal: String,
    /// AP-REP, where the client asked for one.
    pub reply: Option<Vec<u8>>,
    /// The key of the messages.
    pub context: Context,
    /// Whether the client asked for confidentiality.
    pub confidential: bool,
    /// Whether the client sent a binding, and it was the right one.
    pub channel_bound: bool,
    /// The ticket that the client let the service have.
    pub delegated: Option<Ticket>,
}

/// A token that is not accepted.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
#[expect(clippy::exhaustive_structs, reason = "what the library says")]
pub struct NotAccepted {
    /// Why.
    pub refusal: KerberosRefusal,
    /// The library's words, for the log.
    pub text: String,
    /// KRB-ERROR for the client.
    pub token: Option<Vec<u8>>,
}

impl Keytab {
    /// A keytab by its path. Tokens that came before are remembered in the folder `replays`, over restarts too.
    ///
    /// # Errors
    /// [`KerberosError`] where it cannot be read or has no key.
    pub fn open(_path: &Path, _replays: &Path) -> Result<Self, KerberosError> {
        Err(KerberosError::no_library())
    }

    /// Judges a client's token.
    ///
    /// # Errors
    /// [`NotAccepted`] with the reason.
    pub fn accept(
        &self,
        _token: &[u8],
        _binding: Option<&ChannelBinding>,
    ) -> Result<Accepted, NotAccepted> {
        let (refusal, text) = (KerberosRefusal::NoKeytab, "no library".to_owned());
        Err(NotAccepted { refusal, text, token: None })
    }

    /// The principals that have keys, with version and encryption type: for the log and for `transom doctor`.
    ///
    /// # Errors
    /// [`KerberosError`] where it cannot be read.
    pub fn entries(&self) -> Result<Vec<Entry>, KerberosError> {
        Err(KerberosError::no_library())
    }
}

/// A key of a keytab.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "what a keytab has of a key")]
pub struct Entry {
    /// `HTTP/host@REALM`.
    pub principal: String,
    /// The key's version.
    pub version: u32,
    /// Its encryption type's number.
    pub encryption_type: i32,
}
