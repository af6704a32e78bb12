//! Making certificates: self-signed or by an authority, for the service, for its clients, and authorities themselves.

use std::net::IpAddr;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, OtherNameValue, SanType,
};
use time::{Duration, OffsetDateTime};
use transport::tls::{Identity, IdentityError};

/// A certificate is valid from so long before it was made: clocks differ.
const BACKDATED: Duration = Duration::hours(1);
/// The longest time that a certificate may be valid, in days: a hundred years.
const MAX_DAYS: u32 = 36_500;
/// More names are a mistake.
const MAX_NAMES: usize = 100;
/// The longest user principal name, in characters.
const MAX_UPN: usize = 256;
/// A commonName holds so many characters (RFC 5280 A.1).
const MAX_COMMON: usize = 64;
/// The otherName of a user principal name (szOID_NT_PRINCIPAL_NAME).
const UPN: [u64; 10] = [1, 3, 6, 1, 4, 1, 311, 20, 2, 3];

/// What the new certificate of a service shall be.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "meant to be written out")]
pub struct New {
    /// DNS names (`*.example.com` too) and IP addresses, at least one; the first is its subject.
    pub names: Vec<String>,
    /// How long it is valid; 1 to 36,500.
    pub days: u32,
}

/// What the new certificate of a client shall be.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "meant to be written out")]
pub struct NewClient {
    /// Its user principal name, `alice@localhost`, by which it is mapped.
    pub upn: Option<String>,
    /// DNS names, by which it can be mapped as well.
    pub names: Vec<String>,
    /// How long it is valid; 1 to 36,500.
    pub days: u32,
}

/// What a new authority shall be.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "meant to be written out")]
pub struct NewAuthority {
    /// Its name (commonName), 1 to 64 characters.
    pub name: String,
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
    /// Not a user principal name.
    #[error("`{0}` is no user principal name: user@localhost, or user@ and a domain")]
    Upn(String),
    /// Not the name of an authority.
    #[error(
        "`{0}` cannot be an authority's name: 1 to {MAX_COMMON} characters, no control characters"
    )]
    Common(String),
    /// The time is out of range.
    #[error("{0} days are not within 1 to {MAX_DAYS}")]
    Days(u32),
    /// The issuer may not issue.
    #[error("the certificate {0} is no authority (basicConstraints): it can issue nothing")]
    NoAuthority(String),
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
        self.make_by(None)
    }

    /// The same by an authority, with its key; its certificate goes along where it is not a root.
    ///
    /// # Errors
    ///
    /// [`NewError`].
    pub fn make_by(&self, authority: Option<&Identity>) -> Result<Identity, NewError> {
        let first = self.names.first().ok_or(NewError::Names)?;
        let mut params = params(first, self.days)?;
        params.subject_alt_names = subject_alt_names(&self.names)?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        sign(&params, authority)
    }
}

impl NewClient {
    /// Makes the key (ECDSA on P-256) and the certificate, by an authority with its key, or one that vouches for itself.
    ///
    /// # Errors
    ///
    /// [`NewError`].
    pub fn make(&self, authority: Option<&Identity>) -> Result<Identity, NewError> {
        let user = self.upn.as_ref().and_then(|upn| upn.split('@').next());
        let common = user.or_else(|| self.names.first().map(String::as_str));
        let mut params = params(common.ok_or(NewError::Names)?, self.days)?;
        params.subject_alt_names = subject_alt_names(&self.names)?;
        if let Some(upn) = &self.upn {
            check_upn(upn)?;
            let name = OtherNameValue::Utf8String(upn.clone());
            params.subject_alt_names.insert(0, SanType::OtherName((UPN.to_vec(), name)));
        }
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        sign(&params, authority)
    }
}

impl NewAuthority {
    /// Makes the key (ECDSA on P-256) and the certificate of an authority that vouches for itself. It may sign
    /// certificates and revocation lists, but no further authorities.
    ///
    /// # Errors
    ///
    /// [`NewError`].
    pub fn make(&self) -> Result<Identity, NewError> {
        let fits = (1..=MAX_COMMON).contains(&self.name.chars().count())
            && !self.name.contains(|c: char| c.is_control())
            && self.name.trim() == self.name;
        if !fits {
            return Err(NewError::Common(shown(&self.name)));
        }
        let mut params = params(&self.name, self.days)?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        sign(&params, None)
    }
}

fn failed(error: rcgen::Error) -> NewError {
    NewError::Make(error.to_string())
}

fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(100).collect()
}

