//! What can go wrong in a login, and whose doing it was.

use std::fmt;

use crate::credssp::{ChannelError, NtStatus};
use crate::kerberos::KrbError;

/// An error of this crate. The first level says who is to blame.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The caller used a machine in a way that its documentation forbids. Nothing changed.
    #[error("login used wrongly: {0}")]
    ApiMisuse(ApiMisuse),
    /// The peer's bytes are not what they claim to be.
    #[error("{0}")]
    Decode(DecodeError),
    /// The service that we log in to broke a rule, or offers less than we ask.
    #[error("the service's login answer is not acceptable: {0}")]
    PeerMisbehaved(PeerMisbehaved),
    /// The acceptor lets the client not in. The reason is for the log: the wire says nothing but "no".
    #[error("login refused: {0}")]
    Refused(Refusal),
    /// A sealed message could not be opened, or no further one can be made.
    #[error("{0}")]
    Seal(SealError),
}

/// How a caller can misuse a login.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ApiMisuse {
    /// An answer was given, but no question is open, or it was another one.
    #[error("an answer that no open question asks for")]
    AnswerUnasked,
    /// A token was given while a question waits for its answer.
    #[error("a token while a question is open")]
    AnswerDue,
    /// The first call of an initiator takes no token.
    #[error("a token before our own first one")]
    TokenTooEarly,
    /// The initiator waits for the peer's token, and none was given.
    #[error("the peer's token is missing")]
    TokenDue,
    /// The user name of a Basic login contains a colon (RFC 7617 2).
    #[error("a user name with a colon cannot be sent by Basic")]
    UserNameHasColon,
    /// A user name or password contains a control character (RFC 7617 2).
    #[error("user name or password with a control character")]
    ControlCharacter,
    /// The user name is empty: that would be an anonymous login.
    #[error("empty user name")]
    UserNameEmpty,
    /// A field does not fit the token: names and target information are limited to 65,535 bytes each.
    #[error("{0} is too long for the token")]
    TooLong(&'static str),
    /// The accepting side was given no mechanism to choose from.
    #[error("no mechanism to offer")]
    NoMechanism,
    /// The verifier accepted an NTLM login without handing out the session key, or a Kerberos login with a key that does
    /// not fit its encryption type.
    #[error("a verdict without the session key")]
    SessionKeyMissing,
}

/// Where a token stops making sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodeError {
    /// The message or structure, in the specification's words.
    pub message: &'static str,
    /// The field in it.
    pub field: &'static str,
    /// What is wrong with the field.
    pub kind: DecodeErrorKind,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} {}", self.message, self.field, self.kind)
    }
}

/// What can be wrong with a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeErrorKind {
    /// The bytes end within the field, or its offset and length point outside the message.
    #[error("lies outside the message")]
    Truncated,
    /// The field has a value that the specification does not allow.
    #[error("has a value that is not allowed")]
    Invalid,
    /// The field must be there.
    #[error("is missing")]
    Missing,
    /// The field may be there only once.
    #[error("is there twice")]
    Duplicate,
    /// Bytes follow where the structure ends.
    #[error("is followed by stray bytes")]
    TrailingBytes,
    /// The field is longer than this implementation takes.
    #[error("is too long")]
    TooLong,
}

