//! Pages of one byte for each character.

use encoding_rs::{DecoderResult, Encoding};
use oem_cp::code_table::DECODING_TABLE_CP_MAP;
use oem_cp::code_table_type::TableType;

/// What the bytes from 0x80 on are, and back.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Table {
    chars: [Option<char>; 128],
    /// The same in the order of the characters.
    bytes: Vec<(char, u8)>,
}

impl Table {
    /// The table of a page.
    pub(super) fn of_page(number: u32) -> Option<Self> {
        let dos = u16::try_from(number).ok().and_then(|number| DECODING_TABLE_CP_MAP.get(&number));
        match (dos, number) {
            (_, 20_127) => Some(Self::new(|_| None)),
            (_, 28_591) => Some(Self::new(|byte| Some(byte.into()))),
            (Some(TableType::Complete(table)), _) => {
                Some(Self::new(|byte| table.get(usize::from(byte & 0x7F)).copied()))
            }
            (Some(TableType::Incomplete(table)), _) => {
                Some(Self::new(|byte| table.get(usize::from(byte & 0x7F)).copied().flatten()))
            }
            (None, _) => {
                let encoding = encoding(number)?;
                Some(Self::new(|byte| decode(encoding, byte)))
            }
        }
    }

    fn new(char_of: impl Fn(u8) -> Option<char>) -> Self {
        let mut chars = [None; 128];
        let mut bytes = Vec::with_capacity(128);
        for (byte, slot) in (0x80..=0xFF).zip(&mut chars) {
            *slot = char_of(byte);
            bytes.extend(slot.map(|c| (c, byte)));
        }
        bytes.sort_unstable();
        Self { chars, bytes }
    }

    pub(super) fn char(&self, byte: u8) -> Option<char> {
        match byte.checked_sub(0x80) {
            None => Some(byte.into()),
            Some(index) => self.chars.get(usize::from(index)).copied().flatten(),
        }
    }

    pub(super) fn byte(&self, c: char) -> Option<u8> {
        if c.is_ascii() {
            return u8::try_from(c).ok();
        }
        let index = self.bytes.binary_search_by_key(&c, |&(c, _)| c).ok()?;
        self.bytes.get(index).map(|&(_, byte)| byte)
    }
}

fn encoding(number: u32) -> Option<&'static Encoding> {
    Some(match number {
        1_250 => encoding_rs::WINDOWS_1250,
        1_251 => encoding_rs::WINDOWS_1251,
        1_252 => encoding_rs::WINDOWS_1252,
        1_253 => encoding_rs::WINDOWS_1253,
        1_254 => encoding_rs::WINDOWS_1254,
        1_255 => encoding_rs::WINDOWS_1255,
        1_256 => encoding_rs::WINDOWS_1256,
        1_257 => encoding_rs::WINDOWS_1257,
        1_258 => encoding_rs::WINDOWS_1258,
        20_866 => encoding_rs::KOI8_R,
        21_866 => encoding_rs::KOI8_U,
        28_592 => encoding_rs::ISO_8859_2,
        28_593 => encoding_rs::ISO_8859_3,
        28_594 => encoding_rs::ISO_8859_4,
        28_595 => encoding_rs::ISO_8859_5,
        28_596 => encoding_rs::ISO_8859_6,
        28_597 => encoding_rs::ISO_8859_7,
        28_598 => encoding_rs::ISO_8859_8,
        28_603 => encoding_rs::ISO_8859_13,
        28_605 => encoding_rs::ISO_8859_15,
        _ => return None,
    })
}

fn decode(encoding: &'static Encoding, byte: u8) -> Option<char> {
    let mut text = [0; 8];
    let mut decoder = encoding.new_decoder_without_bom_handling();
    let (result, _, length) = decoder.decode_to_utf8_without_replacement(&[byte], &mut text, true);
    let text = text.get(..length).filter(|_| result == DecoderResult::InputEmpty)?;
    std::str::from_utf8(text).ok()?.chars().next()
}
