//! The escapes of strings and names: `_xHHHH_` for what XML cannot carry, [MS-PSRP] 2.2.5.3.2.
//!
//! Written so are control characters (to U+001F and U+007F to U+009F), each half of a surrogate
//! pair, and `_` before `x` or `X`, whatever follows. The rest is XML's own escaping.

use std::borrow::Cow;
use std::fmt::Write as _;

use super::Text;

/// Reads the escapes of a string whose XML escapes are resolved.
pub(super) fn unescape(text: Cow<'_, str>) -> Text {
    if !text.as_bytes().contains(&b'_') || !text.as_bytes().windows(2).any(is_escape_start) {
        return Text::from(text.into_owned());
    }
    let mut plain = String::with_capacity(text.len());
    let mut rest: &str = &text;
    while let Some((before, unit, after)) = next_escape(rest) {
        plain.push_str(before);
        let Some(c) = char::from_u32(u32::from(unit)) else {
            return unescape_units(&text.encode_utf16().collect::<Vec<_>>());
        };
        plain.push(c);
        rest = after;
    }
    plain.push_str(rest);
    Text::from(plain)
}

const fn is_escape_start(pair: &[u8]) -> bool {
    matches!(pair, [b'_', b'x' | b'X'])
}

/// Splits a string at its first escape.
fn next_escape(text: &str) -> Option<(&str, u16, &str)> {
    let bytes = text.as_bytes();
    let mut from = 0;
    loop {
        let found = bytes.get(from..)?.windows(2).position(is_escape_start)?;
        let start = from + found;
        if let Some(&[_, _, a, b, c, d, b'_']) = bytes.get(start..start + 7)
            && let Some(unit) = hex([a, b, c, d].map(u16::from))
        {
            return Some((text.get(..start)?, unit, text.get(start + 7..)?));
        }
        from = start + 1;
    }
}

fn hex(digits: [u16; 4]) -> Option<u16> {
    digits.into_iter().try_fold(0, |number, digit| {
        let digit = char::from_u32(u32::from(digit))?.to_digit(16)?;
        Some(number << 4 | u16::try_from(digit).ok()?)
    })
}

/// Reads the escapes of a string that may hold surrogates.
pub(super) fn unescape_units(units: &[u16]) -> Text {
    let mut plain = Vec::with_capacity(units.len());
    let mut rest = units;
    while let Some((&first, others)) = rest.split_first() {
        let escape = match rest {
            // '_', 'x' or 'X', four digits, '_'
            [0x5F, 0x78 | 0x58, a, b, c, d, 0x5F, after @ ..] => {
                hex([*a, *b, *c, *d]).map(|unit| (unit, after))
            }
            _ => None,
        };
        let (unit, after) = escape.unwrap_or((first, others));
        plain.push(unit);
        rest = after;
    }
    Text::from_utf16(plain)
}

/// Where a string stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Between tags.
    Element,
    /// Between double quotes.
    Attribute,
}

/// Writes a string with its escapes.
pub(super) fn escape(out: &mut String, text: &Text, place: Place) {
    match (text.as_str(), text.units()) {
        (Some(text), _) => escape_str(out, text, place),
        (None, Some(units)) => escape_units(out, units, place),
        (None, None) => {}
    }
}

/// Writes a string with its escapes.
pub(super) fn escape_str(out: &mut String, text: &str, place: Place) {
    let mut plain_from = 0;
    let bytes = text.as_bytes();
    let mut position = 0;
    while let Some(&byte) = bytes.get(position) {
        if IS_PLAIN.get(usize::from(byte)) == Some(&true) {
            position += 1;
            continue;
        }
        let Some(c) = text.get(position..).and_then(|rest| rest.chars().next()) else { break };
        let next = position + c.len_utf8();
        let before = out.len();
        out.push_str(text.get(plain_from..position).unwrap_or_default());
        if special(out, c, bytes.get(next).copied(), place) {
            plain_from = next;
        } else {
            out.truncate(before);
        }
        position = next;
    }
    out.push_str(text.get(plain_from..).unwrap_or_default());
}

