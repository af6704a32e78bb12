//! The contracts that every login follows, in both roles: tokens in, tokens out, questions as data.
//!
//! ```text
//!  initiator   step(None) ──► Send(token) ──► step(reply) ──► Send … ──► Last(token) ──► step(reply)? ──► Done
//!  acceptor    Token ──► Ask(question) ──► Answer ──► Reply(token) ──► Token … ──► Done { token, login }
//! ```

use std::fmt::Debug;

use crate::{
    Account, Delegated, Error, FileTime, Refusal, Scheme, Secret,
    kerberos::{KerberosAccepted, KerberosAttempt},
    ntlm::{NtlmAttempt, SessionBaseKey, TargetNames},
};

/// The client's half of a login.
///
/// An error is final: every later call repeats it. Wrong use by the caller ([`Error::ApiMisuse`]) changes nothing.
pub trait Initiator: Send + Debug {
    /// The word that goes in front of this login's tokens.
    fn scheme(&self) -> Scheme;

    /// What to do next: first called without, then with the peer's token (decoded from base64).
    ///
    /// # Errors
    /// When the peer's token is malformed or not acceptable, and when the login failed before.
    fn step(&mut self, token: Option<&[u8]>) -> Result<Step, Error>;

    /// Whether [`sealer`](Self::sealer) would hand out a context already, so that the first sealed body may travel
    /// together with the last token.
    fn can_seal(&self) -> bool;

    /// Hands out the sealing state, once; `None` before [`can_seal`](Self::can_seal), after the first time, and for
    /// logins without sealing.
    fn sealer(&mut self) -> Option<Box<dyn Sealer>>;

    /// The mechanism in use: `NTLM`, `Kerberos`, `Basic`. Inside SPNEGO it is known once the service has chosen.
    fn mechanism(&self) -> &'static str;
}

/// What an initiator wants done.
#[derive(Debug, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a driver must handle each step; a new one is a breaking change"
)]
pub enum Step {
    /// Send this token and call `step` with the one that comes back.
    Send(Vec<u8>),
    /// Send this token; the login is complete for us unless the answer says otherwise. The answer's token must go to
    /// `step`; when it has none, `step(None)` tells whether that is enough.
    Last(Vec<u8>),
    /// Nothing more to send.
    Done,
}

/// The service's half of a login. It holds no account and no hash: it asks for verdicts.
///
/// An error is final: every later call repeats it. Wrong use by the caller ([`Error::ApiMisuse`]) changes nothing.
pub trait Acceptor: Send + Debug {
    /// Takes the client's next token, or the answer to the open question.
    ///
    /// # Errors
    /// [`Error::Refused`] with the reason when the client is not let in; the reason is for the log only.
    fn step(&mut self, input: Input<'_>) -> Result<AcceptStep, Error>;
}

/// What an acceptor is given.
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "a new input is a breaking change for every acceptor")]
pub enum Input<'a> {
    /// The client's token, decoded from base64.
    Token(&'a [u8]),
    /// The answer to the question that [`AcceptStep::Ask`] carried.
    Answer(Answer),
}

/// What an acceptor wants done.
#[derive(Debug)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a driver must handle each step; a new one is a breaking change"
)]
pub enum AcceptStep {
    /// Send this token to the client and call `step` with the one that comes back.
    Reply(Vec<u8>),
    /// Have this answered by the verifier and call `step` with the answer.
    Ask(Question),
    /// The client is not let in, and the mechanism has words of its own for that: send them with the refusal. The login
    /// is over, and every later call gives [`Error::Refused`].
    Refused {
        /// What tells the client's mechanism why, such as a KRB-ERROR.
        token: Vec<u8>,
        /// The reason, for the log only.
        refusal: Refusal,
    },
    /// The client is in.
    Done {
        /// The last token, to travel with the first answer.
        token: Option<Vec<u8>>,
        /// Who it is, and how to open its messages.
        login: Login,
    },
}

/// What an acceptor must know from the owner of the accounts.
#[derive(Debug)]
#[non_exhaustive]
pub enum Question {
    /// A fresh server challenge, the names of this machine and the time: [`Answer::Challenge`].
    Challenge,
    /// A verdict on an NTLMv2 response: [`Answer::Accepted`] with session key, or [`Answer::Refused`].
    Ntlm(NtlmAttempt),
    /// A verdict on a password: [`Answer::Accepted`] without session key, or [`Answer::Refused`].
    Password {
        /// The user name as the client wrote it; see [`UserName::parse`](crate::UserName::parse).
        user: String,
        /// The password.
        password: Secret,
    },
    /// A verdict on the client certificate of the connection: [`Answer::Accepted`] without session key, or
    /// [`Answer::Refused`].
    Certificate,
    /// A verdict on a Kerberos token: [`Answer::Kerberos`], [`Answer::KerberosRefused`] or [`Answer::Refused`].
    Kerberos(KerberosAttempt),
}

