//! Message tokens with AES: RFC 4121 4.2 over the encryption of RFC 3962 and RFC 8009.
//!
//! ```text
//!  as encrypted     header 16 │ E(confounder 16 │ data │ filler EC │ copy of header 16) │ checksum
//!  as sent, EC 0    header 16 │ copy 16 │ checksum │ confounder 16 ‖ data
//!                   └───────────────── in front ────────────────┘
//! ```
//!
//! What follows the header is turned right by RRC bytes, so that data stay as long as they were, and in their place.

use std::marker::PhantomData;

use aes::{Aes128Dec, Aes128Enc, Aes256Dec, Aes256Enc};
use cbc::{
    Decryptor, Encryptor,
    cipher::{
        Array, Block, BlockCipherDecrypt, BlockCipherEncrypt, BlockModeDecrypt as _,
        BlockModeEncrypt as _, BlockSizeUser, IvState as _, KeyIvInit as _, SetIvState as _,
        consts::U16,
    },
};
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::{Sha256, Sha384};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroize as _;

use super::{
    Role,
    derivation::{self, Derived, Purpose},
    sealer::Protection,
};
use crate::{SealError, Sealed};

const BLOCK: usize = 16;
const HEADER: usize = 16;
/// What is hashed and encrypted in one go: it stays in the processor's nearest cache between the two.
const PIECE: usize = 8 * 1024;

const WRAP: [u8; 2] = [0x05, 0x04];
const MIC: [u8; 2] = [0x04, 0x04];
const FILLER: u8 = 0xFF;

const SENT_BY_ACCEPTOR: u8 = 1;
const SEALED: u8 = 2;
const ACCEPTOR_SUBKEY: u8 = 4;

/// Key usages of RFC 4121 2.
struct Usages {
    seal: u32,
    sign: u32,
}

const fn usages(sender: Role) -> Usages {
    match sender {
        Role::Acceptor => Usages { seal: 22, sign: 23 },
        Role::Initiator => Usages { seal: 24, sign: 25 },
    }
}

/// An encryption type: which primitives, and how they go together.
pub(super) trait Suite: Send {
    type Encrypt: BlockCipherEncrypt + BlockSizeUser<BlockSize = U16> + KeyInit + Send;
    type Decrypt: BlockCipherDecrypt + BlockSizeUser<BlockSize = U16> + KeyInit + Send;
    type Mac: Mac + KeyInit + Clone + Send;
    /// Bytes of a checksum.
    const CHECKSUM: usize;
    /// The checksum is one of the ciphertext (RFC 8009 5), not of the plaintext (RFC 3961 5.3).
    const OVER_CIPHERTEXT: bool;

    fn derive(key: &[u8], usage: u32, purpose: Purpose) -> Option<Derived>;
}

/// aes128-cts-hmac-sha1-96.
pub(super) struct Aes128Sha1;
/// aes256-cts-hmac-sha1-96.
pub(super) struct Aes256Sha1;
/// aes128-cts-hmac-sha256-128.
pub(super) struct Aes128Sha256;
/// aes256-cts-hmac-sha384-192.
pub(super) struct Aes256Sha384;

impl Suite for Aes128Sha1 {
    type Encrypt = Aes128Enc;
    type Decrypt = Aes128Dec;
    type Mac = Hmac<Sha1>;
    const CHECKSUM: usize = 12;
    const OVER_CIPHERTEXT: bool = false;

    fn derive(key: &[u8], usage: u32, purpose: Purpose) -> Option<Derived> {
        derivation::dk::<Aes128Enc>(key, usage, purpose)
    }
}

impl Suite for Aes256Sha1 {
    type Encrypt = Aes256Enc;
    type Decrypt = Aes256Dec;
    type Mac = Hmac<Sha1>;
    const CHECKSUM: usize = 12;
    const OVER_CIPHERTEXT: bool = false;

    fn derive(key: &[u8], usage: u32, purpose: Purpose) -> Option<Derived> {
        derivation::dk::<Aes256Enc>(key, usage, purpose)
    }
}

