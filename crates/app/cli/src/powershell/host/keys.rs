//! Keys: what a terminal sends for one, and what Windows calls it.

/// SHIFT_PRESSED of Windows's `dwControlKeyState`.
const SHIFT: i32 = 0x10;
/// LEFT_CTRL_PRESSED.
const CONTROL: i32 = 0x08;
/// LEFT_ALT_PRESSED.
const ALT: i32 = 0x02;
/// The longest sequence that a key has, in bytes.
const LONGEST: usize = 16;

/// A key as `KeyInfo` tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key {
    /// Windows's virtual key; 0 where it has none.
    pub(super) code: i32,
    /// The UTF-16 unit that it stands for; 0 where it stands for none.
    pub(super) character: u16,
    /// Which of Shift, Ctrl and Alt were held, in Windows's bits.
    pub(super) held: i32,
}

/// Whether more bytes belong to the key, if they are there.
pub(super) fn wants_more(bytes: &[u8]) -> bool {
    if bytes.len() >= LONGEST {
        return false;
    }
    match bytes {
        [0x1b] | [0x1b, b'[' | b'O'] => true,
        [0x1b, b'[', rest @ ..] => !rest.last().is_some_and(|last| matches!(last, b'@'..=b'~')),
        [first, rest @ ..] => {
            let length = match first {
                0xc2..=0xdf => 1,
                0xe0..=0xef => 2,
                0xf0..=0xf4 => 3,
                _ => 0,
            };
            rest.len() < length
        }
        [] => true,
    }
}

/// The key of these bytes.
pub(super) fn key(bytes: &[u8]) -> Key {
    match bytes {
        [0x1b] => Key { code: 27, character: 27, held: 0 },
        [0x1b, b'[', parameters @ .., last] => sequence(parameters, *last),
        [0x1b, b'O', last] => sequence(b"", *last),
        [0x1b, rest @ ..] => {
            let plain = key(rest);
            Key { held: plain.held | ALT, ..plain }
        }
        bytes => letter(bytes),
    }
}

fn letter(bytes: &[u8]) -> Key {
    let text = std::str::from_utf8(bytes).unwrap_or_default();
    let Some(letter) = text.chars().next() else { return Key { code: 0, character: 0, held: 0 } };
    let mut units = [0; 2];
    let character = letter.encode_utf16(&mut units).first().copied().unwrap_or_default();
    let upper = i32::try_from(u32::from(letter.to_ascii_uppercase())).unwrap_or_default();
    let (code, held) = match letter {
        '\r' | '\n' => (13, 0),
        '\t' => (9, 0),
        '\x7f' | '\x08' => (8, 0),
        'a'..='z' | '0'..='9' | ' ' => (upper, 0),
        'A'..='Z' => (upper, SHIFT),
        '\x01'..='\x1a' => (upper + 0x40, CONTROL),
        _ => (0, 0),
    };
    // Windows's backspace is the character 8, its Enter 13.
    let character =
        if code == 8 || code == 13 { u16::try_from(code).unwrap_or(0) } else { character };
    Key { code, character, held }
}

/// A key that has a sequence of its own: `ESC [ parameters last`.
fn sequence(parameters: &[u8], last: u8) -> Key {
    let text = std::str::from_utf8(parameters).unwrap_or_default();
    let mut numbers = text.split(';').map(|number| number.parse::<i32>().ok());
    let first = numbers.next().flatten().unwrap_or(0);
    // xterm's numbers of what is held: 1 and the bits Shift, Alt, Ctrl.
    let bits = numbers.next().flatten().unwrap_or(1).saturating_sub(1);
    let bit = |bit: i32, held: i32| if bits & bit == 0 { 0 } else { held };
    let mut held = bit(1, SHIFT) | bit(2, ALT) | bit(4, CONTROL);
    let (code, character) = match (last, first) {
        (b'A', _) => (38, 0),
        (b'B', _) => (40, 0),
        (b'C', _) => (39, 0),
        (b'D', _) => (37, 0),
        (b'F', _) | (b'~', 4 | 8) => (35, 0),
        (b'H', _) | (b'~', 1 | 7) => (36, 0),
        (b'P'..=b'S', _) => (i32::from(last - b'P') + 112, 0),
        (b'Z', _) => {
            held |= SHIFT;
            (9, 9)
        }
        (b'~', 2) => (45, 0),
        (b'~', 3) => (46, 0),
        (b'~', 5) => (33, 0),
        (b'~', 6) => (34, 0),
        (b'~', 11..=15) => (first - 11 + 112, 0),
        (b'~', 17..=21) => (first - 17 + 117, 0),
        (b'~', 23 | 24) => (first - 23 + 122, 0),
        _ => (0, 0),
    };
    Key { code, character, held }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_whole_and_have_windows_numbers() {
        for (bytes, expected) in [
            (b"q".as_slice(), (81, 113, 0)),
            (b"Q", (81, 81, SHIFT)),
            (b"\r", (13, 13, 0)),
            (b"\x7f", (8, 8, 0)),
            (b"\x03", (67, 3, CONTROL)),
            (b"\x1b", (27, 27, 0)),
            (b"\x1bx", (88, 120, ALT)),
            (b"\x1b[A", (38, 0, 0)),
            (b"\x1b[1;5C", (39, 0, CONTROL)),
            (b"\x1b[3~", (46, 0, 0)),
            (b"\x1bOP", (112, 0, 0)),
            (b"\x1b[24~", (123, 0, 0)),
            ("é".as_bytes(), (0, 0xe9, 0)),
            ("😀".as_bytes(), (0, 0xd83d, 0)),
            (b"\xff", (0, 0, 0)),
        ] {
            let (code, character, held) = expected;
            assert_eq!(key(bytes), Key { code, character, held }, "{bytes:x?}");
            assert!(!wants_more(bytes) || bytes == b"\x1b", "{bytes:x?}");
            for end in 1..bytes.len() {
                assert!(wants_more(&bytes[..end]), "{bytes:x?} to {end}");
            }
        }
        assert!(!wants_more(&[b"\x1b[".as_slice(), &[b'1'; 100]].concat()));
    }
}
