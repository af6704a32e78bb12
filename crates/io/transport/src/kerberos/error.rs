//! [`KerberosError`]: what Kerberos had to say, sorted by what can be done about it.

use super::sys::{Fault, GssFault};

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

/// `krb5_error_code`: the numbers of RFC 4120 7.5.9 and the library's own, from one base.
pub(super) mod code {
    const BASE: i32 = -1_765_328_384;

    pub(in crate::kerberos) const NAME_EXPIRED: i32 = BASE + 1;
    pub(in crate::kerberos) const CLIENT_UNKNOWN: i32 = BASE + 6;
    pub(in crate::kerberos) const SERVICE_UNKNOWN: i32 = BASE + 7;
    pub(in crate::kerberos) const POLICY: i32 = BASE + 12;
    pub(in crate::kerberos) const ETYPE_UNSUPPORTED: i32 = BASE + 14;
    pub(in crate::kerberos) const CLIENT_REVOKED: i32 = BASE + 18;
    pub(in crate::kerberos) const CLIENT_NOT_YET: i32 = BASE + 21;
    pub(in crate::kerberos) const PASSWORD_EXPIRED: i32 = BASE + 23;
    pub(in crate::kerberos) const PREAUTH_FAILED: i32 = BASE + 24;
    pub(in crate::kerberos) const BAD_INTEGRITY: i32 = BASE + 31;
    pub(in crate::kerberos) const TICKET_EXPIRED: i32 = BASE + 32;
    pub(in crate::kerberos) const TICKET_NOT_YET_VALID: i32 = BASE + 33;
    pub(in crate::kerberos) const REPEAT: i32 = BASE + 34;
    pub(in crate::kerberos) const NOT_US: i32 = BASE + 35;
    pub(in crate::kerberos) const SKEW: i32 = BASE + 37;
    pub(in crate::kerberos) const MODIFIED: i32 = BASE + 41;
    pub(in crate::kerberos) const BAD_KEY_VERSION: i32 = BASE + 44;
    pub(in crate::kerberos) const NO_KEY: i32 = BASE + 45;
    pub(in crate::kerberos) const LAST_OF_PROTOCOL: i32 = BASE + 127;
    pub(in crate::kerberos) const CONFIG_CANNOT_OPEN: i32 = BASE + 135;
    pub(in crate::kerberos) const CONFIG_FORMAT: i32 = BASE + 136;
    pub(in crate::kerberos) const CC_NOT_FOUND: i32 = BASE + 141;
    pub(in crate::kerberos) const CC_END: i32 = BASE + 142;
    pub(in crate::kerberos) const WRONG_PRINCIPAL: i32 = BASE + 144;
    pub(in crate::kerberos) const KDC_REPLY_SKEW: i32 = BASE + 148;
    pub(in crate::kerberos) const PROGRAM_ETYPE: i32 = BASE + 150;
    pub(in crate::kerberos) const REALM_UNKNOWN: i32 = BASE + 154;
    pub(in crate::kerberos) const KDC_UNREACHABLE: i32 = BASE + 156;
    pub(in crate::kerberos) const KT_NOT_FOUND: i32 = BASE + 181;
    pub(in crate::kerberos) const KT_END: i32 = BASE + 182;
    pub(in crate::kerberos) const CC_NO_FILE: i32 = BASE + 195;
    pub(in crate::kerberos) const HOST_REALM_UNKNOWN: i32 = BASE + 217;
    pub(in crate::kerberos) const REALM_UNRESOLVED: i32 = BASE + 220;
    pub(in crate::kerberos) const NO_DEFAULT_REALM: i32 = BASE + 224;
    pub(in crate::kerberos) const KT_VERSION_NOT_FOUND: i32 = BASE + 230;
    pub(in crate::kerberos) const ETYPE_NOT_PERMITTED: i32 = BASE + 236;
    pub(in crate::kerberos) const CONFIG_ETYPE: i32 = BASE + 237;

    /// The number of the protocol, for a code that has one.
    pub(in crate::kerberos) fn in_protocol(code: i32) -> Option<u32> {
        (BASE..=LAST_OF_PROTOCOL).contains(&code).then(|| code.abs_diff(BASE))
    }
}