impl Suite for Aes128Sha256 {
    type Encrypt = Aes128Enc;
    type Decrypt = Aes128Dec;
    type Mac = Hmac<Sha256>;
    const CHECKSUM: usize = 16;
    const OVER_CIPHERTEXT: bool = true;

    fn derive(key: &[u8], usage: u32, purpose: Purpose) -> Option<Derived> {
        derivation::kdf_hmac_sha2::<Self::Mac>(key, usage, purpose, 16)
    }
}

impl Suite for Aes256Sha384 {
    type Encrypt = Aes256Enc;
    type Decrypt = Aes256Dec;
    type Mac = Hmac<Sha384>;
    const CHECKSUM: usize = 24;
    const OVER_CIPHERTEXT: bool = true;

    fn derive(key: &[u8], usage: u32, purpose: Purpose) -> Option<Derived> {
        let length = if purpose == Purpose::Encryption { 32 } else { 24 };
        derivation::kdf_hmac_sha2::<Self::Mac>(key, usage, purpose, length)
    }
}

/// Encryption of one direction: CBC with ciphertext stealing, and the checksum's key.
///
/// The text is `front ‖ data ‖ back`: a block, however many bytes, and a block.
struct Encryption<S: Suite> {
    cipher: Encryptor<S::Encrypt>,
    mac: S::Mac,
}

impl<S: Suite> Encryption<S> {
    fn new(key: &[u8], usage: u32) -> Option<Self> {
        let encryption = S::derive(key, usage, Purpose::Encryption)?;
        let integrity = S::derive(key, usage, Purpose::Integrity)?;
        Some(Self {
            cipher: Encryptor::new_from_slices(&encryption, &[0; BLOCK]).ok()?,
            mac: <S::Mac as KeyInit>::new_from_slice(&integrity).ok()?,
        })
    }

    /// Encrypts the three parts in place and returns the checksum, of which the first [`Suite::CHECKSUM`] bytes count.
    fn encrypt(
        &mut self,
        front: &mut [u8; BLOCK],
        data: &mut [u8],
        back: &mut [u8; BLOCK],
    ) -> Vec<u8> {
        let mut mac = self.mac.clone();
        self.cipher.set_iv(&Array::from([0; BLOCK]));
        if S::OVER_CIPHERTEXT {
            mac.update(&[0; BLOCK]);
        }
        let (body, rest) = split(data);
        let stolen = rest.is_empty();
        if !stolen {
            self.piece(&mut mac, front);
        }
        for piece in body.chunks_mut(PIECE) {
            self.piece(&mut mac, piece);
        }
        self.tail(&mut mac, if stolen { front } else { rest }, back);
        let mut checksum = mac.finalize().into_bytes().to_vec();
        checksum.truncate(S::CHECKSUM);
        checksum
    }

    /// Whole blocks of the text.
    fn piece(&mut self, mac: &mut S::Mac, piece: &mut [u8]) {
        if !S::OVER_CIPHERTEXT {
            mac.update(piece);
        }
        let (blocks, _) = Block::<S::Encrypt>::slice_as_chunks_mut(piece);
        self.cipher.encrypt_blocks(blocks);
        if S::OVER_CIPHERTEXT {
            mac.update(piece);
        }
    }

    /// The last two blocks, of which the second may be cut short (RFC 3962 5): they change places, and the first one, now
    /// the last, is cut instead.
    fn tail(&mut self, mac: &mut S::Mac, rest: &mut [u8], back: &mut [u8; BLOCK]) {
        let cut = rest.len();
        let mut text = [0; 2 * BLOCK];
        join(&mut text, rest, back);
        if !S::OVER_CIPHERTEXT {
            mac.update(text.get(..cut + BLOCK).unwrap_or_default());
        }
        let (blocks, _) = Block::<S::Encrypt>::slice_as_chunks_mut(&mut text);
        self.cipher.encrypt_blocks(blocks);
        if let [first, second] = blocks {
            std::mem::swap(first, second);
        }
        if S::OVER_CIPHERTEXT {
            mac.update(text.get(..cut + BLOCK).unwrap_or_default());
        }
        part(&text, rest, back);
        text.zeroize();
    }
}

