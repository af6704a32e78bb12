//! [`Delegated`]: what a client lets the service have, so that its commands can act in its name elsewhere.

use std::fmt;

use zeroize::ZeroizeOnDrop;

use crate::Secret;

/// What a login brought besides itself. None of it is ever written to a disk.
#[derive(Debug, Clone)]
#[expect(clippy::exhaustive_enums, reason = "whoever forgets one would leave a secret lying about")]
pub enum Delegated {
    /// Kerberos: a ticket that gets further ones (RFC 4120 2.6, 5.8).
    Ticket(Ticket),
    /// CredSSP: a user with a password ([MS-CSSP] 2.2.1.2.1). It may buy a [`Ticket`], and is dropped then.
    Password {
        /// The domain; empty for an account of the service's machine or for a user principal name.
        domain: String,
        /// The user.
        user: String,
        /// The password.
        password: Secret,
    },
}

/// A credential cache as a file has it (MIT's format 4): at most 64 KiB.
#[derive(Clone, ZeroizeOnDrop)]
pub struct Ticket(Vec<u8>);

impl Ticket {
    /// The longest cache that is passed on.
    pub const MAX: usize = 64 * 1024;

    /// From a file's content; `None` where it is empty or longer than [`MAX`](Self::MAX).
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Option<Self> {
        let ticket = Self(bytes);
        (!ticket.0.is_empty() && ticket.0.len() <= Self::MAX).then_some(ticket)
    }

    /// The file's content: a secret, for whoever stores it.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}
