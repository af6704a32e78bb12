//! [`AvPairs`]: the attribute list of target information and of NTLMv2 responses ([MS-NLMP] 2.2.2.1).

use super::wire::encode_utf16;
use crate::{ApiMisuse, DecodeError, DecodeErrorKind, FileTime};

/// The number of an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AvId(pub u16);

impl AvId {
    /// End of the list.
    pub const EOL: Self = Self(0);
    /// The server's NetBIOS name.
    pub const NB_COMPUTER_NAME: Self = Self(1);
    /// The NetBIOS name of its domain, or its own again.
    pub const NB_DOMAIN_NAME: Self = Self(2);
    /// The server's DNS name.
    pub const DNS_COMPUTER_NAME: Self = Self(3);
    /// The DNS name of its domain.
    pub const DNS_DOMAIN_NAME: Self = Self(4);
    /// The DNS name of its forest.
    pub const DNS_TREE_NAME: Self = Self(5);
    /// Flags, of which [`AvPairs::FLAG_MIC`] is one.
    pub const FLAGS: Self = Self(6);
    /// The server's time.
    pub const TIMESTAMP: Self = Self(7);
    /// The SPN that the client means to log in to.
    pub const TARGET_NAME: Self = Self(9);
    /// MD5 of the channel bindings; zeros for none.
    pub const CHANNEL_BINDINGS: Self = Self(10);
}

/// An attribute list, in the order of the wire. An attribute occurs once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AvPairs(Vec<(AvId, Vec<u8>)>);

const MESSAGE: &str = "AV_PAIR list";

impl AvPairs {
    /// In [`AvId::FLAGS`]: the AUTHENTICATE_MESSAGE carries a message integrity code.
    pub const FLAG_MIC: u32 = 2;

    /// Reads up to the end mark, and says how many bytes that took.
    ///
    /// # Errors
    /// When an attribute lies outside `bytes`, occurs twice, or the end mark is missing.
    pub fn decode(bytes: &[u8]) -> Result<(Self, usize), DecodeError> {
        let error = |kind| DecodeError { message: MESSAGE, field: "AvLen", kind };
        let mut pairs: Vec<(AvId, Vec<u8>)> = Vec::new();
        let mut rest = bytes;
        while let Some(([i0, i1, l0, l1], after)) = rest.split_first_chunk::<4>() {
            let id = AvId(u16::from_le_bytes([*i0, *i1]));
            let length = usize::from(u16::from_le_bytes([*l0, *l1]));
            if id == AvId::EOL {
                if length != 0 {
                    return Err(error(DecodeErrorKind::Invalid));
                }
                return Ok((Self(pairs), bytes.len().saturating_sub(after.len())));
            }
            let (value, after) =
                after.split_at_checked(length).ok_or_else(|| error(DecodeErrorKind::Truncated))?;
            if pairs.iter().any(|(seen, _)| *seen == id) {
                return Err(DecodeError {
                    message: MESSAGE,
                    field: "AvId",
                    kind: DecodeErrorKind::Duplicate,
                });
            }
            // The attributes that the specification numbers are eleven; more than this many are no honest list, and
            // the search for duplicates above would cost too much.
            if pairs.len() >= 64 {
                return Err(DecodeError {
                    message: MESSAGE,
                    field: "AvId",
                    kind: DecodeErrorKind::TooLong,
                });
            }
            pairs.push((id, value.to_vec()));
            rest = after;
        }
        Err(DecodeError { message: MESSAGE, field: "MsvAvEOL", kind: DecodeErrorKind::Missing })
    }

    /// The list with its end mark.
    ///
    /// # Errors
    /// When a value is longer than 65,535 bytes.
    pub fn encode(&self) -> Result<Vec<u8>, ApiMisuse> {
        let mut out = Vec::new();
        for (id, value) in &self.0 {
            let length = u16::try_from(value.len()).map_err(|_| ApiMisuse::TooLong("AV_PAIR"))?;
            out.extend_from_slice(&id.0.to_le_bytes());
            out.extend_from_slice(&length.to_le_bytes());
            out.extend_from_slice(value);
        }
        out.extend_from_slice(&[0; 4]);
        Ok(out)
    }

    /// The value of an attribute.
    #[must_use]
    pub fn value(&self, id: AvId) -> Option<&[u8]> {
        self.0.iter().find(|(seen, _)| *seen == id).map(|(_, value)| value.as_slice())
    }

    /// Replaces an attribute in its place, or appends it.
    pub fn set(&mut self, id: AvId, value: Vec<u8>) {
        match self.0.iter_mut().find(|(seen, _)| *seen == id) {
            Some((_, old)) => *old = value,
            None => self.0.push((id, value)),
        }
    }

