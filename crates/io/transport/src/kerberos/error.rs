//! [`KerberosError`]: what Kerberos had to say, sorted by what can be done about it.

/// What went wrong, in words for people; the kind says what can be done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct KerberosError {
    kind: KerberosErrorKind,
    text: String,
}

/// What can be done about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KerberosErrorKind {
    /// The system's GSSAPI is not installed.
    NoLibrary,
    /// There is no cache, or it is empty.
    NoTicket,
    /// The tickets have expired.
    Expired,
    /// No realm for the name.
    NoRealm,
    /// No KDC of the realm answers.
    KdcUnreachable,
    /// The KDC does not know the client.
    UnknownClient,
    /// The password is wrong, or the keytab is not the client's.
    WrongPassword,
    /// The account's password has expired, or the account is locked or disabled.
    AccountUnusable,
    /// The KDC does not know the service under any of the names that were tried.
    UnknownService,
    /// The clocks differ too much.
    Skew,
    /// KDC, tickets and `krb5.conf` have no encryption type in common.
    EncryptionType,
    /// Delegation was asked for, and the tickets cannot be delegated.
    NotForwardable,
    /// The service's answer is not the one that only it can give.
    NotMutual,
    /// The binding to the TLS connection is wrong.
    ChannelBinding,
    /// The keytab cannot be read, or has no key.
    Keytab,
    /// `kinit` could not be run, or failed.
    Kinit,
    /// Everything else.
    Other,
}

impl KerberosError {
    /// An error in words.
    #[must_use]
    pub fn new(kind: KerberosErrorKind, text: impl Into<String>) -> Self {
        Self { kind, text: text.into() }
    }

    /// What can be done.
    #[must_use]
    pub const fn kind(&self) -> KerberosErrorKind {
        self.kind
    }

    pub(crate) fn no_library() -> Self {
        Self::new(KerberosErrorKind::NoLibrary, "the system has no Kerberos library")
    }
}
