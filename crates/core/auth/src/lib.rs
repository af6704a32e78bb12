#![doc = include_str!("../README.md")]
//!
//! # Map
//! | module | what is there |
//! |---|---|
//! | [`basic`] | user name and password as they are |
//! | [`certificate`] | the certificate that TLS has seen, both roles |
//! | [`credssp`] | CredSSP around a negotiation, both roles: a TLS session inside, the password at its end |
//! | [`digest`] | Digest, the client's side: hashes of name and password |
//! | [`kerberos`] | Kerberos, the part that needs no library: the acceptor's machine, sealing, KRB-ERROR |
//! | [`ntlm`] | NTLMv2, both roles; the verdict over a response; sealing |
//! | [`sddl`] | security descriptors: who may read, write and execute |
//! | [`spnego`] | the negotiation around NTLM and Kerberos |
//!
//! The contracts [`Initiator`], [`Acceptor`] and [`Sealer`] are the same for every mechanism.

mod account;
pub mod basic;
pub mod certificate;
mod channel_binding;
pub mod credssp;
mod delegated;
pub mod digest;
mod entropy;
mod error;
pub mod kerberos;
mod mechanism;
pub mod ntlm;
mod scheme;
pub mod sddl;
mod secret;
pub mod spnego;

pub use account::{Account, UserName};
pub use channel_binding::{CbtPolicy, ChannelBinding};
pub use delegated::{Delegated, Ticket};
pub use entropy::{Entropy, FileTime};
pub use error::{
    ApiMisuse, DecodeError, DecodeErrorKind, Error, KerberosRefusal, PeerMisbehaved, Refusal,
    SealError,
};
pub use mechanism::{
    AcceptStep, Acceptor, Answer, Initiator, Input, Login, Question, Sealed, Sealer, Step,
};
pub use scheme::{Scheme, UnknownScheme};
pub use secret::Secret;