fn params(common: &str, days: u32) -> Result<CertificateParams, NewError> {
    if !(1..=MAX_DAYS).contains(&days) {
        return Err(NewError::Days(days));
    }
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    let common = common.chars().take(MAX_COMMON).collect::<String>();
    params.distinguished_name.push(DnType::CommonName, common);
    let now = OffsetDateTime::now_utc();
    params.not_before = now - BACKDATED;
    params.not_after = now + Duration::days(days.into());
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

fn sign(params: &CertificateParams, authority: Option<&Identity>) -> Result<Identity, NewError> {
    let key = KeyPair::generate().map_err(failed)?;
    let mut pem = zeroize::Zeroizing::new(key.serialize_pem());
    match authority {
        None => {
            let mut params = params.clone();
            params.use_authority_key_identifier_extension = false;
            pem.push_str(&params.self_signed(&key).map_err(failed)?.pem());
        }
        Some(authority) => {
            let facts = authority.facts()?;
            if !facts.is_authority {
                return Err(NewError::NoAuthority(facts.thumbprint));
            }
            let own = authority.chain().first().ok_or(IdentityError::NoCertificate)?;
            let signing = KeyPair::from_pem(&authority.key_pem()).map_err(failed)?;
            let issuer = Issuer::from_ca_cert_der(own, signing).map_err(failed)?;
            pem.push_str(&params.signed_by(&key, &issuer).map_err(failed)?.pem());
            // Whoever checks the chain has the root.
            if !facts.is_self_issued {
                pem.push_str(&authority.certificates_pem());
            }
        }
    }
    let made = Identity::read(pem.as_bytes(), None, None)?;
    if let Some(authority) = authority
        && made.facts()?.issuer != authority.facts()?.subject
    {
        let text = "the authority's name cannot be written as it stands in its certificate";
        return Err(NewError::Make(text.to_owned()));
    }
    Ok(made)
}

fn subject_alt_names(names: &[String]) -> Result<Vec<SanType>, NewError> {
    if names.len() > MAX_NAMES {
        return Err(NewError::Names);
    }
    names.iter().map(|name| subject_alt_name(name)).collect()
}

fn check_upn(upn: &str) -> Result<(), NewError> {
    let is_upn = upn.chars().count() <= MAX_UPN
        && !upn.contains(|c: char| c.is_control() || c.is_whitespace() || c == '*')
        && upn.split_once('@').is_some_and(|(user, realm)| {
            !user.is_empty() && !realm.is_empty() && !realm.contains('@')
        });
    if is_upn { Ok(()) } else { Err(NewError::Upn(shown(upn))) }
}

fn subject_alt_name(name: &str) -> Result<SanType, NewError> {
    if let Ok(address) = name.parse::<IpAddr>() {
        return Ok(SanType::IpAddress(address));
    }
    let wrong = || NewError::Name(shown(name));
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

    fn client(upn: &str, authority: Option<&Identity>) -> Result<Identity, NewError> {
        NewClient { upn: Some(upn.to_owned()), names: Vec::new(), days: 1 }.make(authority)
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
        for upn in ["alice", "@a", "a@", "a b@c", "a@b@c", "*@localhost"] {
            assert_eq!(client(upn, None).unwrap_err(), NewError::Upn(upn.to_owned()));
        }
        let bare = NewClient { upn: None, names: Vec::new(), days: 1 };
        assert_eq!(bare.make(None).unwrap_err(), NewError::Names);
        let nameless = NewAuthority { name: String::new(), days: 1 };
        assert_eq!(nameless.make().unwrap_err(), NewError::Common(String::new()));
    }

    #[test]
    fn authority_issues_and_others_do_not() {
        use transport::tls::{ClientValidator, Lists, UnixTime, Usage};
        let authority = NewAuthority { name: "Prüf CA".to_owned(), days: 2 }.make().unwrap();
        assert!(authority.facts().unwrap().is_authority);
        let alice = client("alice@localhost", Some(&authority)).unwrap();
        let facts = alice.facts().unwrap();
        assert_eq!((facts.issuer.as_str(), facts.subject.as_str()), ("CN=Prüf CA", "CN=alice"));
        assert_eq!(
            (facts.upns, facts.usages),
            (vec!["alice@localhost".into()], vec![Usage::ClientAuth])
        );
        let roots = authority.chain().to_vec();
        let validator = ClientValidator::new(roots, Vec::new(), Lists::default());
        let issuers = validator.validate(alice.chain(), UnixTime::now());
        assert_eq!(issuers, Ok(vec![authority.thumbprint()]));
        let error = client("bob@localhost", Some(&alice)).unwrap_err();
        assert_eq!(error, NewError::NoAuthority(alice.thumbprint()));
        let server = New { names: vec!["h".to_owned()], days: 1 };
        let server = server.make_by(Some(&authority)).unwrap().facts().unwrap();
        assert_eq!((server.issuer.as_str(), server.is_self_issued), ("CN=Prüf CA", false));
    }
}