/// What a service can do wrong towards our initiator.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PeerMisbehaved {
    /// The CHALLENGE_MESSAGE does not grant a flag that we need ([MS-NLMP] 3.1.5.1.2).
    #[error("the challenge does not grant {0}")]
    FlagNotGranted(&'static str),
    /// The target information lacks the names that message integrity needs ([MS-NLMP] 3.1.5.1.2).
    #[error("the target information names neither computer nor domain")]
    TargetNamesMissing,
    /// SPNEGO: the service refused every mechanism (`negState` reject).
    #[error("the service rejects the negotiation")]
    Rejected,
    /// SPNEGO: the service chose a mechanism that we did not offer.
    #[error("the service chose a mechanism that was not offered")]
    MechanismNotOffered,
    /// SPNEGO: `mechListMIC` is absent where RFC 4178 5 needs it.
    #[error("the mechListMIC is missing")]
    MechListMicMissing,
    /// SPNEGO: `mechListMIC` does not fit: somebody changed the list of mechanisms.
    #[error("the mechListMIC is wrong")]
    MechListMicWrong,
    /// SPNEGO: the service waits for a token that we do not owe.
    #[error("the service waits for more than the login has")]
    NothingToSend,
    /// CredSSP: the TLS session inside the login failed.
    #[error("the TLS session inside the login: {0}")]
    InnerTls(ChannelError),
    /// CredSSP: the service speaks an older version than we may.
    #[error(
        "the service speaks version {0} of CredSSP, which does not prove its key safely (CVE-2018-0886)"
    )]
    CredSspVersion(u32),
    /// CredSSP: the service has not proven that the TLS session inside the login is its own; nothing was handed over.
    #[error(
        "the service does not prove the key of the TLS session: somebody may be in between. No password was sent"
    )]
    ServerKeyWrong,
    /// CredSSP: the service ends the login, and says why.
    #[error("{0}")]
    Status(NtStatus),
    /// The service says that the login is complete before it can be.
    #[error("the service ends the login too early")]
    EndedEarly,
    /// The service goes on after the login is complete.
    #[error("the service goes on after the end of the login")]
    TokenAfterEnd,
    /// Kerberos: the service answers our ticket with a KRB-ERROR. Nobody signs those: it tells people why, no more.
    #[error("{}", KerberosWords(.error, *.clock_ahead))]
    Kerberos {
        /// What it says.
        error: Box<KrbError>,
        /// By how many seconds its clock is ahead of ours; negative where it is behind.
        clock_ahead: i64,
    },
    /// Kerberos: the answer does not prove that it is the service that we have a ticket for.
    #[error("the service does not prove that it is the one that the Kerberos ticket is for")]
    NotMutual,
}

/// A KRB-ERROR in words, with the service's clock compared with ours.
struct KerberosWords<'a>(&'a KrbError, i64);

impl fmt::Display for KerberosWords<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.describe(f, self.1)
    }
}

