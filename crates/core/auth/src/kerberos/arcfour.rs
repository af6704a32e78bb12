//! Message tokens with RC4 (RFC 4757 7), for realms that still allow it.
//!
//! ```text
//!  sealed  60 L │ 06 09 OID │ 02 01 │ 11 00 │ 10 00 │ FF FF │ SND_SEQ 8 │ SGN_CKSUM 8 │ confounder 8 ‖ data │ 01
//!  signed  60 L │ 06 09 OID │ 01 01 │ 11 00 │ FF FF FF FF   │ SND_SEQ 8 │ SGN_CKSUM 8
//! ```
//!
//! Confounder, data and one byte of padding are encrypted; SND_SEQ is, too.

use hmac::Mac as _;
use md5::{Digest as _, Md5};
use rc4::StreamCipher as _;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::{Role, framing, sealer::Protection};
use crate::{
    SealError, Sealed,
    ntlm::{hmac_md5, keyed, rc4},
};

const CONFOUNDER: usize = 8;
/// TOK_ID, SGN_ALG, SEAL_ALG and filler: the part of a token that its checksum covers.
const WRAP: [u8; 8] = [2, 1, 0x11, 0, 0x10, 0, 0xFF, 0xFF];
const MIC: [u8; 8] = [1, 1, 0x11, 0, 0xFF, 0xFF, 0xFF, 0xFF];
/// What a token has behind its framing: the eight bytes above, sequence and checksum.
const FIXED: usize = 24;
/// RFC 4757 7.3: one byte of padding, which says so.
const PADDING: u8 = 1;
/// No mechanism of RFC 1964's tokens pads by more than a block of DES.
const PADDING_MAX: u8 = 8;

/// Key usages (RFC 4757 3, 7.2 and 7.3), the same for both directions.
const USAGE_SEAL: u32 = 13;
const USAGE_SIGN: u32 = 15;

type Key = Zeroizing<[u8; 16]>;

/// Both directions of a context.
pub(super) struct Arcfour {
    role: Role,
    /// `HMAC(K, 0)`, from which the key of each sequence number's encryption comes.
    sequence_key: Key,
    /// `HMAC(K xor F0…, 0)`, from which the key of each message comes.
    seal_key: Key,
    /// `HMAC(K, "signaturekey")`.
    sign_key: Key,
}

/// The parts of a token that a message's key depends on.
struct Envelope {
    sequence: [u8; 8],
    checksum: [u8; 8],
}

impl Arcfour {
    /// `None` where the key has not 16 bytes.
    pub(super) fn new(role: Role, key: &[u8]) -> Option<Self> {
        let key: Key = Zeroizing::new(key.try_into().ok()?);
        let turned: Key = Zeroizing::new(key.map(|byte| byte ^ 0xF0));
        let zero = 0_u32.to_le_bytes();
        Some(Self {
            role,
            sequence_key: Zeroizing::new(hmac_md5(&key, &[&zero])),
            seal_key: Zeroizing::new(hmac_md5(&turned, &[&zero])),
            sign_key: Zeroizing::new(hmac_md5(&key, &[b"signaturekey\0"])),
        })
    }

    fn sender(&self, own: bool) -> Role {
        match (self.role, own) {
            (role, true) => role,
            (Role::Initiator, false) => Role::Acceptor,
            (Role::Acceptor, false) => Role::Initiator,
        }
    }

    fn checksum(&self, usage: u32, fixed: [u8; 8], pieces: &[&[u8]]) -> [u8; 8] {
        let mut digest = Md5::new().chain_update(usage.to_le_bytes()).chain_update(fixed);
        for piece in pieces {
            digest.update(piece);
        }
        let mut mac = keyed(&self.sign_key);
        mac.update(&digest.finalize());
        let whole: [u8; 16] = mac.finalize().into_bytes().into();
        let [a, b, c, d, e, f, g, h, ..] = whole;
        [a, b, c, d, e, f, g, h]
    }

