//! How Windows names a certificate.

use std::fmt;
use std::str::FromStr;

use super::identity::Identity;

/// How Windows names a certificate: its SHA-1 in 40 upper-case hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Thumbprint(String);

/// Not a thumbprint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no thumbprint of a certificate: 40 hexadecimal digits")]
pub struct InvalidThumbprint(String);

impl Thumbprint {
    /// That of an identity's own certificate.
    #[must_use]
    pub fn of(identity: &Identity) -> Self {
        Self(identity.thumbprint())
    }
}

impl FromStr for Thumbprint {
    type Err = InvalidThumbprint;

    /// Reads 40 hexadecimal digits in any case. Blanks and colons between them are skipped, and
    /// the invisible mark that Windows's dialog puts in front when the text is copied there.
    fn from_str(text: &str) -> Result<Self, InvalidThumbprint> {
        let skipped = |c: &char| matches!(c, ' ' | ':' | '\u{200e}' | '\u{200f}');
        let digits: String =
            text.chars().filter(|c| !skipped(c)).map(|c| c.to_ascii_uppercase()).collect();
        if digits.len() == 40 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Ok(Self(digits));
        }
        Err(InvalidThumbprint(text.chars().filter(|c| !c.is_control()).take(100).collect()))
    }
}

impl fmt::Display for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
