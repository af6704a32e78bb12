//! [`NtlmSealer`]: signing and sealing with extended session security ([MS-NLMP] 3.4.3, 3.4.4).
//!
//! ```text
//!            mech_list_mic: sequence + 1, stream back to its start ([MS-SPNG] 3.3.5.1)
//!              ┌──┐
//!  new ──► Ready ─┴──seal/unseal──► Ready (sequence + 1, stream goes on)
//!              └────wrong signature──► Broken
//! ```
//!
//! The key stream does not depend on the messages: what the next one needs is made ahead where the caller has time.

use std::fmt;

use hmac::Mac as _;
use subtle::ConstantTimeEq as _;

use super::{
    Flags,
    key_stream::KeyStream,
    keys::{self, Key, Writer},
    response::{HmacMd5, keyed},
};
use crate::{Error, SealError, Sealed, Sealer};

const SIGNATURE_LENGTH: usize = 16;
const CHECKSUM_LENGTH: usize = 8;

/// One direction of a connection: its keys, its key stream, its count of messages.
struct Direction {
    mac: HmacMd5,
    seal_key: Key,
    stream: KeyStream,
    /// The number of the next message; `None` when all are used.
    sequence: Option<u32>,
    /// With KEY_EXCH the checksum is encrypted as well ([MS-NLMP] 3.4.4.2).
    encrypts_checksum: bool,
}

impl Direction {
    fn new(flags: Flags, session_key: &[u8; 16], writer: Writer) -> Self {
        let seal_key = keys::seal_key(flags, session_key, writer);
        Self {
            mac: keyed(&keys::sign_key(session_key, writer)),
            stream: KeyStream::new(&seal_key),
            seal_key,
            sequence: Some(0),
            encrypts_checksum: flags.contains(Flags::KEY_EXCH),
        }
    }

    fn checksum(&self, sequence: u32, plain: &[u8]) -> [u8; 8] {
        let mut mac = self.mac.clone();
        mac.update(&sequence.to_le_bytes());
        mac.update(plain);
        let digest: [u8; 16] = mac.finalize().into_bytes().into();
        let [c0, c1, c2, c3, c4, c5, c6, c7, ..] = digest;
        [c0, c1, c2, c3, c4, c5, c6, c7]
    }

    /// Completes the message: its signature, with the key stream standing behind its data.
    fn signature(&mut self, sequence: u32, mut checksum: [u8; 8]) -> [u8; SIGNATURE_LENGTH] {
        if self.encrypts_checksum {
            self.stream.apply(&mut checksum);
        }
        self.sequence = sequence.checked_add(1);
        let [c0, c1, c2, c3, c4, c5, c6, c7] = checksum;
        let [s0, s1, s2, s3] = sequence.to_le_bytes();
        [1, 0, 0, 0, c0, c1, c2, c3, c4, c5, c6, c7, s0, s1, s2, s3]
    }

    fn sequence(&self) -> Result<u32, SealError> {
        self.sequence.ok_or(SealError::Exhausted)
    }

    fn seal(&mut self, data: &mut [u8]) -> Result<[u8; SIGNATURE_LENGTH], SealError> {
        let sequence = self.sequence()?;
        let checksum = self.checksum(sequence, data);
        self.stream.begin(data.len() + CHECKSUM_LENGTH);
        self.stream.apply(data);
        Ok(self.signature(sequence, checksum))
    }

    fn unseal(&mut self, signature: &[u8], data: &mut [u8]) -> Result<(), SealError> {
        let sequence = self.sequence()?;
        let [1, 0, 0, 0, ..] = signature else { return Err(SealError::MalformedSignature) };
        let signature: [u8; SIGNATURE_LENGTH] =
            signature.try_into().map_err(|_| SealError::MalformedSignature)?;
        self.stream.begin(data.len() + CHECKSUM_LENGTH);
        self.stream.apply(data);
        let checksum = self.checksum(sequence, data);
        let expected = self.signature(sequence, checksum);
        if bool::from(expected.ct_eq(&signature)) { Ok(()) } else { Err(SealError::Tampered) }
    }

    /// Signs without sealing, then turns the key stream back to its start, but not the count of messages.
    fn mech_list_mic(&mut self, mech_list: &[u8]) -> Result<[u8; SIGNATURE_LENGTH], SealError> {
        let sequence = self.sequence()?;
        let checksum = self.checksum(sequence, mech_list);
        let signature = self.signature(sequence, checksum);
        self.stream = KeyStream::new(&self.seal_key);
        Ok(signature)
    }
}

/// The security context of an NTLM login.
pub(crate) struct NtlmSealer {
    can_seal: bool,
    broken: bool,
    sending: Direction,
    receiving: Direction,
}

