//! Whether a host is believed: the one judgement over certificate chains, for every TLS backend.
//!
//! ```text
//!  chain ──► dates ──► a pin given? ──yes──► one fits? ──────────────────────────► believed
//!                          │ no
//!                          └──► authority, revocation (unless skipped) ──► name (unless skipped) ──► believed
//! ```
//!
//! A pin says which certificate or key the host has; it takes the place of authority and name,
//! and the switches that skip checks do not weaken it. Dates always count. RFC 5280 6, RFC 6125.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use rustls::pki_types::{CertificateDer, ServerName, TrustAnchor, UnixTime};
use webpki::{EndEntityCert, KeyUsage};

use super::certificate::{self, Facts, moment};
use super::error::{CertificateError, TrustError};
use super::revocation::{Lists, Revocation, options};
use super::roots;

/// What a client asks of a host's certificate.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[expect(
    clippy::exhaustive_structs,
    reason = "meant to be written out with `..Default::default()`"
)]
pub struct Trust {
    /// Who may vouch for hosts.
    pub authorities: Authorities,
    /// When there are any, the host's certificate must fit one of them, and nothing else is asked
    /// of it but valid dates.
    pub pins: Vec<Pin>,
    /// Anybody may vouch, the host for itself included.
    pub skip_ca_check: bool,
    /// The certificate may name anybody.
    pub skip_cn_check: bool,
    /// The name or address that the certificate must have, and that is asked for (SNI), instead of
    /// the one that is connected to.
    pub server_name: Option<String>,
    /// Which certificates were taken back. Asked where authorities are: not of pinned and listed certificates.
    pub revocation: Revocation,
}

/// Who may vouch for hosts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[expect(clippy::exhaustive_enums, reason = "a caller that misses one would trust somebody else")]
pub enum Authorities {
    /// Whom the system trusts.
    #[default]
    System,
    /// Those in this file or folder, and nobody else. A certificate there that is a host's own is
    /// believed as it is.
    Path(PathBuf),
}

/// SHA-256 of a certificate or of its public key (SubjectPublicKeyInfo).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Pin([u8; 32]);

impl FromStr for Pin {
    type Err = TrustError;

    /// Reads 64 hexadecimal digits in any case; colons between them are skipped.
    fn from_str(text: &str) -> Result<Self, TrustError> {
        let wrong =
            || TrustError::Pin(text.chars().filter(|c| !c.is_control()).take(100).collect());
        let digits: Vec<u32> = text
            .chars()
            .filter(|&c| c != ':')
            .map(|c| c.to_digit(16))
            .collect::<Option<_>>()
            .ok_or_else(wrong)?;
        let bytes: Vec<u8> = digits
            .chunks(2)
            .map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit))
            .filter_map(|byte| u8::try_from(byte).ok())
            .collect();
        if digits.len() == 64 {
            bytes.try_into().map(Self).map_err(|_| wrong())
        } else {
            Err(wrong())
        }
    }
}

impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&certificate::hexadecimal(&self.0))
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pin({self})")
    }
}

/// The judgement, ready for use.
#[derive(Debug)]
pub struct Validator {
    anchors: Vec<TrustAnchor<'static>>,
    /// Certificates that the user trusts by name: a host's own may be among them.
    listed: Vec<CertificateDer<'static>>,
    pins: Vec<Pin>,
    skip_ca_check: bool,
    skip_cn_check: bool,
    lists: Lists,
}

impl Validator {
    /// Reads the authorities where they are needed.
    ///
    /// # Errors
    ///
    /// [`TrustError`] names the file or folder.
    pub fn new(trust: &Trust) -> Result<Self, TrustError> {
        let needs_authorities = trust.pins.is_empty() && !trust.skip_ca_check;
        let (anchors, listed) = match &trust.authorities {
            Authorities::System if needs_authorities => (anchors(&roots::system()?), Vec::new()),
            Authorities::System => (Vec::new(), Vec::new()),
            // What the user names is looked at, needed or not: a slip should not go unnoticed.
            Authorities::Path(path) => {
                let listed = roots::path(path)?;
                (anchors(&listed), listed)
            }
        };
        Ok(Self {
            anchors,
            listed,
            pins: trust.pins.clone(),
            skip_ca_check: trust.skip_ca_check,
            skip_cn_check: trust.skip_cn_check,
            lists: Lists::of(&trust.revocation)?,
        })
    }

