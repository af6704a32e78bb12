//! Compressed streams of a shell: `rsp:CompressionType` with the value `xpress`, [MS-WSMV] 2.2.4.
//!
//! ```text
//! stream:  block block ...            each of at most 65,536 bytes before compression
//! block:   u16 original - 1 | u16 compressed - 1 | data          (little endian)
//! data:    as it was, where both sizes are the same; else LZ77+Huffman, [MS-XCA] 2.1
//! ```
//!
//! A stream without bytes has no blocks. Base64 comes around it.

mod code;
mod decode;
mod encode;

pub use decode::decode as decode_block;
pub use encode::encode as encode_block;

use encode::Encoder;

/// Bytes of a block before compression, at most.
pub const MAX_BLOCK: usize = 65_536;
/// Shorter data are stored: the table of codes alone has 256 bytes.
const MIN_COMPRESSED: usize = 266;
/// The two sizes before each block.
const HEADER: usize = 4;

/// Why bytes are not a compressed stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The stream ends inside a block or its sizes.
    #[error("the compressed stream ends inside a block")]
    Truncated,
    /// A block claims to be larger than what it was made from.
    #[error("a compressed block is larger than its {0} bytes were")]
    Expanded(usize),
    /// The stream would be longer than allowed.
    #[error("the stream has more than {0} bytes")]
    TooLong(usize),
    /// The block has no table of codes, or one that does not give every bit pattern a meaning.
    #[error("the table of a compressed block is broken")]
    Table,
    /// A match begins before the block.
    #[error("a match goes {distance} bytes back after {written}")]
    Distance {
        /// How far back.
        distance: usize,
        /// Bytes that there were.
        written: usize,
    },
    /// A match is shorter than its encoding allows, or goes past the end of the block.
    #[error("a match has a length that does not fit")]
    Length,
}

/// Compresses a stream into blocks. The result is at most [`max_compressed`] bytes long.
#[must_use]
pub fn compress(data: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(data.len() / 2 + HEADER);
    let mut encoder = Encoder::default();
    for block in data.chunks(MAX_BLOCK) {
        let compressed = (block.len() >= MIN_COMPRESSED).then(|| encoder.encode(block)).flatten();
        let body = compressed.as_deref().unwrap_or(block);
        for size in [block.len(), body.len()] {
            // 1 to 65,536, less one.
            let size = u16::try_from(size.saturating_sub(1)).unwrap_or(u16::MAX);
            out.extend_from_slice(&size.to_le_bytes());
        }
        out.extend_from_slice(body);
    }
    out
}

/// The most bytes that [`compress`] makes of `size` bytes.
#[must_use]
pub const fn max_compressed(size: usize) -> usize {
    size.saturating_add(size.div_ceil(MAX_BLOCK).saturating_mul(HEADER))
}

/// The most bytes whose compressed form surely fits in `room` bytes.
#[must_use]
pub const fn fits(room: usize) -> usize {
    room.saturating_sub(room.div_ceil(MAX_BLOCK + HEADER).saturating_mul(HEADER))
}

/// Reads a stream of blocks, which may have up to `limit` bytes when it is decompressed. What its
/// blocks claim is added up before anything is decompressed.
///
/// # Errors
///
/// [`Error`].
pub fn decompress(data: &[u8], limit: usize) -> Result<Vec<u8>, Error> {
    let mut total = 0;
    let mut rest = data;
    while let Some(block) = Block::split(&mut rest)? {
        total += block.original;
        if total > limit {
            return Err(Error::TooLong(limit));
        }
    }
    let mut out = Vec::with_capacity(total);
    let mut rest = data;
    while let Some(block) = Block::split(&mut rest)? {
        if block.body.len() == block.original {
            out.extend_from_slice(block.body);
        } else {
            decode::append(block.body, block.original, &mut out)?;
        }
    }
    Ok(out)
}

/// One block, in place.
struct Block<'a> {
    original: usize,
    body: &'a [u8],
}

impl<'a> Block<'a> {
    /// Takes a block off the front; `None` at the end.
    fn split(data: &mut &'a [u8]) -> Result<Option<Self>, Error> {
        if data.is_empty() {
            return Ok(None);
        }
        let (&[a, b, c, d], rest) = data.split_first_chunk::<HEADER>().ok_or(Error::Truncated)?;
        let size = |bytes| usize::from(u16::from_le_bytes(bytes)) + 1;
        let (original, compressed) = (size([a, b]), size([c, d]));
        if compressed > original {
            return Err(Error::Expanded(original));
        }
        let (body, rest) = rest.split_at_checked(compressed).ok_or(Error::Truncated)?;
        *data = rest;
        Ok(Some(Self { original, body }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_and_random_data_are_stored() {
        assert_eq!(compress(b""), b"");
        assert_eq!(compress(b"abc"), b"\x02\0\x02\0abc");
        let zeros = compress(&[0; 265]);
        assert_eq!(zeros.len(), 4 + 265);
        assert!(compress(&[0; 266]).len() < 4 + 266);
        assert_eq!(decompress(&zeros, 265), Ok(vec![0; 265]));
    }

    #[test]
    fn what_surely_fits_never_needs_more_room() {
        for room in [0, 3, 4, 5, 265, 65_539, 65_540, 65_541, 65_545, 131_080, 1_000_000] {
            assert!(max_compressed(fits(room)) <= room, "{room}");
        }
        assert_eq!(fits(65_540), 65_536);
    }

    #[test]
    fn claims_are_added_up_before_anything_is_made() {
        // Each block claims 65,536 bytes and has one.
        let bomb: Vec<u8> = [0xFF, 0xFF, 0, 0, 0].repeat(1_000);
        assert_eq!(decompress(&bomb, 1 << 20), Err(Error::TooLong(1 << 20)));
        assert_eq!(decompress(&bomb, usize::MAX), Err(Error::Table));
    }

    #[test]
    fn broken_frames_are_refused() {
        assert_eq!(decompress(b"\x02\0\x02", 9), Err(Error::Truncated));
        assert_eq!(decompress(b"\x02\0\x02\0ab", 9), Err(Error::Truncated));
        assert_eq!(decompress(b"\x01\0\x02\0abc", 9), Err(Error::Expanded(2)));
        assert_eq!(decompress(b"\x02\0\x02\0abc", 2), Err(Error::TooLong(2)));
    }
}
