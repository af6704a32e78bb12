//! [`KerberosSealer`]: signing and sealing with the key of a Kerberos login (RFC 4121 4.2, RFC 4757 7).
//!
//! ```text
//!  new ──► Ready ──seal, unseal, signature──► Ready (sequence + 1 in that direction)
//!            └────wrong message──► Broken
//! ```

use std::fmt;

use aes::{
    Aes256Enc,
    cipher::{BlockCipherEncrypt as _, KeyInit as _},
};
use zeroize::Zeroizing;

use super::{
    EncryptionType,
    arcfour::Arcfour,
    cfx::{Aes128Sha1, Aes128Sha256, Aes256Sha1, Aes256Sha384, Cfx},
};
use crate::{Entropy, Error, SealError, Sealed, Sealer, kerberos::Context};

/// Messages of one direction under one key: more would repeat the numbers of RFC 4757's tokens, which have 32 bits.
const MESSAGES_MAX: u64 = 1 << 32;

/// How the tokens of an encryption type are made and opened: what [`KerberosSealer`] counts for.
pub(super) trait Protection: Send {
    /// Seals in place; RC4 takes the first half of the confounder.
    fn seal(&mut self, sequence: u64, confounder: [u8; 16], data: &mut Vec<u8>) -> Sealed;

    /// Opens in place; what `data` is after an error is of no use.
    fn unseal(&mut self, sequence: u64, header: &[u8], data: &mut Vec<u8>)
    -> Result<(), SealError>;

    /// How many bytes in front of a sealed message that came in one piece are its header.
    fn header_length(&self, sealed: &[u8]) -> usize;

    /// The MIC token of a message of ours.
    fn sign(&mut self, sequence: u64, message: &[u8]) -> Vec<u8>;

    /// Checks the MIC token of the peer.
    fn check(&mut self, sequence: u64, message: &[u8], token: &[u8]) -> Result<(), SealError>;
}

/// The numbers of one direction's messages.
struct Numbers {
    next: u64,
    used: u64,
}

impl Numbers {
    const fn from(first: u64) -> Self {
        Self { next: first, used: 0 }
    }

    /// The next message's number, which is used herewith.
    fn take(&mut self) -> Result<u64, SealError> {
        if self.used >= MESSAGES_MAX {
            return Err(SealError::Exhausted);
        }
        let number = self.next;
        self.next = number.wrapping_add(1);
        self.used += 1;
        Ok(number)
    }
}

/// Confounders: blocks that count up, encrypted with a key that nobody else has.
struct Confounders {
    cipher: Aes256Enc,
    count: u128,
}

impl Confounders {
    fn new(entropy: &mut dyn Entropy) -> Self {
        let mut key = Zeroizing::new([0; 32]);
        entropy.fill(&mut *key);
        Self { cipher: Aes256Enc::new((&*key).into()), count: 0 }
    }

    fn next(&mut self) -> [u8; 16] {
        let mut block = self.count.to_be_bytes();
        self.count = self.count.wrapping_add(1);
        self.cipher.encrypt_block((&mut block).into());
        block
    }
}

/// The security context of a Kerberos login.
pub struct KerberosSealer {
    /// `None` where the key does not fit its encryption type: nothing is made or opened then.
    protection: Option<Box<dyn Protection>>,
    encryption_type: EncryptionType,
    can_seal: bool,
    broken: bool,
    sending: Numbers,
    receiving: Numbers,
    confounders: Confounders,
}

