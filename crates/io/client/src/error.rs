//! What can go wrong for a client: the kind, the host, the operation, and what to try.

mod hints;
mod ticket;
mod way;

use std::path::PathBuf;
use std::time::Duration;
use std::{fmt, io};

use http::StatusCode;
use session::client::login::LoginError;
use session::http::sealed::SealedError;
use transport::ConnectError;
use transport::kerberos::KerberosError;
use transport::tls::{TlsError, TrustError};
use wsman::fault::{ErrorCode, Fault};

pub use way::{ProxyError, Redirected};

/// How services say that a command reads no more: it is unknown by now, it was told to end, or its
/// pipe is closed or closing (`ERROR_BROKEN_PIPE`, `ERROR_NO_DATA`, both also as HRESULTs).
const END_OF_READING: [ErrorCode; 6] = [
    ErrorCode::UNEXPECTED_SELECTORS,
    ErrorCode::OPERATION_ABORTED,
    ErrorCode(109),
    ErrorCode(232),
    ErrorCode(0x8007_006D),
    ErrorCode(0x8007_00E8),
];

/// An error of the client.
#[derive(Debug)]
pub struct Error {
    kind: Box<ErrorKind>,
    host: String,
    operation: &'static str,
    unsent: bool,
    /// Whether messages were to travel readable, by the user's wish.
    unsealed: bool,
    /// Whether a certificate was the login.
    certificate: bool,
    /// Why the login was not by Kerberos, where a ticket was wanted and not to be had.
    without_ticket: Option<String>,
    /// Whether the login was by Kerberos.
    by_ticket: bool,
    /// Whether NTLM was not even tried, as it would not prove who the host is.
    untrusted: bool,
}

/// What happened. The kinds are few: each asks for another reaction.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A setting or option cannot work; nothing was sent.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// No connection came about, or it broke.
    #[error("{0}")]
    Connect(#[source] ConnectionError),
    /// The service refused the login.
    #[error(transparent)]
    Denied(LoginError),
    /// The service answered with a fault.
    #[error("{0}")]
    Fault(Box<Fault>),
    /// There is no ticket to log in with; nothing was sent.
    #[error(transparent)]
    Kerberos(#[from] KerberosError),
    /// A runspace pool cannot do what it was asked for, or is over.
    #[error(transparent)]
    Pool(#[from] PoolError),
    /// The service broke the protocol.
    #[error("{0}")]
    Protocol(#[source] ProtocolError),
    /// The host sends connections elsewhere, and that is not followed.
    #[error("{0}")]
    Redirected(Redirected),
    /// The deadline of the call passed.
    #[error("no answer within {} s", .0.as_secs_f32())]
    Timeout(Duration),
}

/// What cannot work as configured.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// Basic would show the password to everybody on the way.
    #[error("Basic over plain HTTP shows the password and all messages to everybody on the way")]
    BasicUnencrypted,
    /// A login by certificate without TLS.
    #[error(
        "a login by certificate needs https: on plain HTTP there is nothing that could show it"
    )]
    CertificateUnencrypted,
    /// A login by certificate without one.
    #[error("a login by certificate needs a certificate with its private key")]
    NoCertificate,
    /// CredSSP would give name and password to a host that the settings do not name.
    #[error(
        "CredSSP gives your password to the host, and the settings do not allow that for this one"
    )]
    CredSspNotAllowed,
    /// CredSSP gives the host a password, and there is none.
    #[error("CredSSP needs a user name and a password")]
    CredSspWithoutPassword,
    /// A login that cannot let the host act in the user's name.
    #[error("no credentials can be delegated: {0}")]
    NoDelegation(String),
    /// A login that needs a ticket, where none is for.
    #[error("no login by Kerberos: {0}")]
    NoTickets(String),
    /// Digest keeps the password to itself, but no message.
    #[error("Digest over plain HTTP shows all messages to everybody on the way")]
    DigestUnencrypted,
    /// Windows's errors 2150858975 to 2150858979 and 2150859170: the user's settings do not allow this login.
    #[error(
        "the WinRM client cannot process the request: logins by {0} are disabled in the client's settings"
    )]
    LoginDisabled(&'static str),
    /// Messages are to be sealed by a login that cannot.
    #[error("messages cannot be sealed by a login with {0}, and message encryption is `always`")]
    CannotSeal(&'static str),
    /// Windows's error 2150858974: messages would be readable, and `AllowUnencrypted` is false.
    #[error(
        "the WinRM client cannot process the request: unencrypted traffic is disabled in the client's settings (error 2150858974)"
    )]
    Unencrypted,
    /// Windows's error 2150858980: NTLM over HTTP does not prove which host answers.
    #[error(
        "the WinRM client cannot process the request: this login does not prove the identity of the host over HTTP, and the host is not in TrustedHosts (error 2150858980)"
    )]
    NotTrusted,
    /// Windows's error 2150859195: the same for an address and a user who names no login.
    #[error(
        "The WinRM client cannot process the request. Default authentication may be used with an IP address under the following conditions: the transport is HTTPS or the destination is in the TrustedHosts list, and explicit credentials are provided (error 2150859195)."
    )]
    AddressNotTrusted,
    /// What is asked of the host's certificate cannot be used.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// The settings file cannot be used.
    #[error("{file}: {problem}")]
    File {
        /// The file.
        file: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The user name or the password cannot be sent.
    #[error(transparent)]
    Credentials(auth::Error),
}

