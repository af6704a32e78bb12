//! The system's randomness and clock, which the cores take as inputs.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use auth::{Entropy, FileTime};
use uuid::{Builder, Uuid};

/// The operating system's random numbers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&mut self, bytes: &mut [u8]) {
        #[expect(
            clippy::expect_used,
            reason = "a system without randomness cannot log in safely, and has no other way to say so"
        )]
        getrandom::fill(bytes).expect("the system hands out random bytes");
    }
}

impl psrp::entropy::Entropy for SystemEntropy {
    fn fill(&mut self, bytes: &mut [u8]) {
        Entropy::fill(self, bytes);
    }
}

/// A random UUID (RFC 9562 5.4).
pub(crate) fn uuid() -> Uuid {
    let mut bytes = [0; 16];
    SystemEntropy.fill(&mut bytes);
    Builder::from_random_bytes(bytes).into_uuid()
}

/// A random part of a time.
pub(crate) fn part_of(time: Duration) -> Duration {
    let mut byte = [0];
    Entropy::fill(&mut SystemEntropy, &mut byte);
    time * u32::from(byte[0]) / u32::from(u8::MAX)
}

/// The present time.
pub(crate) fn now() -> FileTime {
    FileTime::from_unix(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
}
