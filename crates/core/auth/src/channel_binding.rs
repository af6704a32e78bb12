//! [`ChannelBinding`] and [`CbtPolicy`]: tying a login to the TLS connection that it came through (RFC 5929 4).

use md5::{Digest as _, Md5};
use subtle::ConstantTimeEq as _;

const PREFIX: &[u8] = b"tls-server-end-point:";

/// The longest hash of a certificate: SHA-512.
const MAX_HASH: usize = 64;

/// MD5 of the `gss_channel_bindings` structure, as NTLM (`MsvAvChannelBindings`) and Kerberos (`Bnd`) carry it, together
/// with what it was made of, which GSSAPI asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChannelBinding {
    digest: [u8; 16],
    hash: [u8; MAX_HASH],
    length: usize,
}

impl ChannelBinding {
    /// From the `tls-server-end-point` value: the hash of the server's DER certificate, by the hash function of the
    /// certificate's own signature, with SHA-256 in the place of MD5 and SHA-1 (RFC 5929 4.1).
    ///
    /// Both addresses of the structure are absent (type and length zero), as on Windows ([MS-NLMP] 3.1.1.2).
    ///
    /// No hash is longer than 64 bytes; of a longer one the rest is left out.
    #[must_use]
    pub fn from_tls_server_end_point(certificate_hash: &[u8]) -> Self {
        let mut hash = [0; MAX_HASH];
        let kept = certificate_hash.len().min(MAX_HASH);
        let certificate_hash = certificate_hash.get(..kept).unwrap_or_default();
        if let Some(place) = hash.get_mut(..kept) {
            place.copy_from_slice(certificate_hash);
        }
        let length =
            u32::try_from(PREFIX.len().saturating_add(certificate_hash.len())).unwrap_or(u32::MAX);
        let digest = Md5::new()
            .chain_update([0; 16])
            .chain_update(length.to_le_bytes())
            .chain_update(PREFIX)
            .chain_update(certificate_hash)
            .finalize();
        Self { digest: digest.into(), hash, length: kept }
    }

    /// The 16 bytes as they stand in a token.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.digest
    }

    /// The application data of the structure: `tls-server-end-point:` and the hash.
    #[must_use]
    pub fn application_data(&self) -> Vec<u8> {
        [PREFIX, self.hash.get(..self.length).unwrap_or_default()].concat()
    }
}

/// What a service asks of channel bindings: `Service/Auth/CbtHardeningLevel` ([MS-WSMV] 2.2.4.x configuration).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum CbtPolicy {
    /// Bindings are not looked at.
    None,
    /// A wrong binding is refused, a missing or all-zero one is let through. Windows's default.
    #[default]
    Relaxed,
    /// A missing or all-zero binding is refused too.
    Strict,
}

/// What came of a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Pass,
    Missing,
    Wrong,
}

impl CbtPolicy {
    /// Compares what the client sent with this connection's own binding; `None` for `own` means plain HTTP, where no
    /// binding exists and the policy says nothing.
    pub(crate) fn judge(self, own: Option<&ChannelBinding>, sent: Option<&[u8; 16]>) -> Verdict {
        let Some(own) = own else { return Verdict::Pass };
        let sent = sent.filter(|bytes| **bytes != [0; 16]);
        match (self, sent) {
            (Self::None, _) | (Self::Relaxed, None) => Verdict::Pass,
            (Self::Strict, None) => Verdict::Missing,
            (Self::Relaxed | Self::Strict, Some(sent)) => {
                if bool::from(own.digest.ct_eq(sent)) {
                    Verdict::Pass
                } else {
                    Verdict::Wrong
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policy_decides_over_missing_and_wrong_bindings() {
        let own = ChannelBinding::from_tls_server_end_point(&[7; 32]);
        let cases = [
            (CbtPolicy::None, None, Verdict::Pass),
            (CbtPolicy::None, Some([1; 16]), Verdict::Pass),
            (CbtPolicy::Relaxed, None, Verdict::Pass),
            (CbtPolicy::Relaxed, Some([0; 16]), Verdict::Pass),
            (CbtPolicy::Relaxed, Some([1; 16]), Verdict::Wrong),
            (CbtPolicy::Relaxed, Some(own.digest), Verdict::Pass),
            (CbtPolicy::Strict, None, Verdict::Missing),
            (CbtPolicy::Strict, Some([0; 16]), Verdict::Missing),
            (CbtPolicy::Strict, Some([1; 16]), Verdict::Wrong),
            (CbtPolicy::Strict, Some(own.digest), Verdict::Pass),
        ];
        for (policy, sent, expected) in cases {
            assert_eq!(policy.judge(Some(&own), sent.as_ref()), expected, "{policy:?} {sent:?}");
            assert_eq!(policy.judge(None, sent.as_ref()), Verdict::Pass);
        }
    }
}
