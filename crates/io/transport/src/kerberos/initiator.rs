//! [`Initiator`]: the client's half of a Kerberos login.

use auth::spnego::{InitiatorMechanism, Oid};
use auth::{ChannelBinding, Entropy, Error, PeerMisbehaved, Scheme, Sealer, Step};

use super::{Credential, KerberosError, Target};

/// How to log in.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "options are meant to be written out")]
pub struct InitiatorOptions {
    /// The service.
    pub target: Target,
    /// Whether the service gets a ticket to act as the client (`GSS_C_DELEG_FLAG`): an error where ours cannot be
    /// forwarded.
    pub delegate: bool,
    /// The binding to the TLS connection.
    pub channel_binding: Option<ChannelBinding>,
    /// Whether messages will be sealed.
    pub confidential: bool,
}

/// The client's half of a login, with its first token made: raw tokens, which `auth::spnego` may wrap.
#[derive(Debug)]
pub struct Initiator {}

impl Initiator {
    /// Gets a ticket for the service and makes the first token; this may wait for a KDC.
    ///
    /// # Errors
    /// [`KerberosError`]; of kind `UnknownService` it names the names that were tried.
    pub fn begin(
        _credential: &Credential,
        _options: &InitiatorOptions,
        _entropy: &mut dyn Entropy,
    ) -> Result<Self, KerberosError> {
        Err(KerberosError::no_library())
    }

    /// The name of the service that the KDC knew: `HTTP/host@REALM`.
    #[must_use]
    pub fn service(&self) -> &str {
        ""
    }
}

impl auth::Initiator for Initiator {
    fn scheme(&self) -> Scheme {
        Scheme::Kerberos
    }

    fn step(&mut self, _token: Option<&[u8]>) -> Result<Step, Error> {
        Err(PeerMisbehaved::EndedEarly.into())
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

impl InitiatorMechanism for Initiator {
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
