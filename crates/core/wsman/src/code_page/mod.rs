//! Code pages of a command shell (`WINRS_CODEPAGE`): programs here write UTF-8, clients read bytes
//! of the page they named.
//!
//! ```text
//! stdout, stderr:  UTF-8 ──► ToPage ──► page        stdin:  page ──► FromPage ──► UTF-8
//! ```
//!
//! Both directions take pieces as they come: what a piece breaks off is held until the next one.
//! A character that the page does not have becomes `?`, as on Windows. Bytes that are not UTF-8
//! (or, on the way in, not of the page) pass unchanged: a program that writes the page itself is
//! understood, and binary output loses nothing where no part of it looks like UTF-8. On page
//! 65001 every byte passes in both directions.

mod table;

use std::sync::Arc;

use encoding_rs::{DecoderResult, EncoderResult, Encoding};

use table::Table;

/// The number of UTF-8.
pub const UTF_8: u32 = 65_001;
/// What stands for a character that a page does not have.
const REPLACEMENT: u8 = b'?';

/// A code page that is known here. All of them write ASCII as ASCII.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodePage {
    number: u32,
    kind: Kind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Utf8,
    /// One byte for each character.
    Single(Arc<Table>),
    /// One or two bytes for each character.
    Double(Double),
}

/// A page of one or two bytes for each character.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Double(&'static Encoding);

impl CodePage {
    /// The page of that number; `None` where it is not known.
    ///
    /// Known are 65001; DOS's 437, 720, 737, 775, 850, 852, 855, 857, 858, 860 to 866, 869;
    /// Windows's 874 and 1250 to 1258; ISO 8859's 28591 to 28598, 28603 and 28605; 20127, 20866
    /// and 21866; the double-byte pages 932, 936, 949 and 950.
    #[must_use]
    pub fn new(number: u32) -> Option<Self> {
        let kind = match number {
            UTF_8 => Kind::Utf8,
            932 => Kind::Double(Double(encoding_rs::SHIFT_JIS)),
            936 => Kind::Double(Double(encoding_rs::GBK)),
            949 => Kind::Double(Double(encoding_rs::EUC_KR)),
            950 => Kind::Double(Double(encoding_rs::BIG5)),
            _ => Kind::Single(Arc::new(Table::of_page(number)?)),
        };
        Some(Self { number, kind })
    }

    /// The number.
    #[must_use]
    pub const fn number(&self) -> u32 {
        self.number
    }

    /// A converter of what a program writes.
    #[must_use]
    pub const fn to_page(&self) -> ToPage<'_> {
        ToPage { page: self, held: Vec::new() }
    }

    /// A converter of what a client sends.
    #[must_use]
    pub const fn from_page(&self) -> FromPage<'_> {
        FromPage { page: self, held: None }
    }
}

/// UTF-8 into a page, piece by piece.
#[derive(Clone, Debug)]
pub struct ToPage<'p> {
    page: &'p CodePage,
    /// The beginning of a character whose rest has not come.
    held: Vec<u8>,
}

impl ToPage<'_> {
    /// Converts the next piece. No page needs more bytes than UTF-8: what comes out is never
    /// longer than what went in and was not handed out yet.
    #[must_use]
    pub fn push(&mut self, piece: Vec<u8>) -> Vec<u8> {
        let is_same = matches!(self.page.kind, Kind::Utf8) || piece.is_ascii();
        if self.held.is_empty() && is_same {
            return piece;
        }
        let piece = if self.held.is_empty() {
            piece
        } else {
            let mut whole = std::mem::take(&mut self.held);
            whole.extend_from_slice(&piece);
            whole
        };
        let mut out = Vec::with_capacity(piece.len());
        let mut left = piece.len();
        for chunk in piece.utf8_chunks() {
            self.text(chunk.valid(), &mut out);
            left -= chunk.valid().len() + chunk.invalid().len();
            if left == 0 && is_begun(chunk.invalid()) {
                self.held.extend_from_slice(chunk.invalid());
            } else {
                out.extend_from_slice(chunk.invalid());
            }
        }
        out
    }

    /// Bytes that wait for the rest of their character, at most 3.
    #[must_use]
    pub const fn held(&self) -> usize {
        self.held.len()
    }

    /// What is left at the end: bytes that never became a character.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        self.held
    }

    fn text(&self, text: &str, out: &mut Vec<u8>) {
        match &self.page.kind {
            Kind::Utf8 => out.extend_from_slice(text.as_bytes()),
            Kind::Single(table) => {
                out.extend(text.chars().map(|c| table.byte(c).unwrap_or(REPLACEMENT)));
            }
            Kind::Double(double) => double.write(text, out),
        }
    }
}

