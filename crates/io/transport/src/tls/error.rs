//! Why a host is not believed or a TLS connection did not come about, and what to try.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use openssl::error::ErrorStack;
use rustls::AlertDescription;

use super::certificate::{MAX_CHAIN, Moment};
use super::level::Level;

/// Why the certificate of a host is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// Nobody who is trusted vouches for it.
    #[error("the certificate of the host is signed by an unknown authority ({issuer})")]
    UnknownAuthority {
        /// Who signed it, or the last certificate that the host showed.
        issuer: String,
    },
    /// It vouches for itself.
    #[error("the certificate of the host is self-signed ({subject})")]
    SelfSigned {
        /// Whom it names.
        subject: String,
        /// SHA-256 of the certificate, to be compared with what the host's administrator says.
        fingerprint: String,
    },
    /// Its time is over.
    #[error("the certificate {subject} expired on {until}; now it is {now}")]
    Expired {
        /// Which certificate of the chain.
        subject: String,
        /// The last moment of its validity.
        until: Moment,
        /// The clock of this machine.
        now: Moment,
    },
    /// Its time has not come.
    #[error("the certificate {subject} is not valid before {from}; now it is {now}")]
    NotYetValid {
        /// Which certificate of the chain.
        subject: String,
        /// The first moment of its validity.
        from: Moment,
        /// The clock of this machine.
        now: Moment,
    },
    /// It is somebody else's.
    #[error("the certificate is not for `{wanted}`: {}", names_of(found, subject))]
    WrongName {
        /// The name that was asked for.
        wanted: String,
        /// The names that the certificate has.
        found: Vec<String>,
        /// Whom it names besides; this name does not count.
        subject: String,
    },
    /// None of the pins fits.
    #[error(
        "the certificate of the host is another one than the pinned: its SHA-256 is {certificate}, that of its public key {key}"
    )]
    WrongPin {
        /// SHA-256 of the certificate.
        certificate: String,
        /// SHA-256 of its public key.
        key: String,
    },
    /// It was made for something else than a server.
    #[error("the certificate of the host is not meant for servers (extended key usage)")]
    WrongPurpose,
    /// Its authority took it back.
    #[error("the certificate {subject} was revoked by its authority")]
    Revoked {
        /// Which certificate of the chain.
        subject: String,
    },
    /// The list that would tell is out of date.
    #[error("the revocation list of {issuer} ({file}) counts until {until}; now it is {now}")]
    RevocationListExpired {
        /// Whose list it is.
        issuer: String,
        /// Where it comes from.
        file: String,
        /// The last moment of its validity.
        until: Moment,
        /// The clock of this machine.
        now: Moment,
    },
    /// The list that would tell cannot be believed.
    #[error("a revocation list cannot be used ({file}): {problem}")]
    RevocationListWrong {
        /// Where it comes from.
        file: String,
        /// What is wrong with it.
        problem: String,
    },
    /// It cannot be read.
    #[error("the certificate of the host is malformed")]
    Malformed,
    /// The host showed none.
    #[error("the host showed no certificate")]
    Absent,
    /// The chain is longer than any honest one.
    #[error("the host showed more than {MAX_CHAIN} certificates")]
    TooMany,
    /// A second handshake on the same connection showed another one, to which no login is bound.
    #[error("the host showed another certificate in the middle of the connection")]
    Changed,
    /// The chain breaks another rule of RFC 5280.
    #[error("the certificate of the host is not acceptable: {0}")]
    Unacceptable(String),
}

fn names_of(found: &[String], subject: &str) -> String {
    if found.is_empty() {
        return format!("it has no name in its subjectAltName (its subject is {subject})");
    }
    format!("its names are {}", found.join(", "))
}

