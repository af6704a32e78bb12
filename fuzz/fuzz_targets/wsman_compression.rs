//! Compressed streams: nothing panics, no more comes out than was allowed, and what decompresses
//! survives a round trip.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wsman::compression::{MAX_BLOCK, compress, decode_block, decompress, max_compressed};

const LIMIT: usize = 1 << 20;

fn round_trip(data: &[u8]) {
    let compressed = compress(data);
    assert!(compressed.len() <= max_compressed(data.len()));
    assert_eq!(decompress(&compressed, data.len()).as_deref(), Ok(data));
}

fuzz_target!(|bytes: &[u8]| {
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
    }
    round_trip(bytes);
});
