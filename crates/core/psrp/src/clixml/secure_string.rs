//! [`SecureString`]: `SS`, a string that travels encrypted, [MS-PSRP] 2.2.5.1.24.

use std::fmt;

use zeroize::Zeroizing;

/// What stands in an element `SS`: base64 of the encrypted string, or since version 2.4 of the
/// string itself. It is wiped after use and never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct SecureString(Zeroizing<String>);

impl SecureString {
    /// The string with this text on the wire.
    #[must_use]
    pub fn from_wire(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text on the wire.
    #[must_use]
    pub fn as_wire(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecureString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecureString(***)")
    }
}
