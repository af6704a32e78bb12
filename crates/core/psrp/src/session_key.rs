//! The key of a session, with which SecureStrings travel: PUBLIC_KEY and ENCRYPTED_SESSION_KEY,
//! [MS-PSRP] 2.2.2.3, 2.2.2.4, 3.1.2.1.
//!
//! ```text
//! client                                            server
//! KeyPair::new ── its public key ───────────────►   SessionKey::encrypted_for
//! KeyPair::open ◄── the session key, encrypted ──
//! ```
//!
//! Since version 2.4 of the protocol strings travel without this key ([`plain`], [`from_plain`]), and
//! only the transport protects them.

use std::convert::Infallible;
use std::fmt;

use aes::cipher::{
    BlockModeDecrypt as _, BlockModeEncrypt as _, KeyIvInit as _, block_padding::Pkcs7,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rsa::rand_core::{TryCryptoRng, TryRng};
use rsa::traits::PublicKeyParts as _;
use rsa::{BoxedUint, Pkcs1v15Encrypt, PrivateKey, PublicKey};
use zeroize::Zeroizing;

use crate::clixml::SecureString;
use crate::entropy::Entropy;

/// What stands before the modulus in a public key: a blob (6, 2) for key exchange with RSA
/// (0xA400), `RSA1`, 2048 bits, the exponent 65537.
const PUBLIC_KEY: [u8; 20] =
    [6, 2, 0, 0, 0, 0xA4, 0, 0, b'R', b'S', b'A', b'1', 0, 8, 0, 0, 1, 0, 1, 0];
/// What stands before an encrypted key: a blob (1, 2) with a key for AES-256 (0x6610), encrypted by
/// RSA (0xA400).
const SESSION_KEY: [u8; 12] = [1, 2, 0, 0, 0x10, 0x66, 0, 0, 0, 0xA4, 0, 0];
/// Bytes of the modulus.
const MODULUS: usize = 256;
const KEY: usize = 32;
/// The vector that every string begins with, which is why a key must not be used for anything else.
const IV: [u8; 16] = [0; 16];

/// Why a key or a string could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The session key cannot be opened: it was made for another key pair, or is none.
    #[error("the session key cannot be decrypted")]
    SessionKey,
    /// The public key is none of RSA with 2048 bits.
    #[error("the public key is not valid")]
    PublicKey,
    /// A SecureString was encrypted with another key, or is none.
    #[error("a SecureString cannot be decrypted")]
    SecureString,
}

/// A string in the clear: wiped after use and never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Plain(Zeroizing<Vec<u16>>);

impl Plain {
    /// The string of these UTF-16 code units.
    #[must_use]
    pub fn new(units: Vec<u16>) -> Self {
        Self(Zeroizing::new(units))
    }

    /// The code units.
    #[must_use]
    pub fn units(&self) -> &[u16] {
        &self.0
    }

    /// The string in UTF-16, as it is encrypted.
    fn bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(self.0.len() * 2));
        bytes.extend(self.0.iter().flat_map(|unit| unit.to_le_bytes()));
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let (pairs, rest) = bytes.as_chunks::<2>();
        if !rest.is_empty() {
            return Err(Error::SecureString);
        }
        Ok(Self::new(pairs.iter().map(|pair| u16::from_le_bytes(*pair)).collect()))
    }
}

impl From<&str> for Plain {
    fn from(text: &str) -> Self {
        // As many units as bytes at most: a vector that grew would leave copies behind.
        let mut units = Vec::with_capacity(text.len());
        units.extend(text.encode_utf16());
        Self::new(units)
    }
}

impl fmt::Debug for Plain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Plain(***)")
    }
}

/// The client's key pair.
pub struct KeyPair(PrivateKey);

impl KeyPair {
    /// A new pair of 2048 bits. This takes a while.
    ///
    /// # Errors
    ///
    /// [`Error::PublicKey`], if there is no end to bad luck.
    pub fn new(entropy: &mut dyn Entropy) -> Result<Self, Error> {
        PrivateKey::new(&mut Source(entropy), MODULUS * 8).map(Self).map_err(|_| Error::PublicKey)
    }

    /// The public key as PUBLIC_KEY carries it.
    #[must_use]
    pub fn public_key(&self) -> String {
        let mut modulus = self.0.n_bytes().into_vec();
        modulus.reverse();
        modulus.resize(MODULUS, 0);
        STANDARD.encode([&PUBLIC_KEY[..], &modulus].concat())
    }

    /// Reads what ENCRYPTED_SESSION_KEY carries.
    ///
    /// # Errors
    ///
    /// [`Error::SessionKey`].
    pub fn open(&self, encrypted: &str) -> Result<SessionKey, Error> {
        let blob = STANDARD.decode(encrypted).map_err(|_| Error::SessionKey)?;
        let encrypted = blob.strip_prefix(&SESSION_KEY).ok_or(Error::SessionKey)?;
        let encrypted: Vec<u8> = encrypted.iter().rev().copied().collect();
        let key = self.0.decrypt(Pkcs1v15Encrypt, &encrypted).map(Zeroizing::new);
        let key: [u8; KEY] =
            key.ok().and_then(|key| key.as_slice().try_into().ok()).ok_or(Error::SessionKey)?;
        Ok(SessionKey(Zeroizing::new(key)))
    }
}

impl fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyPair(***)")
    }
}

/// The key of a session, wiped after use.
#[derive(Clone)]
pub struct SessionKey(Zeroizing<[u8; KEY]>);

