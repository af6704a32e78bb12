//! [`Text`]: a .NET string, which may hold what is no Unicode.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// A string of UTF-16 code units, as .NET has them: lone surrogates are possible, and kept.
#[derive(Clone)]
pub struct Text(Repr);

#[derive(Clone)]
enum Repr {
    Unicode(String),
    /// The same for many: names of properties.
    Shared(Arc<str>),
    // INVARIANT: holds at least one lone surrogate, else it would be `Unicode`.
    Units(Vec<u16>),
}

impl Text {
    /// The empty string.
    pub const EMPTY: Self = Self(Repr::Unicode(String::new()));

    /// The string of these code units.
    #[must_use]
    pub fn from_utf16(units: Vec<u16>) -> Self {
        match String::from_utf16(&units) {
            Ok(text) => Self(Repr::Unicode(text)),
            Err(_) => Self(Repr::Units(units)),
        }
    }

    pub(super) const fn shared(text: Arc<str>) -> Self {
        Self(Repr::Shared(text))
    }

    /// The string, unless it holds a lone surrogate.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match &self.0 {
            Repr::Unicode(text) => Some(text),
            Repr::Shared(text) => Some(text),
            Repr::Units(_) => None,
        }
    }

    /// The string, with U+FFFD in the place of lone surrogates.
    #[must_use]
    pub fn to_string_lossy(&self) -> Cow<'_, str> {
        match &self.0 {
            Repr::Unicode(text) => Cow::Borrowed(text),
            Repr::Shared(text) => Cow::Borrowed(text),
            Repr::Units(units) => Cow::Owned(String::from_utf16_lossy(units)),
        }
    }

    /// The string, with U+FFFD in the place of lone surrogates.
    #[must_use]
    pub fn into_string_lossy(self) -> String {
        match self.0 {
            Repr::Unicode(text) => text,
            Repr::Shared(text) => (*text).to_owned(),
            Repr::Units(units) => String::from_utf16_lossy(&units),
        }
    }

    /// The code units.
    #[must_use]
    pub fn to_utf16(&self) -> Vec<u16> {
        match &self.0 {
            Repr::Unicode(text) => text.encode_utf16().collect(),
            Repr::Shared(text) => text.encode_utf16().collect(),
            Repr::Units(units) => units.clone(),
        }
    }

    /// True when there is no character.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.as_str().is_some_and(str::is_empty)
    }

    /// Whether both are the same but for the case of ASCII letters, as PowerShell compares names.
    #[must_use]
    pub fn eq_ignore_case(&self, name: &str) -> bool {
        self.as_str().is_some_and(|text| text.eq_ignore_ascii_case(name))
    }

    pub(super) fn units(&self) -> Option<&[u16]> {
        match &self.0 {
            Repr::Unicode(_) | Repr::Shared(_) => None,
            Repr::Units(units) => Some(units),
        }
    }
}

impl Default for Text {
    fn default() -> Self {
        Self::EMPTY
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self(Repr::Unicode(text.to_owned()))
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self(Repr::Unicode(text))
    }
}

impl PartialEq<str> for Text {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == Some(other)
    }
}

impl PartialEq<&str> for Text {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == Some(*other)
    }
}

impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Text {}

impl Hash for Text {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self.units() {
            Some(units) => units.hash(state),
            None => self.as_str().hash(state),
        }
    }
}

impl Ord for Text {
    fn cmp(&self, other: &Self) -> Ordering {
        // Unicode comes before what is none.
        self.units().cmp(&other.units()).then_with(|| self.as_str().cmp(&other.as_str()))
    }
}

impl PartialOrd for Text {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.to_string_lossy(), f)
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.to_string_lossy())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_of_surrogates_become_unicode_and_lone_ones_stay() {
        let whole = Text::from_utf16(vec![0xD83D, 0xDE00]);
        assert_eq!(whole, "😀");
        let lone = Text::from_utf16(vec![0x41, 0xD83D]);
        assert_eq!(lone.as_str(), None);
        assert_eq!(lone.to_string_lossy(), "A\u{FFFD}");
        assert_eq!(lone.to_utf16(), [0x41, 0xD83D]);
    }
}
