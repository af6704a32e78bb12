//! Tokens in the shape of Kerberos's, the keys of a login, and a client's half that needs no KDC.

use auth::{
    Account, Error, FileTime, PeerMisbehaved, Scheme, Sealer, Step,
    kerberos::{Context, EncryptionType, KerberosAccepted, KerberosSealer, KrbError, Role},
    spnego::{InitiatorMechanism, Oid},
};

use crate::support::Fixed;

/// Made by libkrb5 1.20.1's `krb5_mk_error`.
pub(crate) const SKEW: &str = "7e593057a003020105a10302011ea411180f32303236313133303135343132385aa505020301e240a603020125a90e1b0c54 \
    52414e534f4d2e54455354aa1c301aa003020101a11330111b04485454501b09686f73742e74657374";
pub(crate) const REPEAT: &str = "7e81af3081aca003020105a10302011ea211180f32303236313133303135333634305aa303020107a411180f323032363131 \
    33303135343132385aa505020301e240a603020122a70e1b0c5452414e534f4d2e54455354a8123010a003020101a1093007 \
    1b05616c696365a90e1b0c5452414e534f4d2e54455354aa1c301aa003020101a11330111b04485454501b09686f73742e74 \
    657374ab101b0e52657175657374207265706c6179ac05040378797a";

/// What GSSAPI puts in front of Kerberos's tokens.
pub(crate) fn framed(tok_id: [u8; 2], body: &[u8]) -> Vec<u8> {
    let content = Oid::KERBEROS.as_der_content().to_vec();
    let length = u8::try_from(13 + body.len()).unwrap();
    let mut token = if length < 0x80 { vec![0x60, length] } else { vec![0x60, 0x81, length] };
    token.extend([6, 9]);
    token.extend(content);
    token.extend(tok_id);
    token.extend_from_slice(body);
    token
}

pub(crate) fn ap_req() -> Vec<u8> {
    framed([1, 0], b"AP-REQ")
}

pub(crate) fn ap_rep() -> Vec<u8> {
    framed([2, 0], b"AP-REP")
}

pub(crate) fn context(role: Role) -> Context {
    Context {
        role,
        encryption_type: EncryptionType::Aes256Sha1,
        key: vec![9; 32].into(),
        acceptor_subkey: true,
        sending_sequence: 5,
        receiving_sequence: 5,
    }
}

pub(crate) fn accepted() -> KerberosAccepted {
    KerberosAccepted {
        account: Account { id: [1; 16], name: "alice".to_owned(), groups: Vec::new() },
        principal: "alice@TRANSOM.TEST".to_owned(),
        reply: Some(ap_rep()),
        context: context(Role::Acceptor),
        confidential: true,
        channel_bound: false,
        delegated: None,
    }
}

/// The client's half of a login with mutual authentication: its only token may be the last one.
#[derive(Debug, Default)]
pub(crate) struct MutualInitiator {
    asked: bool,
    sealer: Option<KerberosSealer>,
    proven: bool,
}

impl auth::Initiator for MutualInitiator {
    fn scheme(&self) -> Scheme {
        Scheme::Kerberos
    }

    fn step(&mut self, token: Option<&[u8]>) -> Result<Step, Error> {
        match token {
            None if !self.asked => {
                self.asked = true;
                Ok(Step::Last(ap_req()))
            }
            None if self.proven => Ok(Step::Done),
            None => Err(PeerMisbehaved::NotMutual.into()),
            Some(token) if token == ap_rep() && self.asked && !self.proven => {
                self.proven = true;
                let context = context(Role::Initiator);
                self.sealer = Some(KerberosSealer::new(context, true, &mut Fixed(4)));
                Ok(Step::Done)
            }
            Some(token) => match KrbError::decode(token) {
                Ok(error) => Err(error.into_error(FileTime::UNIX_EPOCH)),
                Err(_) => Err(PeerMisbehaved::NotMutual.into()),
            },
        }
    }

    fn can_seal(&self) -> bool {
        self.sealer.is_some()
    }

    fn sealer(&mut self) -> Option<Box<dyn Sealer>> {
        self.sealer.take().map(|sealer| Box::new(sealer) as Box<dyn Sealer>)
    }

    fn mechanism(&self) -> &'static str {
        "Kerberos"
    }
}

impl InitiatorMechanism for MutualInitiator {
    fn oids(&self) -> &[Oid] {
        &[Oid::MS_KERBEROS, Oid::KERBEROS]
    }

    fn context(&mut self) -> Option<Box<dyn Sealer>> {
        auth::Initiator::sealer(self)
    }

    fn needs_mech_list_mic(&self) -> bool {
        false
    }
}