impl NtlmSealer {
    /// The context of `own` side; `None` without extended session security, whose predecessor is not implemented.
    pub(crate) fn new(flags: Flags, session_key: &[u8; 16], own: Writer) -> Option<Self> {
        if !flags.contains(Flags::EXTENDED_SESSIONSECURITY) {
            return None;
        }
        let peer = match own {
            Writer::Client => Writer::Server,
            Writer::Server => Writer::Client,
        };
        Some(Self {
            can_seal: flags.contains(Flags::SEAL),
            broken: false,
            sending: Direction::new(flags, session_key, own),
            receiving: Direction::new(flags, session_key, peer),
        })
    }

    fn ready(&self, sealing: bool) -> Result<(), SealError> {
        if self.broken {
            Err(SealError::Poisoned)
        } else if sealing && !self.can_seal {
            Err(SealError::NotNegotiated)
        } else {
            Ok(())
        }
    }
}

impl Sealer for NtlmSealer {
    fn can_seal(&self) -> bool {
        self.can_seal
    }

    fn seal(&mut self, data: &mut Vec<u8>) -> Result<Sealed, Error> {
        self.ready(true)?;
        let signature = self.sending.seal(data)?;
        Ok(Sealed::new(signature.to_vec(), 0))
    }

    fn unseal(&mut self, header: &[u8], data: &mut Vec<u8>) -> Result<(), Error> {
        self.ready(true)?;
        self.receiving.unseal(header, data).map_err(|error| {
            // Half-opened data must reach nobody.
            self.broken = true;
            data.clear();
            error.into()
        })
    }

    fn prepare(&mut self) {
        if self.can_seal && !self.broken {
            self.sending.stream.prepare();
            self.receiving.stream.prepare();
        }
    }

    fn mech_list_mic(&mut self, mech_list: &[u8]) -> Result<Vec<u8>, Error> {
        self.ready(false)?;
        Ok(self.sending.mech_list_mic(mech_list)?.to_vec())
    }

    fn check_mech_list_mic(&mut self, mech_list: &[u8], mic: &[u8]) -> Result<(), Error> {
        self.ready(false)?;
        let expected = self.receiving.mech_list_mic(mech_list)?;
        if bool::from(expected.as_slice().ct_eq(mic)) {
            return Ok(());
        }
        self.broken = true;
        Err(SealError::Tampered.into())
    }

    fn expect_mech_list_mic(&mut self, mech_list: &[u8]) -> Option<Vec<u8>> {
        self.ready(false).ok()?;
        self.receiving.mech_list_mic(mech_list).ok().map(|mic| mic.to_vec())
    }
}

impl fmt::Debug for NtlmSealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NtlmSealer")
            .field("can_seal", &self.can_seal)
            .field("broken", &self.broken)
            .field("sent", &self.sending.sequence)
            .field("received", &self.receiving.sequence)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// [MS-NLMP] 4.2.3.4: a 56-bit key, and a checksum that is not encrypted because no key was exchanged.
    #[test]
    fn s4_2_3_4_weak_key_without_exchange_seals_to_the_published_bytes() {
        let key = [
            0xEB, 0x93, 0x42, 0x9A, 0x8B, 0xD9, 0x52, 0xF8, 0xB8, 0x9C, 0x55, 0xB8, 0x7F, 0x47,
            0x5E, 0xDC,
        ];
        let mut sealer = NtlmSealer::new(Flags(0x820A_8233), &key, Writer::Client).unwrap();
        let mut data: Vec<u8> = "Plaintext".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let sealed = sealer.seal(&mut data).unwrap();
        let expected = [
            0xA0, 0x23, 0x72, 0xF6, 0x53, 2, 0x73, 0xF3, 0xAA, 0x1E, 0xB9, 1, 0x90, 0xCE, 0x52, 0,
            0xC9, 0x9D,
        ];
        assert_eq!(data, expected);
        assert_eq!(
            sealed.header,
            [1, 0, 0, 0, 0xFF, 0x2A, 0xEB, 0x52, 0xF6, 0x81, 0x79, 0x3A, 0, 0, 0, 0]
        );
    }

    #[test]
    fn a_context_whose_numbers_are_used_up_seals_nothing_more() {
        let flags = Flags::SEAL | Flags::SIGN | Flags::KEY_128 | Flags::EXTENDED_SESSIONSECURITY;
        let mut sealer = NtlmSealer::new(flags, &[1; 16], Writer::Client).unwrap();
        sealer.sending.sequence = Some(u32::MAX);
        sealer.seal(&mut vec![0; 3]).unwrap();
        assert_eq!(sealer.seal(&mut vec![0; 3]), Err(Error::Seal(SealError::Exhausted)));
    }
}