/// Decryption of one direction; see [`Encryption`].
struct Decryption<S: Suite> {
    cipher: Decryptor<S::Decrypt>,
    mac: S::Mac,
}

impl<S: Suite> Decryption<S> {
    fn new(key: &[u8], usage: u32) -> Option<Self> {
        let encryption = S::derive(key, usage, Purpose::Encryption)?;
        let integrity = S::derive(key, usage, Purpose::Integrity)?;
        Some(Self {
            cipher: Decryptor::new_from_slices(&encryption, &[0; BLOCK]).ok()?,
            mac: <S::Mac as KeyInit>::new_from_slice(&integrity).ok()?,
        })
    }

    /// Decrypts the three parts in place; false where the checksum is another one.
    fn decrypt(
        &mut self,
        front: &mut [u8; BLOCK],
        data: &mut [u8],
        back: &mut [u8; BLOCK],
        checksum: &[u8],
    ) -> bool {
        let mut mac = self.mac.clone();
        self.cipher.set_iv(&Array::from([0; BLOCK]));
        if S::OVER_CIPHERTEXT {
            mac.update(&[0; BLOCK]);
        }
        let (body, rest) = split(data);
        let stolen = rest.is_empty();
        if !stolen {
            self.piece(&mut mac, front);
        }
        for piece in body.chunks_mut(PIECE) {
            self.piece(&mut mac, piece);
        }
        self.tail(&mut mac, if stolen { front } else { rest }, back);
        let own = mac.finalize().into_bytes();
        own.get(..S::CHECKSUM).unwrap_or_default().ct_eq(checksum).into()
    }

    fn piece(&mut self, mac: &mut S::Mac, piece: &mut [u8]) {
        if S::OVER_CIPHERTEXT {
            mac.update(piece);
        }
        let (blocks, _) = Block::<S::Decrypt>::slice_as_chunks_mut(piece);
        self.cipher.decrypt_blocks(blocks);
        if !S::OVER_CIPHERTEXT {
            mac.update(piece);
        }
    }

    fn tail(&mut self, mac: &mut S::Mac, rest: &mut [u8], back: &mut [u8; BLOCK]) {
        let cut = rest.len();
        let mut text = [0; 2 * BLOCK];
        join(&mut text, rest, back);
        if S::OVER_CIPHERTEXT {
            mac.update(text.get(..cut + BLOCK).unwrap_or_default());
        }
        let previous = self.cipher.iv_state();
        let (blocks, _) = Block::<S::Decrypt>::slice_as_chunks_mut(&mut text);
        if let [first, second] = blocks {
            // The cut block's lost bytes are the zeros' ciphertext, which the whole one has in its end.
            let whole = *first;
            self.cipher.set_iv(&Array::from([0; BLOCK]));
            self.cipher.decrypt_block(first);
            for (to, from) in second.iter_mut().zip(first.iter()).skip(cut) {
                *to = *from;
            }
            // The two in the order in which they were encrypted.
            *first = *second;
            *second = whole;
            self.cipher.set_iv(&previous);
            self.cipher.decrypt_blocks(blocks);
        }
        if !S::OVER_CIPHERTEXT {
            mac.update(text.get(..cut + BLOCK).unwrap_or_default());
        }
        part(&text, rest, back);
        text.zeroize();
    }
}

/// Data as whole blocks and what is left for the tail: 1 to 16 bytes, none where there are no data at all.
fn split(data: &mut [u8]) -> (&mut [u8], &mut [u8]) {
    let body = data.len().saturating_sub(1) / BLOCK * BLOCK;
    data.split_at_mut(body)
}

/// `rest ‖ back`, with zeros behind.
fn join(text: &mut [u8; 2 * BLOCK], rest: &[u8], back: &[u8; BLOCK]) {
    for (to, from) in text.iter_mut().zip(rest.iter().chain(back)) {
        *to = *from;
    }
}

fn part(text: &[u8; 2 * BLOCK], rest: &mut [u8], back: &mut [u8; BLOCK]) {
    for (to, from) in rest.iter_mut().chain(back).zip(text) {
        *to = *from;
    }
}

