//! Randomness, which is an input here.

/// A source of random bytes that nobody can guess.
pub trait Entropy {
    /// Fills `bytes` with random ones.
    fn fill(&mut self, bytes: &mut [u8]);
}