/// Whether the bytes begin a character of UTF-8 that is not complete.
fn is_begun(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_err_and(|error| error.error_len().is_none())
}

/// A page into UTF-8, piece by piece.
#[derive(Clone, Debug)]
pub struct FromPage<'p> {
    page: &'p CodePage,
    /// The first byte of a pair whose second has not come.
    held: Option<u8>,
}

impl FromPage<'_> {
    /// Converts the next piece.
    #[must_use]
    pub fn push(&mut self, piece: Vec<u8>) -> Vec<u8> {
        let double = match &self.page.kind {
            Kind::Utf8 => return piece,
            Kind::Single(_) if piece.is_ascii() => return piece,
            Kind::Single(table) => {
                let mut out = Vec::with_capacity(piece.len() * 2);
                for byte in piece {
                    push_or_pass(table.char(byte), byte, &mut out);
                }
                return out;
            }
            Kind::Double(double) => *double,
        };
        if self.held.is_none() && piece.is_ascii() {
            return piece;
        }
        let mut out = Vec::with_capacity(piece.len() * 2);
        for byte in piece {
            self.held = match self.held.take() {
                Some(lead) => double.read_pair(lead, byte, &mut out),
                None => double.read(byte, &mut out),
            };
        }
        out
    }

    /// What is left at the end: a byte that never became a pair.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        self.held.into_iter().collect()
    }
}

fn push_or_pass(c: Option<char>, byte: u8, out: &mut Vec<u8>) {
    match c {
        Some(c) => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        None => out.push(byte),
    }
}

impl Double {
    /// Whether the byte begins a pair.
    fn is_lead(self, byte: u8) -> bool {
        if self.0 == encoding_rs::SHIFT_JIS {
            matches!(byte, 0x81..=0x9F | 0xE0..=0xFC)
        } else {
            matches!(byte, 0x81..=0xFE)
        }
    }

    /// Appends text in the page's encoding. A small buffer in between keeps the cost of a character that the page does not
    /// have independent of how much text follows.
    fn write(self, mut text: &str, out: &mut Vec<u8>) {
        let mut encoder = self.0.new_encoder();
        let mut buffer = [0; 512];
        loop {
            let (result, read, written) =
                encoder.encode_from_utf8_without_replacement(text, &mut buffer, true);
            out.extend_from_slice(buffer.get(..written).unwrap_or_default());
            match result {
                EncoderResult::InputEmpty => return,
                EncoderResult::Unmappable(_) => out.push(REPLACEMENT),
                EncoderResult::OutputFull => {}
            }
            text = text.get(read..).unwrap_or_default();
        }
    }

    /// Takes a byte that follows no lead byte; the byte itself where it begins a pair.
    fn read(self, byte: u8, out: &mut Vec<u8>) -> Option<u8> {
        if byte.is_ascii() {
            out.push(byte);
        } else if self.is_lead(byte) {
            return Some(byte);
        } else {
            push_or_pass(self.decode(&[byte]), byte, out);
        }
        None
    }

    /// Takes the byte after a lead byte.
    fn read_pair(self, lead: u8, byte: u8, out: &mut Vec<u8>) -> Option<u8> {
        if let Some(c) = self.decode(&[lead, byte]) {
            push_or_pass(Some(c), byte, out);
            return None;
        }
        out.push(lead);
        self.read(byte, out)
    }

