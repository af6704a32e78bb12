//! [`Secret`]: text that is wiped from memory and never printed.

use std::fmt;

use zeroize::{Zeroize as _, ZeroizeOnDrop};

/// A password or another text that must not reach logs.
///
/// The memory is overwritten when the value is dropped, and `Debug` prints `***`.
#[derive(Clone, ZeroizeOnDrop)]
pub struct Secret(String);

impl Secret {
    /// Takes ownership of the text, so that no copy stays behind.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself: the caller answers for where it goes.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Overwrites the text now, before the value is dropped.
    pub fn wipe(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_shows_no_text() {
        let secret = Secret::new("Pässword");
        assert_eq!(format!("{secret:?}"), "***");
        assert_eq!(secret.expose(), "Pässword");
    }
}
