//! Canonical Huffman codes over 512 symbols of at most 15 bits, [MS-XCA] 2.1.4.2.
//!
//! Symbols 0 to 255 are bytes; 256 + 16·h + l is a match whose distance has h bits after its
//! highest, and whose length is l + 3, or more where l is 15. Symbol 256 also ends the data.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// How many symbols there are.
pub(super) const SYMBOLS: usize = 512;
/// The longest code in bits.
pub(super) const MAX_BITS: u8 = 15;
/// Bytes of the table of code lengths: four bits for each symbol.
pub(super) const TABLE: usize = SYMBOLS / 2;
/// The symbol that ends the data.
pub(super) const END: usize = 256;

/// The length of each symbol's code in bits; 0 where the symbol does not occur.
pub(super) type Lengths = [u8; SYMBOLS];

/// The shortest codes of at most 15 bits for symbols that occur so often.
///
/// Where the best codes would be longer, the counts are halved until they fit: that evens out the
/// rare symbols, which is where long codes come from.
pub(super) fn lengths(counts: &[u32; SYMBOLS]) -> Lengths {
    let mut counts = *counts;
    // One symbol alone would have a code of no bits, and a table must use up every pattern.
    let mut spare = [0, END].into_iter();
    while counts.iter().filter(|&&count| count > 0).count() < 2 {
        let Some(count) = spare.next().and_then(|symbol| counts.get_mut(symbol)) else { break };
        *count = (*count).max(1);
    }
    loop {
        let lengths = unlimited(&counts);
        if lengths.iter().all(|&length| length <= MAX_BITS) {
            return lengths;
        }
        for count in counts.iter_mut().filter(|count| **count > 0) {
            *count = count.div_ceil(2);
        }
    }
}

/// Huffman's algorithm over at least two symbols.
fn unlimited(counts: &[u32; SYMBOLS]) -> Lengths {
    // Nodes are numbered: symbols first, then each pair as it is made. A child's number is lower
    // than its parent's.
    let mut parents = [0_u16; 2 * SYMBOLS];
    let mut heap: BinaryHeap<Reverse<(u32, u16)>> = (0..)
        .zip(counts)
        .filter(|&(_, &count)| count > 0)
        .map(|(symbol, &count)| Reverse((count, symbol)))
        .collect();
    let mut next: u16 = 512;
    while let Some(Reverse((least, one))) = heap.pop() {
        let Some(Reverse((second, other))) = heap.pop() else { break };
        for child in [one, other] {
            if let Some(parent) = parents.get_mut(usize::from(child)) {
                *parent = next;
            }
        }
        heap.push(Reverse((least.saturating_add(second), next)));
        next += 1;
    }
    let mut depths = [0_u8; 2 * SYMBOLS];
    let root = usize::from(next - 1);
    for node in (0..root).rev() {
        let parent = parents.get(node).copied().map_or(0, usize::from);
        let depth = depths.get(parent).copied().unwrap_or_default();
        if parent > 0
            && let Some(own) = depths.get_mut(node)
        {
            *own = depth.saturating_add(1);
        }
    }
    let mut lengths = [0; SYMBOLS];
    for (length, depth) in lengths.iter_mut().zip(depths) {
        *length = depth;
    }
    lengths
}

/// The symbols in the order of their codes: by length, then by number.
pub(super) fn ordered(lengths: &Lengths) -> impl Iterator<Item = (u16, u8)> {
    (1..=MAX_BITS).flat_map(move |bits| {
        let symbols = (0..).zip(lengths).filter(move |(_, length)| **length == bits);
        symbols.map(move |(symbol, _)| (symbol, bits))
    })
}

/// Reads the table; `None` where the codes do not use up every pattern of 15 bits, or more.
pub(super) fn read(table: &[u8; TABLE]) -> Option<Lengths> {
    let mut lengths = [0; SYMBOLS];
    let mut used = 0_u32;
    for (pair, &byte) in lengths.chunks_exact_mut(2).zip(table) {
        for (length, bits) in pair.iter_mut().zip([byte & 0xF, byte >> 4]) {
            *length = bits;
            used += if bits == 0 { 0 } else { 1 << (MAX_BITS - bits) };
        }
    }
    (used == 1 << MAX_BITS).then_some(lengths)
}

/// Writes the table.
pub(super) fn write(lengths: &Lengths) -> [u8; TABLE] {
    let mut table = [0; TABLE];
    for (byte, pair) in table.iter_mut().zip(lengths.chunks_exact(2)) {
        if let [low, high] = pair {
            *byte = low | high << 4;
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_complete(counts: &[u32; SYMBOLS]) -> Lengths {
        let lengths = lengths(counts);
        assert_eq!(read(&write(&lengths)), Some(lengths));
        for (symbol, &count) in counts.iter().enumerate() {
            assert!(count == 0 || lengths[symbol] > 0, "symbol {symbol} has no code");
        }
        lengths
    }

    #[test]
    fn codes_use_up_every_pattern_whatever_occurs() {
        let mut counts = [0; SYMBOLS];
        assert_complete(&counts);
        for only in [0, END, 511] {
            counts = [0; SYMBOLS];
            counts[only] = 7;
            assert_complete(&counts);
        }
        assert_eq!(assert_complete(&[1; SYMBOLS]), [9; SYMBOLS]);
    }

    #[test]
    fn counts_that_want_long_codes_get_short_enough_ones() {
        let mut counts = [0; SYMBOLS];
        let (mut one, mut other) = (1, 1);
        for count in counts.iter_mut().take(40) {
            *count = one;
            (one, other) = (other, one + other);
        }
        let lengths = assert_complete(&counts);
        assert_eq!(lengths.iter().max(), Some(&MAX_BITS));
    }

    #[test]
    fn frequent_symbols_have_shorter_codes() {
        let mut counts = [1; SYMBOLS];
        counts[65] = 1_000;
        let lengths = assert_complete(&counts);
        assert!(lengths[65] < lengths[66]);
    }
}
