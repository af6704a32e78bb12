//! The client's half of a Kerberos login whose token is made, and which waits for a proof that nobody here can give.

use auth::kerberos::KrbError;
use auth::spnego::{InitiatorMechanism, Oid};
use auth::{Error, FileTime, Initiator, PeerMisbehaved, Scheme, Sealer, Step};

#[derive(Debug, Default)]
pub(crate) struct Ticketed {
    asked: bool,
    failed: Option<Error>,
}

impl Initiator for Ticketed {
    fn scheme(&self) -> Scheme {
        Scheme::Kerberos
    }

    fn step(&mut self, token: Option<&[u8]>) -> Result<Step, Error> {
        if !self.asked && token.is_none() {
            self.asked = true;
            return Ok(Step::Last(
                b"\x60\x0d\x06\x09\x2a\x86\x48\x86\xf7\x12\x01\x02\x02\x01\x00".to_vec(),
            ));
        }
        let error = self.failed.get_or_insert_with(|| match token.map(KrbError::decode) {
            Some(Ok(error)) => error.into_error(FileTime::UNIX_EPOCH),
            Some(Err(_)) | None => PeerMisbehaved::NotMutual.into(),
        });
        Err(error.clone())
    }

    fn can_seal(&self) -> bool {
        false
    }

    fn sealer(&mut self) -> Option<Box<dyn Sealer>> {
        None
    }

    fn mechanism(&self) -> &'static str {
        "Kerberos"
    }
}

impl InitiatorMechanism for Ticketed {
    fn oids(&self) -> &[Oid] {
        &[Oid::MS_KERBEROS, Oid::KERBEROS]
    }

    fn context(&mut self) -> Option<Box<dyn Sealer>> {
        None
    }

    fn needs_mech_list_mic(&self) -> bool {
        false
    }
}