    /// The flags; zero when absent.
    ///
    /// # Errors
    /// When the attribute has not four bytes.
    pub fn flags(&self) -> Result<u32, DecodeError> {
        Ok(self.fixed(AvId::FLAGS, "MsvAvFlags")?.map_or(0, u32::from_le_bytes))
    }

    /// The server's time.
    ///
    /// # Errors
    /// When the attribute has not eight bytes.
    pub fn timestamp(&self) -> Result<Option<FileTime>, DecodeError> {
        Ok(self
            .fixed(AvId::TIMESTAMP, "MsvAvTimestamp")?
            .map(|bytes| FileTime(u64::from_le_bytes(bytes))))
    }

    /// The hash of the channel bindings.
    ///
    /// # Errors
    /// When the attribute has not 16 bytes.
    pub fn channel_bindings(&self) -> Result<Option<[u8; 16]>, DecodeError> {
        self.fixed(AvId::CHANNEL_BINDINGS, "MsvAvChannelBindings")
    }

    fn fixed<const N: usize>(
        &self,
        id: AvId,
        field: &'static str,
    ) -> Result<Option<[u8; N]>, DecodeError> {
        self.value(id)
            .map(|value| {
                value.try_into().map_err(|_| DecodeError {
                    message: MESSAGE,
                    field,
                    kind: DecodeErrorKind::Invalid,
                })
            })
            .transpose()
    }
}

/// What a service calls itself in its challenge. Empty names are left out, except the first two, which clients need.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "[MS-NLMP] has no further names")]
pub struct TargetNames {
    /// NetBIOS name of the machine, upper case by custom, at most 15 characters by custom.
    pub netbios_computer: String,
    /// NetBIOS name of its domain; for a machine without domain its own again, or the workgroup.
    pub netbios_domain: String,
    /// DNS name of the machine.
    pub dns_computer: String,
    /// DNS name of its domain.
    pub dns_domain: String,
    /// DNS name of its forest.
    pub dns_tree: String,
    /// Whether the machine belongs to a domain; then the target name is the domain's, else the machine's.
    pub in_domain: bool,
}

impl TargetNames {
    /// A machine without a domain.
    #[must_use]
    pub fn standalone(netbios: impl Into<String>, dns: impl Into<String>) -> Self {
        let (netbios, dns) = (netbios.into(), dns.into());
        Self {
            netbios_domain: netbios.clone(),
            netbios_computer: netbios,
            dns_domain: dns.clone(),
            dns_computer: dns,
            ..Self::default()
        }
    }

    pub(crate) fn target(&self) -> &str {
        if self.in_domain { &self.netbios_domain } else { &self.netbios_computer }
    }

    /// In the order in which Windows lists them ([MS-NLMP] 3.2.5.1.1).
    pub(crate) fn av_pairs(&self, now: FileTime) -> AvPairs {
        let mut pairs = AvPairs::default();
        pairs.set(AvId::NB_DOMAIN_NAME, encode_utf16(&self.netbios_domain));
        pairs.set(AvId::NB_COMPUTER_NAME, encode_utf16(&self.netbios_computer));
        let optional = [
            (AvId::DNS_DOMAIN_NAME, &self.dns_domain),
            (AvId::DNS_COMPUTER_NAME, &self.dns_computer),
            (AvId::DNS_TREE_NAME, &self.dns_tree),
        ];
        for (id, name) in optional.into_iter().filter(|(_, name)| !name.is_empty()) {
            pairs.set(id, encode_utf16(name));
        }
        pairs.set(AvId::TIMESTAMP, now.0.to_le_bytes().to_vec());
        pairs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_without_end_and_with_repeats_are_refused() {
        let kind = |bytes: &[u8]| AvPairs::decode(bytes).unwrap_err().kind;
        assert_eq!(kind(&[]), DecodeErrorKind::Missing);
        assert_eq!(kind(&[1, 0, 2, 0, b'a', 0]), DecodeErrorKind::Missing);
        assert_eq!(kind(&[1, 0, 3, 0, b'a', 0]), DecodeErrorKind::Truncated);
        assert_eq!(kind(&[0, 0, 1, 0, 0]), DecodeErrorKind::Invalid);
        assert_eq!(kind(&[1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]), DecodeErrorKind::Duplicate);
        let many: Vec<u8> = (1..=65_u8).flat_map(|id| [id, 0, 0, 0]).chain([0; 4]).collect();
        assert_eq!(kind(&many), DecodeErrorKind::TooLong);
    }
}
