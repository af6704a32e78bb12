//! Keeps bytes from a host from doing more to a terminal than showing text.
//!
//! Colours, cursor moves and erasing pass; sequences that make a terminal answer, report the mouse, rename the
//! window, or touch the clipboard and files do not (ECMA-48 names; xterm's list decides what is harmful).
//!
//! ```text
//!            ESC            [                final byte: whole or nothing
//!  Ground ─────────► Escape ───► Control ───────────────────────────────► Ground
//!                      │ ] P X ^ _                   BEL, ST, CAN, SUB, LF
//!                      ├───────────► Text (swallowed) ──────────────────► Ground
//!                      │ ( ) * +
//!                      └───────────► Charset ─── one byte ──────────────► Ground
//! ```

/// Sequences longer than this are dropped, in bytes.
const SEQUENCE_LIMIT: usize = 64;

/// One stream on its way to a terminal; sequences may be cut anywhere.
#[derive(Debug, Default)]
pub(crate) struct Filter {
    state: State,
    held: Vec<u8>,
    /// Bytes that the UTF-8 character under way still has.
    rest: u8,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Ground,
    /// C2 was seen in front: the next byte may make it a C1 control in UTF-8.
    Latin,
    Escape,
    Control,
    Charset,
    Text,
}

impl Filter {
    /// What of `bytes`, and of what was held back before, may be shown now.
    pub(crate) fn pass(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut shown = Vec::with_capacity(bytes.len());
        for byte in bytes {
            self.step(*byte, &mut shown);
        }
        shown
    }

    fn step(&mut self, byte: u8, shown: &mut Vec<u8>) {
        if byte == 0x1b && self.state != State::Ground {
            // A new sequence breaks off the one before; in a text it may be half of its end.
            self.drop_to(State::Escape);
            self.held.push(byte);
            return;
        }
        match self.state {
            State::Ground => self.ground(byte, shown),
            State::Latin => match byte {
                0x80..=0x9f => self.drop_to(State::Ground),
                0xa0..=0xbf => self.finish(byte, true, shown),
                // Half a character: a terminal gives it up, and takes this byte by itself. Were it shown, what is
                // dropped here could join it with what follows.
                _ => {
                    self.drop_to(State::Ground);
                    self.ground(byte, shown);
                }
            },
            State::Escape => self.escape(byte, shown),
            State::Control => match byte {
                0x40..=0x7e => {
                    let harmless = harmless(self.held.get(2..).unwrap_or_default(), byte);
                    self.finish(byte, harmless, shown);
                }
                0x20..=0x3f if self.held.len() < SEQUENCE_LIMIT => self.held.push(byte),
                _ => self.drop_to(State::Ground),
            },
            State::Charset => self.finish(byte, byte.is_ascii_alphanumeric(), shown),
            // The text's start was dropped, so all that matters is not to swallow what follows.
            State::Text => {
                if matches!(byte, 0x07 | 0x18 | 0x1a | b'\n') {
                    self.drop_to(State::Ground);
                }
            }
        }
    }

    fn ground(&mut self, byte: u8, shown: &mut Vec<u8>) {
        let rest = std::mem::take(&mut self.rest);
        match byte {
            0x1b => self.hold(byte, State::Escape),
            0xc2 => self.hold(byte, State::Latin),
            // ENQ makes a terminal send its answerback text.
            0x05 => {}
            0x80..=0xbf if rest > 0 => {
                self.rest = rest - 1;
                shown.push(byte);
            }
            // Inside no character these are the C1 controls of a terminal that does not read UTF-8.
            0x80..=0x9f => {}
            byte => {
                self.rest = match byte {
                    0xc3..=0xdf => 1,
                    0xe0..=0xef => 2,
                    0xf0..=0xf4 => 3,
                    _ => 0,
                };
                shown.push(byte);
            }
        }
    }