impl CertificateError {
    /// What a person may try, most likely first.
    #[must_use]
    pub fn hints(&self) -> Vec<String> {
        match self {
            Self::UnknownAuthority { .. } => vec![
                "name the authority's certificate: --ca FILE or DIR (setting CAPath)".to_owned(),
                SKIP_AUTHORITY.to_owned(),
            ],
            Self::SelfSigned { fingerprint, .. } => vec![
                format!(
                    "if the host's administrator confirms this fingerprint: --pin {fingerprint}"
                ),
                "or get the certificate from the host, and --ca FILE".to_owned(),
                SKIP_AUTHORITY.to_owned(),
            ],
            Self::Expired { .. } => vec![
                "the host needs a new certificate; check this machine's clock too".to_owned(),
            ],
            Self::NotYetValid { .. } => vec!["check the clocks of this machine and of the host".to_owned()],
            Self::WrongName { found, .. } => {
                let mut hints = Vec::new();
                if let Some(name) = found.iter().find(|name| !name.starts_with('*')) {
                    hints.push(format!(
                        "connect to a name that the certificate has, or expect another one: --server-name {name}"
                    ));
                }
                hints.push("--skip-cn-check accepts any name: whoever has a certificate of that authority can then play the host".to_owned());
                hints
            }
            Self::WrongPin { .. } => vec![
                "the host has a new certificate, or somebody else answers: ask its administrator before you change the pin".to_owned(),
            ],
            Self::Revoked { .. } => vec![
                "the host needs another certificate: whoever has the key of this one is not believed any more".to_owned(),
            ],
            Self::RevocationListExpired { file, .. } => vec![
                format!("get the authority's new list, and put it in the place of {file}: lists are not fetched from the network"),
                SKIP_REVOCATION.to_owned(),
            ],
            Self::RevocationListWrong { .. } => vec![
                "name the lists of the host's authorities only (setting CRLPath)".to_owned(),
                SKIP_REVOCATION.to_owned(),
            ],
            Self::Changed => vec![
                "the host was given a new certificate just now, or somebody else answers: try again".to_owned(),
            ],
            Self::WrongPurpose
            | Self::Malformed
            | Self::Absent
            | Self::TooMany
            | Self::Unacceptable(_) => {
                vec!["the host needs another certificate".to_owned()]
            }
        }
    }
}

const SKIP_REVOCATION: &str = "SkipRevocationCheck = true leaves revocation lists out: a certificate that was taken back then passes";
const SKIP_AUTHORITY: &str =
    "--skip-ca-check accepts any signer: somebody on the way could then play the host";

/// Why the trust settings cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TrustError {
    /// A file or folder of authorities cannot be read.
    #[error("{}: {problem}", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// What the system said, or what is wrong with the content.
        problem: String,
    },
    /// The system has no list of authorities.
    #[error("this system has no list of certificate authorities{0}")]
    NoSystemRoots(String),
    /// No name or address that a certificate could have.
    #[error("`{0}` is no host name or address that a certificate can have")]
    Name(String),
    /// Not a SHA-256 value.
    #[error("`{0}` is no SHA-256 fingerprint: 64 hexadecimal digits, colons allowed")]
    Pin(String),
    /// The TLS library refuses the settings.
    #[error("TLS cannot be set up: {0}")]
    Setup(String),
}

/// Why a TLS connection did not come about.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// The certificate of the host is not accepted.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// The settings cannot be used with this host.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// The two sides do not speak the same TLS.
    #[error("no TLS connection came about: {0}")]
    Handshake(Mismatch),
    /// The connection broke during the handshake.
    #[error("the connection ended during the TLS handshake: {0}")]
    Lost(io::Error),
    /// The client cannot be asked for a certificate any more; the connection goes on without.
    #[error(
        "the client does not offer to show a certificate after the handshake (TLS 1.3, post_handshake_auth)"
    )]
    NoLateCertificate,
    /// Time ran out.
    #[error("the TLS handshake was not complete within {} s", .0.as_secs_f32())]
    Timeout(Duration),
}

/// How a handshake failed, whichever library made it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct Mismatch {
    /// The library's words; they hold nothing of the peer's.
    text: String,
    kind: Kind,
    /// What was offered, where a client knows.
    level: Option<Level>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// What came back is no TLS.
    NotTls,
    /// The peer sent an alert about our certificate, or about there being none.
    Certificate,
    /// The peer does not know secure renegotiation.
    NoSecureRenegotiation,
    /// Versions, suites or what else there is.
    Other,
}

/// Alerts about certificates, RFC 8446 6.2: from bad_certificate to illegal values aside, unknown_ca, access_denied,
/// certificate_required.
const CERTIFICATE_ALERTS: [u8; 9] = [41, 42, 43, 44, 45, 46, 48, 49, 116];
/// Reasons of OpenSSL's `sslerr.h`.
const HTTP_REQUEST: i32 = 156;
const WRONG_VERSION_NUMBER: i32 = 267;
const PACKET_LENGTH_TOO_LONG: i32 = 198;
const UNEXPECTED_EOF: i32 = 294;
const UNSAFE_LEGACY_RENEGOTIATION: i32 = 338;
/// What its reasons add to the number of an alert.
const ALERTS: i32 = 1000;