impl SessionKey {
    /// A new key, and what ENCRYPTED_SESSION_KEY carries of it for the client with this public key.
    ///
    /// # Errors
    ///
    /// [`Error::PublicKey`].
    pub fn encrypted_for(
        public_key: &str,
        entropy: &mut dyn Entropy,
    ) -> Result<(Self, String), Error> {
        let mut key = Zeroizing::new([0; KEY]);
        entropy.fill(&mut *key);
        let key = Self(key);
        let encrypted = key.encrypt_for(public_key, entropy)?;
        Ok((key, encrypted))
    }

    /// What ENCRYPTED_SESSION_KEY carries of this key for the client with this public key.
    ///
    /// # Errors
    ///
    /// [`Error::PublicKey`].
    pub fn encrypt_for(
        &self,
        public_key: &str,
        entropy: &mut dyn Entropy,
    ) -> Result<String, Error> {
        let blob = STANDARD.decode(public_key).map_err(|_| Error::PublicKey)?;
        let modulus = blob.strip_prefix(&PUBLIC_KEY).filter(|modulus| modulus.len() == MODULUS);
        let modulus: Vec<u8> = modulus.ok_or(Error::PublicKey)?.iter().rev().copied().collect();
        let modulus = BoxedUint::from_be_slice_vartime(&modulus);
        let public = PublicKey::new(modulus, BoxedUint::from(65_537_u64));
        let public = public.map_err(|_| Error::PublicKey)?;
        let encrypted = public.encrypt(&mut Source(entropy), Pkcs1v15Encrypt, &*self.0);
        let mut encrypted = encrypted.map_err(|_| Error::PublicKey)?;
        encrypted.reverse();
        Ok(STANDARD.encode([&SESSION_KEY[..], &encrypted].concat()))
    }

    /// Encrypts a string.
    #[must_use]
    pub fn encrypt(&self, plain: &Plain) -> SecureString {
        let plain = plain.bytes();
        let cipher = cbc::Encryptor::<aes::Aes256>::new((&*self.0).into(), &IV.into());
        let encrypted = cipher.encrypt_padded_vec::<Pkcs7>(&plain);
        SecureString::from_wire(STANDARD.encode(encrypted))
    }

    /// Decrypts a string.
    ///
    /// # Errors
    ///
    /// [`Error::SecureString`].
    pub fn decrypt(&self, string: &SecureString) -> Result<Plain, Error> {
        let encrypted = STANDARD.decode(string.as_wire()).map_err(|_| Error::SecureString)?;
        let cipher = cbc::Decryptor::<aes::Aes256>::new((&*self.0).into(), &IV.into());
        let plain = cipher.decrypt_padded_vec::<Pkcs7>(&encrypted).map(Zeroizing::new);
        Plain::from_bytes(&plain.map_err(|_| Error::SecureString)?)
    }
}

impl fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionKey(***)")
    }
}

/// A string as both sides send it since version 2.4.
#[must_use]
pub fn plain(plain: &Plain) -> SecureString {
    SecureString::from_wire(STANDARD.encode(&*plain.bytes()))
}

/// Reads a string that was sent so.
///
/// # Errors
///
/// [`Error::SecureString`].
pub fn from_plain(string: &SecureString) -> Result<Plain, Error> {
    let bytes = STANDARD.decode(string.as_wire()).map(Zeroizing::new);
    Plain::from_bytes(&bytes.map_err(|_| Error::SecureString)?)
}

/// Entropy in the form that RSA asks for.
struct Source<'e>(&'e mut dyn Entropy);

impl TryRng for Source<'_> {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.0.fill(&mut bytes);
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        self.0.fill(bytes);
        Ok(())
    }
}

impl TryCryptoRng for Source<'_> {}

#[cfg(test)]
mod tests {
    use super::*;

    /// Random enough for tests, and the same in each run.
    struct Counted(u64);

    impl Entropy for Counted {
        fn fill(&mut self, bytes: &mut [u8]) {
            for byte in bytes {
                self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                *byte = (self.0 >> 56) as u8;
            }
        }
    }

    fn pair() -> (KeyPair, SessionKey, SessionKey) {
        let mut entropy = Counted(1);
        let pair = KeyPair::new(&mut entropy).unwrap();
        let (key, encrypted) = SessionKey::encrypted_for(&pair.public_key(), &mut entropy).unwrap();
        let opened = pair.open(&encrypted).unwrap();
        (pair, key, opened)
    }

    #[test]
    fn both_sides_have_the_same_key() {
        let (pair, theirs, ours) = pair();
        assert_eq!(STANDARD.decode(pair.public_key()).unwrap().len(), PUBLIC_KEY.len() + MODULUS);
        let text = Plain::new(vec![0x70, 0xD83D, 0x20AC]);
        let encrypted = theirs.encrypt(&text);
        assert_eq!(ours.decrypt(&encrypted), Ok(text.clone()));
        assert_eq!(from_plain(&plain(&text)), Ok(text.clone()));
        assert_eq!(text.units(), [0x70, 0xD83D, 0x20AC]);
        assert_eq!(pair.open("AAAA").err(), Some(Error::SessionKey));
        assert_eq!(
            format!("{pair:?} {ours:?} {text:?}"),
            "KeyPair(***) SessionKey(***) Plain(***)"
        );
    }

    #[test]
    fn what_is_no_key_and_no_string_is_refused() {
        let mut entropy = Counted(2);
        for key in ["", "AAAA", "!"] {
            let refused = SessionKey::encrypted_for(key, &mut entropy).err();
            assert_eq!(refused, Some(Error::PublicKey), "{key}");
        }
        let key = SessionKey(Zeroizing::new([7; KEY]));
        for text in ["", "AAAA", "?", "AAAAAAAAAAAAAAAAAAAAAA=="] {
            let refused = key.decrypt(&SecureString::from_wire(text.into())).err();
            assert_eq!(refused, Some(Error::SecureString), "{text}");
        }
    }
}
