//! [`Acceptor`]: the service's half of a Kerberos login, which asks the owner of the keytab.

use crate::{
    AcceptStep, CbtPolicy, ChannelBinding, Entropy, Error, Input,
    ntlm::Protection,
    spnego::{AcceptorMechanism, Oid},
};

/// What is asked of clients.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "options are meant to be written out")]
pub struct AcceptorOptions {
    /// Whether sealing must be asked for.
    pub protection: Protection,
    /// The binding of the TLS connection; `None` on plain HTTP.
    pub channel_binding: Option<ChannelBinding>,
    /// What is asked of the client's binding.
    pub cbt_policy: CbtPolicy,
}

/// The service's half of a login: raw tokens (scheme `Kerberos`), or inside SPNEGO.
#[derive(Debug)]
pub struct Acceptor {
    options: AcceptorOptions,
}

impl Acceptor {
    /// A login that has not begun. What sealing needs of randomness is drawn now.
    #[must_use]
    pub fn new(options: AcceptorOptions, entropy: &mut dyn Entropy) -> Self {
        let _ = entropy;
        Self { options }
    }
}

impl crate::Acceptor for Acceptor {
    fn step(&mut self, _input: Input<'_>) -> Result<AcceptStep, Error> {
        let _ = &self.options;
        Err(crate::KerberosRefusal::Other.into())
    }
}

impl AcceptorMechanism for Acceptor {
    fn oids(&self) -> &[Oid] {
        &[Oid::MS_KERBEROS, Oid::KERBEROS]
    }

    fn takes_raw(&self, _token: &[u8]) -> bool {
        false
    }

    fn needs_mech_list_mic(&self) -> bool {
        false
    }
}