/// Both directions of a context.
pub(super) struct Cfx<S: Suite> {
    /// What our tokens have in their second byte, sealing aside.
    own_flags: u8,
    peer_flags: u8,
    encryption: Encryption<S>,
    decryption: Decryption<S>,
    signing: S::Mac,
    checking: S::Mac,
    suite: PhantomData<S>,
}

impl<S: Suite> Cfx<S> {
    /// `None` where the key does not fit the encryption type.
    pub(super) fn new(role: Role, key: &[u8], acceptor_subkey: bool) -> Option<Self> {
        let subkey = if acceptor_subkey { ACCEPTOR_SUBKEY } else { 0 };
        let (peer, own_flags, peer_flags) = match role {
            Role::Initiator => (Role::Acceptor, subkey, subkey | SENT_BY_ACCEPTOR),
            Role::Acceptor => (Role::Initiator, subkey | SENT_BY_ACCEPTOR, subkey),
        };
        let (sending, receiving) = (usages(role), usages(peer));
        let checksum_key = |usage| {
            let key = S::derive(key, usage, Purpose::Checksum)?;
            <S::Mac as KeyInit>::new_from_slice(&key).ok()
        };
        Some(Self {
            own_flags,
            peer_flags,
            encryption: Encryption::new(key, sending.seal)?,
            decryption: Decryption::new(key, receiving.seal)?,
            signing: checksum_key(sending.sign)?,
            checking: checksum_key(receiving.sign)?,
            suite: PhantomData,
        })
    }

    /// RRC of a token without filler: the copy of the header, and the checksum.
    const fn rotation() -> usize {
        BLOCK + S::CHECKSUM
    }

    /// A token that is not as we make them: another rotation, or filler. The order is restored first.
    fn unseal_turned(
        &mut self,
        header: &[u8],
        data: &mut Vec<u8>,
        filler: usize,
        rotation: usize,
    ) -> Result<[u8; BLOCK], SealError> {
        let turned = header.get(HEADER..).unwrap_or_default();
        let mut text = Vec::with_capacity(turned.len().saturating_add(data.len()));
        text.extend_from_slice(turned);
        text.append(data);
        let length = text.len();
        let least = BLOCK + filler + Self::rotation();
        if length < least {
            return Err(SealError::MalformedSignature);
        }
        text.rotate_left(rotation % length);
        let checksum = text.split_off(length - S::CHECKSUM);
        let mut back = last_block(&mut text)?;
        let mut front = *text.first_chunk::<BLOCK>().ok_or(SealError::MalformedSignature)?;
        text.drain(..BLOCK);
        let right = self.decryption.decrypt(&mut front, &mut text, &mut back, &checksum);
        text.truncate(text.len() - filler);
        *data = text;
        if right { Ok(back) } else { Err(SealError::Tampered) }
    }
}

fn last_block(text: &mut Vec<u8>) -> Result<[u8; BLOCK], SealError> {
    let block = *text.last_chunk::<BLOCK>().ok_or(SealError::MalformedSignature)?;
    text.truncate(text.len() - BLOCK);
    Ok(block)
}

/// The header of a token that is sealed; RRC is 0 in its encrypted copy (RFC 4121 4.2.4).
fn wrap_header(flags: u8, ec: u16, rrc: u16, sequence: u64) -> [u8; HEADER] {
    let ([e0, e1], [r0, r1]) = (ec.to_be_bytes(), rrc.to_be_bytes());
    let [s0, s1, s2, s3, s4, s5, s6, s7] = sequence.to_be_bytes();
    let ([t0, t1], flags) = (WRAP, flags | SEALED);
    [t0, t1, flags, FILLER, e0, e1, r0, r1, s0, s1, s2, s3, s4, s5, s6, s7]
}

impl<S: Suite> Protection for Cfx<S> {
    fn seal(&mut self, sequence: u64, mut confounder: [u8; BLOCK], data: &mut Vec<u8>) -> Sealed {
        let rrc = u16::try_from(Self::rotation()).unwrap_or_default();
        let header = wrap_header(self.own_flags, 0, rrc, sequence);
        let mut copy = wrap_header(self.own_flags, 0, 0, sequence);
        let checksum = self.encryption.encrypt(&mut confounder, data, &mut copy);
        Sealed::new([header.as_slice(), &copy, &checksum, &confounder].concat(), 0)
    }

