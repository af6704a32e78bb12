//! Code pages: pieces of any size give what the whole gives, and nothing gets longer or lost.

use proptest::prelude::*;
use wsman::code_page::CodePage;

const PAGES: [u32; 14] =
    [437, 850, 852, 857, 864, 866, 874, 932, 936, 949, 950, 1_251, 1_252, 65_001];

fn page() -> impl Strategy<Value = CodePage> {
    prop::sample::select(PAGES.to_vec()).prop_map(|number| CodePage::new(number).unwrap())
}

/// Text of many scripts with bytes that are none between.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        "[ -~üßéа-я日本語中文ｱ한글€\u{1F600}]{0,12}".prop_map(String::into_bytes),
        prop::collection::vec(any::<u8>(), 0..6),
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

/// Pieces of the sizes given, again and again.
fn split(bytes: &[u8], sizes: &[usize]) -> Vec<Vec<u8>> {
    let mut pieces = Vec::new();
    let mut rest = bytes;
    for size in sizes.iter().cycle() {
        let (piece, after) = rest.split_at((*size).min(rest.len()));
        pieces.push(piece.to_vec());
        rest = after;
        if rest.is_empty() {
            break;
        }
    }
    pieces
}

fn to_page(page: &CodePage, pieces: Vec<Vec<u8>>) -> Vec<u8> {
    let mut converter = page.to_page();
    let mut out = Vec::new();
    let mut taken = 0;
    for piece in pieces {
        taken += piece.len();
        out.extend(converter.push(piece));
        assert!(converter.held() <= 3);
        assert!(out.len() + converter.held() <= taken, "{page:?} writes more than it was given");
    }
    out.extend(converter.finish());
    out
}

fn from_page(page: &CodePage, pieces: Vec<Vec<u8>>) -> Vec<u8> {
    let mut converter = page.from_page();
    let mut out: Vec<u8> = pieces.into_iter().flat_map(|piece| converter.push(piece)).collect();
    out.extend(converter.finish());
    out
}

proptest! {
    #[test]
    fn pieces_give_what_the_whole_gives(
        page in page(),
        bytes in bytes(),
        sizes in prop::collection::vec(1..5_usize, 1..6),
    ) {
        let pieces = split(&bytes, &sizes);
        prop_assert_eq!(to_page(&page, pieces.clone()), to_page(&page, vec![bytes.clone()]));
        prop_assert_eq!(from_page(&page, pieces), from_page(&page, vec![bytes]));
    }

    #[test]
    fn what_came_from_a_page_goes_back_into_it(page in page(), bytes in bytes()) {
        // Bytes that are nothing in the page could look like UTF-8 with their neighbours.
        let text = from_page(&page, vec![bytes]);
        if let Ok(text) = String::from_utf8(text) {
            let once = to_page(&page, vec![text.into_bytes()]);
            let again = to_page(&page, vec![from_page(&page, vec![once.clone()])]);
            prop_assert_eq!(again, once);
        }
    }

    #[test]
    fn utf_8_passes_every_byte(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
        let page = CodePage::new(65_001).unwrap();
        prop_assert_eq!(to_page(&page, vec![bytes.clone()]), bytes.clone());
        prop_assert_eq!(from_page(&page, vec![bytes.clone()]), bytes);
    }
}
