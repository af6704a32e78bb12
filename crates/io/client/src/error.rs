//! What can go wrong for a client: the kind, the host, the operation, and what to try.

mod ticket;
mod way;

use std::fmt;
use std::time::Duration;

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
    /// A login that there is not.
    #[error("logins by {0} are not in this version")]
    NoSuchLogin(&'static str),
    /// Digest keeps the password to itself, but no message.
    #[error("Digest over plain HTTP shows all messages to everybody on the way")]
    DigestUnencrypted,
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
            untrusted: false,
        }
    }

    /// The same, of a client that found no ticket and took another login for it.
    pub(crate) fn without_ticket(mut self, why: String) -> Self {
        self.without_ticket = Some(why);
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

    /// What a person may try, most likely first.
    #[must_use]
    pub fn hints(&self) -> Vec<String> {
        if self.certificate && self.is_refusal_of_certificate() {
            return certificate_hints();
        }
        let mut hints = self.hints_of_the_kind();
        let may_be_refused = matches!(
            *self.kind,
            ErrorKind::Denied(
                LoginError::Refused | LoginError::Status(StatusCode::INTERNAL_SERVER_ERROR)
            ) | ErrorKind::Protocol(ProtocolError::Status(StatusCode::INTERNAL_SERVER_ERROR))
        );
        if self.unsealed && may_be_refused {
            hints.insert(0, SERVICE_CONSENT.to_owned());
        }
        hints
    }

    /// Whether the host may have said no to a certificate: some end the connection instead of saying so.
    fn is_refusal_of_certificate(&self) -> bool {
        let is_first = matches!(self.operation, "Create" | "Identify");
        match &*self.kind {
            ErrorKind::Denied(LoginError::Refused) => true,
            ErrorKind::Connect(ConnectionError::Lost(_) | ConnectionError::Closed) => is_first,
            ErrorKind::Config(_)
            | ErrorKind::Connect(_)
            | ErrorKind::Denied(_)
            | ErrorKind::Fault(_)
            | ErrorKind::Kerberos(_)
            | ErrorKind::Pool(_)
            | ErrorKind::Protocol(_)
            | ErrorKind::Redirected(_)
            | ErrorKind::Timeout(_) => false,
        }
    }

    fn hints_of_the_kind(&self) -> Vec<String> {
        let hint = |text: &str| vec![text.to_owned()];
        match &*self.kind {
            ErrorKind::Config(error) => self.config_hints(error),
            ErrorKind::Connect(ConnectionError::Open(error)) => self.connect_hints(error),
            ErrorKind::Connect(ConnectionError::Tls(error)) => error.hints(),
            ErrorKind::Connect(ConnectionError::Proxy { kind, .. }) => kind.hints(),
            // The first thing that is asked: perhaps nothing there ever understood a word.
            ErrorKind::Connect(_) if matches!(self.operation, "Create" | "Identify") => vec![
                "what answers there may be no WinRM service: check the port (WinRM has http on 5985, and https on 5986 with -usessl)"
                    .to_owned(),
                "or the service was stopped, or something on the way cuts connections".to_owned(),
            ],
            ErrorKind::Connect(_) => {
                hint("the service may have been stopped, or something on the way cuts connections")
            }
            ErrorKind::Denied(LoginError::Refused) => vec![
                "check user name and password; the service's log says why it refused the login"
                    .to_owned(),
                "an account of the host itself is written HOST\\NAME, one of a domain DOMAIN\\NAME"
                    .to_owned(),
            ],
            ErrorKind::Denied(LoginError::NotOffered { wanted, offered }) => {
                offer_hints(*wanted, offered)
            }
            ErrorKind::Denied(LoginError::Status(status)) => status_hints(*status),
            ErrorKind::Kerberos(error) => {
                let mut hints = ticket::hints(error);
                if self.untrusted {
                    hints.push(self.trust_hint());
                }
                hints
            }
            ErrorKind::Denied(_) | ErrorKind::Pool(_) => Vec::new(),
            ErrorKind::Fault(fault) => fault_hints(fault),
            ErrorKind::Protocol(ProtocolError::Status(status)) => status_hints(*status),
            ErrorKind::Protocol(ProtocolError::NotSealed(status))
                if *status == StatusCode::PAYLOAD_TOO_LARGE =>
            {
                status_hints(*status)
            }
            ErrorKind::Protocol(_) => hint(
                "the other side may be no WinRM service, or something on the way changes messages",
            ),
            ErrorKind::Redirected(Redirected { refusal: None, .. }) => hint(
                "allow it if you trust that address with your password: -AllowRedirection with -ConnectionUri, or winrs --allow-redirection",
            ),
            ErrorKind::Redirected(_) => hint("connect to that address itself"),
            ErrorKind::Timeout(_) => {
                hint("the host may be overloaded, or the network drops packets")
            }
        }
    }

    fn config_hints(&self, error: &ConfigError) -> Vec<String> {
        let hint = |text: &str| vec![text.to_owned()];
        match error {
            ConfigError::BasicUnencrypted | ConfigError::DigestUnencrypted => vec![
                "use --auth ntlm, which encrypts the messages, or https".to_owned(),
                format!(
                    "or allow it on this side: `AllowUnencrypted = true` in {}; the service must allow it too (for Basic: Service AllowUnencrypted and Auth Basic)",
                    crate::settings::display_path()
                ),
            ],
            ConfigError::Unencrypted => vec![
                "leave out -unencrypted: the login then encrypts the messages".to_owned(),
                format!(
                    "or allow it on this side: `AllowUnencrypted = true` in {}; the service must allow it too",
                    crate::settings::display_path()
                ),
            ],
            ConfigError::CannotSeal(_) => {
                hint("use --auth negotiate or ntlm, or message encryption `auto` with https")
            }
            ConfigError::NotTrusted | ConfigError::AddressNotTrusted => vec![
                self.trust_hint(),
                "or connect by https, where the certificate proves who answers".to_owned(),
            ],
            ConfigError::Trust(TrustError::NoSystemRoots(_)) => {
                hint("install the package ca-certificates, or name the authority: --ca FILE or DIR")
            }
            ConfigError::CertificateUnencrypted => {
                hint("connect by https: -usessl (winrs), -UseSSL (cmdlets), or https://HOST:5986")
            }
            ConfigError::CredSspNotAllowed => vec![
                format!(
                    "if you trust whoever rules that host with your password: AllowFreshCredentials = [\"wsman/{}\"] in the table [CredSSP] of {}",
                    host_of(&self.host),
                    crate::settings::display_path()
                ),
                "or let it act in your name without the password: Kerberos with -allowdelegate"
                    .to_owned(),
            ],
            ConfigError::NoCertificate => hint(
                "name it: --certificate FILE or THUMBPRINT (winrs), -CertificateThumbprint (cmdlets)",
            ),
            ConfigError::NoDelegation(_) => hint(
                "delegation needs a ticket: name the user as USER@REALM and the host by its full name; or use CredSSP",
            ),
            ConfigError::NoTickets(_) => hint(
                "connect by the host's full name, or say which name the ticket is for: --spn-host NAME",
            ),
            ConfigError::CredSspWithoutPassword => {
                hint("name the account: -u:USER (winrs), -Credential (cmdlets)")
            }
            ConfigError::Trust(_)
            | ConfigError::Credentials(_)
            | ConfigError::File { .. }
            | ConfigError::NoSuchLogin(_) => Vec::new(),
        }
    }

    fn trust_hint(&self) -> String {
        let (host, file) = (host_of(&self.host), crate::settings::display_path());
        let why =
            if self.untrusted { "to log in by NTLM, which does not prove the host, " } else { "" };
        format!(
            "{why}add the host to the list of trusted hosts: `TrustedHosts = \"{host}\"` in {file}"
        )
    }

    fn connect_hints(&self, error: &ConnectError) -> Vec<String> {
        let mut hints = Vec::new();
        if matches!(error, ConnectError::Resolve { .. }) {
            hints.push("check the spelling of the name".to_owned());
        } else {
            hints.push(
                "check that WinRM runs on the host (`winrm quickconfig` on Windows, `transom serve` elsewhere), and that a firewall lets its port through".to_owned(),
            );
        }
        if self.host.ends_with(":80") || self.host.ends_with(":443") {
            hints.push(
                "a URL without a port means 80 or 443; WinRM listens on 5985 (http) and 5986 (https): write the port, or the bare name".to_owned(),
            );
        }
        hints
    }
}

