//! The encoder of LZ77+Huffman, [MS-XCA] 2.1.4.
//!
//! ```text
//! data ──► Matches: hash chains ──► tokens ──► counts ──► code lengths ──► Writer: table, bits
//! ```

use super::MAX_BLOCK;
use super::code::{self, END, Lengths, MAX_BITS, SYMBOLS, TABLE};

/// The shortest match that can be written.
const MIN_MATCH: usize = 3;
/// The bytes by which matches are found: one of three bytes is hardly shorter than its bytes.
const HASHED: usize = 4;
/// Bits of their hash.
const HASH_BITS: u32 = 14;
/// How many earlier places are tried for a match.
const MAX_TRIES: usize = 8;
/// After so many places in a row without a match, one more place is passed over each time.
const PATIENCE: usize = 64;
/// A match this long is taken without looking for a longer one.
const GOOD_MATCH: usize = 64;
/// Of a longer match only the first places can be found again.
const MAX_INDEXED: usize = 96;

/// Encodes one block of at most [`MAX_BLOCK`] bytes; `None` where the block is longer, or the
/// result would not be shorter.
#[must_use]
pub fn encode(data: &[u8]) -> Option<Vec<u8>> {
    Encoder::default().encode(data)
}

/// The encoder's memory, used again for each block.
pub(super) struct Encoder {
    /// By hash: one more than the last place with it, 0 where there is none.
    heads: Vec<u16>,
    /// By place: one more than the place before it with the same hash.
    earlier: Vec<u16>,
    tokens: Vec<Token>,
    counts: [u32; SYMBOLS],
}

impl Default for Encoder {
    fn default() -> Self {
        let counts = [0; SYMBOLS];
        Self { heads: Vec::new(), earlier: Vec::new(), tokens: Vec::new(), counts }
    }
}

/// A byte, or a match: `distance` is 0 for a byte.
#[derive(Clone, Copy)]
struct Token {
    /// The byte, or the match's length less three.
    value: u16,
    distance: u16,
}

impl Token {
    /// The symbol, and how many bits of distance follow it.
    fn symbol(self) -> (usize, u8) {
        match self.distance.checked_ilog2() {
            None => (self.value.into(), 0),
            Some(bits) => {
                let bits = u8::try_from(bits).unwrap_or(MAX_BITS);
                let short = usize::from(self.value.min(15));
                (END + (usize::from(bits) << 4) + short, bits)
            }
        }
    }
}

impl Encoder {
    /// See [`encode`].
    pub(super) fn encode(&mut self, data: &[u8]) -> Option<Vec<u8>> {
        if data.len() > MAX_BLOCK {
            return None;
        }
        self.find_tokens(data);
        let lengths = code::lengths(&self.counts);
        if self.size(&lengths) >= data.len() {
            return None;
        }
        Some(self.write(&lengths, data.len()))
    }

    /// Takes the data apart into bytes and matches, and counts their symbols.
    fn find_tokens(&mut self, data: &[u8]) {
        self.heads.clear();
        self.heads.resize(1 << HASH_BITS, 0);
        self.earlier.clear();
        self.earlier.resize(data.len(), 0);
        self.tokens.clear();
        self.counts = [0; SYMBOLS];
        let (mut place, mut misses) = (0, 0);
        while place < data.len() {
            let found = self.insert(data, place).and_then(|last| self.longest(data, place, last));
            if let Some((distance, length)) = found {
                for inside in place + 1..place + length.min(MAX_INDEXED) {
                    self.insert(data, inside);
                }
                place += length;
                misses = 0;
                let value = short(length - MIN_MATCH);
                self.push(Token { value, distance: short(distance) });
            } else {
                // Where nothing repeats, not every place is worth a look.
                misses += 1;
                let bytes = data.iter().skip(place).take(1 + misses / PATIENCE);
                place += bytes.len();
                for &byte in bytes {
                    self.push(Token { value: byte.into(), distance: 0 });
                }
            }
        }
        self.count(END);
    }

    fn push(&mut self, token: Token) {
        self.tokens.push(token);
        self.count(token.symbol().0);
    }

    fn count(&mut self, symbol: usize) {
        if let Some(count) = self.counts.get_mut(symbol) {
            *count += 1;
        }
    }

    /// Makes a place known; the last place with the same hash, plus one.
    fn insert(&mut self, data: &[u8], place: usize) -> Option<u16> {
        let four = data.get(place..)?.first_chunk::<HASHED>()?;
        let hash = u32::from_le_bytes(*four).wrapping_mul(0x9E37_79B1) >> (32 - HASH_BITS);
        let head = self.heads.get_mut(usize::try_from(hash).ok()?)?;
        let last = std::mem::replace(head, short(place + 1));
        *self.earlier.get_mut(place)? = last;
        Some(last)
    }

    /// The longest match at a place: distance and length.
    fn longest(&self, data: &[u8], place: usize, last: u16) -> Option<(usize, usize)> {
        let here = data.get(place..)?;
        let mut best = None;
        let mut most = HASHED - 1;
        let mut candidate = last;
        for _ in 0..MAX_TRIES {
            let Some(start) = usize::from(candidate).checked_sub(1) else { break };
            let there = data.get(start..)?;
            // What does not agree where the best one ends is not longer.
            let length = if there.get(most) == here.get(most) { common(here, there) } else { 0 };
            if length > most {
                most = length;
                best = Some((place - start, length));
            }
            if most >= GOOD_MATCH || most == here.len() {
                break;
            }
            candidate = self.earlier.get(start).copied().unwrap_or_default();
        }
        best
    }

