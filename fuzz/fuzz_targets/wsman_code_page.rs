//! Code pages: pieces may be cut anywhere, nothing grows beyond its bound, and what a page can
//! carry comes back as it was.
#![cfg_attr(not(test), no_main)]

use wsman::code_page::{CodePage, UTF_8};

const PAGES: [u32; 16] =
    [437, 720, 850, 866, 874, 932, 936, 949, 950, 1250, 1252, 1255, 28_605, 20_127, 21_866, UTF_8];

#[cfg(not(test))]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| run(bytes));

/// A page's place in the list, the length of pieces, and what is to be converted.
pub(crate) fn run(bytes: &[u8]) {
    let [number, piece, text @ ..] = bytes else { return };
    let page = PAGES.get(usize::from(*number) % PAGES.len()).copied().and_then(CodePage::new);
    let page = page.expect("every page of the list is known");
    let piece = usize::from(*piece).max(1);

    let outwards = |text: &[u8], piece: usize| {
        let (mut converter, mut bytes, mut given) = (page.to_page(), Vec::new(), 0);
        for part in text.chunks(piece) {
            bytes.extend(converter.push(part.to_vec()));
            given += part.len();
            assert!(bytes.len() + converter.held() <= given && converter.held() <= 3);
        }
        bytes.extend(converter.finish());
        bytes
    };
    let inwards = |bytes: &[u8], piece: usize| {
        let (mut converter, mut text) = (page.from_page(), Vec::new());
        for part in bytes.chunks(piece) {
            text.extend(converter.push(part.to_vec()));
        }
        text.extend(converter.finish());
        assert!(text.len() <= bytes.len() * 3);
        text
    };

    let whole = outwards(text, text.len().max(1));
    assert_eq!(outwards(text, piece), whole);
    let back = inwards(text, text.len().max(1));
    assert_eq!(inwards(text, piece), back);
    if page.number() == UTF_8 || text.is_ascii() {
        assert_eq!((whole.as_slice(), back.as_slice()), (text, text));
    }
    if let Ok(text) = std::str::from_utf8(text) {
        // What the page does not have is a question mark by now, so this is the page's own text.
        let text_of_page = inwards(&whole, piece);
        assert!(std::str::from_utf8(&text_of_page).is_ok(), "{text:?} became {text_of_page:x?}");
        assert_eq!(outwards(&text_of_page, piece), whole, "{text:?}");
    }
}