impl Mismatch {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "rustls has twenty more, and its own words for them do"
    )]
    fn of_rustls(error: &rustls::Error) -> Self {
        let kind = match error {
            rustls::Error::InvalidMessage(_) => Kind::NotTls,
            rustls::Error::AlertReceived(alert) if is_about_certificates(*alert) => {
                Kind::Certificate
            }
            _ => Kind::Other,
        };
        Self { text: error.to_string(), kind, level: None }
    }

    /// `None` where the connection just ended.
    pub(super) fn of_openssl(stack: &ErrorStack, text: String) -> Option<Self> {
        let reason = stack.errors().last().map_or(0, openssl::error::Error::reason_code);
        let alert = reason.checked_sub(ALERTS).and_then(|alert| u8::try_from(alert).ok());
        let kind = match reason {
            UNEXPECTED_EOF => return None,
            HTTP_REQUEST | WRONG_VERSION_NUMBER | PACKET_LENGTH_TOO_LONG => Kind::NotTls,
            UNSAFE_LEGACY_RENEGOTIATION => Kind::NoSecureRenegotiation,
            _ if alert.is_some_and(|alert| CERTIFICATE_ALERTS.contains(&alert)) => {
                Kind::Certificate
            }
            _ => Kind::Other,
        };
        Some(Self { text, kind, level: None })
    }

    fn hints(&self) -> Vec<String> {
        let hint = |text: &str| vec![text.to_owned()];
        match (self.kind, self.level) {
            (Kind::NotTls, _) => {
                hint("there may be no TLS on this port: WinRM has https on 5986 and http on 5985")
            }
            (Kind::Certificate, _) => hint(
                "the host wants another certificate of the client, or one at all: --certificate FILE or THUMBPRINT (winrs), -CertificateThumbprint (cmdlets)",
            ),
            (Kind::NoSecureRenegotiation, _) => hint(
                "the host needs its updates: it does not know secure renegotiation (RFC 5746, on Windows since MS10-049)",
            ),
            (Kind::Other, None | Some(Level::Modern)) => vec![
                "the host may know only old cipher suites: --tls compat (setting Level in [TLS]) offers those of 2012".to_owned(),
                "or only TLS 1.0 or 1.1, which are broken: --tls legacy speaks them".to_owned(),
            ],
            (Kind::Other, Some(Level::Compat)) => hint(
                "the host may know only TLS 1.0 or 1.1, which are broken: --tls legacy (setting Level in [TLS]) speaks them",
            ),
            (Kind::Other, Some(Level::Legacy)) => hint(
                "the host may know only SSL 3.0, RC4 or 3DES, which nothing here speaks: its administrator can enable TLS 1.2",
            ),
        }
    }
}

fn is_about_certificates(alert: AlertDescription) -> bool {
    CERTIFICATE_ALERTS.contains(&u8::from(alert))
}

impl TlsError {
    /// Finds in the error of a handshake what it is about.
    pub(super) fn of_handshake(error: io::Error) -> Self {
        let Some(inner) = error.get_ref() else { return Self::Lost(error) };
        if let Some(verdict) = inner.downcast_ref::<CertificateError>() {
            return Self::Certificate(verdict.clone());
        }
        if let Some(mismatch) = inner.downcast_ref::<Mismatch>() {
            return Self::Handshake(mismatch.clone());
        }
        let Some(inner) = inner.downcast_ref::<rustls::Error>() else {
            return Self::Lost(error);
        };
        if let rustls::Error::InvalidCertificate(rustls::CertificateError::Other(other)) = inner
            && let Some(verdict) = other.0.downcast_ref::<CertificateError>()
        {
            return Self::Certificate(verdict.clone());
        }
        Self::Handshake(Mismatch::of_rustls(inner))
    }

    /// The same, of a client that offered this.
    pub(super) fn offered(self, level: Level) -> Self {
        match self {
            Self::Handshake(mismatch) => {
                Self::Handshake(Mismatch { level: Some(level), ..mismatch })
            }
            other @ (Self::Certificate(_)
            | Self::Trust(_)
            | Self::Lost(_)
            | Self::NoLateCertificate
            | Self::Timeout(_)) => other,
        }
    }

    /// What a person may try, most likely first.
    #[must_use]
    pub fn hints(&self) -> Vec<String> {
        match self {
            Self::Certificate(error) => error.hints(),
            Self::Handshake(mismatch) => mismatch.hints(),
            Self::Trust(_) | Self::NoLateCertificate => Vec::new(),
            Self::Lost(_) | Self::Timeout(_) => vec![
                "the host's https listener may lack a certificate, or there is no TLS on this port"
                    .to_owned(),
            ],
        }
    }
}
