//! Which TLS a client speaks.

use std::fmt;
use std::str::FromStr;

/// Versions and cipher suites that a client offers. The lower ones are never taken silently: the user asks for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[expect(clippy::exhaustive_enums, reason = "a caller that misses one would speak another TLS")]
pub enum Level {
    /// TLS 1.2 and 1.3 with forward secrecy and authenticated encryption.
    #[default]
    Modern,
    /// The same, and the suites of hosts of 2012: CBC, and keys sent under the certificate's RSA key.
    Compat,
    /// The same, and TLS 1.0 and 1.1 with their SHA-1 and MD5.
    Legacy,
}

impl Level {
    const ALL: [Self; 3] = [Self::Modern, Self::Compat, Self::Legacy];

    /// The word in options and settings.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Modern => "modern",
            Self::Compat => "compat",
            Self::Legacy => "legacy",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The word is none that [`Level`] knows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no TLS level: it is modern, compat or legacy")]
pub struct UnknownLevel(pub String);

impl FromStr for Level {
    type Err = UnknownLevel;

    /// Compares without regard to case.
    fn from_str(word: &str) -> Result<Self, UnknownLevel> {
        Self::ALL.into_iter().find(|level| level.as_str().eq_ignore_ascii_case(word)).ok_or_else(
            || UnknownLevel(word.chars().filter(|c| !c.is_control()).take(100).collect()),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_parse_whatever_their_case() {
        for level in Level::ALL {
            assert_eq!(level.to_string().parse(), Ok(level));
        }
        assert_eq!("Legacy".parse(), Ok(Level::Legacy));
        assert!("old".parse::<Level>().unwrap_err().to_string().contains("compat"));
        assert!(Level::Legacy > Level::Compat && Level::Compat > Level::default());
    }
}
