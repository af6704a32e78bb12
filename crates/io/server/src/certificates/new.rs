//! Making a self-signed certificate for the service.

use std::net::IpAddr;

use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, SanType,
};
use time::{Duration, OffsetDateTime};
use transport::tls::{Identity, IdentityError};

/// A certificate is valid from so long before it was made: clocks differ.
const BACKDATED: Duration = Duration::hours(1);
/// The longest time that a certificate may be valid, in days: a hundred years.
const MAX_DAYS: u32 = 36_500;
/// More names are a mistake.
const MAX_NAMES: usize = 100;

/// What the new certificate shall be.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "meant to be written out")]
pub struct New {
    /// DNS names (`*.example.com` too) and IP addresses, at least one; the first is its subject.
    pub names: Vec<String>,
    /// How long it is valid; 1 to 36,500.
    pub days: u32,
}

/// Why there is no new certificate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NewError {
    /// No name, or too many.
    #[error("a certificate needs 1 to {MAX_NAMES} names")]
    Names,
    /// Not a name that a certificate can have.
    #[error("`{0}` is neither a host name nor an IP address")]
    Name(String),
    /// The time is out of range.
    #[error("{0} days are not within 1 to {MAX_DAYS}")]
    Days(u32),
    /// The key or the certificate could not be made.
    #[error("the certificate could not be made: {0}")]
    Make(String),
    /// What was made cannot be used.
    #[error(transparent)]
    Unusable(#[from] IdentityError),
}

impl New {
    /// Makes the key (ECDSA on P-256) and the certificate, which vouches for itself and for
    /// nobody else.
    ///
    /// # Errors
    ///
    /// [`NewError`].
    pub fn make(&self) -> Result<Identity, NewError> {
        let failed = |error: rcgen::Error| NewError::Make(error.to_string());
        let first = self.names.first().ok_or(NewError::Names)?;
        if self.names.len() > MAX_NAMES {
            return Err(NewError::Names);
        }
        if !(1..=MAX_DAYS).contains(&self.days) {
            return Err(NewError::Days(self.days));
        }
        let mut params = CertificateParams::default();
        params.subject_alt_names =
            self.names.iter().map(|name| subject_alt_name(name)).collect::<Result<_, _>>()?;
        params.distinguished_name = DistinguishedName::new();
        // A commonName holds 64 characters (RFC 5280 A.1).
        let common = first.chars().take(64).collect::<String>();
        params.distinguished_name.push(DnType::CommonName, common);
        let now = OffsetDateTime::now_utc();
        params.not_before = now - BACKDATED;
        params.not_after = now + Duration::days(self.days.into());
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let key = KeyPair::generate().map_err(failed)?;
        let certificate = params.self_signed(&key).map_err(failed)?;
        let mut pem = zeroize::Zeroizing::new(key.serialize_pem());
        pem.push_str(&certificate.pem());
        Ok(Identity::read(pem.as_bytes(), None, None)?)
    }
}

fn subject_alt_name(name: &str) -> Result<SanType, NewError> {
    if let Ok(address) = name.parse::<IpAddr>() {
        return Ok(SanType::IpAddress(address));
    }
    let wrong = || NewError::Name(name.chars().filter(|c| !c.is_control()).take(100).collect());
    let bare = name.strip_prefix("*.").unwrap_or(name);
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    // A name of digits and dots only is a mistyped address.
    let is_name = bare.len() <= 253
        && bare.split('.').all(is_label)
        && bare.bytes().any(|byte| byte.is_ascii_alphabetic());
    if !is_name {
        return Err(wrong());
    }
    name.try_into().map(SanType::DnsName).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new(names: &[&str], days: u32) -> Result<Identity, NewError> {
        New { names: names.iter().map(ToString::to_string).collect(), days }.make()
    }

    #[test]
    fn certificate_has_the_names_and_the_time_asked_for() {
        let names = ["server01", "*.example.test", "10.0.0.7", "fe80::1"];
        let facts = new(&names, 30).unwrap().facts().unwrap();
        assert_eq!(facts.names, names);
        assert_eq!(facts.subject, "CN=server01");
        assert!(facts.is_self_issued);
        let lived = facts.not_after.unix() - facts.not_before.unix();
        assert_eq!(lived, 30 * 24 * 3600 + 3600);
    }

    #[test]
    fn what_no_certificate_can_have_is_refused() {
        assert_eq!(new(&[], 1).unwrap_err(), NewError::Names);
        assert_eq!(new(&["a"; 101], 1).unwrap_err(), NewError::Names);
        assert_eq!(new(&["a"], 0).unwrap_err(), NewError::Days(0));
        assert_eq!(new(&["a"], 36_501).unwrap_err(), NewError::Days(36_501));
        for name in ["", "a b", "a..b", "10.0.0.300", "ümlaut", "a*.b", "a/b"] {
            assert_eq!(new(&[name], 1).unwrap_err(), NewError::Name(name.to_owned()));
        }
    }
}
