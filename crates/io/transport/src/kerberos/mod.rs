//! Kerberos through the system's GSSAPI, which is loaded when it is needed: tickets, the tokens of a login, the keytab.
//!
//! ```text
//!  Credential::acquire(source) ──► Initiator::begin(credential, target) ──AP-REQ──► … ──AP-REP──► Context ──► sealing
//!  Keytab::open(file) ──► accept(AP-REQ) ──► AP-REP, principal, Context, delegated ticket
//! ```
//!
//! Everything in here may wait for a KDC or a disk: callers with a runtime use `spawn_blocking`. Only
//! [`Initiator::step`](auth::Initiator::step) after [`Initiator::begin`] computes and nothing more.

pub mod configuration;
mod error;
mod initiator;
mod keytab;
mod target;

use std::fmt;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use auth::{Secret, Ticket};

pub use error::{KerberosError, KerberosErrorKind};
pub use initiator::{Initiator, InitiatorOptions};
pub use keytab::{Accepted, Entry, Keytab, NotAccepted};
pub use target::Target;

/// Where tickets come from.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_enums, reason = "a caller must know each")]
pub enum Source {
    /// The user's own tickets: the default cache, whatever `KRB5CCNAME` or `krb5.conf` say it is.
    Default,
    /// A cache by its name: `FILE:/tmp/krb5cc_0`, `KCM:`, `KEYRING:…`, `DIR:…`, or a path.
    Cache(String),
    /// A keytab of the client's, by its path: it buys tickets into a cache of this process's own.
    Keytab(PathBuf),
    /// A password: it buys tickets into a cache of this process's own, anew before they expire.
    Password(Secret),
    /// A program as `kinit`, called `PROGRAM [-f] -c CACHE PRINCIPAL` with the password on stdin: it buys tickets into a
    /// cache of its own, a file that is removed afterwards.
    Kinit {
        /// The program, with arguments in front of its own.
        command: Vec<String>,
        /// The password.
        password: Secret,
    },
}

/// Tickets of one principal, or the promise of them.
///
/// Those that a password or a keytab bought are in a cache of their own that goes with the last clone; the user's
/// default cache is never written to, but for the service tickets that GSSAPI keeps in a cache that it reads from.
#[derive(Clone)]
pub struct Credential {}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential").finish_non_exhaustive()
    }
}

impl Credential {
    /// Finds or buys tickets. `principal` (`user@REALM`) may be left out for caches and keytabs, where the first will do.
    /// `forwardable` asks for tickets that can be delegated.
    ///
    /// # Errors
    /// [`KerberosError`] says what is missing: the library, a ticket, a realm, a KDC that answers; or what was wrong.
    pub fn acquire(
        _source: &Source,
        _principal: Option<&str>,
        _forwardable: bool,
    ) -> Result<Self, KerberosError> {
        Err(KerberosError::no_library())
    }

    /// Whose tickets: `user@REALM`.
    #[must_use]
    pub fn principal(&self) -> String {
        String::new()
    }

    /// When they expire; `None` where the library does not say.
    #[must_use]
    pub fn expires(&self) -> Option<SystemTime> {
        None
    }

    /// Buys them anew where less than `ahead` is left of their time and what bought them is known.
    ///
    /// # Errors
    /// As [`acquire`](Self::acquire).
    pub fn renew(&self, _ahead: Duration) -> Result<(), KerberosError> {
        Err(KerberosError::no_library())
    }

    /// The tickets as a file has them, to be passed on.
    ///
    /// # Errors
    /// Where they are longer than [`Ticket::MAX`], or cannot be read.
    pub fn ticket(&self) -> Result<Ticket, KerberosError> {
        Err(KerberosError::no_library())
    }
}

/// Loads the library, if it is there.
///
/// # Errors
/// [`KerberosErrorKind::NoLibrary`] names the package that has it.
pub fn load() -> Result<(), KerberosError> {
    Err(KerberosError::no_library())
}
