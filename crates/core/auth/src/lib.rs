#![doc = include_str!("../README.md")]
//!
//! # Map
//! | module | what is there |
//! |---|---|
//! | [`basic`] | user name and password as they are |
//! | [`certificate`] | the certificate that TLS has seen, both roles |
//! | [`digest`] | Digest, the client's side: hashes of name and password |
//! | [`ntlm`] | NTLMv2, both roles; the verdict over a response; sealing |
//! | [`spnego`] | the negotiation around NTLM and, later, Kerberos |
//!
//! The contracts [`Initiator`], [`Acceptor`] and [`Sealer`] are the same for every mechanism.

mod account;
pub mod basic;
pub mod certificate;
mod channel_binding;
pub mod digest;
mod entropy;
mod error;
mod mechanism;
pub mod ntlm;
mod scheme;
mod secret;
pub mod spnego;

pub use account::{Account, UserName};
pub use channel_binding::{CbtPolicy, ChannelBinding};
pub use entropy::{Entropy, FileTime};
pub use error::{
    ApiMisuse, DecodeError, DecodeErrorKind, Error, PeerMisbehaved, Refusal, SealError,
};
pub use mechanism::{
    AcceptStep, Acceptor, Answer, Initiator, Input, Login, Question, Sealed, Sealer, Step,
};
pub use scheme::{Scheme, UnknownScheme};
pub use secret::Secret;
