//! The two charsets of messages, [MS-WSMV] 2.2.1: UTF-8 and UTF-16.
//!
//! A byte order mark says more than the `Content-Type`. UTF-16 is written in little endian with a
//! mark, as Windows writes it, and read in both orders with and without one.

use std::borrow::Cow;

use crate::xml::{Error, ErrorKind};

/// How the text of a message is written in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Charset {
    /// One byte for each letter of English. What nearly every client writes.
    #[default]
    Utf8,
    /// Two bytes for most letters. What Windows writes when it forwards events.
    Utf16,
}

impl Charset {
    /// The charset that a `Content-Type` names: UTF-16 in any of its spellings, else UTF-8.
    #[must_use]
    pub fn of_content_type(content_type: &str) -> Self {
        let names_utf16 = content_type.split(';').skip(1).any(|parameter| {
            let Some((name, value)) = parameter.split_once('=') else { return false };
            let value = value.trim().trim_matches('"').to_ascii_lowercase();
            name.trim().eq_ignore_ascii_case("charset")
                && matches!(
                    value.as_str(),
                    "utf-16" | "utf-16le" | "utf-16be" | "utf16" | "unicode"
                )
        });
        if names_utf16 { Self::Utf16 } else { Self::Utf8 }
    }

    /// The charset that a message is really in, where its `Content-Type` says `declared`.
    #[must_use]
    pub const fn of_message(bytes: &[u8], declared: Self) -> Self {
        match bytes {
            [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] => Self::Utf16,
            [0xEF, 0xBB, 0xBF, ..] => Self::Utf8,
            _ => declared,
        }
    }

    /// The `Content-Type` of a SOAP message in this charset.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Utf8 => "application/soap+xml;charset=UTF-8",
            Self::Utf16 => "application/soap+xml;charset=UTF-16",
        }
    }

    /// The octets of UTF-8 that surely fit in so many octets of this charset.
    #[must_use]
    pub const fn fits(self, octets: usize) -> usize {
        match self {
            Self::Utf8 => octets,
            // The mark, and two octets for what is one octet in UTF-8.
            Self::Utf16 => octets.saturating_sub(2) / 2,
        }
    }

    /// Writes text.
    #[must_use]
    pub fn encode(self, text: String) -> Vec<u8> {
        match self {
            Self::Utf8 => text.into_bytes(),
            Self::Utf16 => {
                let mut bytes = Vec::with_capacity(2 + 2 * text.len());
                bytes.extend_from_slice(&[0xFF, 0xFE]);
                bytes.extend(text.encode_utf16().flat_map(u16::to_le_bytes));
                bytes
            }
        }
    }

    /// The same message in UTF-8, without a mark; bytes that are not of this charset stay as they
    /// are.
    #[must_use]
    pub fn to_utf8(self, bytes: &[u8]) -> Vec<u8> {
        self.decode(bytes).map_or_else(|_| bytes.to_vec(), |text| text.into_owned().into_bytes())
    }

    /// Reads text, which keeps no mark. The text has at most half as many bytes again.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotUtf8`], [`ErrorKind::NotUtf16`].
    pub(crate) fn decode(self, bytes: &[u8]) -> Result<Cow<'_, str>, Error> {
        if self == Self::Utf8 {
            let text = std::str::from_utf8(bytes).map_err(|error| Error {
                position: error.valid_up_to() as u64,
                kind: ErrorKind::NotUtf8,
            })?;
            return Ok(Cow::Borrowed(text.strip_prefix('\u{FEFF}').unwrap_or(text)));
        }
        // Without a mark, the first character of a document tells the order.
        let (is_big, start) = match bytes {
            [0xFE, 0xFF, ..] => (true, 2),
            [0xFF, 0xFE, ..] => (false, 2),
            [0, _, ..] => (true, 0),
            _ => (false, 0),
        };
        let (units, rest) = bytes.get(start..).unwrap_or_default().as_chunks::<2>();
        let unit = |pair: &[u8; 2]| {
            if is_big { u16::from_be_bytes(*pair) } else { u16::from_le_bytes(*pair) }
        };
        let mut text = String::with_capacity(units.len());
        for c in char::decode_utf16(units.iter().map(unit)) {
            match c {
                Ok(c) => text.push(c),
                Err(_) => return Err(not_utf16(text.len())),
            }
        }
        if rest.is_empty() { Ok(Cow::Owned(text)) } else { Err(not_utf16(text.len())) }
    }
}

const fn not_utf16(position: usize) -> Error {
    Error { position: position as u64, kind: ErrorKind::NotUtf16 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_types_are_read_in_every_spelling() {
        for text in [
            "application/soap+xml;charset=UTF-16",
            "application/soap+xml; charset=\"utf-16\"",
            "application/soap+xml;action=x; CHARSET = utf-16le",
        ] {
            assert_eq!(Charset::of_content_type(text), Charset::Utf16, "{text}");
        }
        for text in ["", "charset=UTF-16", "application/soap+xml", Charset::Utf8.content_type()] {
            assert_eq!(Charset::of_content_type(text), Charset::Utf8, "{text}");
        }
        assert_eq!(Charset::of_content_type(Charset::Utf16.content_type()), Charset::Utf16);
    }

    #[test]
    fn text_survives_in_every_form() {
        let text = "<ä😀/>";
        for charset in [Charset::Utf8, Charset::Utf16] {
            let bytes = charset.encode(text.to_owned());
            assert_eq!(Charset::of_message(&bytes, charset), charset);
            assert_eq!(charset.decode(&bytes).unwrap(), text);
        }
        let units = || text.encode_utf16();
        let little: Vec<u8> = units().flat_map(u16::to_le_bytes).collect();
        let big: Vec<u8> = units().flat_map(u16::to_be_bytes).collect();
        let marked = [&[0xFE, 0xFF], big.as_slice()].concat();
        for bytes in [little, big, marked] {
            assert_eq!(Charset::Utf16.decode(&bytes).unwrap(), text);
        }
    }

    #[test]
    fn half_characters_are_refused() {
        for bytes in [&b"\xFF\xFE<"[..], b"<\0\x3D\xD8", b"\0", b"\xFE\xFF\xDC\0\0a"] {
            assert_eq!(Charset::Utf16.decode(bytes).unwrap_err().kind, ErrorKind::NotUtf16);
        }
        assert_eq!(Charset::Utf8.decode(b"a\xFF").unwrap_err().position, 1);
    }

    #[test]
    fn what_fits_fits() {
        for octets in [0, 1, 2, 3, 4, 8_192, 8_193] {
            let text = "a".repeat(Charset::Utf16.fits(octets));
            assert!(text.is_empty() || Charset::Utf16.encode(text).len() <= octets, "{octets}");
        }
    }
}