/// The host of HOST:PORT, without the brackets around an address.
fn host_of(authority: &str) -> &str {
    authority.rsplit_once(':').map_or(authority, |(host, _)| host).trim_matches(['[', ']'])
}

const SERVICE_CERTIFICATES: &str = "or allow logins by certificate in the service's settings: Certificate = true in [Service.Auth]; on Windows: Set-Item WSMan:\\localhost\\Service\\Auth\\Certificate $true";

/// What to try where a login is not offered: the others, or to have the service offer it.
fn offer_hints(wanted: auth::Scheme, offered: &[auth::Scheme]) -> Vec<String> {
    let mut hints: Vec<String> = offered
        .iter()
        .map(|&scheme| {
            if scheme == auth::Scheme::Certificate {
                return "use --certificate FILE or THUMBPRINT".to_owned();
            }
            format!("use --auth {}", scheme.as_str().to_ascii_lowercase())
        })
        .collect();
    if wanted == auth::Scheme::Certificate {
        hints.push(SERVICE_CERTIFICATES.to_owned());
    }
    if wanted == auth::Scheme::Basic {
        hints.push("or allow Basic in the service's settings: AllowUnencrypted = true in [Service] and Basic = true in [Service.Auth]".to_owned());
    }
    hints
}

/// What a host may lack that refuses a certificate; it never says what.
fn certificate_hints() -> Vec<String> {
    vec![
        "the host must map the certificate to an account: on Windows, New-Item WSMan:\\localhost\\ClientCertificate with its subject (UPN) and the thumbprint of its issuer; the account's password must still be the mapped one".to_owned(),
        "the host must allow it (Service Auth Certificate = true), and trust the issuer; a self-signed certificate must be among its trusted people".to_owned(),
        "the certificate must be for clients (extended key usage clientAuth), valid now, and not revoked".to_owned(),
    ]
}

