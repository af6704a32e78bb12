//! Kerberos (RFC 4120, RFC 4121, [MS-KILE]), the part that needs no library: what the two sides of a login hand to each
//! other as data, the acceptor's machine, and sealing.
//!
//! Tickets are the system's GSSAPI's (`transport::kerberos`), and it makes and opens the tokens of a login. When the
//! login is done it hands out the keys ([`Context`]), and messages are sealed here: no library's code runs in the
//! process that reads them.

mod acceptor;
mod arcfour;
mod cfx;
mod derivation;
mod framing;
mod krb_error;
mod sealer;

use std::fmt;

use zeroize::Zeroizing;

use crate::{Account, ChannelBinding, Ticket};

pub use acceptor::{Acceptor, AcceptorOptions};
pub use krb_error::KrbError;
pub use sealer::KerberosSealer;

/// What kind of key, and so how messages are sealed (RFC 3961, assigned numbers of RFC 3962, 8009 and 4757).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "those in use; DES is refused")]
pub enum EncryptionType {
    /// 17: aes128-cts-hmac-sha1-96.
    Aes128Sha1,
    /// 18: aes256-cts-hmac-sha1-96.
    Aes256Sha1,
    /// 19: aes128-cts-hmac-sha256-128.
    Aes128Sha256,
    /// 20: aes256-cts-hmac-sha384-192.
    Aes256Sha384,
    /// 23: rc4-hmac, where it is still allowed.
    Rc4,
}

impl EncryptionType {
    /// From its number; `None` for those that are not used any more, or not known.
    #[must_use]
    pub const fn from_number(number: i32) -> Option<Self> {
        Some(match number {
            17 => Self::Aes128Sha1,
            18 => Self::Aes256Sha1,
            19 => Self::Aes128Sha256,
            20 => Self::Aes256Sha384,
            23 => Self::Rc4,
            _ => return None,
        })
    }

    /// Its number.
    #[must_use]
    pub const fn number(self) -> i32 {
        match self {
            Self::Aes128Sha1 => 17,
            Self::Aes256Sha1 => 18,
            Self::Aes128Sha256 => 19,
            Self::Aes256Sha384 => 20,
            Self::Rc4 => 23,
        }
    }

    /// Bytes of its key.
    #[must_use]
    pub const fn key_length(self) -> usize {
        match self {
            Self::Aes128Sha1 | Self::Aes128Sha256 | Self::Rc4 => 16,
            Self::Aes256Sha1 | Self::Aes256Sha384 => 32,
        }
    }

    /// Its name, as `klist -e` writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Aes128Sha1 => "aes128-cts-hmac-sha1-96",
            Self::Aes256Sha1 => "aes256-cts-hmac-sha1-96",
            Self::Aes128Sha256 => "aes128-cts-hmac-sha256-128",
            Self::Aes256Sha384 => "aes256-cts-hmac-sha384-192",
            Self::Rc4 => "arcfour-hmac",
        }
    }
}

/// Which side of a login a context belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a login has two sides")]
pub enum Role {
    /// The client.
    Initiator,
    /// The service.
    Acceptor,
}

/// What is left of a login when GSSAPI has done its part: the key of its messages, and where their numbers begin.
#[derive(Clone)]
#[expect(clippy::exhaustive_structs, reason = "made of what the library hands out")]
pub struct Context {
    /// Whose it is.
    pub role: Role,
    /// What kind of key.
    pub encryption_type: EncryptionType,
    /// The key: the acceptor's subkey where there is one, else the initiator's, else the ticket's.
    pub key: Zeroizing<Vec<u8>>,
    /// Whether the key is the acceptor's subkey (RFC 4121 4.2.2: the flag `AcceptorSubkey`).
    pub acceptor_subkey: bool,
    /// Number of the next message that is sent.
    pub sending_sequence: u64,
    /// Number of the next message that is received.
    pub receiving_sequence: u64,
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("role", &self.role)
            .field("encryption_type", &self.encryption_type)
            .field("acceptor_subkey", &self.acceptor_subkey)
            .finish_non_exhaustive()
    }
}

/// What an acceptor wants judged: a client's token.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct KerberosAttempt {
    /// AP-REQ with the header of RFC 4121 4.1: `60 … 01 00 …`.
    pub token: Vec<u8>,
    /// What the login must be bound to; `None` on plain HTTP, and where the policy looks at no bindings.
    pub channel_binding: Option<ChannelBinding>,
}

impl KerberosAttempt {
    /// A token with the binding that it is compared with.
    #[must_use]
    pub fn new(token: Vec<u8>, channel_binding: Option<ChannelBinding>) -> Self {
        Self { token, channel_binding }
    }
}

/// What the owner of the keytab says to a token that is right.
#[derive(Debug)]
#[expect(clippy::exhaustive_structs, reason = "built by the owner of the keytab")]
pub struct KerberosAccepted {
    /// Whose account the principal is.
    pub account: Account,
    /// `user@REALM`, as the ticket has it.
    pub principal: String,
    /// AP-REP with its header, where the client asked for mutual authentication.
    pub reply: Option<Vec<u8>>,
    /// The key of the messages.
    pub context: Context,
    /// Whether the client asked for confidentiality (RFC 4121 4.1.1.1: `GSS_C_CONF_FLAG`).
    pub confidential: bool,
    /// Whether the client sent a channel binding, and it was the right one.
    pub channel_bound: bool,
    /// The ticket that the client let the service have.
    pub delegated: Option<Ticket>,
}
