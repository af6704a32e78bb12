//! Randomness that repeats, so that a test can compare bytes.

use auth::Entropy;

/// A generator with a seed (xorshift64*): the same seed gives the same bytes.
#[derive(Debug, Clone)]
pub struct Seeded(u64);

impl Seeded {
    /// A generator; the seed may be anything.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    /// The next number.
    pub const fn draw(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }
}

impl Entropy for Seeded {
    fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let number = self.draw().to_le_bytes();
            chunk.iter_mut().zip(number).for_each(|(byte, new)| *byte = new);
        }
    }
}