const SERVICE_CONSENT: &str = "the service may refuse unencrypted messages: leave out -unencrypted, or allow it there (AllowUnencrypted = true in [Service]; on Windows: winrm set winrm/config/service @{AllowUnencrypted=\"true\"})";

fn fault_hints(fault: &Fault) -> Vec<String> {
    let text = match fault.error_code().map(|code| code.0) {
        Some(5) => {
            "the account may log in but not do this: it must be a member of Administrators on the host"
        }
        Some(2_150_859_173) => {
            "the account has as many shells as it may have: end some, or raise MaxShellsPerUser"
        }
        Some(2_150_858_843) => {
            "the shell is gone: its idle time was over, or the service was restarted"
        }
        _ => return Vec::new(),
    };
    vec![text.to_owned()]
}

fn status_hints(status: StatusCode) -> Vec<String> {
    let text = match status.as_u16() {
        301 | 302 | 303 | 307 | 308 => {
            "the host sends connections elsewhere without saying where: connect to that address"
        }
        404 => {
            "the path is wrong, WinRM services answer on /wsman; or this is another service's port"
        }
        413 => "the service takes shorter messages only (MaxEnvelopeSizekb)",
        500 => "the service may refuse unencrypted messages (AllowUnencrypted)",
        425 | 429 => {
            "the host has too much to do, and asked too often to be asked later: try again"
        }
        503 => "the service is starting, stopping or overloaded: try again",
        _ => "the other side may be no WinRM service: check the port",
    };
    vec![text.to_owned()]
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