/// What the owner of the accounts says.
#[derive(Debug)]
#[non_exhaustive]
pub enum Answer {
    /// To [`Question::Challenge`].
    Challenge {
        /// Eight bytes that are never used twice.
        server_challenge: [u8; 8],
        /// What this machine calls itself.
        names: TargetNames,
        /// The present time; clients echo it, and it is the measure for stale timestamps.
        now: FileTime,
    },
    /// The response or password is right.
    Accepted {
        /// Whose it is.
        account: Account,
        /// For [`Question::Ntlm`]: what [`ntlm::verify`](crate::ntlm::verify) returned.
        session_key: Option<SessionBaseKey>,
    },
    /// To [`Question::Kerberos`]: the ticket is right.
    Kerberos(Box<KerberosAccepted>),
    /// To [`Question::Kerberos`]: it is not.
    KerberosRefused {
        /// Why, for the log.
        refusal: Refusal,
        /// The KRB-ERROR that tells the client, if there is one.
        token: Option<Vec<u8>>,
    },
    /// The user is unknown, or the response or password is wrong. Nobody is told which.
    Refused,
}

/// A completed login.
#[derive(Debug)]
#[non_exhaustive]
pub struct Login {
    /// Who came in.
    pub account: Account,
    /// How to open and seal this connection's messages; `None` where sealing was not negotiated.
    pub sealer: Option<Box<dyn Sealer>>,
    /// The mechanism that proved it: `NTLM`, `Kerberos`, `Basic`.
    pub mechanism: &'static str,
    /// What the client let the service have, to act in its name.
    pub delegated: Option<Delegated>,
}

impl Login {
    /// A completed login.
    #[must_use]
    pub fn new(account: Account, sealer: Option<Box<dyn Sealer>>, mechanism: &'static str) -> Self {
        Self { account, sealer, mechanism, delegated: None }
    }
}

/// The part of a sealed message that travels in front of the data.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sealed {
    /// Signature or token header; its length goes in front of it on the wire ([MS-WSMV] 2.2.9.1.1.2.2).
    pub header: Vec<u8>,
    /// Bytes that the mechanism added to the end of the data.
    pub padding: usize,
}

impl Sealed {
    /// A header with the number of bytes that the data grew by.
    #[must_use]
    pub fn new(header: Vec<u8>, padding: usize) -> Self {
        Self { header, padding }
    }
}

/// The security context of one connection: each direction counts its messages, and none may be lost or swapped.
pub trait Sealer: Send + Debug {
    /// Whether confidentiality was negotiated, so that `seal` and `unseal` work.
    fn can_seal(&self) -> bool;

    /// Encrypts `data` in place and signs it.
    ///
    /// # Errors
    /// [`Error::Seal`] when sealing was not negotiated, or the context is broken or used up; `data` is then unchanged.
    fn seal(&mut self, data: &mut Vec<u8>) -> Result<Sealed, Error>;

    /// Decrypts `data` in place and checks `header`.
    ///
    /// # Errors
    /// [`Error::Seal`] when the message was changed, repeated or left out one before it. `data` is then emptied, and
    /// the context opens nothing any more.
    fn unseal(&mut self, header: &[u8], data: &mut Vec<u8>) -> Result<(), Error>;

    /// How many bytes of a sealed message that arrives in one piece (RFC 2743 2.3.3) belong to its header; 16 unless the
    /// mechanism says otherwise.
    fn header_length(&self, _sealed: &[u8]) -> usize {
        16
    }

    /// Does ahead what the next messages will need and no message is needed for, if they are as long as the last ones.
    /// Call it while the peer is at work, after a long message; it changes nothing but the time that they take.
    fn prepare(&mut self) {}

    /// Signs SPNEGO's list of mechanisms, before the first `seal` ([MS-SPNG] 3.3.5.1).
    ///
    /// # Errors
    /// [`Error::Seal`] when the context cannot sign.
    fn mech_list_mic(&mut self, mech_list: &[u8]) -> Result<Vec<u8>, Error>;

    /// Checks the peer's signature over SPNEGO's list of mechanisms, before the first `unseal`.
    ///
    /// # Errors
    /// [`Error::Seal`] when it is wrong.
    fn check_mech_list_mic(&mut self, mech_list: &[u8], mic: &[u8]) -> Result<(), Error>;

    /// Foretells the peer's signature over SPNEGO's list of mechanisms and counts it as received, so that the context
    /// can be handed out before it arrives; `None` where the mechanism cannot know it.
    fn expect_mech_list_mic(&mut self, mech_list: &[u8]) -> Option<Vec<u8>>;
}
