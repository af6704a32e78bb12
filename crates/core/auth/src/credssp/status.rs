//! [`NtStatus`]: what a service says of a login that failed (`errorCode`, [MS-CSSP] 2.2.1; values of [MS-ERREF] 2.3.1).

use std::fmt;

use crate::{KerberosRefusal, Refusal};

/// A status of Windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_structs, reason = "a status is a number")]
pub struct NtStatus(pub u32);

impl NtStatus {
    /// Wrong user name or password.
    pub const LOGON_FAILURE: Self = Self(0xC000_006D);
    /// This version, or these credentials, are not supported.
    pub const NOT_SUPPORTED: Self = Self(0xC000_00BB);
    /// Not allowed.
    pub const ACCESS_DENIED: Self = Self(0xC000_0022);
    /// A message makes no sense.
    pub const INVALID_PARAMETER: Self = Self(0xC000_000D);
    /// The clocks are too far apart.
    pub const TIME_DIFFERENCE_AT_DC: Self = Self(0xC000_0133);

    const TEXTS: [(Self, &'static str); 15] = [
        (Self::LOGON_FAILURE, "wrong user name or password"),
        (Self::NOT_SUPPORTED, "the version of CredSSP or the kind of credentials is not supported"),
        (Self::ACCESS_DENIED, "access is denied"),
        (Self::INVALID_PARAMETER, "a message was not understood"),
        (Self::TIME_DIFFERENCE_AT_DC, "the clocks differ too much"),
        // SEC_E_LOGON_DENIED, which pyspnego says.
        (Self(0x8009_030C), "wrong user name or password"),
        (Self(0xC000_006A), "wrong password"),
        (Self(0xC000_0064), "the user does not exist"),
        (Self(0xC000_006E), "the account is restricted"),
        (Self(0xC000_006F), "the account may not log in at this time"),
        (Self(0xC000_0071), "the password has expired"),
        (Self(0xC000_0072), "the account is disabled"),
        (Self(0xC000_0193), "the account has expired"),
        (Self(0xC000_0224), "the password must be changed"),
        (Self(0xC000_0234), "the account is locked"),
    ];

    /// Whether user name or password are wrong.
    #[must_use]
    pub const fn is_wrong_credentials(self) -> bool {
        matches!(self.0, 0xC000_006D | 0x8009_030C | 0xC000_006A | 0xC000_0064)
    }

    /// What a client is told: never more than that user name or password are wrong, where it is about those.
    pub(super) const fn of(refusal: Refusal) -> Self {
        use Refusal as R;
        if matches!(refusal, R::CredSspVersion(_) | R::CredentialsKind(_)) {
            Self::NOT_SUPPORTED
        } else if matches!(refusal, R::ServerKeyWrong) {
            Self::ACCESS_DENIED
        } else if matches!(refusal, R::Malformed(_) | R::NonceMissing) {
            Self::INVALID_PARAMETER
        } else if matches!(refusal, R::StaleTimestamp | R::Kerberos(KerberosRefusal::Skew)) {
            Self::TIME_DIFFERENCE_AT_DC
        } else {
            Self::LOGON_FAILURE
        }
    }
}

impl fmt::Display for NtStatus {
    /// Words where there are some, and the number, by which more can be found.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Self::TEXTS.iter().find(|(status, _)| status == self) {
            Some((_, text)) => write!(f, "{text} (0x{:08X})", self.0),
            None => write!(f, "status 0x{:08X}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_statuses_have_words() {
        let text = NtStatus::LOGON_FAILURE.to_string();
        assert_eq!(text, "wrong user name or password (0xC000006D)");
        assert_eq!(NtStatus(0xC000_0001).to_string(), "status 0xC0000001");
    }
}