    fn escape(&mut self, byte: u8, shown: &mut Vec<u8>) {
        match byte {
            b'[' => self.hold(byte, State::Control),
            b']' | b'P' | b'X' | b'^' | b'_' => self.drop_to(State::Text),
            b'(' | b')' | b'*' | b'+' => self.hold(byte, State::Charset),
            byte => self.finish(
                byte,
                matches!(byte, b'7' | b'8' | b'D' | b'E' | b'H' | b'M' | b'=' | b'>'),
                shown,
            ),
        }
    }

    fn hold(&mut self, byte: u8, state: State) {
        self.held.push(byte);
        self.state = state;
    }

    fn drop_to(&mut self, state: State) {
        self.held.clear();
        self.state = state;
    }

    fn finish(&mut self, byte: u8, harmless: bool, shown: &mut Vec<u8>) {
        if harmless {
            shown.append(&mut self.held);
            shown.push(byte);
        }
        self.drop_to(State::Ground);
    }
}

/// Whether a control sequence only shows: its parameters (after `ESC [`) and its final byte.
fn harmless(parameters: &[u8], last: u8) -> bool {
    match last {
        b'h' | b'l' => {
            // Line wrap, the cursor's visibility, the second screen; not the mouse, not pasting.
            matches!(parameters, b"?7" | b"?25" | b"?47" | b"?1047" | b"?1048" | b"?1049")
        }
        b'@'..=b'M'
        | b'P'
        | b'S'
        | b'T'
        | b'X'
        | b'Z'
        | b'`'
        | b'a'
        | b'b'
        | b'd'
        | b'e'
        | b'f'
        | b'm'
        | b'r'
        | b's'
        | b'u' => parameters.iter().all(|byte| matches!(byte, b'0'..=b'9' | b';' | b':')),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_and_cursor_moves_pass_however_they_are_cut() {
        let text = b"a\x1b[1;31mred\x1b[0m\x1b[2J\x1b[?25l\x1b(B\xc3\xa4\xc2\xa7\n";
        let mut filter = Filter::default();
        assert_eq!(filter.pass(text), text);
        let mut filter = Filter::default();
        let bytewise: Vec<u8> = text.iter().flat_map(|byte| filter.pass(&[*byte])).collect();
        assert_eq!(bytewise, text);
    }

    #[test]
    fn characters_pass_whose_bytes_look_like_controls() {
        let text = "\u{41b}\u{20ac}\u{251b}\u{1f49b}\u{db}\u{9bb}\n".as_bytes();
        let mut filter = Filter::default();
        let bytewise: Vec<u8> = text.iter().flat_map(|byte| filter.pass(&[*byte])).collect();
        assert_eq!(bytewise, text);
    }

    #[test]
    fn what_makes_a_terminal_answer_or_act_is_dropped() {
        for harmful in [
            b"\x1b[6n".as_slice(),
            b"\x1b[c",
            b"\x1b[?1000h",
            b"\x1b]0;title\x07",
            b"\x1b]52;c;aGk=\x1b\\",
            b"\x1bP$qm\x1b\\",
            b"\x1bZ",
            b"\xc2\x9b6n",
            b"\xc2\xc2\x9b6n",
            b"\xc2\xe2\xc2\xc2\x9b6n",
            b"\x05",
            b"\xc2\x05",
            b"\xc2\x05\x9b6n",
            b"\x9b6n",
            b"\xe2\x05\x9b6n",
            b"\x1b[21t",
            b"\x1b[>1m",
        ] {
            let shown = Filter::default().pass(&[harmful, b"z"].concat());
            assert!(
                !shown.contains(&0x1b) && !shown.contains(&0x05),
                "{harmful:x?} became {shown:x?}"
            );
            assert!(
                !shown.contains(&0x9b) && shown.ends_with(b"z"),
                "{harmful:x?} became {shown:x?}"
            );
        }
    }

    #[test]
    fn sequence_hidden_in_another_is_judged_by_itself() {
        assert_eq!(Filter::default().pass(b"\x1b[1\x1b[6nz"), b"z");
        assert_eq!(Filter::default().pass(b"\x1b]0;x\x1b[31mz"), b"\x1b[31mz");
    }
}
