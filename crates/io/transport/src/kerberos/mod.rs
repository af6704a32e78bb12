//! Kerberos through the system's GSSAPI, which is loaded when it is needed: tickets, the tokens of a login, the keytab.
//!
//! ```text
//!  Credential::acquire(source) ──► Initiator::begin(credential, target) ──AP-REQ──► … ──AP-REP──► Context ──► sealing
//!  Keytab::open(file) ──► accept(AP-REQ) ──► AP-REP, principal, Context, delegated ticket
//! ```
//!
//! Everything in here may wait for a KDC or a disk: callers with a runtime use `spawn_blocking`. Only
//! [`Initiator::step`](auth::Initiator::step) after [`Initiator::begin`] computes and nothing more.

mod ccache;
pub mod configuration;
mod credential;
mod error;
mod initiator;
mod kdc;
mod keytab;
mod kinit;
mod refusal;
mod sys;
mod target;

pub use credential::{Credential, Source};
pub use error::{KerberosError, KerberosErrorKind};
pub use initiator::{Initiator, InitiatorOptions};
pub use kdc::{KdcAnswer, ask_kdc, encryption_of};
pub use keytab::{Accepted, Entry, Keytab, NotAccepted};
pub use target::Target;

/// Loads the library, if it is there.
///
/// # Errors
/// [`KerberosErrorKind::NoLibrary`] names the package that has it.
pub fn load() -> Result<(), KerberosError> {
    sys::load()
}
