//! Random numbers from the system.

use auth::Entropy;
use uuid::{Builder, Uuid};

/// The system's generator. A system without random bytes can make no login safe, so nothing
/// goes on without them.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct SystemEntropy;

impl Entropy for SystemEntropy {
    #[expect(clippy::panic, reason = "predictable keys would be worse than no service")]
    fn fill(&mut self, bytes: &mut [u8]) {
        if let Err(error) = getrandom::fill(bytes) {
            panic!("the system gives no random bytes: {error}");
        }
    }
}

/// 16 random bytes.
pub(crate) fn bytes16() -> [u8; 16] {
    let mut bytes = [0; 16];
    SystemEntropy.fill(&mut bytes);
    bytes
}

/// A random UUID.
pub(crate) fn uuid() -> Uuid {
    Builder::from_random_bytes(bytes16()).into_uuid()
}