/// How a connection failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectionError {
    /// It never came about.
    #[error(transparent)]
    Open(#[from] ConnectError),
    /// TLS did not come about: the certificate is not accepted, or there is no TLS.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The proxy that the settings name did not make it.
    #[error("the proxy {proxy}: {kind}")]
    Proxy {
        /// Where the proxy is.
        proxy: String,
        /// What happened there.
        kind: ProxyError,
    },
    /// The private socket of this machine's service cannot be reached.
    #[error("no connection to this machine's service at {}", path.display())]
    Local {
        /// Where the socket should be.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It broke.
    #[error("the connection was lost: {0}")]
    Lost(hyper::Error),
    /// The service closed it instead of answering.
    #[error("the service closed the connection without an answer")]
    Closed,
}

/// What became of a runspace pool.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PoolError {
    /// The host ended it, and says why.
    #[error("the runspace pool is broken{}", .0.as_deref().map(|why| format!(": {why}")).unwrap_or_default())]
    Broken(Option<String>),
    /// It is closed.
    #[error("the runspace pool is closed")]
    Closed,
    /// The host has ended a pipeline, which has not told its end.
    #[error("the host ended the pipeline without a word")]
    Ended,
    /// A wrong call, or the host broke the remoting protocol.
    #[error("{0}")]
    Failed(String),
}

/// How a service broke the protocol.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProtocolError {
    /// The answer is larger than the envelope size that the request allowed.
    #[error("the answer is larger than the {0} bytes that were allowed")]
    AnswerTooLarge(usize),
    /// A sealed message was answered without a seal, as anybody on the way could have done: whether the service acted
    /// on the message is unknown.
    #[error("a sealed message was answered in the clear, with HTTP status {0}")]
    NotSealed(StatusCode),
    /// The login can neither seal messages, nor is there anything else that protects them.
    #[error("the login cannot encrypt messages, and they must not travel readable")]
    NoSeal,
    /// The answer's seal or frame is broken.
    #[error("the sealed answer cannot be opened: {0}")]
    Sealed(#[from] SealedError),
    /// An HTTP status without an envelope.
    #[error("the service answered with HTTP status {0}")]
    Status(StatusCode),
    /// The envelope is malformed or is not what was asked for.
    #[error("{0}")]
    Message(String),
}

impl Error {
    pub(crate) fn new(kind: impl Into<ErrorKind>, host: &str, operation: &'static str) -> Self {
        let (kind, host) = (Box::new(kind.into()), host.to_owned());
        Self {
            kind,
            host,
            operation,
            unsent: false,
            unsealed: false,
            certificate: false,
            without_ticket: None,
            by_ticket: false,
            untrusted: false,
        }
    }

    /// The same, of a client that found no ticket and took another login for it.
    pub(crate) fn without_ticket(mut self, why: String) -> Self {
        self.without_ticket = Some(why);
        self
    }

    /// The same, of a client that has a ticket for the host.
    pub(crate) const fn by_ticket(mut self) -> Self {
        self.by_ticket = true;
        self
    }

    /// The same, of a client that takes NTLM only where the host is proven or trusted, and here is neither.
    pub(crate) const fn untrusted(mut self) -> Self {
        self.untrusted = true;
        self
    }

    /// The same, of a client whose messages travel readable by the user's wish.
    pub(crate) const fn unsealed(mut self) -> Self {
        self.unsealed = true;
        self
    }

    /// The same, of a client that logs in by certificate.
    pub(crate) const fn by_certificate(mut self) -> Self {
        self.certificate = true;
        self
    }

