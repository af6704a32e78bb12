//! The decoder of LZ77+Huffman, [MS-XCA] 2.2.4.
//!
//! Bits come in 16-bit words from the top, and the words that the next code may need are fetched
//! before the bytes in between are read: when a word is fetched is part of the format.

use super::code::{self, END, Lengths, MAX_BITS, TABLE};
use super::{Error, MAX_BLOCK};

/// Codes of up to so many bits are found in one step.
const QUICK_BITS: u8 = 11;
/// The shortest match.
const MIN_MATCH: usize = 3;

/// Decodes one block that has `size` bytes when it is decoded, at most [`MAX_BLOCK`]. What is
/// missing at the end of `data` reads as zeros; what follows the last byte is not looked at.
///
/// # Errors
///
/// [`Error::TooLong`], [`Error::Table`], [`Error::Distance`], [`Error::Length`].
pub fn decode(data: &[u8], size: usize) -> Result<Vec<u8>, Error> {
    if size > MAX_BLOCK {
        return Err(Error::TooLong(MAX_BLOCK));
    }
    let mut out = Vec::with_capacity(size);
    append(data, size, &mut out)?;
    Ok(out)
}

/// Appends a block's `size` bytes. Matches do not reach back beyond the block.
pub(super) fn append(data: &[u8], size: usize, out: &mut Vec<u8>) -> Result<(), Error> {
    let (table, data) = data.split_first_chunk::<TABLE>().ok_or(Error::Table)?;
    let codes = Codes::new(&code::read(table).ok_or(Error::Table)?);
    let mut bits = Bits::new(data);
    let start = out.len();
    let end = start + size;
    while out.len() < end {
        let (symbol, length) = codes.find(bits.peek());
        bits.consume(length);
        match u8::try_from(symbol) {
            Ok(byte) => out.push(byte),
            Err(_) => {
                let (distance, length) = bits.matched(usize::from(symbol) - END)?;
                let written = out.len() - start;
                if distance > written {
                    return Err(Error::Distance { distance, written });
                }
                if length > end - out.len() {
                    return Err(Error::Length);
                }
                copy(out, distance, length);
            }
        }
    }
    Ok(())
}

/// Repeats what stands `distance` bytes back. Where the match overlaps itself, what is copied is
/// what has just been written.
fn copy(out: &mut Vec<u8>, distance: usize, length: usize) {
    let from = out.len() - distance;
    let mut left = length;
    while left > 0 {
        let piece = left.min(out.len() - from);
        out.extend_from_within(from..from + piece);
        left -= piece;
    }
}

/// Words and bytes of the data; zeros after its end.
struct Bits<'a> {
    data: &'a [u8],
    register: u32,
    /// Bits of the register beyond the 16 that must be there.
    extra: i8,
}

impl<'a> Bits<'a> {
    fn new(data: &'a [u8]) -> Self {
        let mut bits = Self { data, register: 0, extra: 16 };
        bits.register = bits.word() << 16;
        bits.register |= bits.word();
        bits
    }

    fn word(&mut self) -> u32 {
        match *self.data {
            [low, high, ref rest @ ..] => {
                self.data = rest;
                u16::from_le_bytes([low, high]).into()
            }
            _ => self.byte().into(),
        }
    }

    fn byte(&mut self) -> u8 {
        match *self.data {
            [byte, ref rest @ ..] => {
                self.data = rest;
                byte
            }
            [] => 0,
        }
    }

    /// The next 15 bits.
    fn peek(&self) -> u16 {
        u16::try_from(self.register >> 17).unwrap_or_default()
    }

    /// Takes up to 15 bits.
    fn consume(&mut self, count: u8) {
        self.register <<= count;
        self.extra -= count.cast_signed();
        if self.extra < 0 {
            self.register |= self.word() << self.extra.unsigned_abs();
            self.extra += 16;
        }
    }

    /// Distance and length of a match; `kind` is its symbol after the bytes.
    fn matched(&mut self, kind: usize) -> Result<(usize, usize), Error> {
        let (bits, short) = (kind >> 4, kind & 0xF);
        let length = if short == 15 { self.long_length()? } else { short };
        // At most 15: there are 256 kinds.
        let bits = u8::try_from(bits).unwrap_or(MAX_BITS);
        let low = if bits == 0 { 0 } else { self.peek() >> (MAX_BITS - bits) };
        self.consume(bits);
        Ok(((1 << bits) + usize::from(low), length + MIN_MATCH))
    }

    fn long_length(&mut self) -> Result<usize, Error> {
        match self.byte() {
            255 => {
                let mut length = self.word();
                if length == 0 {
                    length = self.word() | self.word() << 16;
                }
                usize::try_from(length).ok().filter(|&length| length >= 15).ok_or(Error::Length)
            }
            byte => Ok(usize::from(byte) + 15),
        }
    }
}

/// Finds symbols by the bits in front.
struct Codes {
    /// By the first [`QUICK_BITS`] bits: the symbol and its length, length 0 for longer codes.
    quick: Box<[(u16, u8); 1 << QUICK_BITS]>,
    /// The longer codes in order: their first 15 bits, left-aligned, the symbol and the length.
    long: Vec<(u16, u16, u8)>,
}

impl Codes {
    fn new(lengths: &Lengths) -> Self {
        let mut quick = Box::new([(0, 0); 1 << QUICK_BITS]);
        let mut long = Vec::new();
        let mut free = quick.as_mut_slice();
        let mut first = 0_u16;
        for (symbol, length) in code::ordered(lengths) {
            if length <= QUICK_BITS {
                let count = 1 << (QUICK_BITS - length);
                if let Some((own, rest)) = std::mem::take(&mut free).split_at_mut_checked(count) {
                    own.fill((symbol, length));
                    free = rest;
                }
            } else {
                long.push((first, symbol, length));
            }
            first = first.wrapping_add(1 << (MAX_BITS - length));
        }
        Self { quick, long }
    }

    /// The symbol whose code is in front of these 15 bits, and its length.
    fn find(&self, bits: u16) -> (u16, u8) {
        let index = usize::from(bits >> (MAX_BITS - QUICK_BITS));
        match self.quick.get(index) {
            Some(&(symbol, length)) if length > 0 => (symbol, length),
            Some(_) | None => self.find_long(bits),
        }
    }

    #[cold]
    fn find_long(&self, bits: u16) -> (u16, u8) {
        let after = self.long.partition_point(|&(first, ..)| first <= bits);
        let found = after.checked_sub(1).and_then(|index| self.long.get(index));
        found.map_or((0, MAX_BITS), |&(_, symbol, length)| (symbol, length))
    }
}