    /// Judges the chain of a host, its own certificate first, at the time `now`.
    ///
    /// # Errors
    ///
    /// [`CertificateError`] says what is wrong with it.
    pub fn validate(
        &self,
        chain: &[CertificateDer<'_>],
        host: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<(), CertificateError> {
        let (own, others) = chain.split_first().ok_or(CertificateError::Absent)?;
        let facts = Facts::read(own).map_err(|_| CertificateError::Malformed)?;
        check_dates(&facts, now)?;
        if !self.pins.is_empty() {
            return self.check_pins(own, &facts);
        }
        if !self.skip_ca_check && !self.listed.iter().any(|listed| listed == own) {
            self.check_authority(own, others, &facts, now)?;
        }
        if !self.skip_cn_check {
            check_name(own, host, &facts)?;
        }
        Ok(())
    }

    fn check_pins(&self, own: &CertificateDer<'_>, facts: &Facts) -> Result<(), CertificateError> {
        let (whole, key) = certificate::pins(own).map_err(|_| CertificateError::Malformed)?;
        if self.pins.iter().any(|pin| pin.0 == whole || pin.0 == key) {
            return Ok(());
        }
        Err(CertificateError::WrongPin {
            certificate: facts.fingerprint.clone(),
            key: facts.key_fingerprint.clone(),
        })
    }

    fn check_authority(
        &self,
        own: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        facts: &Facts,
        now: UnixTime,
    ) -> Result<(), CertificateError> {
        let refuse = |error| {
            let chain: Vec<&CertificateDer<'_>> = std::iter::once(own).chain(others).collect();
            let revocation = self.lists.refusal(&error, &chain, now);
            revocation.unwrap_or_else(|| refusal(error, facts, others))
        };
        let lists = self.lists.references();
        let end_entity = EndEntityCert::try_from(own).map_err(refuse)?;
        end_entity
            .verify_for_usage(
                webpki::ALL_VERIFICATION_ALGS,
                &self.anchors,
                others,
                now,
                KeyUsage::server_auth(),
                options(&lists),
                None,
            )
            .map(drop)
            .map_err(refuse)
    }
}

pub(super) fn anchors(certificates: &[CertificateDer<'static>]) -> Vec<TrustAnchor<'static>> {
    // One that webpki cannot read vouches for nobody.
    let anchor = |certificate| webpki::anchor_from_trusted_cert(certificate).ok();
    certificates.iter().filter_map(anchor).map(|anchor| anchor.to_owned()).collect()
}

pub(super) fn check_dates(facts: &Facts, now: UnixTime) -> Result<(), CertificateError> {
    let (now, subject) = (moment(now), facts.subject.clone());
    if now < facts.not_before {
        return Err(CertificateError::NotYetValid { subject, from: facts.not_before, now });
    }
    if now > facts.not_after {
        return Err(CertificateError::Expired { subject, until: facts.not_after, now });
    }
    Ok(())
}

fn check_name(
    own: &CertificateDer<'_>,
    host: &ServerName<'_>,
    facts: &Facts,
) -> Result<(), CertificateError> {
    let fits = EndEntityCert::try_from(own)
        .is_ok_and(|own| own.verify_is_valid_for_subject_name(host).is_ok());
    if fits {
        return Ok(());
    }
    Err(CertificateError::WrongName {
        wanted: host.to_str().into_owned(),
        found: facts.names.clone(),
        subject: facts.subject.clone(),
    })
}

/// webpki's refusal in words that help.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "webpki has forty more refusals, and its own words for them do"
)]
pub(super) fn refusal(
    error: webpki::Error,
    facts: &Facts,
    others: &[CertificateDer<'_>],
) -> CertificateError {
    use webpki::Error as Webpki;
    // Self-signed ones are often marked as authorities; that nobody vouches is what matters.
    let is_alone = facts.is_self_issued && others.iter().all(|other| is_same_subject(other, facts));
    match error {
        Webpki::CaUsedAsEndEntity if is_alone => self_signed(facts),
        // The last three: somebody trusted has the issuer's name, and another key.
        Webpki::UnknownIssuer
        | Webpki::InvalidSignatureForPublicKey
        | Webpki::UnsupportedSignatureAlgorithmContext(_)
        | Webpki::UnsupportedSignatureAlgorithmForPublicKeyContext(_) => {
            if is_alone {
                return self_signed(facts);
            }
            let last = others.last().and_then(|last| Facts::read(last).ok());
            let issuer = last.map_or_else(|| facts.issuer.clone(), |last| last.issuer);
            CertificateError::UnknownAuthority { issuer }
        }
        // The host's own dates were looked at before: this is one of the others.
        Webpki::CertExpired { not_after, time } => CertificateError::Expired {
            subject: subject_of(others, |facts| facts.not_after == moment(not_after)),
            until: moment(not_after),
            now: moment(time),
        },
        Webpki::CertNotValidYet { not_before, time } => CertificateError::NotYetValid {
            subject: subject_of(others, |facts| facts.not_before == moment(not_before)),
            from: moment(not_before),
            now: moment(time),
        },
        Webpki::RequiredEkuNotFoundContext(_) | Webpki::EmptyEkuExtension => {
            CertificateError::WrongPurpose
        }
        Webpki::BadDer | Webpki::BadDerTime | Webpki::TrailingData(_) => {
            CertificateError::Malformed
        }
        other => CertificateError::Unacceptable(other.to_string()),
    }
}

fn self_signed(facts: &Facts) -> CertificateError {
    CertificateError::SelfSigned {
        subject: facts.subject.clone(),
        fingerprint: facts.fingerprint.clone(),
    }
}

fn is_same_subject(other: &CertificateDer<'_>, facts: &Facts) -> bool {
    Facts::read(other).is_ok_and(|other| other.subject == facts.subject)
}

fn subject_of(others: &[CertificateDer<'_>], is_it: impl Fn(&Facts) -> bool) -> String {
    let found = others.iter().filter_map(|other| Facts::read(other).ok()).find(is_it);
    found.map_or_else(|| "of the authority".to_owned(), |facts| facts.subject)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pins_are_hexadecimal_with_or_without_colons() {
        let plain = "0123456789abcdef".repeat(4);
        let colons: Vec<String> = plain
            .to_uppercase()
            .as_bytes()
            .chunks(2)
            .map(|two| String::from_utf8_lossy(two).into_owned())
            .collect();
        let pin: Pin = plain.parse().unwrap();
        assert_eq!(pin.to_string(), plain);
        assert_eq!(colons.join(":").parse(), Ok(pin));
        for wrong in
            ["", "00", &plain.replacen('0', "", 1), &format!("{plain}00"), &plain.replace('f', "g")]
        {
            assert!(wrong.parse::<Pin>().is_err(), "{wrong}");
        }
    }
}