    fn unseal(
        &mut self,
        sequence: u64,
        header: &[u8],
        data: &mut Vec<u8>,
    ) -> Result<(), SealError> {
        let malformed = SealError::MalformedSignature;
        let Some((&seen, rest)) = header.split_first_chunk::<HEADER>() else {
            return Err(malformed);
        };
        let [t0, t1, flags, filler, e0, e1, r0, r1, ..] = seen;
        if [t0, t1] != WRAP || flags != self.peer_flags | SEALED || filler != FILLER {
            return Err(malformed);
        }
        let (ec, rrc) = (u16::from_be_bytes([e0, e1]), u16::from_be_bytes([r0, r1]));
        let (ec_bytes, rrc_bytes) = (usize::from(ec), usize::from(rrc));
        let as_ours = ec == 0 && rrc_bytes == Self::rotation() && rest.len() == rrc_bytes + BLOCK;
        let copy = if as_ours {
            let (mut copy, checksum, mut front) = ([0; BLOCK], rest.get(BLOCK..rrc_bytes), [0; 16]);
            copy.copy_from_slice(rest.get(..BLOCK).ok_or(malformed)?);
            front.copy_from_slice(rest.get(rrc_bytes..).ok_or(malformed)?);
            let checksum = checksum.ok_or(malformed)?;
            if !self.decryption.decrypt(&mut front, data, &mut copy, checksum) {
                return Err(SealError::Tampered);
            }
            copy
        } else {
            // Windows turns by EC more than it says where it fills ([MS-KILE] 3.4.5.4.1); its header shows it.
            let by_both = ec != 0
                && rrc_bytes == Self::rotation()
                && rest.len() == rrc_bytes + ec_bytes + BLOCK;
            let rotation = if by_both { rrc_bytes + ec_bytes } else { rrc_bytes };
            self.unseal_turned(header, data, ec_bytes, rotation)?
        };
        let expected = wrap_header(self.peer_flags, ec, 0, sequence);
        let same_header = seen.get(8..).unwrap_or_default().ct_eq(&sequence.to_be_bytes());
        if bool::from(copy.ct_eq(&expected) & same_header) {
            Ok(())
        } else {
            Err(SealError::Tampered)
        }
    }

    /// Whatever is turned behind the header belongs to what is opened.
    fn header_length(&self, _sealed: &[u8]) -> usize {
        HEADER
    }

    fn sign(&mut self, sequence: u64, message: &[u8]) -> Vec<u8> {
        mic::<S>(self.own_flags, sequence, &self.signing, message)
    }

    fn check(&mut self, sequence: u64, message: &[u8], token: &[u8]) -> Result<(), SealError> {
        let expected = mic::<S>(self.peer_flags, sequence, &self.checking, message);
        if bool::from(expected.ct_eq(token)) { Ok(()) } else { Err(SealError::Tampered) }
    }
}

