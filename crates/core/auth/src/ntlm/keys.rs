//! Keys of a session: exchange, signing, sealing ([MS-NLMP] 3.4.5).

use md5::{Digest as _, Md5};
use rc4::{KeyInit as _, Rc4, StreamCipher as _};
use zeroize::Zeroizing;

use super::Flags;

/// A 128-bit key, wiped when dropped.
pub(crate) type Key = Zeroizing<[u8; 16]>;

/// RC4 at the start of its stream. A key of 16 bytes always fits.
pub(crate) fn rc4(key: &[u8; 16]) -> Rc4 {
    // The crate's infallible constructor takes 32 bytes, and RC4 repeats a key to 256: writing it twice is the same.
    let mut twice = Zeroizing::new([0; 32]);
    for (to, from) in twice.iter_mut().zip(key.iter().cycle()) {
        *to = *from;
    }
    Rc4::new((&*twice).into())
}

/// Encrypts or decrypts the session key that the client chose ([MS-NLMP] 3.4.5.1).
pub(crate) fn exchange(key_exchange_key: &[u8; 16], session_key: &[u8; 16]) -> Key {
    let mut out = Zeroizing::new(*session_key);
    rc4(key_exchange_key).apply_keystream(&mut *out);
    out
}

/// Who writes in a direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Writer {
    Client,
    Server,
}

/// SIGNKEY ([MS-NLMP] 3.4.5.2).
pub(crate) fn sign_key(session_key: &[u8; 16], writer: Writer) -> Key {
    let magic: &[u8] = match writer {
        Writer::Client => b"session key to client-to-server signing key magic constant\0",
        Writer::Server => b"session key to server-to-client signing key magic constant\0",
    };
    derive(session_key, magic)
}

/// SEALKEY with extended session security ([MS-NLMP] 3.4.5.3): the negotiated strength decides how much of the
/// session key goes in.
pub(crate) fn seal_key(flags: Flags, session_key: &[u8; 16], writer: Writer) -> Key {
    let magic: &[u8] = match writer {
        Writer::Client => b"session key to client-to-server sealing key magic constant\0",
        Writer::Server => b"session key to server-to-client sealing key magic constant\0",
    };
    let (seven, _) = session_key.split_at(7);
    let (five, _) = session_key.split_at(5);
    let part = if flags.contains(Flags::KEY_128) {
        session_key
    } else if flags.contains(Flags::KEY_56) {
        seven
    } else {
        five
    };
    derive(part, magic)
}

fn derive(key: &[u8], magic: &[u8]) -> Key {
    Zeroizing::new(Md5::new().chain_update(key).chain_update(magic).finalize().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// [MS-NLMP] 4.2.2.4, 4.2.3.4 and 4.2.4.4 use 128 bits; the weaker keys are held against plain MD5 here.
    #[test]
    fn strength_decides_how_much_of_the_session_key_is_used() {
        let magic: &[u8] = b"session key to server-to-client sealing key magic constant\0";
        let key: [u8; 16] = std::array::from_fn(|at| u8::try_from(at).unwrap());
        for (flags, length) in
            [(Flags::KEY_128 | Flags::KEY_56, 16), (Flags::KEY_56, 7), (Flags::default(), 5)]
        {
            let expected: [u8; 16] = Md5::digest([&key[..length], magic].concat()).into();
            assert_eq!(*seal_key(flags, &key, Writer::Server), expected);
        }
    }

    #[test]
    fn rc4_with_a_key_of_16_bytes_gives_the_published_stream() {
        // RFC 6229, key 0102…10, offset 0.
        let key: [u8; 16] = std::array::from_fn(|at| u8::try_from(at).unwrap() + 1);
        let mut stream = [0; 8];
        rc4(&key).apply_keystream(&mut stream);
        assert_eq!(stream, [0x9a, 0xc7, 0xcc, 0x9a, 0x60, 0x9d, 0x1e, 0xf7]);
    }
}
