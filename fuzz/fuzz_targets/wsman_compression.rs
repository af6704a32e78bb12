//! Compressed streams: nothing panics, no more comes out than was allowed, and what decompresses
//! survives a round trip.
#![cfg_attr(not(test), no_main)]

use wsman::compression::{
    MAX_BLOCK, compress, decode_block, decompress, encode_block, fits, max_compressed,
};

const LIMIT: usize = 1 << 18;

#[cfg(not(test))]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| run(bytes));

fn round_trip(data: &[u8]) {
    let compressed = compress(data);
    assert!(compressed.len() <= max_compressed(data.len()));
    assert_eq!(decompress(&compressed, data.len()).as_deref(), Ok(data));
    if !data.is_empty() {
        assert!(decompress(&compressed, data.len() - 1).is_err());
    }
    if let Some(block) = encode_block(data) {
        assert!(block.len() < data.len());
        assert_eq!(decode_block(&block, data.len()).as_deref(), Ok(data));
    }
}

pub(crate) fn run(bytes: &[u8]) {
    if let Ok(data) = decompress(bytes, LIMIT) {
        assert!(data.len() <= LIMIT);
        round_trip(&data);
    }
    // The first two bytes as a size, so that blocks are reached without their frame.
    if let [low, high, block @ ..] = bytes {
        let size = usize::from(u16::from_le_bytes([*low, *high])) + 1;
        if let Ok(data) = decode_block(block, size) {
            assert_eq!(data.len(), size);
        }
        assert!(decode_block(block, MAX_BLOCK + 1).is_err());
        assert!(max_compressed(fits(size)) <= size);
    }
    round_trip(bytes);
}
