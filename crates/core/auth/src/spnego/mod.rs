//! SPNEGO (RFC 4178, [MS-SPNG]): which mechanism to use, agreed upon and protected against tampering.
//!
//! A mechanism joins by implementing [`InitiatorMechanism`] or [`AcceptorMechanism`] on top of the contracts that
//! every login follows; [`ntlm`](crate::ntlm) does, and so does [`kerberos`](crate::kerberos), whose two object
//! identifiers belong to one mechanism.

mod acceptor;
pub(crate) mod der;
mod initiator;
mod token;

use std::{borrow::Cow, fmt};

pub use acceptor::Acceptor;
pub use initiator::Initiator;
pub use token::{NegState, NegTokenInit, NegTokenResp};

/// An object identifier, as the content bytes of its DER form.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Oid(Cow<'static, [u8]>);

impl Oid {
    /// 1.3.6.1.5.5.2: SPNEGO itself.
    pub const SPNEGO: Self = Self(Cow::Borrowed(&[0x2B, 0x06, 0x01, 0x05, 0x05, 0x02]));
    /// 1.3.6.1.4.1.311.2.2.10: NTLM.
    pub const NTLMSSP: Self =
        Self(Cow::Borrowed(&[0x2B, 0x06, 0x01, 0x04, 0x01, 0x82, 0x37, 0x02, 0x02, 0x0A]));
    /// 1.2.840.113554.1.2.2: Kerberos.
    pub const KERBEROS: Self =
        Self(Cow::Borrowed(&[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x12, 0x01, 0x02, 0x02]));
    /// 1.2.840.48018.1.2.2: Kerberos as old Windows wrote it, one bit off; still first in Windows's lists.
    pub const MS_KERBEROS: Self =
        Self(Cow::Borrowed(&[0x2A, 0x86, 0x48, 0x82, 0xF7, 0x12, 0x01, 0x02, 0x02]));
    /// 1.3.6.1.4.1.311.2.2.30: NEGOEX, which Windows lists and we never choose.
    pub const NEGOEX: Self =
        Self(Cow::Borrowed(&[0x2B, 0x06, 0x01, 0x04, 0x01, 0x82, 0x37, 0x02, 0x02, 0x1E]));

    /// From the content bytes of the DER form.
    #[must_use]
    pub fn from_der_content(bytes: &[u8]) -> Self {
        Self(Cow::Owned(bytes.to_vec()))
    }

    /// The content bytes of the DER form.
    #[must_use]
    pub fn as_der_content(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for Oid {
    /// Dotted numbers.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut arc = 0_u64;
        let mut first = true;
        for byte in self.0.iter() {
            arc = arc.checked_shl(7).unwrap_or(0) | u64::from(byte & 0x7F);
            if byte & 0x80 != 0 {
                continue;
            }
            if first {
                let top = (arc / 40).min(2);
                write!(f, "{top}.{}", arc.saturating_sub(top * 40))?;
                first = false;
            } else {
                write!(f, ".{arc}")?;
            }
            arc = 0;
        }
        Ok(())
    }
}

impl fmt::Debug for Oid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What SPNEGO must know of a mechanism in the client's role.
pub trait InitiatorMechanism: crate::Initiator {
    /// Its object identifiers, in the order in which they are offered.
    fn oids(&self) -> &[Oid];

    /// Hands out the security context, once, after the mechanism's last token: also one that signs, but cannot seal.
    fn context(&mut self) -> Option<Box<dyn crate::Sealer>>;

    /// Whether `mechListMIC` is needed although the mechanism was the first choice.
    fn needs_mech_list_mic(&self) -> bool;
}

/// What SPNEGO must know of a mechanism in the service's role.
pub trait AcceptorMechanism: crate::Acceptor {
    /// Its object identifiers.
    fn oids(&self) -> &[Oid];

    /// Whether `token` is a first token of this mechanism without SPNEGO around it.
    fn takes_raw(&self, token: &[u8]) -> bool;

    /// Whether `mechListMIC` is needed although the mechanism was the first choice; asked after the mechanism has
    /// finished.
    fn needs_mech_list_mic(&self) -> bool;

    /// Hands out, once, the security context of a finished login that negotiated no sealing, and so has none in its
    /// [`Login`](crate::Login): it signs the list of mechanisms.
    fn signer(&mut self) -> Option<Box<dyn crate::Sealer>> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn object_identifiers_show_as_dotted_numbers() {
        assert_eq!(Oid::NTLMSSP.to_string(), "1.3.6.1.4.1.311.2.2.10");
        assert_eq!(Oid::MS_KERBEROS.to_string(), "1.2.840.48018.1.2.2");
        assert_eq!(Oid::KERBEROS.to_string(), "1.2.840.113554.1.2.2");
    }
}