    /// SND_SEQ of a token with this checksum: the number, and who sends it, encrypted.
    fn sequence(&self, sequence: u64, sender: Role, checksum: [u8; 8]) -> [u8; 8] {
        let [.., a, b, c, d] = sequence.to_be_bytes();
        let direction = if sender == Role::Acceptor { 0xFF } else { 0 };
        let mut field = [a, b, c, d, direction, direction, direction, direction];
        let key = Zeroizing::new(hmac_md5(&self.sequence_key, &[&checksum]));
        rc4(&key).apply_keystream(&mut field);
        field
    }

    /// The key stream of a message.
    fn stream(&self, sequence: u64) -> rc4::Rc4 {
        let [.., a, b, c, d] = sequence.to_be_bytes();
        rc4(&Zeroizing::new(hmac_md5(&self.seal_key, &[&[a, b, c, d]])))
    }

    fn mic(&self, sequence: u64, sender: Role, message: &[u8]) -> Vec<u8> {
        let checksum = self.checksum(USAGE_SIGN, MIC, &[message]);
        let field = self.sequence(sequence, sender, checksum);
        let front = framing::front(FIXED);
        [front.as_slice(), &MIC, &field, &checksum].concat()
    }
}

/// Reads what a token has in front of its encrypted part.
fn envelope(header: &[u8]) -> Option<(Envelope, [u8; CONFOUNDER])> {
    // The length in the framing is not looked at: some count the data, some do not, and no checksum covers it.
    let (fixed, rest) = framing::behind(header)?.split_first_chunk::<8>()?;
    let (&sequence, rest) = rest.split_first_chunk::<8>()?;
    let (&checksum, rest) = rest.split_first_chunk::<8>()?;
    let confounder = rest.try_into().ok()?;
    (*fixed == WRAP).then_some((Envelope { sequence, checksum }, confounder))
}

impl Protection for Arcfour {
    fn seal(&mut self, sequence: u64, confounder: [u8; 16], data: &mut Vec<u8>) -> Sealed {
        let [a, b, c, d, e, f, g, h, ..] = confounder;
        let mut confounder = [a, b, c, d, e, f, g, h];
        data.push(PADDING);
        let checksum = self.checksum(USAGE_SEAL, WRAP, &[&confounder, data]);
        let field = self.sequence(sequence, self.sender(true), checksum);
        let mut stream = self.stream(sequence);
        stream.apply_keystream(&mut confounder);
        stream.apply_keystream(data);
        let inner = FIXED.saturating_add(CONFOUNDER).saturating_add(data.len());
        let front = framing::front(inner);
        let header = [front.as_slice(), &WRAP, &field, &checksum, &confounder].concat();
        Sealed::new(header, usize::from(PADDING))
    }

    fn unseal(
        &mut self,
        sequence: u64,
        header: &[u8],
        data: &mut Vec<u8>,
    ) -> Result<(), SealError> {
        let (seen, mut confounder) = envelope(header).ok_or(SealError::MalformedSignature)?;
        let mut stream = self.stream(sequence);
        stream.apply_keystream(&mut confounder);
        stream.apply_keystream(data);
        let checksum = self.checksum(USAGE_SEAL, WRAP, &[&confounder, data]);
        let field = self.sequence(sequence, self.sender(false), checksum);
        if !bool::from(checksum.ct_eq(&seen.checksum) & field.ct_eq(&seen.sequence)) {
            return Err(SealError::Tampered);
        }
        let padding = data.last().copied().filter(|count| (1..=PADDING_MAX).contains(count));
        let length = padding.and_then(|count| data.len().checked_sub(usize::from(count)));
        data.truncate(length.ok_or(SealError::MalformedSignature)?);
        Ok(())
    }

    /// Up to the confounder; the framing's length varies.
    fn header_length(&self, sealed: &[u8]) -> usize {
        let Some(rest) = framing::behind(sealed) else { return 0 };
        sealed.len().saturating_sub(rest.len()).saturating_add(FIXED).saturating_add(CONFOUNDER)
    }

    fn sign(&mut self, sequence: u64, message: &[u8]) -> Vec<u8> {
        self.mic(sequence, self.sender(true), message)
    }

    fn check(&mut self, sequence: u64, message: &[u8], token: &[u8]) -> Result<(), SealError> {
        let expected = self.mic(sequence, self.sender(false), message);
        if bool::from(expected.ct_eq(token)) { Ok(()) } else { Err(SealError::Tampered) }
    }
}