impl KerberosSealer {
    /// The context of a complete login; `confidential` tells whether sealing was negotiated. Confounders are drawn from
    /// a generator that `entropy` seeds now.
    ///
    /// A key of another length than its encryption type's makes a context that is broken from the beginning.
    #[must_use]
    pub fn new(context: Context, confidential: bool, entropy: &mut dyn Entropy) -> Self {
        let Context { role, encryption_type, key, acceptor_subkey, .. } = &context;
        let (role, subkey) = (*role, *acceptor_subkey);
        let protection = if key.len() == encryption_type.key_length() {
            match encryption_type {
                EncryptionType::Aes128Sha1 => boxed(Cfx::<Aes128Sha1>::new(role, key, subkey)),
                EncryptionType::Aes256Sha1 => boxed(Cfx::<Aes256Sha1>::new(role, key, subkey)),
                EncryptionType::Aes128Sha256 => boxed(Cfx::<Aes128Sha256>::new(role, key, subkey)),
                EncryptionType::Aes256Sha384 => boxed(Cfx::<Aes256Sha384>::new(role, key, subkey)),
                EncryptionType::Rc4 => boxed(Arcfour::new(role, key)),
            }
        } else {
            None
        };
        Self {
            can_seal: confidential && protection.is_some(),
            broken: protection.is_none(),
            protection,
            encryption_type: *encryption_type,
            sending: Numbers::from(context.sending_sequence),
            receiving: Numbers::from(context.receiving_sequence),
            confounders: Confounders::new(entropy),
        }
    }

    /// The primitives and this context's numbers, where it may be used.
    fn ready(&mut self, sealing: bool) -> Result<Ready<'_>, SealError> {
        match &mut self.protection {
            Some(_) if self.broken => Err(SealError::Poisoned),
            None => Err(SealError::Poisoned),
            Some(_) if sealing && !self.can_seal => Err(SealError::NotNegotiated),
            Some(protection) => Ok(Ready {
                protection: protection.as_mut(),
                sending: &mut self.sending,
                receiving: &mut self.receiving,
                confounders: &mut self.confounders,
            }),
        }
    }
}

/// A context that is whole, taken apart.
struct Ready<'a> {
    protection: &'a mut dyn Protection,
    sending: &'a mut Numbers,
    receiving: &'a mut Numbers,
    confounders: &'a mut Confounders,
}

fn boxed(protection: Option<impl Protection + 'static>) -> Option<Box<dyn Protection>> {
    Some(Box::new(protection?))
}

impl Sealer for KerberosSealer {
    fn can_seal(&self) -> bool {
        self.can_seal
    }

    fn seal(&mut self, data: &mut Vec<u8>) -> Result<Sealed, Error> {
        let ready = self.ready(true)?;
        let sequence = ready.sending.take()?;
        let confounder = ready.confounders.next();
        Ok(ready.protection.seal(sequence, confounder, data))
    }

    fn unseal(&mut self, header: &[u8], data: &mut Vec<u8>) -> Result<(), Error> {
        let ready = self.ready(true)?;
        let sequence = ready.receiving.take()?;
        ready.protection.unseal(sequence, header, data).map_err(|error| {
            // Half-opened data must reach nobody.
            self.broken = true;
            data.clear();
            error.into()
        })
    }

    fn header_length(&self, sealed: &[u8]) -> usize {
        self.protection.as_ref().map_or(0, |protection| protection.header_length(sealed))
    }

    /// A MIC token (RFC 4121 4.2.6.1, RFC 4757 7.2), which has a number as a sealed message has one.
    fn mech_list_mic(&mut self, mech_list: &[u8]) -> Result<Vec<u8>, Error> {
        let ready = self.ready(false)?;
        let sequence = ready.sending.take()?;
        Ok(ready.protection.sign(sequence, mech_list))
    }

    fn check_mech_list_mic(&mut self, mech_list: &[u8], mic: &[u8]) -> Result<(), Error> {
        let ready = self.ready(false)?;
        let sequence = ready.receiving.take()?;
        ready.protection.check(sequence, mech_list, mic).map_err(|error| {
            self.broken = true;
            error.into()
        })
    }

    /// Not foretold: SPNEGO waits for the service's signature.
    fn expect_mech_list_mic(&mut self, _mech_list: &[u8]) -> Option<Vec<u8>> {
        None
    }
}

impl fmt::Debug for KerberosSealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KerberosSealer")
            .field("encryption_type", &self.encryption_type)
            .field("can_seal", &self.can_seal)
            .field("broken", &self.broken)
            .field("sent", &self.sending.used)
            .field("received", &self.receiving.used)
            .finish_non_exhaustive()
    }
}