/// What was being done.
#[derive(Clone, Copy, Debug)]
pub(super) enum Doing<'a> {
    /// Buying tickets by a password.
    Password { principal: &'a str },
    /// Buying tickets by a keytab.
    Keytab { principal: &'a str, path: &'a str },
    /// Looking for the keys that a keytab has.
    Keys { path: &'a str },
    /// Looking for tickets in a cache.
    Cache { name: &'a str },
    /// Getting a ticket for a service.
    Service { name: &'a str },
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

    /// The library cannot be loaded.
    pub(super) fn no_library(why: &str) -> Self {
        let why = printable(why);
        let text = format!(
            "Kerberos needs MIT's libraries libkrb5 and libgssapi_krb5, which cannot be loaded ({why}): install \
             libgssapi-krb5-2 (Debian, Ubuntu), krb5-libs (RHEL, Fedora, Alpine) or krb5 (SUSE, Arch, FreeBSD; on macOS \
             `brew install krb5`)"
        );
        Self::new(KerberosErrorKind::NoLibrary, text)
    }

    /// `krb5.conf` cannot be read.
    pub(super) fn configuration(code: i32, words: &str) -> Self {
        let what = match code {
            code::CONFIG_CANNOT_OPEN | code::CONFIG_FORMAT => "krb5.conf cannot be read",
            _ => "Kerberos does not start",
        };
        Self::new(KerberosErrorKind::Other, format!("{what}: {}", printable(words)))
    }

    /// What the library said, while this was being done.
    pub(super) fn of(fault: &Fault, doing: Doing<'_>) -> Self {
        let kind = kind_of(fault.code, doing);
        Self::new(kind, printable(&text_of(kind, &fault.text, doing)))
    }

    /// The same of GSSAPI.
    pub(super) fn of_gss(fault: &GssFault, doing: Doing<'_>) -> Self {
        Self::of(&Fault { code: fault.minor, text: fault.text.clone() }, doing)
    }
}

fn kind_of(code: i32, doing: Doing<'_>) -> KerberosErrorKind {
    use KerberosErrorKind as Kind;
    if matches!(doing, Doing::Keys { .. }) {
        return Kind::Keytab;
    }
    match code {
        code::CLIENT_UNKNOWN => Kind::UnknownClient,
        code::SERVICE_UNKNOWN => Kind::UnknownService,
        code::PREAUTH_FAILED | code::BAD_INTEGRITY | code::MODIFIED => Kind::WrongPassword,
        code::NAME_EXPIRED
        | code::CLIENT_REVOKED
        | code::CLIENT_NOT_YET
        | code::PASSWORD_EXPIRED
        | code::POLICY => Kind::AccountUnusable,
        code::ETYPE_UNSUPPORTED
        | code::PROGRAM_ETYPE
        | code::ETYPE_NOT_PERMITTED
        | code::CONFIG_ETYPE => Kind::EncryptionType,
        code::SKEW | code::KDC_REPLY_SKEW => Kind::Skew,
        code::TICKET_EXPIRED => Kind::Expired,
        code::REALM_UNKNOWN | code::KDC_UNREACHABLE | code::REALM_UNRESOLVED => {
            Kind::KdcUnreachable
        }
        code::NO_DEFAULT_REALM | code::HOST_REALM_UNKNOWN => Kind::NoRealm,
        code::KT_NOT_FOUND | code::KT_VERSION_NOT_FOUND => Kind::Keytab,
        code::CC_NO_FILE | code::CC_NOT_FOUND | code::CC_END => Kind::NoTicket,
        // What is positive is the system's number for a file that cannot be read.
        1.. if matches!(doing, Doing::Keytab { .. }) => Kind::Keytab,
        1.. if matches!(doing, Doing::Cache { .. }) => Kind::NoTicket,
        _ => Kind::Other,
    }
}

/// Culprit and remedy; `said` are the library's words.
fn text_of(kind: KerberosErrorKind, said: &str, doing: Doing<'_>) -> String {
    use KerberosErrorKind as Kind;
    let whose = doing.subject();
    let (what, remedy) = match kind {
        Kind::NoTicket => {
            ("there are no Kerberos tickets in", ": run `kinit`, or give a name and a password")
        }
        Kind::Expired => (
            "the Kerberos tickets have expired for",
            ": run `kinit` again, or give a name and a password",
        ),
        Kind::NoRealm => {
            ("no Kerberos realm for", ": write user@REALM, or set `default_realm` in krb5.conf")
        }
        Kind::KdcUnreachable => (
            "no KDC could be asked about",
            ": is the realm right, in capital letters as most are, and does krb5.conf or the DNS name a KDC that is up?",
        ),
        Kind::UnknownClient => {
            ("the KDC does not know", ": are name and realm right, with their capital letters?")
        }
        Kind::WrongPassword if doing.keytab().is_some() => (
            "the KDC does not take the keytab's key of",
            ": the keytab is older than the password, or of another principal",
        ),
        Kind::WrongPassword => ("the KDC does not take the password of", ""),
        Kind::AccountUnusable => (
            "the KDC does not let in",
            ": the account is locked, disabled or expired, or its password must be changed",
        ),
        Kind::UnknownService => ("the KDC does not know the service", ""),
        Kind::Skew => {
            ("the clocks of this machine and of the KDC differ too much for", ": set both by NTP")
        }
        Kind::EncryptionType => (
            "no encryption type in common for",
            ": compare `permitted_enctypes` in krb5.conf with the keys that the KDC has",
        ),
        Kind::Keytab => ("the keytab cannot be read, or has no key, for", ""),
        Kind::NoLibrary
        | Kind::NotForwardable
        | Kind::NotMutual
        | Kind::ChannelBinding
        | Kind::Kinit
        | Kind::Other => ("Kerberos fails for", ""),
    };
    let place = doing.keytab().map_or_else(String::new, |path| format!("{path}: "));
    format!("{what} {whose} ({place}{said}){remedy}")
}

impl<'a> Doing<'a> {
    fn subject(self) -> &'a str {
        match self {
            Self::Password { principal } | Self::Keytab { principal, .. } => principal,
            Self::Cache { name } | Self::Service { name } => name,
            Self::Keys { .. } => "any principal",
        }
    }

    fn keytab(self) -> Option<&'a str> {
        match self {
            Self::Keytab { path, .. } | Self::Keys { path } => Some(path),
            Self::Password { .. } | Self::Cache { .. } | Self::Service { .. } => None,
        }
    }
}

/// What a KDC or a library says may come from anywhere: nothing in it may steer a terminal.
pub(super) fn printable(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}