/// Why an acceptor lets a client not in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The verifier said no: unknown user, wrong password, or an answer made for another challenge. These look alike
    /// on purpose.
    #[error("wrong user name or password")]
    WrongCredentials,
    /// The connection has no client certificate, or one that is not accepted. The owner of the certificate knows more.
    #[error("no acceptable client certificate")]
    Certificate,
    /// A login without a user name or without a response ([MS-NLMP] 3.2.5.1.2).
    #[error("anonymous login")]
    Anonymous,
    /// A 24-byte response: NTLMv1.
    #[error("NTLMv1 response")]
    NtlmV1,
    /// The AUTHENTICATE_MESSAGE takes back `NTLMSSP_NEGOTIATE_TARGET_INFO`.
    #[error("the target information flag was cleared")]
    TargetInfoCleared,
    /// The message integrity code is absent or zero although the client promised one, or although the policy asks
    /// every client for one ([MS-NLMP] 3.2.5.1.2).
    #[error("the message integrity code is missing")]
    MicMissing,
    /// The message integrity code is wrong: one of the three messages was changed on its way.
    #[error("the message integrity code is wrong")]
    MicWrong,
    /// The client binds its login to no TLS connection, and the policy is strict.
    #[error("the channel binding is missing")]
    ChannelBindingMissing,
    /// The login was made for another TLS connection.
    #[error("the channel binding is wrong")]
    ChannelBindingWrong,
    /// The client's timestamp is more than 36 hours away from ours.
    #[error("the timestamp is stale")]
    StaleTimestamp,
    /// The client does not take on this protection, and sealing is required.
    #[error("sealing is required, and the client does not take on {0}")]
    ProtectionTooWeak(&'static str),
    /// The AUTHENTICATE_MESSAGE claims a flag that the CHALLENGE_MESSAGE did not grant.
    #[error("the client claims {0}, which was not granted")]
    FlagNotGranted(&'static str),
    /// Text is sent in a code page instead of Unicode.
    #[error("the client does not speak Unicode")]
    NotUnicode,
    /// The key that the client exchanges is absent or has not 16 bytes.
    #[error("the exchanged session key is missing")]
    SessionKeyMissing,
    /// The token is malformed.
    #[error("malformed token: {0}")]
    Malformed(DecodeError),
    /// No mechanism of the client's list is ours.
    #[error("no common mechanism")]
    NoCommonMechanism,
    /// SPNEGO: the client gave up (`negState` reject).
    #[error("the client rejects the negotiation")]
    Rejected,
    /// SPNEGO: `mechListMIC` is absent where RFC 4178 5 or [MS-SPNG] needs it.
    #[error("the mechListMIC is missing")]
    MechListMicMissing,
    /// SPNEGO: `mechListMIC` does not fit: somebody changed the list of mechanisms.
    #[error("the mechListMIC is wrong")]
    MechListMicWrong,
    /// CredSSP: the TLS session inside the login failed.
    #[error("the TLS session inside the login: {0}")]
    InnerTls(ChannelError),
    /// CredSSP: the client speaks an older version than it must.
    #[error(
        "the client speaks version {0} of CredSSP, which does not prove our key safely (CVE-2018-0886)"
    )]
    CredSspVersion(u32),
    /// CredSSP: the client proves our key without the nonce that its version needs.
    #[error("the clientNonce is missing")]
    NonceMissing,
    /// CredSSP: the client sees another key than ours, or does not prove which: somebody may be in between.
    #[error("the client does not prove that it sees our key")]
    ServerKeyWrong,
    /// CredSSP: the client hands over something else than a password.
    #[error("the client hands over {0} instead of a password")]
    CredentialsKind(&'static str),
    /// A token arrived after the login was complete.
    #[error("a token after the end of the login")]
    TokenAfterEnd,
    /// Kerberos says no.
    #[error(transparent)]
    Kerberos(#[from] KerberosRefusal),
}

/// Why a Kerberos token is refused (RFC 4120 3.2.3, 7.5.9).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KerberosRefusal {
    /// The same token came before (`KRB_AP_ERR_REPEAT`).
    #[error("the Kerberos token was used before")]
    Replayed,
    /// The clocks of client and service are too far apart (`KRB_AP_ERR_SKEW`).
    #[error("the clocks of client and service differ too much")]
    Skew,
    /// The ticket is no longer valid (`KRB_AP_ERR_TKT_EXPIRED`).
    #[error("the Kerberos ticket has expired")]
    Expired,
    /// The ticket is not valid yet (`KRB_AP_ERR_TKT_NYV`).
    #[error("the Kerberos ticket is not valid yet")]
    NotYetValid,
    /// The ticket is for a service, or for a version of its key, that the keytab has not (`KRB_AP_ERR_NOKEY`,
    /// `KRB_AP_ERR_BADKEYVER`, `KRB_AP_ERR_NOT_US`).
    #[error("the ticket is for a service or a key version that is not in the keytab")]
    NoKey,
    /// The ticket's encryption is not allowed here (`KRB5KDC_ERR_ETYPE_NOSUPP`).
    #[error("the ticket's encryption type is not allowed")]
    EncryptionType,
    /// The ticket does not open with the key (`KRB_AP_ERR_BAD_INTEGRITY`, `KRB_AP_ERR_MODIFIED`).
    #[error("the ticket does not open with the key of the keytab")]
    Integrity,
    /// The token is bound to another TLS connection.
    #[error("the channel binding is wrong")]
    ChannelBindingWrong,
    /// Nobody wrote down which account the principal is.
    #[error("the principal has no account here")]
    Unmapped,
    /// The service has no keytab, or none that can be used.
    #[error("the service has no usable keytab")]
    NoKeytab,
    /// Everything else that the library refuses.
    #[error("the Kerberos token is not acceptable")]
    Other,
}

/// What can go wrong with a sealed message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// The signature does not fit: the message was changed, replayed or left out one before it.
    #[error("the sealed message was changed, repeated or is out of order")]
    Tampered,
    /// The signature has the wrong length or version.
    #[error("the signature of the sealed message is malformed")]
    MalformedSignature,
    /// An earlier message failed; this context opens nothing any more.
    #[error("the security context is broken by an earlier error")]
    Poisoned,
    /// Confidentiality was not negotiated.
    #[error("the login did not negotiate sealing")]
    NotNegotiated,
    /// All 2^32 sequence numbers of this direction are used.
    #[error("the security context is used up")]
    Exhausted,
}

impl From<DecodeError> for Error {
    fn from(error: DecodeError) -> Self {
        Self::Decode(error)
    }
}

impl From<ApiMisuse> for Error {
    fn from(error: ApiMisuse) -> Self {
        Self::ApiMisuse(error)
    }
}

impl From<PeerMisbehaved> for Error {
    fn from(error: PeerMisbehaved) -> Self {
        Self::PeerMisbehaved(error)
    }
}

impl From<Refusal> for Error {
    fn from(error: Refusal) -> Self {
        Self::Refused(error)
    }
}

impl From<KerberosRefusal> for Error {
    fn from(error: KerberosRefusal) -> Self {
        Self::Refused(Refusal::Kerberos(error))
    }
}

impl From<SealError> for Error {
    fn from(error: SealError) -> Self {
        Self::Seal(error)
    }
}