/// A MIC token (RFC 4121 4.2.6.1): its header, and a checksum over the message and that header.
fn mic<S: Suite>(flags: u8, sequence: u64, key: &S::Mac, message: &[u8]) -> Vec<u8> {
    let ([t0, t1], f) = (MIC, FILLER);
    let mut token = [t0, t1, flags, f, f, f, f, f].to_vec();
    token.extend_from_slice(&sequence.to_be_bytes());
    let mut mac = key.clone();
    mac.update(message);
    mac.update(&token);
    let checksum = mac.finalize().into_bytes();
    token.extend(checksum.iter().take(S::CHECKSUM));
    token
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(hex: &str) -> Vec<u8> {
        let pairs = hex.as_bytes().chunks(2);
        pairs.map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
    }

    /// RFC 8009 A: a confounder, the plaintext 00 01 02 …, and what both become with key usage 2.
    fn published<S: Suite>(key: &str, cases: [(&str, u8, &str); 2]) {
        for (confounder, length, expected) in cases {
            let plain: Vec<u8> = (0..length).collect();
            let (data, back) = plain.split_at(plain.len() - BLOCK);
            let mut front: [u8; BLOCK] = bytes(confounder).try_into().unwrap();
            let (mut data, mut back) = (data.to_vec(), back.try_into().unwrap());
            let mut encryption = Encryption::<S>::new(&bytes(key), 2).unwrap();
            let checksum = encryption.encrypt(&mut front, &mut data, &mut back);
            let all = [front.as_slice(), &data, &back, &checksum].concat();
            assert_eq!(all, bytes(expected));
            let mut decryption = Decryption::<S>::new(&bytes(key), 2).unwrap();
            assert!(decryption.decrypt(&mut front, &mut data, &mut back, &checksum));
            assert_eq!([data.as_slice(), &back].concat(), plain);
            assert_eq!(front.as_slice(), bytes(confounder));
        }
    }

    #[test]
    fn aes_sha2_gives_the_published_bytes() {
        published::<Aes128Sha256>(
            "3705d96080c17728a0e800eab6e0d23c",
            [
                (
                    "56ab21713ff62c0a1457200f6fa9948f",
                    16,
                    "3517d640f50ddc8ad3628722b3569d2ae07493fa8263254080ea65c1008e8fc2\
                     95fb4852e7d83e1e7c48c37eebe6b0d3",
                ),
                (
                    "a7a4e29a4728ce10664fb64e49ad3fac",
                    21,
                    "720f73b18d9859cd6ccb4346115cd336c70f58edc0c4437c5573544c31c813bc\
                     e1e6d072c186b39a413c2f92ca9b8334a287ffcbfc",
                ),
            ],
        );
        published::<Aes256Sha384>(
            "6d404d37faf79f9df0d33568d320669800eb4836472ea8a026d16b7182460c52",
            [
                (
                    "53bf8a0d105265d4e276428624ce5e63",
                    16,
                    "bc47ffec7998eb91e8115cf8d19dac4bbbe2e163e87dd37f49beca92027764f6\
                     8cf51f14d798c2273f35df574d1f932e40c4ff255b36a266",
                ),
                (
                    "763e65367e864f02f55153c7e3b58af1",
                    21,
                    "40013e2df58e8751957d2878bcd2d6fe101ccfd556cb1eae79db3c3ee86429f2\
                     b2a602ac86fef6ecb647d6295fae077a1feb517508d2c16b4192e01f62",
                ),
            ],
        );
    }

    /// RFC 3962 B, whose texts begin with a block that stands for the confounder here.
    #[test]
    fn stolen_ciphertext_is_as_published() {
        let text = b"I would like the General Gau's Chicken, please, and wonton soup.";
        let cases = [
            (32, "39312523a78662d5be7fcbcc98ebf5a897687268d6ecccc0c07b25e25ecfe584"),
            (
                47,
                "97687268d6ecccc0c07b25e25ecfe584b3fffd940c16a18c1b5549d2f838029e\
                 39312523a78662d5be7fcbcc98ebf5",
            ),
            (
                64,
                "97687268d6ecccc0c07b25e25ecfe58439312523a78662d5be7fcbcc98ebf5a8\
                 4807efe836ee89a526730dbc2f7bc8409dad8bbb96c4cdc03bc103e1a194bbd8",
            ),
        ];
        for (length, expected) in cases {
            let text = &text[..length];
            let mut encryption = Encryption::<Aes128Sha1> {
                cipher: Encryptor::new_from_slices(b"chicken teriyaki", &[0; BLOCK]).unwrap(),
                mac: <Hmac<Sha1> as KeyInit>::new_from_slice(b"").unwrap(),
            };
            let mut front = *text.first_chunk().unwrap();
            let mut back = *text.last_chunk().unwrap();
            let mut data = text[BLOCK..length - BLOCK].to_vec();
            encryption.encrypt(&mut front, &mut data, &mut back);
            assert_eq!([front.as_slice(), &data, &back].concat(), bytes(expected));
        }
    }
}
