//! LZ77+Huffman and its blocks: the specification's vectors, round trips, hostile input.

use proptest::prelude::*;
use wsman::compression::{
    Error, MAX_BLOCK, compress, decode_block, decompress, encode_block, fits, max_compressed,
};

use crate::corpora;

/// The two examples of [MS-XCA] 3.2: text and encoded bytes.
fn vectors(test: &str) -> Option<[(Vec<u8>, Vec<u8>); 2]> {
    let text = corpora::read(&corpora::folder(test, "ms-xca")?.join("3.2.txt"));
    let is_hex =
        |line: &&str| line.len() > 500 && line.bytes().all(|b| b == b' ' || b.is_ascii_hexdigit());
    let bytes = |line: &str| {
        let words = line.split_whitespace();
        words.map(|word| u8::from_str_radix(word, 16).unwrap()).collect::<Vec<u8>>()
    };
    let mut encoded = text.lines().filter(is_hex).map(bytes);
    let mut next = || encoded.next().unwrap();
    Some([((b'a'..=b'z').collect(), next()), (b"abc".repeat(100), next())])
}

#[test]
fn examples_of_the_specification_decode() {
    let Some(vectors) = vectors("wsman::compression::examples_of_the_specification_decode") else {
        return;
    };
    for (text, encoded) in vectors {
        assert_eq!(decode_block(&encoded, text.len()), Ok(text));
    }
}

/// Which of several codes of the same length a symbol gets is the encoder's choice; how long the
/// result is, is not.
#[test]
fn examples_of_the_specification_encode_to_their_size() {
    let test = "wsman::compression::examples_of_the_specification_encode_to_their_size";
    let Some([_, (text, encoded)]) = vectors(test) else { return };
    let ours = encode_block(&text).unwrap();
    // The example ends with a word that no code needs.
    assert!(ours.len() <= encoded.len(), "{} bytes", ours.len());
    assert_eq!(decode_block(&ours, text.len()), Ok(text));
}

fn round_trip(data: &[u8]) -> usize {
    let compressed = compress(data);
    assert!(compressed.len() <= max_compressed(data.len()));
    assert_eq!(decompress(&compressed, data.len()).unwrap(), data);
    if !data.is_empty() {
        let short = data.len() - 1;
        assert_eq!(decompress(&compressed, short), Err(Error::TooLong(short)));
    }
    compressed.len()
}

fn text(size: usize) -> Vec<u8> {
    let lines = (0..).map(|line| format!("{line} the quick brown fox {}\r\n", line * line % 977));
    lines.flat_map(String::into_bytes).take(size).collect()
}

/// Bytes without any pattern.
fn noise(size: usize) -> Vec<u8> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[7]
    };
    (0..size).map(|_| next()).collect()
}

#[test]
fn sizes_around_the_limits_survive() {
    for size in [0, 1, 265, 266, 267, 65_535, 65_536, 65_537, 131_072, 131_073, 131_073 + 300] {
        round_trip(&text(size));
        round_trip(&noise(size));
        round_trip(&vec![0; size]);
    }
}

#[test]
fn text_becomes_much_shorter_and_noise_not_longer_than_its_headers() {
    assert!(round_trip(&text(200_000)) < 70_000);
    assert_eq!(round_trip(&noise(200_000)), 200_000 + 4 * 4);
    assert!(round_trip(&vec![b' '; 200_000]) < 1_200);
}

/// Matches at the greatest distance and of the greatest length that a block can have.
#[test]
fn longest_and_farthest_matches_survive() {
    let mut far = noise(300);
    far.extend(vec![0; MAX_BLOCK - 600]);
    far.extend(noise(300));
    assert_eq!(far.len(), MAX_BLOCK);
    assert!(round_trip(&far) < 1_000);
    let mut long = vec![7; MAX_BLOCK];
    long[0] = 8;
    round_trip(&long);
    // Lengths on both sides of each way to write them.
    for length in [3, 17, 18, 272, 273, 274, 275, 5_000] {
        let mut data = noise(400);
        data.extend_from_within(..length.min(400));
        data.extend(vec![1; length]);
        round_trip(&data);
    }
}