    /// The one character that these bytes are.
    fn decode(self, bytes: &[u8]) -> Option<char> {
        let mut text = [0; 16];
        let mut decoder = self.0.new_decoder_without_bom_handling();
        let (result, _, length) =
            decoder.decode_to_utf8_without_replacement(bytes, &mut text, true);
        if result != DecoderResult::InputEmpty {
            return None;
        }
        // A few pairs of 950 are a letter and a mark: they pass as they are.
        let mut chars = std::str::from_utf8(text.get(..length)?).ok()?.chars();
        chars.next().filter(|_| chars.next().is_none())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn out(page: u32, text: &[u8]) -> Vec<u8> {
        let page = CodePage::new(page).unwrap();
        let mut converter = page.to_page();
        let mut bytes = converter.push(text.to_vec());
        bytes.extend(converter.finish());
        bytes
    }

    fn input(page: u32, bytes: &[u8]) -> Vec<u8> {
        let page = CodePage::new(page).unwrap();
        let mut converter = page.from_page();
        let mut text = converter.push(bytes.to_vec());
        text.extend(converter.finish());
        text
    }

    #[test]
    fn pages_say_what_windows_says() {
        for (page, text, bytes) in [
            (437, "Grüße ½ ░", &b"Gr\x81\xE1e \xAB \xB0"[..]),
            (850, "Grüße ×", b"Gr\x81\xE1e \x9E"),
            (1252, "Grüße €", b"Gr\xFC\xDFe \x80"),
            (1251, "Привет", b"\xCF\xF0\xE8\xE2\xE5\xF2"),
            (866, "Привет", b"\x8F\xE0\xA8\xA2\xA5\xE2"),
            (932, "日本語 ｶﾅ", b"\x93\xFA\x96{\x8C\xEA \xB6\xC5"),
            (936, "中文 €", b"\xD6\xD0\xCE\xC4 \x80"),
            (949, "한국어", b"\xC7\xD1\xB1\xB9\xBE\xEE"),
            (950, "繁體", b"\xC1c\xC5\xE9"),
            (28_591, "é\u{85}", b"\xE9\x85"),
            (20_127, "abc", b"abc"),
            (65_001, "日本語", "日本語".as_bytes()),
        ] {
            assert_eq!(out(page, text.as_bytes()), bytes, "{page}");
            assert_eq!(input(page, bytes), text.as_bytes(), "{page}");
        }
    }

    #[test]
    fn characters_that_a_page_does_not_have_become_question_marks() {
        assert_eq!(out(437, "a語ü\u{1F600}".as_bytes()), b"a?\x81?");
        assert_eq!(out(932, "ä語😀a😀".as_bytes()), b"?\x8C\xEA?a?");
        assert_eq!(out(20_127, "ä".as_bytes()), b"?");
    }

    #[test]
    fn long_text_is_converted_whole_whatever_it_holds() {
        for (text, bytes) in [("語", &b"\x8C\xEA"[..]), ("😀", b"?"), ("a語😀", b"a\x8C\xEA?")]
        {
            for count in [100, 255, 256, 257, 3_000] {
                assert_eq!(out(932, text.repeat(count).as_bytes()), bytes.repeat(count));
            }
        }
    }

    #[test]
    fn bytes_that_are_no_text_pass() {
        assert_eq!(out(437, b"a\xFF\x80\xC3(\xC3\xBC"), b"a\xFF\x80\xC3(\x81");
        // A program that writes the page itself.
        assert_eq!(out(932, b"\x93\xFA\x96{"), b"\x93\xFA\x96{");
        assert_eq!(out(437, b"\xE6\x97"), b"\xE6\x97");
        assert_eq!(input(932, b"\x81\xFFa\xA0\x81"), b"\x81\xFFa\xA0\x81");
        assert_eq!(input(1253, b"\xD2a"), b"\xD2a");
    }

    #[test]
    fn pages_that_are_not_known_are_none() {
        for number in [0, 1, 438, 1_200, 1_201, 50_220, 54_936, 65_000, 65_535, u32::MAX] {
            assert_eq!(CodePage::new(number), None, "{number}");
        }
        for number in [437, 65_001] {
            assert_eq!(CodePage::new(number).unwrap().number(), number);
        }
    }
}