    /// The same, of a message that the service cannot have acted on.
    pub(crate) const fn unsent(mut self) -> Self {
        self.unsent = true;
        self
    }

    /// Whether the service cannot have acted on the message: it did not leave, or the login failed.
    #[must_use]
    pub const fn is_unsent(&self) -> bool {
        self.unsent
    }

    /// Whether the message may have arrived, and the answer, if there was one, did not: what cannot be opened is none.
    pub(crate) const fn is_lost(&self) -> bool {
        let is_lost = matches!(
            *self.kind,
            ErrorKind::Connect(_)
                | ErrorKind::Timeout(_)
                | ErrorKind::Protocol(ProtocolError::NotSealed(_) | ProtocolError::Sealed(_))
        );
        is_lost && !self.unsent
    }

    /// Whether the service refused the message unseen because of its length.
    pub(crate) fn is_too_long(&self) -> bool {
        let too_long = StatusCode::PAYLOAD_TOO_LARGE;
        matches!(&*self.kind, ErrorKind::Protocol(ProtocolError::Status(status)) if *status == too_long)
    }

    /// Where the host sends to, if it does and nothing was said about that yet.
    pub(crate) fn location(&self) -> Option<&str> {
        if let ErrorKind::Redirected(Redirected { location, refusal: None }) = &*self.kind {
            return Some(location);
        }
        None
    }

    /// Why a redirection is not followed.
    pub(crate) fn not_followed(mut self, why: impl fmt::Display) -> Self {
        if let ErrorKind::Redirected(Redirected { refusal, .. }) = &mut *self.kind {
            *refusal = Some(why.to_string());
        }
        self
    }

    /// What happened.
    #[must_use]
    pub const fn kind(&self) -> &ErrorKind {
        &self.kind
    }

    /// The host that it happened with.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// What was being done, in the protocol's words: `Create`, `Receive`.
    #[must_use]
    pub const fn operation(&self) -> &'static str {
        self.operation
    }

    /// The fault, if the service answered with one.
    #[must_use]
    pub const fn fault(&self) -> Option<&Fault> {
        match &*self.kind {
            ErrorKind::Fault(fault) => Some(fault),
            ErrorKind::Config(_)
            | ErrorKind::Connect(_)
            | ErrorKind::Denied(_)
            | ErrorKind::Kerberos(_)
            | ErrorKind::Pool(_)
            | ErrorKind::Protocol(_)
            | ErrorKind::Redirected(_)
            | ErrorKind::Timeout(_) => None,
        }
    }

    /// Whether the service says that the shell or pool is not there: it was ended, or its idle time was over.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        let code = self.fault().and_then(Fault::error_code);
        code == Some(ErrorCode::UNEXPECTED_SELECTORS)
    }

    /// Whether a pipeline was over on the host, and had nothing more to tell: another client has heard all of it.
    #[must_use]
    pub fn is_silent_end(&self) -> bool {
        matches!(*self.kind, ErrorKind::Pool(PoolError::Ended))
    }

    /// Whether the service could not be reached, or did not answer.
    #[must_use]
    pub const fn is_unreachable(&self) -> bool {
        matches!(*self.kind, ErrorKind::Connect(_) | ErrorKind::Timeout(_))
    }

    /// Whether the service says no more than that the command has ended or has closed its input.
    /// What it did not read is of no use then, [MS-WSMV] 3.1.4.13.
    #[must_use]
    pub fn is_end_of_reading(&self) -> bool {
        let code = self.fault().and_then(Fault::error_code);
        code.is_some_and(|code| END_OF_READING.contains(&code))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} on {})", self.kind, self.operation, self.host)?;
        match &self.without_ticket {
            Some(why) => write!(f, "; the login was not by Kerberos: {why}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.kind.source()
    }
}

impl From<hyper::Error> for ConnectionError {
    fn from(error: hyper::Error) -> Self {
        if error.is_closed() || error.is_canceled() { Self::Closed } else { Self::Lost(error) }
    }
}

impl From<ConnectionError> for ErrorKind {
    fn from(error: ConnectionError) -> Self {
        Self::Connect(error)
    }
}

impl From<ProtocolError> for ErrorKind {
    fn from(error: ProtocolError) -> Self {
        Self::Protocol(error)
    }
}

impl From<Fault> for ErrorKind {
    fn from(fault: Fault) -> Self {
        Self::Fault(Box::new(fault))
    }
}

impl From<LoginError> for ErrorKind {
    fn from(error: LoginError) -> Self {
        Self::Denied(error)
    }
}