#[test]
fn blocks_that_claim_the_impossible_are_refused() {
    let data = text(2_000);
    let good = encode_block(&data).unwrap();
    assert_eq!(decode_block(&good, data.len()), Ok(data.clone()));
    assert_eq!(decode_block(&good, MAX_BLOCK + 1), Err(Error::TooLong(MAX_BLOCK)));
    assert_eq!(decode_block(&good[..255], 10), Err(Error::Table));
    let mut incomplete = good.clone();
    incomplete[..256].fill(0);
    assert_eq!(decode_block(&incomplete, 10), Err(Error::Table));
    let mut overfull = good;
    overfull[..256].fill(0x11);
    assert_eq!(decode_block(&overfull, 10), Err(Error::Table));
    // Only literals of two symbols, then a match that reaches back before the first byte.
    let mut table = [0_u8; 256];
    table[0] = 0x01; // byte 0: one bit, `0`
    table[(256 + 16) / 2] = 0x01; // a match of length 3, distance 2 or 3: one bit, `1`
    let back = [&table[..], &[0, 0x40, 0, 0]].concat();
    assert_eq!(decode_block(&back, 9), Err(Error::Distance { distance: 2, written: 1 }));
    // The same match when there is no room for its three bytes.
    let late = [&table[..], &[0, 0x10, 0, 0]].concat();
    assert_eq!(decode_block(&late, 4), Err(Error::Length));
    assert_eq!(decode_block(&late, 6), Ok(vec![0; 6]));
}

/// What the fuzz target does with an input.
fn probe(bytes: &[u8]) -> bool {
    const LIMIT: usize = 1 << 20;
    let decoded = decompress(bytes, LIMIT);
    if let Ok(data) = &decoded {
        assert!(data.len() <= LIMIT);
        round_trip(data);
    }
    for size in [0, 1, 300, MAX_BLOCK] {
        if let Ok(data) = decode_block(bytes, size) {
            assert_eq!(data.len(), size);
        }
    }
    round_trip(bytes);
    decoded.is_ok()
}

/// Data as programs write them: runs, repeats of earlier pieces, and noise.
fn data() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        (any::<u8>(), 1..2_000_usize).prop_map(|(byte, count)| vec![byte; count]),
        prop::collection::vec(any::<u8>(), 1..400),
        (prop::collection::vec(any::<u8>(), 1..40), 1..60_usize)
            .prop_map(|(word, count)| word.repeat(count)),
        prop::collection::vec(prop::sample::select(b"etaoin ".to_vec()), 1..3_000),
    ];
    prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_data_survive(data in data()) {
        round_trip(&data);
    }

    #[test]
    fn flipped_bits_are_an_error_or_other_data(
        data in data(),
        flips in prop::collection::vec((any::<prop::sample::Index>(), 0..8_u8), 1..6),
    ) {
        let mut compressed = compress(&data);
        for (place, bit) in flips {
            if !compressed.is_empty() {
                let place = place.index(compressed.len());
                compressed[place] ^= 1 << bit;
            }
        }
        probe(&compressed);
    }

    #[test]
    fn any_bytes_after_a_good_table_decode_or_are_refused(
        data in data(),
        tail in prop::collection::vec(any::<u8>(), 0..600),
        size in 0..=MAX_BLOCK,
    ) {
        let block: Vec<u8> = data.into_iter().take(MAX_BLOCK).collect();
        if let Some(mut encoded) = encode_block(&block) {
            encoded.truncate(256);
            encoded.extend(tail);
            if let Ok(decoded) = decode_block(&encoded, size) {
                prop_assert_eq!(decoded.len(), size);
            }
        }
    }

    #[test]
    fn what_fits_fits(room in 0..500_000_usize) {
        prop_assert!(max_compressed(fits(room)) <= room);
        prop_assert!(room <= 4 || max_compressed(fits(room) + 1 + 4) > room);
    }
}
