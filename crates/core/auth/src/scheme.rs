//! [`Scheme`]: the word in front of a token in `Authorization` and `WWW-Authenticate` (RFC 9110 11.1).

use std::{fmt, str::FromStr};

/// An HTTP authentication scheme that Windows Remote Management knows ([MS-WSMV] 2.2.9, [MS-CSSP]).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Scheme {
    /// User name and password as they are (RFC 7617).
    Basic,
    /// The certificate of the client's side of TLS (DSP0226 13.1); the word is a URI, and no token follows it.
    Certificate,
    /// Delegation of the password through an inner TLS session ([MS-CSSP]).
    CredSsp,
    /// Hashes of user name and password (RFC 7616); not offered by Windows's service.
    Digest,
    /// A Kerberos token without SPNEGO around it.
    Kerberos,
    /// SPNEGO, or a raw NTLM message (RFC 4559, [MS-N2HT]).
    Negotiate,
    /// A raw NTLM message under its own word; not offered by Windows's service, seen in proxies.
    Ntlm,
}

impl Scheme {
    const ALL: [Self; 7] = [
        Self::Basic,
        Self::Certificate,
        Self::CredSsp,
        Self::Digest,
        Self::Kerberos,
        Self::Negotiate,
        Self::Ntlm,
    ];

    /// The word in HTTP headers, as Windows spells it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Basic => "Basic",
            Self::Certificate => {
                "http://schemas.dmtf.org/wbem/wsman/1/wsman/secprofile/https/mutual"
            }
            Self::CredSsp => "CredSSP",
            Self::Digest => "Digest",
            Self::Kerberos => "Kerberos",
            Self::Negotiate => "Negotiate",
            Self::Ntlm => "NTLM",
        }
    }
}

impl fmt::Display for Scheme {
    /// For people: the word, and `Certificate` instead of its URI.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == Self::Certificate { "Certificate" } else { self.as_str() })
    }
}

/// The word is none that [`Scheme`] knows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown authentication scheme `{0}`")]
pub struct UnknownScheme(pub String);

impl FromStr for Scheme {
    type Err = UnknownScheme;

    /// Compares without regard to case, as HTTP asks.
    fn from_str(word: &str) -> Result<Self, UnknownScheme> {
        Self::ALL
            .into_iter()
            .find(|scheme| scheme.as_str().eq_ignore_ascii_case(word))
            .ok_or_else(|| UnknownScheme(word.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_parse_whatever_their_case() {
        assert_eq!("negotiate".parse(), Ok(Scheme::Negotiate));
        assert_eq!("CREDSSP".parse(), Ok(Scheme::CredSsp));
        assert_eq!("Bearer".parse::<Scheme>(), Err(UnknownScheme("Bearer".to_owned())));
        assert_eq!(Scheme::CredSsp.to_string(), "CredSSP");
        assert_eq!(Scheme::Certificate.as_str().parse(), Ok(Scheme::Certificate));
        assert_eq!(Scheme::Certificate.to_string(), "Certificate");
    }
}