/// Bytes that never need an escape, whatever follows.
#[expect(clippy::indexing_slicing, reason = "checked when it is compiled")]
const IS_PLAIN: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0x20;
    while byte < 0xF0 {
        table[byte] = !matches!(byte, 0x22 | 0x26 | 0x3C | 0x3E | 0x5F | 0x7F | 0xC2 | 0xEF);
        byte += 1;
    }
    table
};

/// Writes a character that needs an escape; false where it needs none.
fn special(out: &mut String, c: char, next: Option<u8>, place: Place) -> bool {
    match c {
        '&' => out.push_str("&amp;"),
        '<' => out.push_str("&lt;"),
        '>' => out.push_str("&gt;"),
        '"' if place == Place::Attribute => out.push_str("&quot;"),
        '_' if matches!(next, Some(b'x' | b'X')) => out.push_str("_x005F_"),
        '\0'..='\x1F' | '\x7F'..='\u{9F}' => unit(out, c as u16),
        '\u{FFFE}' => out.push_str("&#xFFFE;"),
        '\u{FFFF}' => out.push_str("&#xFFFF;"),
        '\u{10000}'.. => {
            for half in c.encode_utf16(&mut [0; 2]) {
                unit(out, *half);
            }
        }
        _ => return false,
    }
    true
}

fn escape_units(out: &mut String, units: &[u16], place: Place) {
    for (position, &code) in units.iter().enumerate() {
        match char::from_u32(u32::from(code)) {
            None => unit(out, code),
            Some(c) => {
                let next = units.get(position + 1).and_then(|next| u8::try_from(*next).ok());
                if !special(out, c, next, place) {
                    out.push(c);
                }
            }
        }
    }
}

fn unit(out: &mut String, unit: u16) {
    // Writing to a String does not fail.
    let _written = write!(out, "_x{unit:04X}_");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn escaped(text: &str) -> String {
        let mut out = String::new();
        escape_str(&mut out, text, Place::Element);
        out
    }

    #[test]
    fn escapes_are_those_of_powershell() {
        for (plain, written) in [
            ("", ""),
            ("a b", "a b"),
            ("a\nb", "a_x000A_b"),
            ("_x", "_x005F_x"),
            ("__X_", "__x005F_X_"),
            ("_y_", "_y_"),
            ("<a & \"b\">", "&lt;a &amp; \"b\"&gt;"),
            ("\u{7F}\u{85}\u{A0}é漢\u{2028}", "_x007F__x0085_\u{A0}é漢\u{2028}"),
            ("😀", "_xD83D__xDE00_"),
            ("\u{FFFD}\u{FFFE}", "\u{FFFD}&#xFFFE;"),
        ] {
            assert_eq!(escaped(plain), written);
        }
        let mut out = String::new();
        escape(&mut out, &Text::from_utf16(vec![0x41, 0xD83D, 0x22]), Place::Attribute);
        assert_eq!(out, "A_xD83D_&quot;");
    }

    #[test]
    fn escapes_are_read_as_powershell_reads_them() {
        for (written, plain) in [
            ("_x0041_", "A"),
            ("_X0041_", "A"),
            ("_x004g_", "_x004g_"),
            ("_x005f_x0041_", "_x0041_"),
            ("_xD83D__xDE00_", "😀"),
            ("_x41_", "_x41_"),
            ("_x0041", "_x0041"),
            ("__x0041_", "_A"),
            ("_x_x0041_", "_xA"),
            ("é_x00é1_", "é_x00é1_"),
        ] {
            assert_eq!(unescape(Cow::Borrowed(written)), plain, "{written}");
        }
        assert_eq!(unescape(Cow::Borrowed("a_xD83D_")).to_utf16(), [0x61, 0xD83D]);
    }
}
