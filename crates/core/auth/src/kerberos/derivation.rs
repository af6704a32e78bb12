//! Keys of one purpose from the key of a context (RFC 3961 5.1 and 5.3, RFC 8009 3).

use aes::cipher::{Block, BlockCipherEncrypt, BlockSizeUser, consts::U16};
use hmac::{KeyInit, Mac};
use zeroize::Zeroizing;

/// A derived key, wiped when dropped.
pub(super) type Derived = Zeroizing<Vec<u8>>;

/// What a derived key is for: the last byte of the constant (RFC 3961 5.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Kc: checksums of messages that are not encrypted.
    Checksum = 0x99,
    /// Ke: encryption.
    Encryption = 0xAA,
    /// Ki: the integrity of encrypted messages.
    Integrity = 0x55,
}

fn constant(usage: u32, purpose: Purpose) -> [u8; 5] {
    let [a, b, c, d] = usage.to_be_bytes();
    [a, b, c, d, purpose as u8]
}

/// `DK` of RFC 3961 5.1 with AES, for which `random-to-key` changes nothing (RFC 3962 6): the derived key is as long as
/// `key`. `None` where `key` does not fit the cipher.
pub(super) fn dk<C>(key: &[u8], usage: u32, purpose: Purpose) -> Option<Derived>
where
    C: BlockCipherEncrypt + BlockSizeUser<BlockSize = U16> + KeyInit,
{
    stretch::<C>(key, n_fold(&constant(usage, purpose)))
}

/// `DR` of RFC 3961 5.1, cut to the length of the key.
fn stretch<C>(key: &[u8], folded: [u8; 16]) -> Option<Derived>
where
    C: BlockCipherEncrypt + BlockSizeUser<BlockSize = U16> + KeyInit,
{
    let cipher = C::new_from_slice(key).ok()?;
    let mut block = Zeroizing::new(folded);
    let mut out = Zeroizing::new(Vec::with_capacity(key.len().next_multiple_of(16)));
    while out.len() < key.len() {
        let place: &mut Block<C> = (&mut *block).into();
        cipher.encrypt_block(place);
        out.extend_from_slice(&*block);
    }
    out.truncate(key.len());
    Some(out)
}

/// 128 bits out of however many (RFC 3961 5.1): copies of the input, each turned right by 13 bits more, are added up in
/// pieces of 16 bytes, with ones' complement.
fn n_fold(input: &[u8]) -> [u8; 16] {
    let bits = input.len().saturating_mul(8);
    if bits == 0 {
        return [0; 16];
    }
    let bit = |index: usize| {
        let byte = input.get(index / 8).copied().unwrap_or_default();
        u128::from(byte >> (7 - index % 8) & 1)
    };
    let total = least_common_multiple(bits, 128);
    (0..total / 128)
        .map(|piece| {
            (piece * 128..(piece + 1) * 128).fold(0, |value, at| {
                let turned = 13 * (at / bits) % bits;
                value << 1 | bit((at % bits + bits - turned) % bits)
            })
        })
        .fold(0_u128, |sum, piece| {
            let (sum, carry) = sum.overflowing_add(piece);
            sum + u128::from(carry)
        })
        .to_be_bytes()
}

fn least_common_multiple(a: usize, b: usize) -> usize {
    let (mut divisor, mut rest) = (a, b);
    while rest != 0 {
        (divisor, rest) = (rest, divisor % rest);
    }
    a / divisor * b
}

/// `KDF-HMAC-SHA2` of RFC 8009 3: a key of `length` bytes, at most what the hash gives.
pub(super) fn kdf_hmac_sha2<M: Mac + KeyInit>(
    key: &[u8],
    usage: u32,
    purpose: Purpose,
    length: usize,
) -> Option<Derived> {
    let bits = u32::try_from(length.checked_mul(8)?).ok()?;
    let mut mac = <M as KeyInit>::new_from_slice(key).ok()?;
    mac.update(&1_u32.to_be_bytes());
    mac.update(&constant(usage, purpose));
    mac.update(&[0]);
    mac.update(&bits.to_be_bytes());
    let whole = Zeroizing::new(mac.finalize().into_bytes().to_vec());
    Some(Zeroizing::new(whole.get(..length)?.to_vec()))
}

#[cfg(test)]
mod tests {
    use aes::{Aes128Enc, Aes256Enc};
    use hmac::Hmac;
    use sha2::{Sha256, Sha384};

    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn bytes(hex: &str) -> Vec<u8> {
        let pairs = hex.as_bytes().chunks(2);
        pairs.map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
    }

    /// RFC 3961 A.1 and A.3.
    #[test]
    fn n_fold_gives_the_published_bytes() {
        assert_eq!(hex(&n_fold(b"kerberos")), "6b65726265726f737b9b5b2b93132b93");
        assert_eq!(hex(&n_fold(b"")), "0".repeat(32));
    }

    /// RFC 3962 B: the last step of string-to-key is `DK(…, "kerberos")`.
    #[test]
    fn keys_of_aes_sha1_derive_as_published() {
        let pbkdf2 = bytes("cdedb5281bb2f801565a1122b25635150ad1f7a04bb9f3a333ecc0e2e1f70837");
        let folded = n_fold(b"kerberos");
        let short = stretch::<Aes128Enc>(&pbkdf2[..16], folded).unwrap();
        assert_eq!(hex(&short), "42263c6e89f4fc28b8df68ee09799f15");
        let long = stretch::<Aes256Enc>(&pbkdf2, folded).unwrap();
        assert_eq!(hex(&long), "fe697b52bc0d3ce14432ba036a92e65bbb52280990a2fa27883998d72af30161");
        assert_eq!(stretch::<Aes256Enc>(&pbkdf2[..16], folded), None);
    }

    /// RFC 8009 A, for key usage 2.
    #[test]
    fn keys_of_aes_sha2_derive_as_published() {
        let key = bytes("3705d96080c17728a0e800eab6e0d23c");
        let derive = |purpose| hex(&kdf_hmac_sha2::<Hmac<Sha256>>(&key, 2, purpose, 16).unwrap());
        assert_eq!(derive(Purpose::Checksum), "b31a018a48f54776f403e9a396325dc3");
        assert_eq!(derive(Purpose::Encryption), "9b197dd1e8c5609d6e67c3e37c62c72e");
        assert_eq!(derive(Purpose::Integrity), "9fda0e56ab2d85e1569a688696c26a6c");
        let key = bytes("6d404d37faf79f9df0d33568d320669800eb4836472ea8a026d16b7182460c52");
        let derive = |purpose, length| {
            hex(&kdf_hmac_sha2::<Hmac<Sha384>>(&key, 2, purpose, length).unwrap())
        };
        assert_eq!(
            derive(Purpose::Checksum, 24),
            "ef5718be86cc84963d8bbb5031e9f5c4ba41f28faf69e73d"
        );
        assert_eq!(
            derive(Purpose::Encryption, 32),
            "56ab22bee63d82d7bc5227f6773f8ea7a5eb1c825160c38312980c442e5c7e49"
        );
        assert_eq!(
            derive(Purpose::Integrity, 24),
            "69b16514e3cd8e56b82010d5c73012b622c4d00ffc23ed1f"
        );
    }
}