    /// Bytes of the encoded block, or a few more.
    fn size(&self, lengths: &Lengths) -> usize {
        let mut bits = 0;
        for ((symbol, &count), &length) in (0..).zip(&self.counts).zip(lengths) {
            let extra = if symbol < END { 0 } else { (symbol - END) >> 4 };
            let count = usize::try_from(count).unwrap_or(usize::MAX);
            bits += count.saturating_mul(usize::from(length) + extra);
        }
        let long = self.tokens.iter().filter(|token| token.distance > 0);
        let bytes: usize = long.map(|token| long_length(token.value).len()).sum();
        TABLE + bits.div_ceil(16) * 2 + 4 + bytes
    }

    fn write(&self, lengths: &Lengths, size: usize) -> Vec<u8> {
        let mut codes = [(0_u16, 0_u8); SYMBOLS];
        let mut next = 0_u16;
        for (symbol, length) in code::ordered(lengths) {
            if let Some(code) = codes.get_mut(usize::from(symbol)) {
                *code = (next >> (MAX_BITS - length), length);
            }
            next = next.wrapping_add(1 << (MAX_BITS - length));
        }
        let code_of = |symbol: usize| codes.get(symbol).copied().unwrap_or_default();
        let mut writer = Writer::new(&code::write(lengths), size);
        for &token in &self.tokens {
            let (symbol, bits) = token.symbol();
            let (code, length) = code_of(symbol);
            writer.bits(code, length);
            if token.distance > 0 {
                writer.out.extend_from_slice(long_length(token.value).bytes());
                writer.bits(token.distance & !(1 << bits), bits);
            }
        }
        let (code, length) = code_of(END);
        writer.bits(code, length);
        writer.finish()
    }
}

/// No place, length or distance of a block is too large.
fn short(number: usize) -> u16 {
    u16::try_from(number).unwrap_or(u16::MAX)
}

/// How many bytes agree.
fn common(one: &[u8], other: &[u8]) -> usize {
    let (eights, _) = one.as_chunks::<8>();
    let (others, _) = other.as_chunks::<8>();
    let mut length = 0;
    for (eight, other) in eights.iter().zip(others) {
        let differ = u64::from_le_bytes(*eight) ^ u64::from_le_bytes(*other);
        if differ != 0 {
            return length + usize::try_from(differ.trailing_zeros() / 8).unwrap_or_default();
        }
        length += 8;
    }
    let rest = one.iter().zip(other).skip(length);
    length + rest.take_while(|(one, other)| one == other).count()
}

/// The bytes after the symbol of a match that say how long it is.
enum LongLength {
    None,
    Byte([u8; 1]),
    Word([u8; 3]),
}

impl LongLength {
    const fn bytes(&self) -> &[u8] {
        match self {
            Self::None => &[],
            Self::Byte(bytes) => bytes,
            Self::Word(bytes) => bytes,
        }
    }

    const fn len(&self) -> usize {
        self.bytes().len()
    }
}

fn long_length(value: u16) -> LongLength {
    match value.checked_sub(15).map(u8::try_from) {
        None => LongLength::None,
        Some(Ok(byte @ 0..=254)) => LongLength::Byte([byte]),
        Some(Ok(_) | Err(_)) => {
            let [low, high] = value.to_le_bytes();
            LongLength::Word([255, low, high])
        }
    }
}

/// Writes bits in words whose places are reserved ahead, so that bytes may stand between them.
struct Writer {
    out: Vec<u8>,
    word: u32,
    /// Bits that the word still has room for.
    free: u8,
    /// Where the word goes, and where the one after it goes.
    slots: [usize; 2],
}

impl Writer {
    fn new(table: &[u8; TABLE], capacity: usize) -> Self {
        let mut out = Vec::with_capacity(capacity);
        out.extend_from_slice(table);
        out.extend_from_slice(&[0; 4]);
        Self { out, word: 0, free: 16, slots: [TABLE, TABLE + 2] }
    }

    /// Writes the low `count` bits, at most 15.
    fn bits(&mut self, bits: u16, count: u8) {
        if count <= self.free {
            self.free -= count;
            self.word = self.word << count | u32::from(bits);
            return;
        }
        let over = count - self.free;
        self.word = self.word << self.free | u32::from(bits >> over);
        self.store();
        let [_, second] = self.slots;
        self.slots = [second, self.out.len()];
        self.out.extend_from_slice(&[0; 2]);
        self.free = 16 - over;
        self.word = bits.into();
    }

    /// Puts the low 16 bits of the word into its place.
    fn store(&mut self) {
        let [slot, _] = self.slots;
        let [low, high, ..] = self.word.to_le_bytes();
        if let Some(place) = self.out.get_mut(slot..slot + 2) {
            place.copy_from_slice(&[low, high]);
        }
    }

    fn finish(mut self) -> Vec<u8> {
        self.word <<= self.free;
        self.store();
        self.out
    }
}
