//! [`ChannelSealer`]: the messages of a connection as records of the TLS session ([MS-WSMV] 2.2.9.1.3).

use super::{Channel, channel::check_records};
use crate::{Error, SealError, Sealed, Sealer};

/// The TLS session of a complete login.
///
/// A sealed message is its records, the first bytes of which (as many as the trailer has) count as the header: what a
/// peer takes for the header makes no difference, since both parts follow each other.
#[derive(Debug)]
pub struct ChannelSealer {
    channel: Box<dyn Channel>,
    broken: bool,
}

impl ChannelSealer {
    pub(super) const fn new(channel: Box<dyn Channel>) -> Self {
        Self { channel, broken: false }
    }
}

impl Sealer for ChannelSealer {
    fn can_seal(&self) -> bool {
        true
    }

    fn seal(&mut self, data: &mut Vec<u8>) -> Result<Sealed, Error> {
        if self.broken {
            return Err(SealError::Poisoned.into());
        }
        self.channel.send(data).map_err(|_| {
            self.broken = true;
            SealError::Exhausted
        })?;
        let trailer = self.channel.trailer(data.len());
        let mut header = self.channel.take_records();
        *data = header.split_off(trailer.min(header.len()));
        Ok(Sealed::new(header, 0))
    }

    fn unseal(&mut self, header: &[u8], data: &mut Vec<u8>) -> Result<(), Error> {
        let sealed = std::mem::take(data);
        if self.broken {
            return Err(SealError::Poisoned.into());
        }
        let records = [header, &sealed].concat();
        self.broken = true;
        check_records("CredSSP", &records).map_err(|_| SealError::MalformedSignature)?;
        *data = self.channel.receive(&records).map_err(|_| SealError::Tampered)?;
        self.broken = false;
        Ok(())
    }

    /// Both parts follow each other in any case.
    fn header_length(&self, _sealed: &[u8]) -> usize {
        0
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
