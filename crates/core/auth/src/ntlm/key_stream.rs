//! [`KeyStream`]: RC4 whose next bytes can be made before they are needed.
//!
//! ```text
//!  made ahead:   used │ ready │        RC4 goes on from here
//!                     └ next byte
//! ```

use rc4::{Rc4, StreamCipher as _};
use zeroize::Zeroizing;

use super::keys;

/// Nothing is made ahead for messages that are shorter: it would not be noticed.
const LEAST: usize = 16 * 1024;
/// The most that is made ahead, in bytes: a message of `MaxEnvelopeSizekb`'s default.
const MOST: usize = 512 * 1024;

/// The key stream of one direction.
pub(super) struct KeyStream {
    cipher: Rc4,
    /// What was made ahead; wiped when it is dropped.
    ahead: Zeroizing<Vec<u8>>,
    /// How much of it is used.
    used: usize,
    /// The length of the last message: the next one of a busy stream is as long.
    last: usize,
}

impl KeyStream {
    /// The stream from its start.
    pub(super) fn new(key: &[u8; 16]) -> Self {
        Self { cipher: keys::rc4(key), ahead: Zeroizing::default(), used: 0, last: 0 }
    }

    /// Notes that a message of so many bytes begins.
    pub(super) const fn begin(&mut self, length: usize) {
        self.last = length;
    }

    /// Encrypts or decrypts the next bytes.
    pub(super) fn apply(&mut self, data: &mut [u8]) {
        let ready = self.ahead.get(self.used..).unwrap_or_default();
        let (front, rest) = data.split_at_mut(ready.len().min(data.len()));
        for (byte, key) in front.iter_mut().zip(ready) {
            *byte ^= key;
        }
        self.used += front.len();
        self.cipher.apply_keystream(rest);
    }

    /// Makes as much as the next message will need, if it is as long as the last one.
    pub(super) fn prepare(&mut self) {
        let ready = self.ahead.len().saturating_sub(self.used);
        if self.last < LEAST {
            if ready == 0 && !self.ahead.is_empty() {
                (self.ahead, self.used) = (Zeroizing::default(), 0);
            }
            return;
        }
        let wanted = self.last.min(MOST);
        if ready >= wanted {
            return;
        }
        if self.ahead.capacity() < wanted {
            // Growing in place could leave a copy behind that nobody wipes.
            let mut larger = Zeroizing::new(Vec::with_capacity(wanted));
            larger.extend_from_slice(self.ahead.get(self.used..).unwrap_or_default());
            self.ahead = larger;
        } else {
            self.ahead.drain(..self.used);
        }
        self.used = 0;
        self.ahead.resize(wanted, 0);
        let fresh = self.ahead.get_mut(ready..).unwrap_or_default();
        fresh.fill(0);
        self.cipher.apply_keystream(fresh);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_made_ahead_are_those_that_would_have_come() {
        let key = [7; 16];
        let lengths = [5, 20_000, 8, 40_000, 8, 3, 700_000, 8, 700_000, 17_000, 100, 1, 0, 30_000];
        let (mut plain, mut ahead) = (KeyStream::new(&key), KeyStream::new(&key));
        for (number, length) in lengths.into_iter().enumerate() {
            let mut expected = vec![0x5A; length];
            plain.apply(&mut expected);
            ahead.begin(length);
            let mut got = vec![0x5A; length];
            ahead.apply(&mut got);
            assert!(got == expected, "message {number} of {length} bytes");
            ahead.prepare();
            ahead.prepare();
        }
    }

    #[test]
    fn nothing_is_held_for_short_messages_and_no_more_than_the_bound_for_long_ones() {
        let mut stream = KeyStream::new(&[7; 16]);
        stream.begin(100);
        stream.prepare();
        assert_eq!(stream.ahead.capacity(), 0);
        stream.begin(10 * MOST);
        stream.prepare();
        assert_eq!(stream.ahead.len(), MOST);
        stream.apply(&mut vec![0; MOST]);
        stream.begin(100);
        stream.prepare();
        assert_eq!(stream.ahead.capacity(), 0);
    }
}
